"""JSON bodies of any length: published in pieces, a few at a time, with one answer for the whole."""

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from bobr.broker.accumulate import Accumulator
from bobr.broker.bodies import BodyError
from bobr.broker.calls import Answer, JsonEvents, Permit, free
from bobr.broker.limits import Limits
from bobr.broker.meter import Meter
from bobr.errors import BobrError, RetryableError
from bobr.outcome import Reason, Rejection

PIECE_DOCUMENTS = 1_000
"""Events that are checked together: some 20 ms of work, and fewer than an answer may refuse."""
PIECES_AHEAD = 4
"""Pieces under way at once: one being read, one checked, one written, one spare."""

UnderWay = deque["asyncio.Task[None]"]
"""Each adds the answer to a piece to the total, as soon as it is there."""


class OpenRejections:
    """Counts the refused events of all bodies that are still read: when they are too many, the body with most ends."""

    def __init__(self, limits: Limits) -> None:
        """None yet. Used in one loop."""
        self.of_one_max = limits.rejections_max
        self._most = limits.open_rejections_max
        self._count = 0
        self._bodies: set[_Total] = set()

    def opened(self, body: "_Total") -> None:
        """It is read from now on."""
        self._bodies.add(body)

    def add(self, body: "_Total", count: int) -> None:
        """So many more of a body's. One that ends counts no more: it is answered, and then forgotten."""
        if body not in self._bodies:
            return
        self._count += count
        while self._count >= self._most:
            largest = max(self._bodies, key=lambda each: len(each.rejections))
            self.closed(largest)
            largest.end()

    def closed(self, body: "_Total") -> None:
        """It is read no more."""
        if body in self._bodies:
            self._bodies.remove(body)
            self._count -= len(body.rejections)


@dataclass(slots=True, kw_only=True, eq=False)
class _Total:
    """The answers so far; full when they list as many refused events as an answer may, or when it is to end."""

    open_rejections: OpenRejections
    sender: object = field(default_factory=object)
    accepted: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    stopped_at: int | None = None
    failure: BobrError | None = None
    seen: int = 0
    is_to_end: bool = False
    _reading: asyncio.Timeout | None = None

    @property
    def full(self) -> bool:
        return self.is_to_end or len(self.rejections) >= self.open_rejections.of_one_max

    async def next(self, pieces: AsyncIterator[JsonEvents]) -> JsonEvents | None:
        """None: there is no more, or it does not come before this is to end."""
        try:
            async with asyncio.timeout(0 if self.is_to_end else None) as self._reading:
                return await anext(pieces, None)
        except TimeoutError:
            assert self.is_to_end, "readers make errors of ours of their own"
            self.stopped_at = self.seen
            return None
        finally:
            self._reading = None

    def end(self) -> None:
        """Read no more."""
        self.is_to_end = True
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    def add(self, answer: Answer) -> None:
        assert answer.stopped_at is None, "a piece is small enough to be looked at whole"
        self.accepted += answer.accepted
        self._list(answer.rejections)

    def _list(self, rejections: Sequence[Rejection]) -> None:
        self.rejections.extend(rejections)
        self.open_rejections.add(self, len(rejections))

    def __enter__(self) -> Self:
        self.open_rejections.opened(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.open_rejections.closed(self)

    def break_off(self, error: BodyError | BobrError) -> None:
        """Nothing more of the body can be read; what was read before counts."""
        message = f"the body can not be read from here on: {error}"
        is_temporary = isinstance(error, RetryableError)
        reason = Reason.UNAVAILABLE if is_temporary else Reason.MALFORMED
        self._list([Rejection(index=self.seen, reason=reason, message=message)])
        self.stopped_at = self.seen

    def fail(self, piece: JsonEvents, error: BobrError) -> None:
        """A piece that was not stored: its events are listed as such."""
        self.failure = error
        self._list(
            [
                Rejection(index=index, reason=Reason.UNAVAILABLE, message=str(error))
                for index in piece.indexes
            ]
        )
        self._list(piece.refused)

    def answer(self) -> Answer:
        rejections = sorted(self.rejections, key=lambda rejection: rejection.index)
        return Answer(
            accepted=self.accepted, rejections=tuple(rejections), stopped_at=self.stopped_at
        )


async def publish_long(
    pieces: AsyncIterator[JsonEvents],
    accumulator: Accumulator,
    open_rejections: OpenRejections,
    permit: Permit = free,
) -> Answer:
    """Publish piece after piece, never more than `PIECES_AHEAD` at once, and while the stream has no room one.

    Pieces are in memory, and so always taken in. When this is cancelled, they are too.

    Stops at the first piece behind as many refused events as it may have, where the body breaks off, or at once when it
    is to end; `stopped_at` is then the first event that was not looked at. BobrError, BodyError: not a single event was
    stored or judged.
    """
    under_way: UnderWay = deque()
    with _Total(open_rejections=open_rejections) as total:
        try:
            return await _publish(pieces, accumulator, total, under_way, permit)
        finally:  # of a client that is gone: what is not judged yet need not be
            for collecting in under_way:
                collecting.cancel()


async def _publish(
    pieces: AsyncIterator[JsonEvents],
    accumulator: Accumulator,
    total: _Total,
    under_way: UnderWay,
    permit: Permit,
) -> Answer:
    try:
        bounded = _bounded(pieces)
        while (piece := await total.next(bounded)) is not None:
            if total.full:
                total.stopped_at = _indexes(piece)[0]
                break
            total.seen = max([total.seen, *(index + 1 for index in _indexes(piece)[-1:])])
            nbytes = sum(map(len, piece.documents))
            answer = accumulator.submit(
                piece, nbytes, ask=False, sender=total.sender, permit=permit
            )
            collecting = _collect(total, piece, answer, accumulator.meter)
            under_way.append(asyncio.create_task(collecting))
            while len(under_way) >= (1 if accumulator.is_full(piece.stream) else PIECES_AHEAD):
                await under_way.popleft()
    except (
        BodyError,
        BobrError,
    ) as error:  # of the body: what becomes of pieces is in their answers
        await _all_of(under_way)
        if not total.seen:
            raise
        total.break_off(error)
    await _all_of(under_way)
    if total.failure and not total.accepted and _nothing_refused(total.rejections):
        raise total.failure
    return total.answer()


async def _bounded(pieces: AsyncIterator[JsonEvents]) -> AsyncIterator[JsonEvents]:
    """Pieces of so few documents that none has too many refusals for one answer, and is cut."""
    async for large in pieces:
        for piece in in_pieces(large, PIECE_DOCUMENTS):
            yield piece


async def _all_of(under_way: UnderWay) -> None:
    while under_way:
        await under_way.popleft()


async def _collect(
    total: _Total, piece: JsonEvents, answer: "asyncio.Future[Answer]", meter: Meter
) -> None:
    try:
        total.add(await answer)
    except BobrError as error:
        meter.failed(error)
        total.fail(piece, error)


def _indexes(piece: JsonEvents) -> Sequence[int]:
    if not piece.refused:
        return piece.indexes
    return sorted([*piece.indexes, *(rejection.index for rejection in piece.refused)])


def _nothing_refused(rejections: list[Rejection]) -> bool:
    return all(rejection.reason is Reason.UNAVAILABLE for rejection in rejections)


def in_pieces(whole: JsonEvents, events_max: int) -> Iterator[JsonEvents]:
    """One body's events in pieces of bounded size, each with those of its part that were refused before."""
    indexes = _indexes(whole)
    for start in range(0, len(indexes), events_max):
        part = indexes[start : start + events_max]
        yield _between(whole, part[0], part[-1] + 1)


def _between(whole: JsonEvents, first: int, end: int) -> JsonEvents:
    documents = slice(bisect_left(whole.indexes, first), bisect_left(whole.indexes, end))
    return replace(
        whole,
        documents=whole.documents[documents],
        indexes=whole.indexes[documents],
        refused=tuple(each for each in whole.refused if first <= each.index < end),
    )
