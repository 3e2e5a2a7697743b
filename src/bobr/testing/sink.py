"""A sink in memory: nothing is durable, otherwise the whole contract. For tests and for trials."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from bobr.batch import Positions
from bobr.clock import Clock, SystemClock
from bobr.errors import FencedError
from bobr.ids import Offset, StreamName, StreamPartition
from bobr.transmitter.columns import conform, union
from bobr.transmitter.sinks import Committed, TablePartition, TableSchema, Totals


@dataclass(slots=True)
class MemoryTable:
    """A table that any number of sinks write to. Thread-safe. `version`: commits so far."""

    columns: pa.Schema = field(default_factory=lambda: pa.schema([]))
    positions: Positions = field(default_factory=dict)
    version: int = 0
    changed: threading.Lock = field(default_factory=threading.Lock)
    _batches: list[pa.RecordBatch] = field(default_factory=list)
    _files: int = 0

    def totals(self) -> Totals:
        """What it holds."""
        with self.changed:
            batches = self._batches
            return Totals(
                rows=sum(map(len, batches)),
                files=self._files,
                nbytes=sum(batch.nbytes for batch in batches),
            )

    def rows(self) -> pa.Table:
        """Every committed row, in the order of commits, with all columns of the table."""
        with self.changed:
            batches = [conform(batch, self.columns) for batch in self._batches]
            return pa.Table.from_batches(batches, self.columns)

    def evolve(self, columns: pa.Schema) -> tuple[int, Positions]:
        """Have these columns too; the version and its positions."""
        with self.changed:
            self.columns = union(self.columns, columns)
            return self.version, self.positions

    def append(
        self, batches: list[pa.RecordBatch], files: int, upto: Positions, version: int
    ) -> int:
        """Add rows and move positions if this is still that version; the new one."""
        with self.changed:
            if self.version != version:
                raise FencedError(f"another writer moved the table to {dict(self.positions)}")
            self._batches.extend(batches)
            self._files += files
            self.positions = {**self.positions, **upto}
            self.version += 1
            return self.version

    def drop_before(self, end: datetime) -> int:
        """Forget the batches whose rows all have an older event time; how many rows there were."""
        with self.changed:
            old = [each for each in self._batches if pc.max(each["_event_time"]).as_py() < end]
            self._batches = [each for each in self._batches if each not in old]
            self._files -= len(old)
            return sum(map(len, old))


class MemorySink:
    """A `Sink` that also `RemembersIds`, `RemembersRows`, `Confirms`, `Maintains`, `Retains` and `Counts`."""

    def __init__(self, table: MemoryTable, *, clock: Clock | None = None) -> None:
        """`table`: shared by all sinks that write to it."""
        self._table = table
        self._clock = clock or SystemClock()
        self._version = -1
        self._columns = pa.schema([])
        self._staged: list[pa.RecordBatch] = []
        self._partitions: set[TablePartition] = set()

    def open(self, table: TableSchema) -> Positions:
        """See `Sink`."""
        self._drop()
        self._columns = table.columns
        self._version, positions = self._table.evolve(table.columns)
        return positions

    def write(self, rows: pa.RecordBatch, partition: TablePartition) -> None:
        """See `Sink`."""
        assert rows.schema == self._columns, "not the columns given to open"
        self._staged.append(rows)
        self._partitions.add(partition)

    def commit(self, upto: Positions) -> Committed:
        """See `Sink`. A file is what one commit adds to one table partition."""
        staged, files = self._staged, len(self._partitions)
        self._drop()
        self._version = self._table.append(staged, files, upto, self._version)
        rows, nbytes = sum(len(batch) for batch in staged), sum(batch.nbytes for batch in staged)
        return Committed(rows=rows, files=files, nbytes=nbytes, at=self._clock.now())

    def ids_since(self, stream: StreamName, since: datetime) -> pa.RecordBatchReader:
        """See `RemembersIds`."""
        ids = self._table.rows().select(["_event_id", "_ingest_time", "_stream"])
        recent = pc.greater_equal(ids["_ingest_time"], pa.scalar(since))
        its_own = pc.equal(ids["_stream"], stream)
        known = pc.and_(pc.is_valid(ids["_event_id"]), pc.and_(recent, its_own))
        return ids.filter(known).drop_columns("_stream").to_reader()

    def last_row(self, source: StreamPartition) -> tuple[Offset, datetime] | None:
        """See `RemembersRows`."""
        rows = self._table.rows().select(["_offset", "_ingest_time", "_stream", "_partition"])
        end = self._table.positions.get(source, Offset(0))
        known = [
            (Offset(offset), ingested)
            for offset, ingested, *origin in zip(*rows.to_pydict().values(), strict=True)
            if tuple(origin) == source and offset < end
        ]
        return max(known, default=None)

    def totals(self) -> Totals:
        """See `Counts`. All that was committed, by whomever."""
        return self._table.totals()

    def confirm(self) -> None:
        """See `Confirms`."""
        if self._table.version != self._version:
            raise FencedError(f"another writer moved the table to {dict(self._table.positions)}")

    def drop_before(self, end: datetime) -> int:
        """See `Retains`."""
        self.confirm()
        return self._table.drop_before(end)

    def maintain(self, keep: timedelta) -> None:
        """See `Maintains`. There is nothing to forget."""

    def close(self) -> None:
        """See `Sink`."""
        self._drop()

    def _drop(self) -> None:
        self._staged, self._partitions = [], set()
