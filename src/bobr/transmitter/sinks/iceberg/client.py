"""The Iceberg catalog: loading, creating, evolving and committing to one table."""

import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    TableAlreadyExistsError,
)
from pyiceberg.expressions import And, EqualTo, GreaterThanOrEqual, LessThan, NotNull
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots
from sqlalchemy.exc import (
    IntegrityError,
    ProgrammingError,
)

from bobr.batch import Positions
from bobr.catalog import PartitionBy
from bobr.errors import BrokenError, UnavailableError
from bobr.ids import Offset, StreamName, StreamPartition
from bobr.transmitter.columns import union
from bobr.transmitter.sinks import TableSchema, Totals
from bobr.transmitter.sinks.iceberg.change import Change
from bobr.transmitter.sinks.iceberg.config import IcebergConfig
from bobr.transmitter.sinks.iceberg.durable import DurableFileIO
from bobr.transmitter.sinks.iceberg.failures import make_folder, translated
from bobr.transmitter.sinks.iceberg.mapping import (
    PARTITIONED_BY,
    arrow_columns,
    check_types,
    is_partitioned_by,
    partition_field_name,
    positions_from_json,
    positions_json,
    transform_of,
)

CATALOG_NAME = "bobr"
POSITIONS = "bobr.positions"
MARK = "bobr.mark"
SEQUENCE = "bobr.sequence-number"
"""Of the snapshot that positions and mark in the table's properties are a copy from."""
FENCE = "bobr.fence"
"""Another with each writer whose files were cleared away."""
FIRST = 1
"""The number of a table's first snapshot."""
ROLLED_BACK = (
    "it was rolled back, and the snapshots that say how much of the log it had then are expired: roll it forward, "
    "or drop it to have it made anew from all that the log still has"
)
NEAR = (1, 64, 4096)
"""How far, in offsets, a row is looked for. Files without such are not read; the first look mostly finds it in one."""
TOTALS = ("total-records", "total-data-files", "total-files-size")
"""What Iceberg has every snapshot's summary say."""

PROPERTIES = {
    # PyIceberg's own retry appends on top of whatever another writer committed: no fence.
    "commit.retry.num-retries": "0",
    # Each commit adds a manifest; merged, the list that every commit rewrites stays short.
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "write.parquet.compression-codec": "zstd",
}


_CREATED_MEANWHILE = (
    NamespaceAlreadyExistsError,
    TableAlreadyExistsError,
    CommitFailedException,
    IntegrityError,
)


class Conflict(Exception):  # noqa: N818 -- not a failure: somebody else was first
    """Somebody else changed the table since it was loaded; nothing became visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What our last commit left in the table. `name` differs for each; empty: never committed."""

    name: str
    positions: Positions


class IcebergTable:
    """One table as last loaded. One owner thread."""

    def __init__(self, config: IcebergConfig, name: str) -> None:
        """Opens the catalog, and makes it when it is not there. The table may not exist yet."""
        self.name = config.qualified(name)
        self._config = config
        with self._translated():
            if config.is_file:
                make_folder(config.catalog.parent)
            self._catalog = open_catalog(config)
        self._table: Table | None = None

    @property
    def table(self) -> Table:
        """As last loaded or committed."""
        assert self._table is not None, "not opened"
        return self._table

    @property
    def metadata(self) -> TableMetadata:
        """As last loaded or committed."""
        return self.table.metadata

    @property
    def version(self) -> str:
        """Of the metadata: another with each change, by whomever."""
        return self.table.metadata_location

    def refresh(self) -> None:
        """Load what is in the catalog now. UnavailableError: another table has the name."""
        with self._translated():
            found = self._catalog.load_table(self.name)
        if found.metadata.table_uuid != self.metadata.table_uuid:
            raise UnavailableError(f"table {self.name} was replaced by another; that is opened")
        self._table = found

    def open(self, wanted: TableSchema) -> None:
        """Load the table, created or evolved to hold these columns. May raise Conflict."""
        check_types(wanted.columns)
        with self._translated():
            if not self._catalog.table_exists(self.name):
                self._create(wanted)
            self._table = self._catalog.load_table(self.name)
            self._config.check_is_ours(self._table)
            self._evolve(wanted)

    def _create(self, wanted: TableSchema) -> None:
        try:
            self._catalog.create_namespace_if_not_exists(self.name.rpartition(".")[0])
            location = self._config.new_location(self.name)
            try:
                creation = self._catalog.create_table_transaction(
                    self.name, wanted.columns, str(location), properties=PROPERTIES
                )
                _partition(creation, wanted.partition_by)
                creation.commit_transaction()
            except (*_CREATED_MEANWHILE, OSError):
                # The folder is our own and the table in no catalog; each try would leave one.
                shutil.rmtree(location, ignore_errors=True)
                raise
        except _CREATED_MEANWHILE as error:
            raise Conflict(str(error)) from error

    def _evolve(self, wanted: TableSchema) -> None:
        columns = arrow_columns(self.metadata.schema())
        merged = union(columns, wanted.columns)
        change = Change(self.table)
        if merged != columns:
            with change.update_schema() as schema:
                schema.union_by_name(merged)
        if not is_partitioned_by(self.metadata.spec(), wanted.partition_by):
            _partition(change, wanted.partition_by)
        if any(self.metadata.properties.get(key) != value for key, value in PROPERTIES.items()):
            change.set_properties(PROPERTIES)
        self._commit(change)

    def mark(self) -> Mark:
        """Where our last commit, by whatever process, left the positions.

        BrokenError: what is current does not come from that commit, and nothing tells the positions of then.
        """
        line = list(self.line(self.metadata.current_snapshot()))
        # A copy, for when others expired the snapshot that has them.
        kept = self.metadata.properties
        if line and _carries(line[-1]):
            kept = line[-1].summary.additional_properties  # type: ignore[union-attr]  # it has one
        elif int(kept.get(SEQUENCE, 0)) > (oldest := _sequence(line)):
            if oldest != FIRST:
                raise BrokenError(f"table {self.name}: {ROLLED_BACK}")
            kept = {}  # to before our first commit
        positions = positions_from_json(kept.get(POSITIONS, "{}"), self.name)
        return Mark(name=kept.get(MARK, ""), positions=positions)

    def line(self, snapshot: Snapshot | None) -> Iterator[Snapshot]:
        """That snapshot and those that it comes from, down to the newest that a commit of ours made.

        Other writers' snapshots (compaction, deletes) do not carry positions. If none does, down to where others have
        expired the next.
        """
        while snapshot is not None:
            yield snapshot
            snapshot = None if _carries(snapshot) else self._parent(snapshot)

    def _parent(self, snapshot: Snapshot) -> Snapshot | None:
        parent = snapshot.parent_snapshot_id
        return None if parent is None else self.metadata.snapshot_by_id(parent)

    def totals(self) -> Totals | None:
        """What the current snapshot says of itself; writers need not say it."""
        snapshot = self.metadata.current_snapshot()
        if snapshot is None:
            return Totals(rows=0, files=0, nbytes=0)
        said = snapshot.summary.additional_properties if snapshot.summary else {}
        numbers = [said.get(name, "") for name in TOTALS]
        if not all(map(str.isdecimal, numbers)):
            return None
        rows, files, nbytes = map(int, numbers)
        return Totals(rows=rows, files=files, nbytes=nbytes)

    def append(self, files: Sequence[DataFile], mark: Mark, *, after: Mark) -> None:
        """Add files and positions in one snapshot, on top of the table as loaded, or Conflict.

        after: the last commit that the files' writer knows of. What is loaded may be newer (maintenance loads the
        table, too), and a commit on top of it would then be no fence at all.
        UnavailableError: the outcome is unknown; after a `refresh`, `mark` tells it.
        """
        if (last := self.mark()).name != after.name:
            raise Conflict(f"it was moved to {last.positions}")
        with self._translated():
            change = Change(self.table)
            summary = self._carry(mark, change)
            with change.update_snapshot(snapshot_properties=summary).merge_append() as snapshot:
                for file in files:
                    snapshot.append_data_file(file)
            self._commit(change)

    def check_is(self, opened: TableSchema) -> None:
        """UnavailableError: another engine has changed it since `open`, which changes it back.

        RejectedError: it can not be changed back.
        """
        if not is_partitioned_by(self.metadata.spec(), opened.partition_by):
            raise UnavailableError(f"table {self.name} was partitioned anew by another engine")
        columns = arrow_columns(self.metadata.schema())
        if union(columns, opened.columns) != columns:
            raise UnavailableError(f"columns of table {self.name} were changed by another engine")

    def expire(self, snapshots: Iterable[int]) -> None:
        """Forget these snapshots, if the table is still as loaded, or Conflict. No branch or tag may name one."""
        with self._translated():
            change = Change(self.table)
            ExpireSnapshots(change).by_ids(list(snapshots)).commit()
            self._commit(change)

    def drop_before(self, end: datetime) -> int:
        """Drop the files that have nothing but rows of before, if the table is still as loaded, or Conflict.

        How many rows went. The new snapshot carries the positions on, so that nothing holds the one with the files.
        """
        older = LessThan("_event_time", end.isoformat())  # type: ignore[call-arg,arg-type]  # as in `ids`
        with self._translated():
            change = Change(self.table)
            summary = self._carry(self.mark(), change)
            with change.update_snapshot(snapshot_properties=summary).delete() as deletion:
                deletion.delete_by_predicate(older)
            if not deletion.files_affected:
                return 0
            self._commit(change)
        now = self.metadata.current_snapshot()
        assert now is not None, "just committed"
        assert now.summary is not None, "PyIceberg's own has one"
        return int(now.summary["deleted-records"] or 0)

    def _carry(self, mark: Mark, change: Transaction) -> dict[str, str]:
        """What the next snapshot says of it, of which the table's properties get a copy."""
        summary = {POSITIONS: positions_json(mark.positions), MARK: mark.name}
        change.set_properties({**summary, SEQUENCE: str(self.metadata.next_sequence_number())})
        return summary

    def fence(self) -> None:
        """Change it, by nothing that matters: no commit on top of what was loaded comes after. Or Conflict: one came.

        A server may be making one still, of a writer that died: it has heard COMMIT, and waits for its standby, say.
        UnavailableError: it has not made it after `STATEMENT_SECONDS`.
        """
        with self._translated():
            change = Change(self.table)
            change.set_properties({FENCE: uuid.uuid4().hex})
            self._commit(change)

    def ids(self, stream: StreamName, since: datetime) -> pa.RecordBatchReader:
        """`_event_id` and `_ingest_time` of the stream's rows that have an id and came since then, streamed."""
        # As objects: PyIceberg's grammar for filters as text breaks when threads use it first at the same moment.
        came = GreaterThanOrEqual("_ingest_time", since.isoformat())  # type: ignore[call-arg,arg-type]  # pydantic's
        has_id = NotNull("_event_id")  # type: ignore[call-arg,arg-type]  # signature, not the class's own
        is_its_own = EqualTo("_stream", stream)  # type: ignore[call-arg,arg-type]
        row_filter = And(came, has_id, is_its_own)
        with self._planning():
            reader = self.table.scan(
                row_filter, ("_event_id", "_ingest_time")
            ).to_arrow_batch_reader()
        return pa.RecordBatchReader.from_batches(reader.schema, self._read(reader))

    def last_row(self, source: StreamPartition, before: Offset) -> tuple[Offset, datetime] | None:
        """`_offset` and `_ingest_time` of the partition's row with the largest offset before that one, if near it."""
        for start in (before - distance for distance in NEAR):
            row_filter = And(
                EqualTo("_stream", source.stream),  # type: ignore[call-arg,arg-type]  # as in `ids`
                EqualTo("_partition", source.partition),  # type: ignore[call-arg,arg-type]
                GreaterThanOrEqual("_offset", start),  # type: ignore[call-arg,arg-type]
                LessThan("_offset", before),  # type: ignore[call-arg,arg-type]
            )
            with self._planning():
                rows = self.table.scan(row_filter, ("_offset", "_ingest_time")).to_arrow()
            if rows.num_rows:
                last = rows.sort_by([("_offset", "descending")]).slice(0, 1).to_pylist()[0]
                return Offset(last["_offset"]), last["_ingest_time"]
        return None

    def _read(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """The files are opened while the batches are asked for: a damaged one is found only then."""
        with self._translated():
            yield from reader

    def close(self) -> None:
        """Close the catalog. Idempotent."""
        self._catalog.close()

    def _commit(self, change: Transaction) -> None:
        try:
            self._table = change.commit_transaction()
        except CommitFailedException as error:
            raise Conflict(str(error)) from error

    @contextmanager
    def _planning(self) -> Iterator[None]:
        """Of a scan, which PyIceberg refuses where another engine has deleted rows by their values."""
        with self._translated():
            try:
                yield
            except pa.ArrowInvalid:
                raise
            except ValueError as error:
                raise BrokenError(f"table {self.name} can not be read: {error}") from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with translated(f"table {self.name}"):
            yield


def new_mark(positions: Positions) -> Mark:
    """The mark of a new commit."""
    return Mark(name=uuid.uuid4().hex, positions=positions)


def open_catalog(config: IcebergConfig) -> SqlCatalog:
    """PyIceberg's catalog; its errors are to be `translated`."""
    io = {"py-io-impl": f"{DurableFileIO.__module__}.{DurableFileIO.__name__}"}
    return _Catalog(CATALOG_NAME, **config.properties(), **io)


class _Catalog(SqlCatalog):
    def _init_catalog(self) -> None:
        """Look for the catalog's own tables, and make them. If that fails, no connection is left behind."""
        with ExitStack() as undo:
            undo.callback(self.engine.dispose)
            try:
                super()._init_catalog()
            except (IntegrityError, ProgrammingError):
                # Two have found none at the same moment, and both made them: a server lets one.
                super()._init_catalog()
            undo.pop_all()


def _sequence(line: Sequence[Snapshot]) -> int:
    """The number of its oldest; 0: there is none."""
    return line[-1].sequence_number or 0 if line else 0


def _carries(snapshot: Snapshot) -> bool:
    return snapshot.summary is not None and POSITIONS in snapshot.summary.additional_properties


def _partition(change: Transaction, by: PartitionBy) -> None:
    with change.update_spec() as spec:
        for field in change.table_metadata.spec().fields:
            spec.remove_field(field.name)
        if transform := transform_of(by):
            spec.add_field(PARTITIONED_BY, transform, partition_field_name(by))
