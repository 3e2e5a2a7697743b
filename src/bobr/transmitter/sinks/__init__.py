"""Sinks: where tables live. This file is the contract; each folder beside it is one destination.

A sink only writes and classifies what went wrong; when to flush, retry or give up is decided by the
pipeline. `bobr.testing.sink_contract` is the suite that every implementation passes; authors of
other sinks can run it too.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import pyarrow as pa

from bobr.batch import Positions
from bobr.catalog import PartitionBy
from bobr.ids import Offset, StreamName, StreamPartition


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """What the table must be able to hold.

    columns: the event's columns as `bobr.schema.EventType.columns`, then `SYSTEM_COLUMNS`, all
    nullable. Partitioned by `_event_time`.
    """

    columns: pa.Schema
    partition_by: PartitionBy


SYSTEM_COLUMNS = pa.schema(
    [
        pa.field("_event_id", pa.string()),
        pa.field("_event_time", pa.timestamp("us", "UTC")),
        pa.field("_ingest_time", pa.timestamp("us", "UTC")),
        pa.field("_stream", pa.string()),
        pa.field("_partition", pa.int32()),
        pa.field("_offset", pa.int64()),
        pa.field("_schema_id", pa.int32()),
    ]
)
"""Bobr's own columns. `_event_id` is NULL without an id; no other is ever NULL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePartition:
    """A period of `_event_time`, [start, end) in UTC; both None: the table is not partitioned."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What one commit made visible."""

    rows: int
    files: int
    nbytes: int
    at: datetime


class Sink(Protocol):
    """One table's writer. One for each delivery and writer; one owner thread.

    Order of calls: `open`, then any number of `write` and `commit`, then `close`. `open` again, at
    any time, evolves the table and drops what is staged.
    Any method may raise, and after any of these errors only `open` or `close` may be called:
    - RetryableError (UnavailableError; OverloadedError when the disk is full): open it later. Only
      of a `commit` the outcome may be unknown; the positions that `open` returns tell it.
    - BrokenError: a person must look; opening it later may find it well.
    - what else the method itself says.
    """

    def open(self, table: TableSchema) -> Positions:
        """Create the table or evolve it to hold these columns too; the positions committed in it.

        Columns that the table has and `table` has not stay, and are NULL in new rows. Drops what
        this sink had staged. RejectedError: the table can not follow, the column is named.
        """
        ...

    def write(self, rows: pa.RecordBatch, partition: TablePartition) -> None:
        """Stage rows of one table partition, of exactly the columns given to `open`.

        No reader sees them yet.
        """
        ...

    def commit(self, upto: Positions) -> Committed:
        """Make the staged rows and the positions visible together, or neither.

        upto: per partition the next offset to read; partitions left out keep their position.
        A compare-and-set: it succeeds only while no other writer has committed since our last
        `open` or `commit`; otherwise FencedError, nothing became visible, the staged rows are
        dropped. With nothing staged it moves the positions alone.
        """
        ...

    def close(self) -> None:
        """Drop what is staged and release everything. Idempotent."""
        ...


@runtime_checkable
class RemembersIds(Protocol):
    """Optional power: the event ids in the table, from which the dedup index is rebuilt."""

    def ids_since(self, stream: StreamName, since: datetime) -> "pa.RecordBatchReader":
        """`_event_id` and `_ingest_time` of the stream's rows with an id and `_ingest_time >= since`.

        The table may hold rows of others, from former times: equal ids there are of other events.

        Streamed, in any order; all that was committed before our last `open` or `commit`, of others perhaps more.
        FencedError: as `commit`.
        """
        ...


@runtime_checkable
class RemembersRows(Protocol):
    """Optional power: which events its last rows were, by which a pipeline knows the log again."""

    def last_row(self, source: StreamPartition) -> tuple[Offset, datetime] | None:
        """`_offset` and `_ingest_time` of the row of that partition next before its position.

        None: there is none near it. As of the last `open` or `commit`.
        """
        ...


@runtime_checkable
class Locates(Protocol):
    """Optional power: say which table it is, whatever names, references and links lead there."""

    def place(self) -> str:
        """The same for all sinks of one table, and no secret. Nothing has to be opened."""
        ...


@runtime_checkable
class Confirms(Protocol):
    """Optional power: see what others did to the table, while there is nothing to commit."""

    def confirm(self) -> None:
        """Return if the table still has what our last `open` or `commit` left there.

        FencedError: another writer has committed since, or somebody rolled the table back. UnavailableError: it was
        dropped.
        """
        ...


@runtime_checkable
class Maintains(Protocol):
    """Optional power: keep the table's own bookkeeping small."""

    def maintain(self, keep: timedelta) -> None:
        """Forget snapshots that no reader needs any more, and remove files nothing refers to.

        Never touches rows or positions. Safe beside readers that started less than `keep` ago.
        """
        ...


@runtime_checkable
class Retains(Protocol):
    """Optional power: forget what is too old to be kept."""

    def drop_before(self, end: datetime) -> int:
        """Drop the files whose rows all have an `_event_time` before the end; how many rows went.

        end: where a table partition ends, so whole partitions go. Positions stay. What does not lie by itself in files
        stays: rows of a partition are never rewritten. Nothing may be staged. FencedError: as `commit`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a table holds, whoever wrote it."""

    rows: int
    files: int
    nbytes: int


@runtime_checkable
class Counts(Protocol):
    """Optional power: how much is in the table, without looking at it."""

    def totals(self) -> Totals | None:
        """As of the last `open` or `commit`. None: not known, another engine's last commit did not say."""
        ...
