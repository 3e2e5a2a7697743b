"""A part's line to a real controller's ear, over real HTTP."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from bobr.catalog import Catalog
from bobr.clock import SystemClock
from bobr.controller.parts import Parts
from bobr.errors import UnavailableError
from bobr.ids import Revision, StreamName
from bobr.runtime.control import ControlLine, PartName, Word
from bobr.runtime.loops import LoopThread, Running, serve_http
from bobr.runtime.secret import is_authorized

FIRST, SECOND = Catalog(revision=Revision(1)), Catalog(revision=Revision(2))
SECRET = "only parts know it"
T = TypeVar("T")


class Ear:
    """What a controller does with the words of parts, in a thread of its own."""

    def __init__(self, listening: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.words: list[Word] = []
        self.secret = SECRET
        self.refused = 0
        self._listening = listening
        self._thread = LoopThread("ear", self._serve)
        self._loop: asyncio.AbstractEventLoop
        self._parts: Parts

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._thread.ask_to_stop()
        self._thread.join()

    async def _serve(self, running: Running) -> None:
        self._loop = asyncio.get_running_loop()
        self._parts = Parts(clock=SystemClock(), catalog=FIRST)
        app = Starlette(routes=[Route("/v1/parts/{part}/watch", self._hear, methods=["POST"])])
        await serve_http(app, self._listening, running, grace_seconds=1)

    async def _hear(self, request: Request) -> Response:
        if not is_authorized(request.headers.get("authorization", ""), self.secret):
            self.refused += 1
            return Response(status_code=403)
        word = Word.model_validate_json(await request.body())
        self.words.append(word)
        order = await self._parts.hear(PartName(request.path_params["part"]), word)
        return Response(order.model_dump_json())

    def until(self, holds: Callable[[Word], bool]) -> None:
        """Wait for such a last word."""
        there = self._do(self._parts.wait_until(lambda: any(map(holds, self.words[-1:])), 30))
        assert there, self.words

    def publish(self, catalog: Catalog) -> None:
        self._do(self._parts.publish(catalog))

    def order_flush(self) -> int:
        return self._do(self._parts.order_flush())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


@pytest.fixture
def ear() -> Iterator[Ear]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ear = Ear(listening)
        yield ear
        ear.stop()


@contextmanager
def line(
    ear: Ear,
    applied: list[Revision],
    refused: Sequence[Catalog] = (),
    flushes: list[int] | None = None,
) -> Iterator[ControlLine]:
    """A part that writes down what it is told."""

    def apply(catalog: Catalog) -> None:
        if catalog in refused:
            raise UnavailableError("the registry is away")
        applied.append(catalog.revision)

    def flush() -> None:
        assert flushes is not None
        flushes.append(1)

    line = ControlLine(
        ear.url,
        PartName.BROKER,
        SECRET,
        apply,
        lambda: {"streams": {"orders": {"accepted": len(applied)}}},
        None if flushes is None else flush,
    )
    line.start()
    try:
        yield line
    finally:
        line.close()


def test_each_catalog_is_applied_once_and_acknowledged(ear: Ear) -> None:
    ear.start()
    applied: list[Revision] = []
    with line(ear, applied) as control:
        assert control.wait_ready(threading.Event())
        ear.until(lambda word: word.revision == 1)
        ear.publish(SECOND)
        ear.until(lambda word: word.revision == 2)
    assert applied == [1, 2]
    assert ear.words[-1].report.streams[StreamName("orders")].accepted == 2
    assert len({word.instance for word in ear.words}) == 1


def test_a_catalog_that_can_not_be_applied_is_refused_and_the_last_one_stays(ear: Ear) -> None:
    ear.start()
    applied: list[Revision] = []
    with line(ear, applied, refused=[SECOND]):
        ear.until(lambda word: word.revision == 1)
        ear.publish(SECOND)
        ear.until(lambda word: word.error == "revision 2: the registry is away")
        assert ear.words[-1].revision == 1
        ear.publish(Catalog(revision=Revision(3)))
        ear.until(lambda word: (word.revision, word.error) == (3, None))
    assert applied == [1, 3]


def test_a_flush_order_is_carried_out_and_told(ear: Ear) -> None:
    ear.start()
    flushes: list[int] = []
    with line(ear, [], flushes=flushes):
        ear.until(lambda word: word.revision == 1)
        number = ear.order_flush()
        ear.until(lambda word: word.flushed == number)
    assert flushes == [1]


def test_a_part_waits_for_its_first_catalog_and_can_be_asked_to_end_meanwhile(ear: Ear) -> None:
    stop = threading.Event()
    applied: list[Revision] = []
    with line(ear, applied) as control:
        stop.set()
        assert not control.wait_ready(stop)
        ear.start()
        assert control.wait_ready(threading.Event())
    assert applied == [1]


def test_a_part_of_another_system_is_idle_and_says_why_once(ear: Ear) -> None:
    ear.secret = "another"
    ear.start()
    with capture_logs() as lines, line(ear, []) as control:
        while ear.refused < 3:
            assert not control.wait_ready(stopped())
    assert [each["event"] for each in lines] == ["the controller does not hear us"]


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event
