"""Both sinks keep the contract."""

from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest

from bobr.testing.sink import MemorySink, MemoryTable
from bobr.testing.sink_contract import SinkContract, Tables
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.sinks.iceberg.query import connect


class MemoryTables:
    def __init__(self) -> None:
        self.tables: defaultdict[str, MemoryTable] = defaultdict(MemoryTable)

    def sink(self, table: str) -> MemorySink:
        return MemorySink(self.tables[table])

    def rows(self, table: str) -> pa.Table:
        return self.tables[table].rows()


class IcebergTables:
    """Read as users do: by SQL."""

    def __init__(self, folder: Path) -> None:
        self.config = IcebergConfig.in_folder(folder)

    def sink(self, table: str) -> IcebergSink:
        return IcebergSink(self.config, table)

    def rows(self, table: str) -> pa.Table:
        with connect(self.config) as connection:
            return connection.sql(f"SELECT * FROM {table}").to_arrow_table()


class TestMemorySink(SinkContract):
    @pytest.fixture
    def tables(self) -> Tables:
        return MemoryTables()


class TestIcebergSink(SinkContract):
    @pytest.fixture
    def tables(self, tmp_path: Path) -> Tables:
        return IcebergTables(tmp_path / "it's a 'lake'?")
