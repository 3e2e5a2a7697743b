"""The Iceberg sink: Parquet files and positions become visible in one snapshot.

`client.py` speaks to the catalog, `files.py` writes Parquet, `mapping.py` says what is what.
"""

import uuid
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import structlog
from pyiceberg.manifest import DataFile
from pyiceberg.typedef import Record

from bobr.batch import Positions
from bobr.catalog import PartitionBy
from bobr.clock import Clock, SystemClock
from bobr.errors import BobrError, BrokenError, FencedError, UnavailableError
from bobr.ids import Offset, StreamName, StreamPartition
from bobr.transmitter.partition import period_number
from bobr.transmitter.sinks import Committed, TablePartition, TableSchema, Totals
from bobr.transmitter.sinks.iceberg.client import (
    Conflict,
    IcebergTable,
    Mark,
    new_mark,
)
from bobr.transmitter.sinks.iceberg.config import IcebergConfig
from bobr.transmitter.sinks.iceberg.durable import local_path
from bobr.transmitter.sinks.iceberg.failures import translated
from bobr.transmitter.sinks.iceberg.files import Layout, StagedFiles
from bobr.transmitter.sinks.iceberg.maintain import (
    expire_snapshots,
    remove_abandoned,
    remove_leftovers,
)

ATTEMPTS = 10
"""Of one commit, when others change the table without moving our positions."""

log = structlog.get_logger()


class IcebergSink:
    """A `Sink` with all optional powers: it `RemembersIds` and `RemembersRows`, `Locates`, `Confirms`, `Maintains`,
    `Retains` and `Counts`.
    """

    def __init__(self, config: IcebergConfig, table: str, *, clock: Clock | None = None) -> None:
        """`table`: its name, with its namespace or in that of the config. Nothing is touched before `open`."""
        self._config = config
        self._name = table
        self._clock = clock or SystemClock()
        self._table: IcebergTable | None = None
        self._mark = Mark(name="", positions={})
        self._wanted = TableSchema(columns=pa.schema([]), partition_by=PartitionBy.NONE)
        self._staged: StagedFiles | None = None
        self._in_doubt = False
        self._sweep_at: datetime | None = datetime.min.replace(tzinfo=UTC)
        """When data files that nothing refers to are looked for; None: there are no new ones."""

    def open(self, table: TableSchema) -> Positions:
        """See `Sink`."""
        self._drop()
        self._table = self._table or IcebergTable(self._config, self._name)
        self._open_table(table)
        self._wanted = table
        self._mark = self._table.mark()
        return self._mark.positions

    def write(self, rows: pa.RecordBatch, partition: TablePartition) -> None:
        """See `Sink`."""
        number = (
            Record()
            if partition.start is None
            else Record(period_number(partition, self._wanted.partition_by))
        )
        with translated(f"table {self._name}"):
            self._staged = self._staged or StagedFiles(layout=self._layout())
            self._staged.write(rows, partition, number)

    def commit(self, upto: Positions) -> Committed:
        """See `Sink`."""
        # 1. Every file whole and on disk.
        files = self._finish_files()
        # 2. Files and positions in one snapshot, if nobody moved the positions.
        mark = new_mark({**self._mark.positions, **upto})
        self._append(files, mark)
        # 3. From here on they are the table's, not ours to drop.
        if self._staged is not None:
            self._staged.committed()
        self._mark, self._staged, self._in_doubt = mark, None, False
        return Committed(
            rows=sum(file.record_count for file in files),
            files=len(files),
            nbytes=sum(file.file_size_in_bytes for file in files),
            at=self._clock.now(),
        )

    def ids_since(self, stream: StreamName, since: datetime) -> pa.RecordBatchReader:
        """See `RemembersIds`. Looks at the table as it is: files of what was loaded long ago may be gone."""
        self.confirm()
        return self._opened().ids(stream, since)

    def last_row(self, source: StreamPartition) -> tuple[Offset, datetime] | None:
        """See `RemembersRows`."""
        return self._opened().last_row(source, self._mark.positions.get(source, Offset(0)))

    def place(self) -> str:
        """See `Locates`."""
        return f"{self._config.place} {self._config.qualified(self._name)}"

    def confirm(self) -> None:
        """See `Confirms`."""
        self._opened().refresh()
        now = self._opened().mark()
        if now.name != self._mark.name:
            raise FencedError(f"table {self._name}: another writer moved it to {now.positions}")

    def totals(self) -> Totals | None:
        """See `Counts`."""
        return self._opened().totals()

    def maintain(self, keep: timedelta) -> None:
        """See `Maintains`. Leftovers of killed writers are looked for once after `open`.

        Files of dropped partitions go when no snapshot has them any more.
        """
        now = self._clock.now()
        try:
            expire_snapshots(self._opened(), now - keep)
        except Conflict:
            return  # whoever was first may have done it; the next time will tell
        is_due = self._sweep_at is not None and now - keep >= self._sweep_at
        with translated(f"table {self._name}"):
            remove_leftovers(self._opened(), now - keep, data=is_due)
        self._sweep_at = None if is_due else self._sweep_at

    def drop_before(self, end: datetime) -> int:
        """See `Retains`. One snapshot without the files; their space is free when that of before is expired."""
        self.confirm()
        try:
            dropped = self._opened().drop_before(end)
        except Conflict:
            return 0  # the next time
        if dropped:
            self._sweep_at = self._clock.now()
        return dropped

    def close(self) -> None:
        """See `Sink`."""
        self._drop()
        if self._table is not None:
            self._table.close()
            self._table = None

    def _finish_files(self) -> list[DataFile]:
        if self._staged is None:
            return []
        with translated(f"table {self._name}"):
            return self._staged.finish()

    def _append(self, files: list[DataFile], mark: Mark) -> None:
        table = self._opened()
        for _ in range(ATTEMPTS):
            if files:
                table.check_is(self._wanted)
            self._in_doubt = True
            try:
                return table.append(files, mark, after=self._mark)
            except (Conflict, BobrError) as error:
                if self._landed(mark, error):
                    return None
        raise UnavailableError(f"table {self._name}: others commit all the time, try again")

    def _landed(self, mark: Mark, error: Conflict | BobrError) -> bool:
        """Look what became of a commit: it landed after all; or may be tried again; or raise."""
        self._in_doubt = isinstance(error, BobrError)  # a conflict is sure
        was = self._opened().version
        self._opened().refresh()
        now = self._opened().mark()
        if now.name == mark.name:
            return True
        if now.name != self._mark.name:  # ours may be below it
            self._drop()
            raise FencedError(f"table {self._name}: another writer moved it to {now.positions}")
        self._in_doubt = False
        if isinstance(error, BrokenError) and was != self._opened().version:
            return False  # another engine has replaced what was loaded, and removed its files
        if isinstance(error, BobrError):
            raise error
        return False

    def _open_table(self, table: TableSchema) -> None:
        for _ in range(ATTEMPTS):
            try:
                self._opened().open(table)
                with translated(f"table {self._name}"):
                    return remove_abandoned(self._opened())
            except Conflict as error:
                log.info("table changed while it was opened", table=self._name, by=str(error))
        raise UnavailableError(f"table {self._name}: others change it all the time, try again")

    def _opened(self) -> IcebergTable:
        assert self._table is not None, "not opened"
        return self._table

    def _layout(self) -> Layout:
        self._opened().check_is(self._wanted)
        metadata = self._opened().metadata
        return Layout(
            folder=local_path(metadata.location) / "data",
            schema=metadata.schema(),
            spec_id=metadata.default_spec_id,
            writer=uuid.uuid4().hex,
            properties=metadata.properties,
        )

    def _drop(self) -> None:
        staged, in_doubt = self._staged, self._in_doubt
        self._staged, self._in_doubt = None, False
        if staged is None:
            return
        with translated(f"table {self._name}"):
            # Files of a commit whose outcome is unknown may be in the table: the next `open` finds out.
            staged.leave() if in_doubt else staged.drop()
