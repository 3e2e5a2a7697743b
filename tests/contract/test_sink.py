"""Both sinks keep the contract, that of Iceberg with its catalog in a file and in a server."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bobr.catalog import BUILT_IN, SqlCatalog
from bobr.catalog.references import Text
from bobr.testing.sink import MemorySink, MemoryTable
from bobr.testing.sink_contract import SinkContract, Tables
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.sinks.iceberg.query import connect

Server = Any  # the class in conftest.py; test modules import nothing from each other
PASSWORD = "p@ss:w/rd%?"
"""Not to be put into a URI as it is."""


class MemoryTables:
    def __init__(self) -> None:
        self.tables: defaultdict[str, MemoryTable] = defaultdict(MemoryTable)

    def sink(self, table: str) -> MemorySink:
        return MemorySink(self.tables[table])

    def rows(self, table: str) -> pa.Table:
        return self.tables[table].rows()


class IcebergTables:
    """Read as users do: by SQL."""

    def __init__(self, config: IcebergConfig) -> None:
        self.config = config

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
        return IcebergTables(IcebergConfig.in_folder(tmp_path / "it's a 'lake'?"))


class TestIcebergSinkInPostgres(SinkContract):
    @pytest.fixture
    def tables(self, tmp_path: Path, postgres: Server) -> Tables:
        uri = postgres.new_database(PASSWORD).render_as_string()
        catalog = SqlCatalog(uri=Text(uri), password=Text(PASSWORD))
        destination = BUILT_IN.model_copy(update={"catalog": catalog})
        return IcebergTables(IcebergConfig.of(destination, tmp_path))
