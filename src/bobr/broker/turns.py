"""Streams whose events take long to judge take turns, in a thread of their own: none waits for another's end.

Within a stream, those who sent the events take turns likewise: only the work of one sender keeps its order.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from bobr.ids import StreamName

TURN_SECONDS = 0.02
"""A turn ends with the first step behind it."""
LONG_STEP_SECONDS = 0.001
REST = 0.25
"""After a long step, for whose end all other threads had to wait, they have this part of its time for themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """On one call or more to one stream. Each step judges an event, the last one has them stored.

    postpone: called when it was not done in one turn, or did not get one in that time. is_wanted: asked before each
    turn. give_up: it will not be done.
    """

    steps: Iterator[None]
    postpone: Callable[[], object]
    give_up: Callable[[], object]
    is_wanted: Callable[[], bool] = lambda: True


@dataclass(slots=True)
class Lane:
    """Work that is done in its order, and whose it is. is_slow: some of it has used up a turn."""

    senders: set[Hashable] = field(default_factory=set)
    work: deque[Work] = field(default_factory=deque)
    is_slow: bool = False


@dataclass(slots=True)
class _Row:
    """The lanes of a stream. The slow ones have every second turn, however many they are."""

    fresh: deque[Lane] = field(default_factory=deque)
    slow: deque[Lane] = field(default_factory=deque)
    was_fresh: bool = False

    def next(self) -> Lane:
        """Out of the row, until it is put back."""
        is_fresh = bool(self.fresh) and not (self.slow and self.was_fresh)
        self.was_fresh = is_fresh
        return (self.fresh if is_fresh else self.slow).popleft()

    def put(self, lane: Lane) -> None:
        """The last among its like."""
        (self.slow if lane.is_slow else self.fresh).append(lane)

    def lanes(self) -> Iterator[Lane]:
        yield from self.fresh
        yield from self.slow

    def __bool__(self) -> bool:
        return bool(self.fresh or self.slow)


class Turns:
    """Work of many streams, of each sender in the order in which it came. Any thread may add; one closes."""

    def __init__(self, name: str) -> None:
        """Its thread waits for work."""
        self._changed = threading.Condition()
        self._rows: dict[StreamName, _Row] = {}
        self._lanes: dict[Hashable, Lane] = {}
        self._late: list[Work] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, stream: StreamName, work: Work, senders: Sequence[Hashable] = ()) -> None:
        """Do this when it is its turn, after what these senders, who have one lane at most, have already.

        Not after `close`.
        """
        with self._changed:
            assert not self._closed
            lanes = (self._lanes[sender] for sender in senders if sender in self._lanes)
            if (lane := next(lanes, None)) is None:
                lane = Lane()
                self._rows.setdefault(stream, _Row()).put(lane)
            lane.work.append(work)
            lane.senders.update(senders)
            self._lanes.update(dict.fromkeys(senders, lane))
            self._late.append(work)
            self._changed.notify()

    def lane(self, sender: Hashable) -> Lane | None:
        """What the sender's next work is to stand behind; None: nothing, all of it is done."""
        with self._changed:
            return self._lanes.get(sender)

    def close(self) -> None:
        """End after the turn under way; what is not done then is given up."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        for row in self._rows.values():
            for lane in row.lanes():
                for work in lane.work:
                    work.give_up()
        self._rows.clear()

    def _run(self) -> None:
        while (next_one := self._next()) is not None:
            stream, lane = next_one
            work = lane.work[0]
            is_wanted = work.is_wanted()
            is_done = not is_wanted or _go_on(work, TURN_SECONDS)
            self._end_turn(stream, lane, is_done=is_done)
            if not is_wanted:
                work.give_up()

    def _next(self) -> tuple[StreamName, Lane] | None:
        """The stream that waits longest, and the lane whose turn it is there; None: closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._rows or self._closed)
            if self._closed:
                return None
            stream, row = next(iter(self._rows.items()))
            return stream, row.next()

    def _end_turn(self, stream: StreamName, lane: Lane, *, is_done: bool) -> None:
        """The stream is the last in the row now, and the lane among its own, unless they have nothing left."""
        with self._changed:
            row = self._rows.pop(stream)
            done = lane.work.popleft() if is_done else None
            lane.is_slow |= not is_done
            if lane.work:
                row.put(lane)
            else:
                for sender in lane.senders:
                    del self._lanes[sender]
            if row:
                self._rows[stream] = row
            late = [work for work in self._late if work is not done]
            self._late.clear()
        for work in late:
            work.postpone()


def _go_on(work: Work, seconds: float) -> bool:
    """For so long; whether it is done."""
    now = time.monotonic()
    end = now + seconds
    for _ in work.steps:
        began, now = now, time.monotonic()
        if now - began > LONG_STEP_SECONDS:
            time.sleep((now - began) * REST)
            now = time.monotonic()
        if now >= end:
            return False
    return True
