"""Who may speak as a part, what a part may say, and what happens to the word of one that died. Over real HTTP."""

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from bobr.catalog import Catalog
from bobr.controller.http import handlers
from bobr.controller.parts import Parts
from bobr.controller.watch import Watch
from bobr.ids import Revision
from bobr.runtime.control import PartName
from bobr.runtime.loops import LoopThread, Running, serve_http
from bobr.runtime.secret import authorization, new_secret
from bobr.testing.clock import ManualClock

SECRET = new_secret()
GOOD = {"authorization": authorization(SECRET)}
TOLD = {
    "state": "running",
    "stream": "orders",
    "to": "lake",
    "table": "orders",
    "positions": {"0": 5},
    "rows": 5,
}
WORD = {
    "instance": "a",
    "pid": 7,
    "revision": -1,
    "error": None,
    "report": {"deliveries": {"orders": TOLD}},
    "flushed": 0,
    "wait_seconds": 0,
}
T = TypeVar("T")


class Door:
    """A controller's door for parts, in a thread of its own; its clock stands still."""

    def __init__(self, listening: socket.socket) -> None:
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._thread = LoopThread("door", self._serve)
        self._loop: asyncio.AbstractEventLoop
        self.parts: Parts

    def __enter__(self) -> "Door":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.ask_to_stop()
        self._thread.join()

    async def _serve(self, running: Running) -> None:
        self._loop = asyncio.get_running_loop()
        self.parts = Parts(clock=ManualClock(), catalog=Catalog(revision=Revision(1)))
        watch = Route("/v1/parts/{part}/watch", Watch(self.parts, SECRET).answer, methods=["POST"])
        app = Starlette(routes=[watch], exception_handlers=handlers())
        await serve_http(app, self._listening, running, grace_seconds=1)

    def say(
        self, word: object, part: str = "transmitter", headers: dict[str, str] = GOOD
    ) -> httpx2.Response:
        body = word if isinstance(word, bytes) else json.dumps(word).encode()
        url = f"http://127.0.0.1:{self.port}/v1/parts/{part}/watch"
        return httpx2.post(url, content=body, headers=headers, trust_env=False, timeout=30)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def until(self, holds: Callable[[], bool]) -> bool:
        return self.do(self.parts.wait_until(holds, 30))


@pytest.fixture
def door() -> Iterator[Door]:
    with socket.create_server(("127.0.0.1", 0)) as listening, Door(listening) as door:
        yield door


def test_a_part_of_the_system_is_heard(door: Door) -> None:
    answer = door.say(WORD)
    assert (answer.status_code, answer.json()["catalog"]["revision"]) == (200, 1)
    (voice,) = door.parts.living()[PartName.TRANSMITTER]
    report = voice.word.report.model_dump()["deliveries"]["orders"]
    assert report == {**TOLD, "reason": ""}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": SECRET},
        {"authorization": "Bearer"},
        {"authorization": authorization(new_secret())},
        {"authorization": authorization(SECRET) + "x"},
        {"x-secret": SECRET},
    ],
)
def test_nobody_else_is(door: Door, headers: dict[str, str]) -> None:
    answer = door.say(WORD, headers=headers)
    assert (answer.status_code, door.parts.living()) == (403, {})
    assert SECRET not in answer.text


@pytest.mark.parametrize("part", ["controller", "intruder", "Broker", "%00", "%FF", "..%2Fbroker"])
def test_nor_is_a_part_that_there_is_not(door: Door, part: str) -> None:
    assert (door.say(WORD, part=part).status_code, door.parts.living()) == (404, {})


def delivery(**members: object) -> dict[str, object]:
    return {"report": {"deliveries": {"orders": {"state": "running", **members}}}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"instance": ""},
        {"instance": "x" * 65},
        {"pid": -1},
        {"pid": "seven"},
        {"revision": 1 << 64},
        {"revision": -2},
        {"flushed": 1 << 70},
        {"wait_seconds": 61},
        {"wait_seconds": float("nan")},
        {"report": []},
        {"report": {"deliveries": []}},
        {"report": {"deliveries": {"orders": {}}}},
        {"report": {"streams": {"orders": {"accepted": "many"}}}},
        {"report": {"streams": {"orders": {"accepted": 1, "bytes": {}}}}},
        delivery(positions={"0": -1}),
        delivery(positions={"0": 1 << 63}),
        delivery(positions={"zero": 1}),
        delivery(positions={"0": None}),
        delivery(positions=[1]),
        delivery(state=""),
        delivery(rows=[[[]]]),
    ],
)
def test_an_odd_word_is_refused_with_the_reason(door: Door, wrong: dict[str, object]) -> None:
    answer = door.say({**WORD, **wrong})
    assert (answer.status_code, door.parts.living()) == (422, {})
    assert answer.json()["error"]["message"].startswith(next(iter(wrong)))


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b'"\\ud800"', b"{}" * 9])
def test_what_is_no_word_at_all_is_refused(door: Door, body: bytes) -> None:
    assert (door.say(body).status_code, door.parts.living()) == (422, {})


def test_nobody_waits_for_a_part_whose_process_died(door: Door) -> None:
    """Its clock stands still here: silence alone would never tell."""
    body = json.dumps({**WORD, "revision": 1, "wait_seconds": 60}).encode()
    head = (
        "POST /v1/parts/transmitter/watch HTTP/1.1\r\nhost: bobr\r\n"
        f"authorization: {GOOD['authorization']}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", door.port)) as dying:
        dying.sendall(head.encode() + body)
        assert door.until(lambda: bool(door.parts.living()))
    assert door.until(lambda: not door.parts.living())
    door.do(door.parts.wait_live(Revision(2), 0.0))


def test_a_part_that_spoke_again_is_not_forgotten_with_its_former_line(door: Door) -> None:
    body = json.dumps({**WORD, "revision": 1, "wait_seconds": 60}).encode()
    head = (
        "POST /v1/parts/broker/watch HTTP/1.1\r\nhost: bobr\r\n"
        f"authorization: {GOOD['authorization']}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", door.port)) as former:
        former.sendall(head.encode() + body)
        assert door.until(lambda: bool(door.parts.living()))
        assert door.say({**WORD, "revision": 1}, part="broker").status_code == 200
        assert former.recv(12) == b"HTTP/1.1 200", "it does not wait any more"
    assert door.say({**WORD, "instance": "b"}, part="broker").status_code == 200
    assert [each.word.instance for each in door.parts.living()[PartName.BROKER]] == ["a", "b"]
