"""The log: the durable middle that holds streams. This file is the contract; `sqlite.py` is the embedded one.

It does not know what events mean: it stores bytes with a schema id and gives them back in order, with positions.
`bobr.testing.log_contract` is the suite that every implementation passes; authors of other logs can run it too.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bobr.batch import Batch, Positions, StoredBatch
from bobr.ids import Offset, Partition, StreamName


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What became of a batch: every event of it is durable, and lies before `end`."""

    events: int
    end: Positions


class Appender(Protocol):
    """Writes events. Used by the broker; thread-safe; one for each process."""

    def append(self, batch: Batch) -> "Future[Appended]":
        """Store the batch; the future resolves when it is on disk (as durable as the log can promise).

        Batches appended by one thread to one stream are stored in that order. A batch is stored whole or not at all.
        Raises OverloadedError at once, and takes nothing, when more events or bytes wait than the log's limits
        allow: back off and send again. The future raises OverloadedError (disk full) or UnavailableError: nothing
        was stored, try again later or elsewhere; NotFoundError: the stream does not exist.
        An empty batch is answered without being stored. Never blocks.
        """
        ...

    def close(self) -> None:
        """Store what was taken, resolve every future, release everything. Idempotent. Later appends raise."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much one read may bring; a single larger event is still brought, alone."""

    events: int
    nbytes: int


class Reader(Protocol):
    """Reads streams in order. Not thread-safe: one owner."""

    def assign(self, positions: Positions) -> None:
        """Read exactly these partitions, from exactly there; forgets what was assigned or buffered before.

        An offset below what retention has left is moved up, and `lost` counts the events in between.
        """
        ...

    def read(self, limit: Limit, timeout_seconds: float) -> list[StoredBatch]:
        """The next events, in order within each partition, each once; waits for the first up to the timeout.

        Only durable (committed) events are seen. Returns [] on timeout. Raises UnavailableError: call again later;
        the position has not moved. Neighbouring batches of one partition and schema may come merged.
        """
        ...

    @property
    def lost(self) -> Mapping[tuple[StreamName, Partition], int]:
        """Events that retention removed before this reader came to them, since the last `assign`."""
        ...

    def close(self) -> None:
        """Release everything. Idempotent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionState:
    """What one partition holds. `first == end`: it is empty."""

    first: Offset
    end: Offset
    nbytes: int
    last_ingest_time: datetime | None


class LogAdmin(Protocol):
    """Makes and describes streams. Used by the controller; thread-safe; bounded work for each call, never a scan."""

    def create(self, stream: StreamName, partitions: int = 1) -> None:
        """Make the stream. One that exists with as many partitions: nothing happens; with fewer or more: RejectedError.

        A log that can not have that many partitions raises RejectedError and says its limit.
        """
        ...

    def describe(self, stream: StreamName) -> Mapping[Partition, PartitionState]:
        """What the stream holds, per partition. NotFoundError: no such stream."""
        ...

    def streams(self) -> list[StreamName]:
        """All streams, sorted."""
        ...

    def trim(self, stream: StreamName, before: datetime) -> int:
        """Remove events that were accepted before that time, as far as the log's storage unit allows; events removed.

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
