"""Streams whose events take long to judge take turns, in a thread of their own: none waits for another's end."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bobr.ids import StreamName

TURN_SECONDS = 0.02
"""A turn ends with the first step behind it."""
LONG_STEP_SECONDS = 0.001
REST = 0.25
"""After a long step, for whose end all other threads had to wait, they have this part of its time for themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """On one call or more to one stream. Each step judges an event, the last one has them stored.

    postpone: called when it was not done in one turn, or did not get one in that time. give_up: it will not be done.
    """

    steps: Iterator[None]
    postpone: Callable[[], object]
    give_up: Callable[[], object]


class Turns:
    """Work of many streams, in the order in which it came within each. Any thread may add; one closes."""

    def __init__(self, name: str) -> None:
        """Its thread waits for work."""
        self._changed = threading.Condition()
        self._work: dict[StreamName, deque[Work]] = {}
        self._fresh: list[Work] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, stream: StreamName, work: Work) -> None:
        """Do this when it is the stream's turn, after what the stream has already. Not after `close`."""
        with self._changed:
            assert not self._closed
            self._work.setdefault(stream, deque()).append(work)
            self._fresh.append(work)
            self._changed.notify()

    def has(self, stream: StreamName) -> bool:
        """Whether work of the stream is not done yet."""
        with self._changed:
            return stream in self._work

    def close(self) -> None:
        """End after the turn under way; what is not done then is given up."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        for left in self._work.values():
            for work in left:
                work.give_up()
        self._work.clear()

    def _run(self) -> None:
        while (stream := self._next()) is not None:
            work = self._work[stream][0]
            self._end_turn(stream, is_done=_go_on(work, TURN_SECONDS))

    def _next(self) -> StreamName | None:
        """The stream that waits longest; None: closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._work or self._closed)
            return None if self._closed else next(iter(self._work))

    def _end_turn(self, stream: StreamName, *, is_done: bool) -> None:
        """The stream is the last in the row now, or has nothing left."""
        with self._changed:
            waiting = self._work.pop(stream)
            done = waiting.popleft() if is_done else None
            if waiting:
                self._work[stream] = waiting
            late = [work for work in self._fresh if work is not done]
            self._fresh.clear()
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
