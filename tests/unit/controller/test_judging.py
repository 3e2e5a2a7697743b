"""What is judged for long, while others make short changes; and requests that come slowly, or too many at once."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import Message

from bobr.catalog import Catalog
from bobr.catalog.config.bundle import Bundle, Proto
from bobr.controller import http, judging
from bobr.controller.access import Guarded
from bobr.controller.commands_api import Flush
from bobr.controller.http import Bodies, handlers, route_of
from bobr.controller.judging import (
    ATTEMPTS,
    FILES_MAX,
    INLINE_BYTES_MAX,
    SOURCES_BYTES_MAX,
    WAITING_EACH_MAX,
    JudgedTurns,
    Judging,
    Reading,
    check_size,
)
from bobr.controller.operations import WHOLE, Operation
from bobr.controller.parts import Parts, Wanted
from bobr.controller.registry import front
from bobr.controller.registry.refusals import RefusedError
from bobr.errors import ConflictError, OverloadedError, RejectedError, UnavailableError
from bobr.ids import Revision
from bobr.runtime.access import Access, Caller
from bobr.runtime.refusals import Refusals
from bobr.testing.clock import ManualClock

NOW = datetime(2026, 11, 29, tzinfo=UTC)


def revision(number: int) -> Catalog:
    return Catalog(revision=Revision(number))


def parts() -> Parts:
    return Parts(clock=ManualClock(), wanted=Wanted(catalog=revision(1)))


def in_time(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 60))


class Slow:
    """Judges until it is let go; `seen`: of which revisions."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self, catalog: Catalog) -> int:
        self.seen.append(catalog.revision)
        self.begun.set()
        assert self.let_go.wait(60)
        return catalog.revision


async def taken(turn: Any) -> Any:
    async with turn as judged:
        return judged


def test_a_short_change_does_not_wait_for_long_ones_however_many() -> None:
    async def main() -> None:
        turns, slow = JudgedTurns(parts(), Judging()), Slow()
        with ExitStack() as undo:
            undo.callback(slow.let_go.set)
            waiting = [
                asyncio.create_task(taken(turns.long(slow, f"p{number // WAITING_EACH_MAX}")))
                for number in range(3 * WAITING_EACH_MAX)
            ]
            await asyncio.to_thread(slow.begun.wait, 60)
            assert await taken(turns.short(lambda catalog: catalog.revision, "ops")) == 1
            with pytest.raises(OverloadedError, match=r"'p0' has 16 calls .* call again"):
                await taken(turns.long(slow, "p0"))
        assert await asyncio.gather(*waiting) == [1] * len(waiting)

    in_time(main)


def test_what_changed_meanwhile_is_judged_again_and_nothing_else_is() -> None:
    async def main() -> None:
        known, slow = parts(), Slow()
        turns = JudgedTurns(known, Judging())
        changed = asyncio.create_task(taken(turns.long(slow, None)))
        await asyncio.to_thread(slow.begun.wait, 60)
        await known.publish(revision(2))
        slow.let_go.set()
        assert await changed == 2
        assert await taken(turns.long(slow, None)) == 2
        assert slow.seen == [1, 2, 2]

    in_time(main)


def test_what_is_long_to_judge_is_never_judged_while_others_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(judging, "AT_ONCE_SECONDS", 0.0)

    async def main() -> None:
        known = parts()
        turns = JudgedTurns(known, Judging())
        numbers = iter(range(2, 2 + ATTEMPTS))
        loop, seen = asyncio.get_running_loop(), []

        def judge(catalog: Catalog) -> int:
            """Each time somebody else changes the catalog, which has to be possible meanwhile."""
            seen.append(catalog.revision)
            change = known.publish(revision(next(numbers)))
            asyncio.run_coroutine_threadsafe(in_turn(turns, change), loop).result(60)
            return catalog.revision

        with pytest.raises(ConflictError, match="others have changed the catalog each time"):
            await taken(turns.long(judge, None))
        assert seen == list(range(1, 1 + ATTEMPTS))

    in_time(main)


def test_however_many_are_long_to_judge_each_gets_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is judged twice at most: who comes second keeps his place while it is judged anew."""
    monkeypatch.setattr(judging, "AT_ONCE_SECONDS", 0.0)

    async def main() -> None:
        known, seen = parts(), []
        turns = JudgedTurns(known, Judging())

        def judge(catalog: Catalog) -> int:
            seen.append(catalog.revision)
            return catalog.revision

        async def change() -> None:
            async with turns.long(judge, None) as judged:
                assert judged == known.catalog.revision
                await known.publish(revision(judged + 1))

        await asyncio.gather(*(change() for _ in range(6)))
        assert known.catalog.revision == 7
        assert len(seen) <= 12

    in_time(main)


async def in_turn(turns: JudgedTurns, change: Awaitable[None]) -> None:
    async with turns.turns.keys:
        await change


def test_who_comes_while_the_controller_ends_is_told_so() -> None:
    async def main() -> None:
        known = parts()
        turns = JudgedTurns(known, Judging())
        await known.end()
        for turn in (turns.short, turns.long):
            with pytest.raises(UnavailableError, match="the controller ends: call again"):
                await taken(turn(lambda catalog: catalog, None))
        assert not await known.wait_until(lambda: False, 3600)

    in_time(main)


def test_more_than_is_judged_is_refused() -> None:
    many = {f"{number}.yaml": "" for number in range(FILES_MAX + 1)}
    with pytest.raises(RejectedError, match="there are 10,001 `files`; 10,000 are allowed"):
        check_size(Bundle(files=many))
    text = "x" * (SOURCES_BYTES_MAX // 10)
    names = {f"{number}.proto": "o.proto" for number in range(11)}

    def by_names(count: int) -> Bundle:
        files = dict(list(names.items())[:count])
        proto = Proto(main="0.proto", files=files)
        return Bundle(files={}, protos={"a": proto, "b": proto}, texts={"o.proto": text})

    check_size(by_names(10))
    with pytest.raises(RejectedError, match="the files of `protos` have 36,909,873 characters"):
        check_size(by_names(11))


Received = Callable[[], Awaitable[Message]]


class Server:
    """Of one operation that takes a body; anybody may call it."""

    def __init__(self) -> None:
        access = Access(dict, Refusals(ManualClock()))
        flush = Operation(
            method="POST",
            path="/v1/flush",
            summary="",
            ask=Flush,
            answer=Flush,
            handler=self.answer,
            body=WHOLE,
        )
        app = Starlette(routes=[route_of(flush, Bodies())], exception_handlers=handlers())
        self._app = Guarded(app, access)

    async def answer(self, ask: Flush, _: Caller) -> Flush:
        return ask

    async def send(self, receive: Received, path: str = "/v1/flush") -> tuple[int, Any]:
        told: list[Message] = []

        async def said(message: Message) -> None:
            told.append(message)

        await self._app(
            {
                "type": "http",
                "method": "POST",
                "path": path,
                "query_string": b"",
                "headers": [],
                "client": ("127.0.0.1", 1),
            },
            receive,
            said,
        )
        content = b"".join(each.get("body", b"") for each in told)
        return told[0]["status"], json.loads(content)


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def at_once(body: bytes) -> Received:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "RECEIVE_SECONDS", 0.01)

    async def main() -> None:
        status, content = await Server().send(never)
        assert status == 408
        assert "the body did not arrive within" in content["error"]["message"]

    in_time(main)


def test_bodies_on_their_way_are_bounded_and_calls_cut_off_at_the_end_are_told_so() -> None:
    async def main() -> None:
        server = Server()
        silent = [asyncio.create_task(server.send(never)) for _ in range(http.BODIES_MAX)]
        await asyncio.sleep(0)
        status, content = await server.send(at_once(b"{}"))
        assert status == 429
        assert "there are 64 bodies on their way" in content["error"]["message"]
        for each in silent:
            each.cancel()
        for status, content in await asyncio.gather(*silent):
            assert status == 503
            assert "`bobr history` tells it" in content["error"]["message"]
        assert (await server.send(at_once(b"{}")))[0] == 200

    in_time(main)


def test_a_path_that_no_pattern_takes_is_refused_in_the_form_of_the_api() -> None:
    async def main() -> None:
        status, content = await Server().send(at_once(b""), "/v1/revisions/a\r\nb")
        assert (status, content["error"]["message"]) == (
            404,
            r"Not Found: POST '/v1/revisions/a\r\nb'",
        )

    in_time(main)


@pytest.mark.parametrize("body", [b'{"timeout_seconds": NaN}', b'{"timeout_seconds": Infinity}'])
def test_a_time_that_is_none_is_refused(body: bytes) -> None:
    async def main() -> None:
        status, content = await Server().send(at_once(body))
        assert status == 422
        assert content["error"]["message"].startswith("timeout_seconds ")

    in_time(main)


def test_nor_is_one_to_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent ones would be all that may wait there, and no part could ask for a schema."""
    monkeypatch.setattr(front, "RECEIVE_SECONDS", 0.01)

    async def main() -> None:
        with pytest.raises(RefusedError, match="did not arrive within"):
            await front.body_of(Request({"type": "http", "method": "POST"}, never))

    in_time(main)


def test_what_is_large_is_not_read_where_everybody_waits() -> None:
    async def main() -> None:
        reading, here = Reading(), threading.get_ident()
        assert await reading.read(threading.get_ident, INLINE_BYTES_MAX) == here
        assert await reading.read(threading.get_ident, INLINE_BYTES_MAX + 1) != here

    in_time(main)
