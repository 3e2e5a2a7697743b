"""JSON bodies of any length: published in pieces, a few at a time, with one answer for the whole."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

from bobr.broker.accumulate import Accumulator
from bobr.broker.calls import Answer, JsonEvents
from bobr.errors import OverloadedError, RetryableError
from bobr.outcome import Reason, Rejection

PIECES_AHEAD = 4
"""Pieces under way at once: one being read, one checked, one written, one spare."""


@dataclass(slots=True, kw_only=True)
class _Total:
    """The answers so far; full when they list as many refused events as an answer may."""

    rejections_max: int
    accepted: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    stopped_at: int | None = None
    failure: RetryableError | None = None

    @property
    def full(self) -> bool:
        return len(self.rejections) >= self.rejections_max

    def add(self, answer: Answer) -> None:
        self.accepted += answer.accepted
        self.rejections.extend(answer.rejections)

    def fail(self, piece: JsonEvents, error: RetryableError) -> None:
        """A piece that was not stored: its events are listed as such."""
        self.failure = error
        self.rejections.extend(
            Rejection(index=index, reason=Reason.UNAVAILABLE, message=str(error))
            for index in piece.indexes
        )
        self.rejections.extend(piece.refused)

    def answer(self) -> Answer:
        rejections = sorted(self.rejections, key=lambda rejection: rejection.index)
        return Answer(
            accepted=self.accepted, rejections=tuple(rejections), stopped_at=self.stopped_at
        )


async def publish_long(
    pieces: AsyncIterator[JsonEvents], accumulator: Accumulator, rejections_max: int
) -> Answer:
    """Publish piece after piece, never more than `PIECES_AHEAD` at once; waits instead of being refused.

    Stops at the first piece behind `rejections_max` refused events; `stopped_at` is then that piece's first event.
    RetryableError: not a single event was stored.
    """
    total = _Total(rejections_max=rejections_max)
    under_way: deque[tuple[JsonEvents, asyncio.Future[Answer]]] = deque()
    async for piece in pieces:
        if total.full:
            total.stopped_at = _first_index(piece)
            break
        under_way.append((piece, await _submit(piece, accumulator)))
        if len(under_way) >= PIECES_AHEAD:
            await _collect(total, *under_way.popleft())
    while under_way:
        await _collect(total, *under_way.popleft())
    if total.failure and not total.accepted and _nothing_refused(total.rejections):
        raise total.failure
    return total.answer()


async def _submit(piece: JsonEvents, accumulator: Accumulator) -> "asyncio.Future[Answer]":
    nbytes = sum(map(len, piece.documents))
    while True:
        try:
            return accumulator.submit(piece, nbytes)
        except OverloadedError:
            await accumulator.room()


async def _collect(total: _Total, piece: JsonEvents, answer: "asyncio.Future[Answer]") -> None:
    try:
        total.add(await answer)
    except RetryableError as error:
        total.fail(piece, error)


def _first_index(piece: JsonEvents) -> int:
    return min([*piece.indexes[:1], *(rejection.index for rejection in piece.refused[:1])])


def _nothing_refused(rejections: list[Rejection]) -> bool:
    return all(rejection.reason is Reason.UNAVAILABLE for rejection in rejections)


def in_pieces(whole: JsonEvents, documents_max: int) -> Iterator[JsonEvents]:
    """One body's documents in pieces of bounded size."""
    for start in range(0, len(whole.documents), documents_max):
        end = start + documents_max
        yield replace(whole, documents=whole.documents[start:end], indexes=whole.indexes[start:end])
