"""The log: the durable middle that holds streams. This file is the contract.

It does not know what events mean: it stores bytes with a schema id and gives them back in order,
with positions. `sqlite/` is the embedded one, `bobr.testing.log` one in memory, and
`bobr.testing.log_contract` the suite that every implementation passes; authors of other logs can
run it too.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bobr.batch import Batch, Positions, StoredBatch
from bobr.ids import Offset, Partition, StreamName, StreamPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What became of a batch: every event of it is durable, and lies before `end`."""

    events: int
    end: Positions


def batch_id(appended: Appended) -> str:
    """What log lines call a batch that was stored: `orders/0@12345+1000`, its first offset and its events.

    Its events lie next to each other, in one partition for each batch.
    """
    ((source, end),) = appended.end.items()
    return range_id(source, Offset(end - appended.events), end)


def range_id(source: StreamPartition, first: Offset, end: Offset) -> str:
    """The same of any events that lie next to each other: those from `first` to before `end`."""
    return f"{source.stream}/{source.partition}@{first}+{end - first}"


class Appender(Protocol):
    """Writes events. Used by the broker; thread-safe; one for each process."""

    def append(self, batch: Batch) -> "Future[Appended]":
        """Store the batch; the future resolves when it is on disk, as durable as the log can be.

        Batches appended by one thread to one stream are stored in that order. A batch is stored
        whole or not at all. An empty one is answered without being stored, with no `end`.
        Never blocks. The future can not be cancelled; its callbacks run in the log's own thread, so
        they must be short.

        Raises at once, and takes nothing: OverloadedError when more events or bytes wait than the
        log's limits allow, back off and send again; RejectedError when an event is larger than the
        log can store; UnavailableError when the appender is closed.
        The future raises OverloadedError (disk full) or UnavailableError: not stored as far as is
        known, send again later or elsewhere; NotFoundError: the stream does not exist; BrokenError:
        the log's thread has ended, and it is not known what was stored.
        """
        ...

    def close(self) -> None:
        """Store what was taken, resolve every future, release everything. Idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much one read may bring; a single larger event is still brought, alone."""

    events: int
    nbytes: int


class Reader(Protocol):
    """Reads streams in order. Not thread-safe: one owner."""

    def assign(self, positions: Positions) -> None:
        """Read exactly these partitions, from exactly there; forgets what was assigned before.

        An offset below what retention has left is moved up, and `lost` counts the events in
        between. A stream that does not exist yet is read as soon as it does.
        """
        ...

    def read(self, limit: Limit, timeout_seconds: float) -> list[StoredBatch]:
        """The next events, in order within each partition, each once; [] after the timeout or `wake`.

        Waits, in real time, until there is at least one. Only durable (committed) events are seen.
        Neighbouring batches of one partition and schema may come merged.
        UnavailableError: call again later, the position has not moved. BrokenError: a position
        lies behind the end of the log, so it came from another log or from before a restore.
        """
        ...

    def wake(self) -> None:
        """Let a read that waits return at once; if none does, the next one does not wait.

        The one method for any thread.
        """
        ...

    @property
    def lost(self) -> Mapping[StreamPartition, int]:
        """Events that this reader was to bring but could not, since the last `assign`.

        Retention removed them before it came to them, or their storage is damaged. Absent: none.
        """
        ...

    def close(self) -> None:
        """Release everything. Idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionState:
    """What one partition holds. `first == end`: it is empty.

    last_ingest_time: of the last event ever stored, be it trimmed since; None: there was none.
    """

    first: Offset
    end: Offset
    nbytes: int
    last_ingest_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Who reads a stream and keeps its place in the log. members: that read now; positions: of that stream."""

    name: str
    members: int
    positions: Positions


class LogAdmin(Protocol):
    """Makes and describes streams. Used by the controller; thread-safe.

    Bounded work for each call, never a scan; `trim` works in bounded steps.
    """

    @property
    def partitions_max(self) -> int:
        """That a stream can have."""
        ...

    def create(self, stream: StreamName, partitions: int = 1) -> None:
        """Make the stream. One that exists with as many partitions stays as it is.

        RejectedError: it exists with fewer or more, or the log can not have that many.
        """
        ...

    def describe(self, stream: StreamName) -> Mapping[Partition, PartitionState]:
        """What the stream holds, per partition. NotFoundError: no such stream."""
        ...

    def time_at(self, source: StreamPartition, position: Offset) -> datetime | None:
        """When the first event from that position on came; None: there is none yet.

        Of a position that retention has passed: when the oldest event that is left came. One lookup, however much the
        stream holds; no event is read. NotFoundError: no such stream.
        """
        ...

    def groups(self, stream: StreamName) -> list[Group]:
        """Who reads the stream and keeps its place in this log, by name, such as Kafka's consumer groups.

        Only those: a delivery's place is in its table, and whoever asks this adds what the deliveries tell. So a log
        that keeps nobody's place, as the embedded one, always says []. NotFoundError: no such stream.
        """
        ...

    def streams(self) -> list[StreamName]:
        """All streams, sorted."""
        ...

    def trim(self, stream: StreamName, before: datetime, upto: Positions | None = None) -> int:
        """Remove events accepted before that time; the number removed. NotFoundError: no stream.

        upto: what lies at or behind these positions stays, however old; partitions left out have no
        such bound. From the oldest on: an event stays when one before it does. Younger ones stay;
        older ones may, as far as they share a unit of storage with those. Only events whose time is
        still to come (the clock was wrong) hold nothing back, and go with the next older one.
        Offsets of what stays do not change; the end of a partition never moves.
        """
        ...


class Log(Protocol):
    """One log, as opened by a process. The owner closes what it got from here before this."""

    def appender(self) -> Appender:
        """The process's one appender."""
        ...

    def reader(self) -> Reader:
        """A new reader with nothing assigned."""
        ...

    def admin(self) -> LogAdmin:
        """The administration of streams."""
        ...

    def close(self) -> None:
        """Release everything. Idempotent."""
        ...
