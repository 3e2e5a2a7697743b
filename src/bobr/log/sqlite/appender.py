"""The writing end: batches wait in a bounded queue, one thread stores all that waits at once."""

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow.compute as pc

from bobr.batch import Batch
from bobr.errors import BobrError, BrokenError, OverloadedError, RejectedError, UnavailableError
from bobr.log import Appended
from bobr.log.sqlite.flush import Flush, Outcome

FLUSH_BYTES = 8 * 1024 * 1024
"""One transaction takes no more, so that the first of many waiting batches is answered soon; the
cost of a commit is small beside that of so many bytes."""
EVENT_BYTES_MAX = 512 * 1024 * 1024
"""SQLite's own limit for a row is 1,000,000,000 bytes."""
RETRY_AFTER_SECONDS = 0.25
"""About what a disk needs to store a good part of a full queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteLimits:
    """How much may wait, the transaction under way included. One batch alone is always let in."""

    waiting_events: int = 4_000_000
    waiting_bytes: int = 256 * 1024 * 1024


class _Waiting(NamedTuple):
    batch: Batch
    nbytes: int
    future: Future[Appended]


class SqliteAppender:
    """An `Appender`. Its thread ends with `close`, or when the process does."""

    def __init__(self, flush: Flush, limits: SqliteLimits) -> None:
        """`flush`: stores batches; only the thread uses it from here on."""
        self._flush = flush
        self._limits = limits
        self._queue: deque[_Waiting] = deque()
        self._events = 0
        self._nbytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="bobr-log-writer", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Nothing is taken any more."""
        return self._closed

    def append(self, batch: Batch) -> Future[Appended]:
        """See `Appender`. The future can not be cancelled: what was taken will be stored."""
        future: Future[Appended] = Future()
        future.set_running_or_notify_cancel()
        waiting = _Waiting(batch, batch.nbytes, future)
        with self._changed:
            self._admit(waiting)
            if len(batch):
                self._put(waiting)
        if not len(batch):
            future.set_result(Appended(events=0, end={}))
        return future

    def close(self) -> None:
        """See `Appender`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _admit(self, waiting: _Waiting) -> None:
        if self._closed:
            raise UnavailableError("the log is closed: nothing was stored, send it to another")
        if waiting.nbytes > EVENT_BYTES_MAX:
            _refuse_giants(waiting.batch)
        events = self._events + len(waiting.batch)
        nbytes = self._nbytes + waiting.nbytes
        over = events > self._limits.waiting_events or nbytes > self._limits.waiting_bytes
        if over and self._events:
            raise OverloadedError(
                f"{self._events:,} events of {self._nbytes:,} bytes wait for the log's disk "
                "and more would pass its limits: send again later",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )

    def _put(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        self._events += len(waiting.batch)
        self._nbytes += waiting.nbytes
        self._changed.notify_all()

    def _run(self) -> None:
        """Store what waits until closed. Whatever ends it, no future stays open."""
        group: list[_Waiting] = []
        try:
            while group := self._take():
                outcomes = self._store(group)
                self._release(group)
                _resolve(group, outcomes)
        finally:
            self._end(group)

    def _take(self) -> list[_Waiting]:
        """The oldest batches, at least one; none: closed and all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            group: list[_Waiting] = []
            nbytes = 0
            while self._queue and (not group or nbytes + self._queue[0].nbytes <= FLUSH_BYTES):
                group.append(self._queue.popleft())
                nbytes += group[-1].nbytes
            return group

    def _store(self, group: list[_Waiting]) -> list[Outcome]:
        try:
            return self._flush([waiting.batch for waiting in group])
        except BobrError as error:
            return [error] * len(group)

    def _release(self, group: list[_Waiting]) -> None:
        """Before the futures resolve: who then appends the next batch finds the room."""
        with self._changed:
            self._events -= sum(len(waiting.batch) for waiting in group)
            self._nbytes -= sum(waiting.nbytes for waiting in group)

    def _end(self, group: list[_Waiting]) -> None:
        with self._changed:
            self._closed = True
            left = [waiting for waiting in (*group, *self._queue) if not waiting.future.done()]
            self._queue.clear()
        error = BrokenError("the log's writer has ended: it is not known what was stored")
        _resolve(left, [error] * len(left))
        self._flush.close()


def _refuse_giants(batch: Batch) -> None:
    longest = pc.max(pc.binary_length(batch.payloads)).as_py()
    if longest > EVENT_BYTES_MAX:
        raise RejectedError(
            f"an event of {longest:,} bytes for {batch.stream}: "
            f"this log stores events of at most {EVENT_BYTES_MAX:,} bytes"
        )


def _resolve(group: list[_Waiting], outcomes: list[Outcome]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, BobrError):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)
