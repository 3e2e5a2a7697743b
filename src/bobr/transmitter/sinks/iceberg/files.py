"""Parquet files of one commit: written while rows come, durable before they are named to the
catalog.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem
from pyiceberg.io.pyarrow import (
    MetricModeTypes,
    MetricsMode,
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.typedef import Record
from pyiceberg.types import BinaryType, StringType

from bobr.transmitter.columns import conform
from bobr.transmitter.sinks import TablePartition
from bobr.transmitter.sinks.iceberg.durable import sync_file, sync_folder
from bobr.transmitter.sinks.iceberg.mapping import arrow_columns
from bobr.transmitter.sinks.iceberg.staging import PREFIX, StagingNote

ROW_GROUP_ROWS = 122_880
"""What DuckDB reads as one unit too."""
ROW_GROUP_BYTES = 32 * 1024 * 1024
"""In Arrow's memory."""
OPEN_FILES = 64
BUFFERED_BYTES = 128 * 1024 * 1024
"""Arrow memory of all row groups that are not full yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the files of one writer look, as of one version of the table."""

    folder: Path
    schema: Schema
    spec_id: int
    writer: str
    properties: dict[str, str]

    def name(self, number: int) -> str:
        """A file's name says its writer and the schema it was written with (`query.py` uses that)."""
        return f"{PREFIX}{self.writer}-{number:05d}-s{self.schema.schema_id}.parquet"


class TableFile:
    """One Parquet file that is being written. Rows collect to full row groups."""

    def __init__(self, path: Path, layout: Layout, columns: pa.Schema, partition: Record) -> None:
        """Create the file; `partition`: the values of the partition fields of all of its rows."""
        self.path = path
        self._layout = layout
        self._columns = columns
        self._partition = partition
        self._writer = pq.ParquetWriter(
            str(path),
            columns,
            filesystem=LocalFileSystem(),
            compression="zstd",
            compression_level=1,
            store_schema=False,
        )
        self._waiting: list[pa.RecordBatch] = []
        self.buffered = 0

    def write(self, rows: pa.RecordBatch) -> None:
        """Take rows of the table's columns."""
        self._waiting.append(rows)
        self.buffered += rows.nbytes
        if sum(len(some) for some in self._waiting) >= ROW_GROUP_ROWS or (
            self.buffered >= ROW_GROUP_BYTES
        ):
            self.flush()

    def flush(self) -> None:
        """Write what collected as a row group."""
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._columns)
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._waiting, self.buffered = [], 0

    def finish(self) -> DataFile:
        """Write the footer, bring everything to the disk, and describe the file to Iceberg."""
        self.flush()
        self._writer.close()
        sync_file(self.path)
        return self._described(pq.read_metadata(self.path))

    def _described(self, metadata: pq.FileMetaData) -> DataFile:
        schema = self._layout.schema
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=metadata,
            stats_columns=_statistics_plan(schema, self._layout.properties),
            parquet_column_mapping=parquet_path_to_id_mapping(schema),
        )
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=str(self.path),
            file_format=FileFormat.PARQUET,
            partition=self._partition,
            file_size_in_bytes=self.path.stat().st_size,
            spec_id=self._layout.spec_id,
            **statistics.to_serialized_dict(),
        )

    def drop(self) -> None:
        """Remove the file."""
        self._waiting = []
        self._writer.is_open = False  # or it would write a footer, and fail again on a full disk
        self._writer.file_handle.close()
        self.path.unlink(missing_ok=True)


@dataclass(slots=True, kw_only=True)
class StagedFiles:
    """All files of one commit. Bounded in open files and in buffered bytes. One owner thread."""

    layout: Layout
    rows: int = 0
    _number: int = 0
    _columns: pa.Schema = field(init=False)
    _open: OrderedDict[TablePartition, TableFile] = field(default_factory=OrderedDict)
    _finished: list[DataFile] = field(default_factory=list)
    _note: StagingNote = field(init=False)

    def __post_init__(self) -> None:
        """The columns of all files, and word that there are some."""
        self._columns = arrow_columns(self.layout.schema)
        self._note = StagingNote.begin(self.layout.folder, self.layout.writer)

    def write(self, rows: pa.RecordBatch, partition: TablePartition, values: Record) -> None:
        """Append rows to the partition's file."""
        file = self._open.pop(partition, None) or self._create(partition, values)
        self._open[partition] = file  # the last used is the last
        file.write(conform(rows, self._columns))
        self.rows += rows.num_rows
        if sum(some.buffered for some in self._open.values()) > BUFFERED_BYTES:
            max(self._open.values(), key=lambda some: some.buffered).flush()

    def _create(self, partition: TablePartition, values: Record) -> TableFile:
        if len(self._open) >= OPEN_FILES:
            _, oldest = self._open.popitem(last=False)
            self._finished.append(oldest.finish())
        folder = self.layout.folder / _folder_name(partition)
        folder.mkdir(parents=True, exist_ok=True)
        self._number += 1
        return TableFile(
            folder / self.layout.name(self._number), self.layout, self._columns, values
        )

    def finish(self) -> list[DataFile]:
        """Every file, whole and durable. May be called again; `write` no more."""
        while self._open:
            _, file = self._open.popitem()
            self._finished.append(file.finish())
        for path in self._paths():
            # Fails if the file is gone, and keeps it from looking like a leftover of long ago.
            os.utime(path)
        _sync_folders({self.layout.folder, *(path.parent for path in self._paths())})
        return self._finished

    def _paths(self) -> Iterator[Path]:
        return (Path(file.file_path) for file in self._finished)

    def committed(self) -> None:
        """The files are the table's now."""
        self._note.remove()

    def leave(self) -> None:
        """Whether the table has them is not known: whoever opens it next finds out (`maintain.py`)."""
        self._note.leave()

    def drop(self) -> None:
        """Remove all files. What can not be removed now, whoever opens the table next removes."""
        try:
            for file in self._open.values():
                file.drop()
            for path in self._paths():
                path.unlink(missing_ok=True)
            if len(self._open) + len(self._finished) == self._number:
                self._note.remove()  # else a file failed while it was made or finished, and is in neither
        finally:
            self._note.leave()


def _statistics_plan(schema: Schema, properties: dict[str, str]) -> dict[int, StatisticsCollector]:
    """Bounds of numbers and times; texts and bytes are only counted.

    PyIceberg shortens an upper bound by adding one to a character, and fails where that makes a
    surrogate (U+D7FF): one such event would stop the delivery.
    """
    plan = compute_statistics_plan(schema, properties)
    return {
        field_id: replace(collector, mode=MetricsMode(MetricModeTypes.COUNTS))
        if isinstance(collector.iceberg_type, StringType | BinaryType)
        else collector
        for field_id, collector in plan.items()
    }


def _folder_name(partition: TablePartition) -> str:
    return partition.start.isoformat()[:13] if partition.start else "all"


def _sync_folders(folders: set[Path]) -> None:
    for folder in folders:
        if folder.exists():
            sync_folder(folder)
