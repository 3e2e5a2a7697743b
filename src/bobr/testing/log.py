"""A log in memory: nothing is durable, otherwise the whole contract. For tests and for trials."""

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bobr.batch import INGEST_TIMES, Batch, Positions, StoredBatch
from bobr.clock import Clock, SystemClock
from bobr.errors import BrokenError, NotFoundError, RejectedError, UnavailableError
from bobr.ids import Offset, Partition, StreamName, StreamPartition
from bobr.log import Appended, Group, Limit, PartitionState
from bobr.log.ingest_time import ingest_time


@dataclass(slots=True)
class _Stream:
    """Batches as they were appended, oldest first; `first` is the oldest event's offset."""

    first: int = 0
    end: int = 0
    nbytes: int = 0
    ingest_time: datetime | None = None
    batches: list[StoredBatch] = field(default_factory=list)

    def append(self, batch: Batch, now: datetime) -> Appended:
        """Give the events their offsets and their time."""
        source = StreamPartition(batch.stream, Partition(0))
        start, self.end = self.end, self.end + len(batch)
        self.ingest_time = ingest_time(now, self.ingest_time)
        stored = StoredBatch(
            source=source,
            schema_id=batch.schema_id,
            payloads=batch.payloads,
            offsets=pa.array(np.arange(start, self.end), pa.int64()),
            ingest_times=pa.repeat(pa.scalar(self.ingest_time, INGEST_TIMES), len(batch)),
        )
        self.batches.append(stored)
        self.nbytes += stored.nbytes
        return Appended(events=len(batch), end={source: Offset(self.end)})

    def after(self, position: int) -> StoredBatch | None:
        """The next events, cut at the position."""
        index = bisect_right(self.batches, position, key=lambda batch: batch.next_offset)
        if index == len(self.batches):
            return None
        batch = self.batches[index]
        return batch.slice(position - batch.offsets[0].as_py())

    def trim(self, before: datetime, upto: int, now: datetime) -> int:
        """Remove whole batches; the number of events that they held."""
        gone, was = 0, self.first
        for count, batch in enumerate(self.batches, 1):
            time = batch.ingest_times[0].as_py()
            if batch.next_offset > upto or before <= time <= now:
                break
            if time < before:
                gone, self.first = count, batch.next_offset
        self.nbytes -= sum(batch.nbytes for batch in self.batches[:gone])
        del self.batches[:gone]
        return self.first - was

    def state(self) -> PartitionState:
        """What it holds."""
        return PartitionState(
            first=Offset(self.first),
            end=Offset(self.end),
            nbytes=self.nbytes,
            last_ingest_time=self.ingest_time,
        )


class _Streams(dict[StreamName, _Stream]):
    """All streams. Hold `changed` to look or change; it is told of every append."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()

    def __missing__(self, name: StreamName) -> _Stream:
        raise NotFoundError(
            f"no stream {name!r} in the log: it was never made there, or the log was lost"
        )


class MemoryLog:
    """A `Log` and its own `LogAdmin`. Thread-safe, within one process."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        """`clock`: gives the ingest times; the machine's when None."""
        self._clock = clock or SystemClock()
        self._streams = _Streams()

    def appender(self) -> "MemoryAppender":
        """See `Log`."""
        return MemoryAppender(self._streams, self._clock)

    def reader(self) -> "MemoryReader":
        """See `Log`."""
        return MemoryReader(self._streams)

    def admin(self) -> "MemoryLog":
        """See `Log`."""
        return self

    def close(self) -> None:
        """See `Log`."""

    @property
    def partitions_max(self) -> int:
        """See `LogAdmin`."""
        return 1

    def create(self, stream: StreamName, partitions: int = 1) -> None:
        """See `LogAdmin`. Only one partition."""
        if partitions != 1:
            raise RejectedError(f"stream {stream!r}: the log in memory has only one partition")
        with self._streams.changed:
            self._streams.setdefault(stream, _Stream())

    def describe(self, stream: StreamName) -> Mapping[Partition, PartitionState]:
        """See `LogAdmin`."""
        with self._streams.changed:
            return {Partition(0): self._streams[stream].state()}

    def time_at(self, source: StreamPartition, position: Offset) -> datetime | None:
        """See `LogAdmin`."""
        with self._streams.changed:
            stream = self._streams[source.stream]
            found = stream.after(max(position, stream.first)) if source.partition == 0 else None
        return None if found is None else found.ingest_times[0].as_py()

    def groups(self, stream: StreamName) -> list[Group]:
        """See `LogAdmin`. None: readers keep their own place."""
        with self._streams.changed:
            assert self._streams[stream] is not None
        return []

    def streams(self) -> list[StreamName]:
        """See `LogAdmin`."""
        with self._streams.changed:
            return sorted(self._streams)

    def trim(self, stream: StreamName, before: datetime, upto: Positions | None = None) -> int:
        """See `LogAdmin`. Whole batches."""
        with self._streams.changed:
            found = self._streams[stream]
            bound = (upto or {}).get(StreamPartition(stream, Partition(0)), found.end)
            return found.trim(before, bound, self._clock.now())


class MemoryAppender:
    """An `Appender`. Its futures are done when `append` returns."""

    def __init__(self, streams: _Streams, clock: Clock) -> None:
        """Made by `MemoryLog`."""
        self._streams = streams
        self._clock = clock
        self._closed = False

    def append(self, batch: Batch) -> Future[Appended]:
        """See `Appender`. Never overloaded."""
        if self._closed:
            raise UnavailableError("the log is closed: nothing was stored, send it to another")
        future: Future[Appended] = Future()
        try:
            future.set_result(self._store(batch) if len(batch) else Appended(events=0, end={}))
        except NotFoundError as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """See `Appender`."""
        self._closed = True

    def _store(self, batch: Batch) -> Appended:
        with self._streams.changed:
            appended = self._streams[batch.stream].append(batch, self._clock.now())
            self._streams.changed.notify_all()
        return appended


class MemoryReader:
    """A `Reader`."""

    def __init__(self, streams: _Streams) -> None:
        """Made by `MemoryLog`."""
        self._streams = streams
        self._positions: dict[StreamPartition, int] = {}
        self._lost: Counter[StreamPartition] = Counter()
        self._woken = False

    @property
    def lost(self) -> Mapping[StreamPartition, int]:
        """See `Reader`."""
        return dict(self._lost)

    def assign(self, positions: Positions) -> None:
        """See `Reader`."""
        self._positions = dict(positions)
        self._lost.clear()

    def read(self, limit: Limit, timeout_seconds: float) -> list[StoredBatch]:
        """See `Reader`."""
        batches: list[StoredBatch] = []
        with self._streams.changed:
            self._streams.changed.wait_for(
                lambda: self._fill(batches, limit) or self._woken, timeout_seconds
            )
            self._woken = False
        return batches

    def wake(self) -> None:
        """See `Reader`."""
        with self._streams.changed:
            self._woken = True
            self._streams.changed.notify_all()

    def close(self) -> None:
        """See `Reader`."""
        self._positions.clear()

    def _fill(self, batches: list[StoredBatch], limit: Limit) -> bool:
        """Add what is there and fits. False: nothing is there."""
        events, nbytes = limit.events, limit.nbytes
        for source in self._positions:
            while (head := self._head(source)) is not None:
                fits = max(_fitting(head, events, nbytes), int(not batches))
                if not fits:
                    break
                batches.append(head.slice(0, fits))
                self._positions[source] = batches[-1].next_offset
                events, nbytes = events - fits, nbytes - batches[-1].nbytes
        return bool(batches)

    def _head(self, source: StreamPartition) -> StoredBatch | None:
        """The partition's next events; the position is moved over what was trimmed."""
        stream = self._streams.get(source.stream)
        if stream is None:
            return None
        position = self._positions[source]
        if position > stream.end:
            raise BrokenError(
                f"position {position} of {source.stream!r} lies behind the log's end {stream.end}"
            )
        if position < stream.first:
            self._lost[source] += stream.first - position
            position = self._positions[source] = stream.first
        return stream.after(position)


def _fitting(batch: StoredBatch, events: int, nbytes: int) -> int:
    """How many events from the start stay within both limits."""
    costs = np.cumsum(pc.binary_length(batch.payloads).to_numpy() + 4)
    return min(int(np.searchsorted(costs, nbytes, side="right")), events)
