"""NDJSON bodies as they come: pauses, lines that do not end, and what is held of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from starlette.types import Message

from bobr.broker.accumulate import Accumulator
from bobr.broker.admission import Admission
from bobr.broker.bodies import BodyError
from bobr.broker.calls import JsonEvents
from bobr.broker.limits import Limits
from bobr.broker.lines import LineReader, LongLines
from bobr.errors import OverloadedError
from bobr.ids import SchemaId, StreamName

SOON = Limits(pause_seconds=0.001, line_seconds=0.01, piece_bytes=100)
S = StreamName("s")


class Body:
    """A body that a test feeds, and the pieces that are made of it."""

    def __init__(self, limits: Limits, long_lines: LongLines | None = None) -> None:
        self.admission = Admission(limits)
        accumulator = Accumulator("test", limits, self.admission)
        accumulator.start(lambda _: None)
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._room = self.admission.reserve()
        reader = LineReader(
            accumulator=accumulator,
            limits=limits,
            stream=S,
            schema_id=SchemaId(0),
            line_bytes_max=1000,
        )
        self._turn = (long_lines or LongLines(limits)).one()
        self.pieces: AsyncIterator[JsonEvents] = reader.read(
            {}, self._messages.get, self._room, self._turn.__enter__()
        )

    def feed(self, chunk: bytes, *, more: bool = True) -> None:
        self._messages.put_nowait({"type": "http.request", "body": chunk, "more_body": more})

    async def lines(self) -> list[bytes]:
        return list((await anext(self.pieces)).documents)

    def end(self) -> None:
        self._turn.__exit__(None, None, None)

    async def rest(self) -> list[bytes]:
        return [document async for piece in self.pieces for document in piece.documents]


def run(limits: Limits, test: Callable[[Body], Awaitable[None]]) -> None:
    async def body() -> None:
        await test(Body(limits))

    asyncio.run(asyncio.wait_for(body(), 60))


def test_what_came_before_a_pause_is_not_held_back() -> None:
    async def test(body: Body) -> None:
        body.feed(b"{1}\n{2}\n{3")
        assert await body.lines() == [b"{1}", b"{2}"]
        assert body.admission.pending == (1, 10), "all of the chunk, until the piece is taken over"
        body.feed(b"}\n", more=False)
        assert await body.rest() == [b"{3}"]

    run(Limits(pause_seconds=0.001), test)


def test_a_trickle_is_published_while_it_comes() -> None:
    async def test(body: Body) -> None:
        async def trickle() -> None:
            while True:
                body.feed(b"{}\n")
                await asyncio.sleep(0.001)

        trickling = asyncio.ensure_future(trickle())
        assert set(await body.lines()) == {b"{}"}
        trickling.cancel()

    run(Limits(pause_seconds=0.1), test)


def test_between_lines_a_body_takes_its_time() -> None:
    async def test(body: Body) -> None:
        body.feed(b"{1}\n")
        assert await body.lines() == [b"{1}"]
        following = asyncio.ensure_future(body.lines())
        done, _ = await asyncio.wait([following], timeout=10 * SOON.line_seconds)
        assert not done
        body.feed(b"{2}\n")
        assert await following == [b"{2}"]

    run(SOON, test)


def test_a_line_that_does_not_go_on_ends_the_body() -> None:
    async def test(body: Body) -> None:
        body.feed(b"{1}\n{2")
        assert await body.lines() == [b"{1}"]
        with pytest.raises(BodyError, match="did not go on") as broken_off:
            await body.rest()
        assert broken_off.value.status == 408

    run(SOON, test)


def test_the_rest_of_a_line_finds_room_or_ends_the_body() -> None:
    limits = Limits(pause_seconds=0.001, receive_seconds=0.01, pending_bytes_max=100)

    async def test(body: Body) -> None:
        body.admission.take(StreamName("other"), 100)
        body.feed(b"{1}\n{2")
        assert await body.lines() == [b"{1}"]
        with pytest.raises(OverloadedError, match="rest of a line"):
            await body.rest()

    run(limits, test)


def test_while_the_broker_is_full_nothing_more_is_read() -> None:
    async def test(body: Body) -> None:
        body.admission.take(S, 100)
        body.feed(b"{1}\n")
        assert await body.lines() == [b"{1}"]
        body.feed(b"{2}\n", more=False)
        following = asyncio.ensure_future(body.rest())
        done, _ = await asyncio.wait([following], timeout=10 * limits.receive_seconds)
        assert not done
        body.admission.leave(S, 1, 100)
        assert await following == [b"{2}"]

    limits = Limits(pause_seconds=0.001, receive_seconds=0.01, pending_bytes_max=100)
    run(limits, test)


def test_a_packed_body_that_does_not_say_so() -> None:
    async def test(body: Body) -> None:
        body.feed(b"\x1f\x8b\x08\x00")
        with pytest.raises(BodyError, match="content-encoding: gzip"):
            await body.lines()

    run(SOON, test)


LONG = b"x" * 200
ONE = Limits(long_lines_max=1, large_bytes=150, piece_bytes=100)


def test_long_lines_take_turns() -> None:
    """Else each would have a part of its line, all of them all of the room, and none could go on."""

    async def test(_: Body) -> None:
        turns = LongLines(ONE)
        first, second, third = (Body(ONE, turns) for _ in range(3))
        for body in (first, second):
            body.feed(LONG)
            assert await body.lines() == []
        started = asyncio.ensure_future(first.lines())
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(second.lines())
        third.feed(b"{1}\n" * 50)
        assert len(await third.lines()) == 50, "short ones need no turn"
        second.feed(LONG + b"\n")
        await asyncio.sleep(0)
        assert not waiting.done()
        first.feed(b"\n" + b"{2}\n" * 50)
        assert len(await started) == 51
        next_one = asyncio.ensure_future(first.lines())  # which is when it has been taken
        assert await waiting == [LONG + LONG]
        next_one.cancel()

    run(ONE, test)


def test_a_body_that_ends_in_a_long_line_leaves_its_turn() -> None:
    async def test(_: Body) -> None:
        turns = LongLines(ONE)
        for _again in range(3):
            body = Body(ONE, turns)
            body.feed(LONG)
            body.feed(LONG, more=False)
            assert await body.rest() == [LONG + LONG]
            body.end()

    run(ONE, test)


async def two_with_a_part(limits: Limits) -> tuple[Body, Body]:
    """Bodies that each have begun a long line, and share the turns."""
    turns = LongLines(limits)
    first, second = Body(limits, turns), Body(limits, turns)
    for body in (first, second):
        body.feed(LONG)
        assert await body.lines() == []
    return first, second


def test_who_waits_too_long_for_a_turn_is_told_to_come_again() -> None:
    limits = replace(ONE, receive_seconds=0.01)

    async def test(_: Body) -> None:
        first, second = await two_with_a_part(limits)
        holding = asyncio.ensure_future(first.lines())
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="rest of a line"):
            await second.lines()
        holding.cancel()

    run(limits, test)


def test_a_long_line_that_stands_still_gives_its_turn_to_who_waits() -> None:
    limits = replace(ONE, stall_seconds=0.01)

    async def test(_: Body) -> None:
        first, second = await two_with_a_part(limits)
        standing = asyncio.ensure_future(first.lines())
        second.feed(b"\n")
        following = asyncio.ensure_future(second.lines())
        with pytest.raises(BodyError, match="while others waited"):
            await standing
        first.end()
        assert await following == [LONG]

    run(limits, test)


def test_a_long_line_that_nobody_waits_for_may_stand_still() -> None:
    limits = replace(ONE, stall_seconds=0.001)

    async def test(body: Body) -> None:
        body.feed(LONG)
        assert await body.lines() == []
        standing = asyncio.ensure_future(body.lines())
        await asyncio.wait([standing], timeout=20 * limits.stall_seconds)
        assert not standing.done()
        body.feed(b"\n")
        assert await standing == [LONG]

    run(limits, test)


def test_a_long_line_that_trickles_ends() -> None:
    async def trickle(body: Body) -> None:
        while True:
            body.feed(b"x" * 100)
            assert await body.lines() == []

    async def test(body: Body) -> None:
        with pytest.raises(BodyError, match="did not end within"):
            await trickle(body)

    run(replace(ONE, line_seconds=0.05), test)


def test_long_lines_that_end_may_go_on_for_ever() -> None:
    limits = replace(ONE, line_seconds=0.02)

    async def test(body: Body) -> None:
        end = asyncio.get_running_loop().time() + 10 * limits.line_seconds
        body.feed(LONG)
        assert await body.lines() == []
        while asyncio.get_running_loop().time() < end:
            body.feed(b"\n" + LONG)
            assert await body.lines() == [LONG]

    run(limits, test)
