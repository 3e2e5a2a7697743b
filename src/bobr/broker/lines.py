"""NDJSON bodies: lines as they come, gathered to pieces that are published before the body ends, if it ever does."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.types import Receive

from bobr.broker.accumulate import Accumulator
from bobr.broker.admission import Reservation
from bobr.broker.bodies import GZIP_MAGIC, PACKED, BodyError, Pauses, pieces
from bobr.broker.calls import JsonEvents
from bobr.broker.limits import Limits
from bobr.errors import OverloadedError
from bobr.ids import SchemaId, StreamName
from bobr.schema.json.splitting import Lines, NdjsonSplitter


class LongLines:
    """A few are received at once, over all bodies: many that each have a part would all wait for the rest."""

    def __init__(self, limits: Limits) -> None:
        """None is being received."""
        self.limits = limits
        self._turns = asyncio.Semaphore(limits.long_lines_max)
        self._waiting = 0

    @property
    def are_awaited(self) -> bool:
        """Whether a line waits for a turn."""
        return self._waiting > 0

    async def take_turn(self) -> None:
        """In the order of asking."""
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    def give_turn(self) -> None:
        """It is another's."""
        self._turns.release()

    @contextmanager
    def one(self) -> Iterator["LongLine"]:
        """For a body: one line after the other, which may be long."""
        line = LongLine(self)
        try:
            yield line
        finally:
            line.ended()


class LongLine:
    """The turn of a body's present line, if it has one."""

    def __init__(self, lines: LongLines) -> None:
        """It has none."""
        self._lines = lines
        self._limits = lines.limits
        self._due: float | None = None
        self._heard = time.monotonic()

    async def go_on(self, held_bytes: int) -> None:
        """So much is here of a line that has not ended. TimeoutError: it waited too long for its turn.

        BodyError: it had its turn, and took too long.
        """
        if held_bytes < self._limits.large_bytes:
            self.ended()
        elif self._due is None:
            await self._lines.take_turn()
            self._due = time.monotonic() + self._limits.line_seconds
        elif time.monotonic() > self._due:
            raise BodyError(408, f"a line did not end within {self._limits.line_seconds:.0f} s")
        self._heard = time.monotonic()

    @property
    def patience_seconds(self) -> float:
        """How long to wait for more of it before `stand_still`."""
        if self._due is None:
            return self._limits.line_seconds
        return min(self._limits.line_seconds, self._limits.stall_seconds)

    def stand_still(self) -> None:
        """Nothing came of it for `patience_seconds`. BodyError: it may not stand still any longer."""
        silent = time.monotonic() - self._heard
        if silent >= self._limits.line_seconds:
            raise BodyError(408, f"a line did not go on for {silent:.0f} s")
        if self._due is not None and self._lines.are_awaited:
            raise BodyError(
                408, f"a long line did not go on for {silent:.0f} s, while others waited for it"
            )

    def ended(self) -> None:
        """The turn is another's."""
        if self._due is not None:
            self._due = None
            self._lines.give_turn()


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReader:
    """Reads bodies of one stream and schema. line_bytes_max: a longer line is refused."""

    accumulator: Accumulator
    limits: Limits
    stream: StreamName
    schema_id: SchemaId
    line_bytes_max: int

    async def read(
        self, headers: Mapping[bytes, bytes], receive: Receive, room: Reservation, line: LongLine
    ) -> AsyncIterator[JsonEvents]:
        """The body's pieces. What came is in one after `pause_seconds`, whether more comes or not.

        `room` counts what is held of the body. While the broker is full, nothing more is read; in the middle of a line
        that does not go on for ever: OverloadedError when there is no room, BodyError when the client does not go on.
        `line`: this body's, for turns of long ones.
        """
        splitter = NdjsonSplitter(self.line_bytes_max)
        gathered, due = bytearray(), 0.0
        pauses = Pauses(receive)
        is_first = True
        async for chunk in pieces(headers, pauses):
            if is_first and chunk.startswith(GZIP_MAGIC):
                raise BodyError(400, PACKED)
            is_first = False
            if not chunk and not gathered:
                line.stand_still()
                continue
            if not gathered:
                due = time.monotonic() + self.limits.pause_seconds
            room.grow(len(chunk), ask=False)
            gathered += chunk
            if len(gathered) >= self.limits.piece_bytes or not chunk:
                lines = splitter.feed(bytes(gathered))
                if lines.documents or lines.rejected:
                    line.ended()
                yield self._piece(lines, len(gathered))
                gathered.clear()
                room.keep(splitter.held_bytes)
                await self._room(splitter.held_bytes, line)
            if gathered:
                pauses.patience_seconds = max(0.0, due - time.monotonic())
            else:
                pauses.patience_seconds = line.patience_seconds if splitter.held_bytes else None
        yield self._piece(splitter.feed(bytes(gathered)), len(gathered))
        yield self._piece(splitter.finish(), 0)

    async def _room(self, held_bytes: int, line: LongLine) -> None:
        try:
            async with asyncio.timeout(self.limits.receive_seconds if held_bytes else None):
                await line.go_on(held_bytes)
                await self.accumulator.room(self.stream)
        except TimeoutError:
            message = (
                "the broker has no room for the rest of a line: send it again, from that line on"
            )
            raise OverloadedError(message) from None

    def _piece(self, lines: Lines, read_bytes: int) -> JsonEvents:
        return JsonEvents(
            stream=self.stream,
            documents=lines.documents,
            schema_id=self.schema_id,
            indexes=lines.indices,
            refused=lines.rejected,
            read_bytes=read_bytes,
        )
