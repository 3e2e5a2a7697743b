"""SQL over the tables: a DuckDB connection with a view for each.

DuckDB reads the Parquet files of the current snapshot itself, so projections and filters reach
them. Files that were written before the table had all of its columns are read as they are and cast:
DuckDB fills absent members with NULL at any depth. (Its own `union_by_name` crashes, as of 2.0, on
a nested member that some files lack.)
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import ValidationError
from pyiceberg.table import FileScanTask, Table
from pyiceberg.typedef import Identifier

from bobr.errors import BrokenError, RejectedError
from bobr.transmitter.sinks import SYSTEM_COLUMNS
from bobr.transmitter.sinks.iceberg.client import open_catalog, translated
from bobr.transmitter.sinks.iceberg.config import IcebergConfig
from bobr.transmitter.sinks.iceberg.durable import local_path
from bobr.transmitter.sinks.iceberg.mapping import arrow_columns
from bobr.transmitter.sinks.iceberg.staging import PREFIX

_OURS = re.compile(rf"{PREFIX}[0-9a-f]+-\d+-s(\d+)\.parquet")

_NAMES: Mapping[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.date32(): "DATE",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}

MAIN = "main"
"""DuckDB's schema of bare names."""
PASSED = "bobr_passed"
"""What rows are called for a moment."""
PLACE = "\n\nLINE "
"""Where DuckDB's message goes on with the line of the query and a mark below it."""
UNREADABLE = (BrokenError, duckdb.Error, ValidationError, pa.ArrowInvalid, FileNotFoundError)
"""What one table's damaged files bring about, or those of another data folder."""


def connect(
    config: IcebergConfig, unreadable: Callable[[str, str], object] = lambda _table, _why: None
) -> duckdb.DuckDBPyConnection:
    """A connection whose views show every table as of now; times are shown in UTC.

    Tables of the config's namespace have bare names, others lie in a schema of the name of theirs: `shop.orders`.

    unreadable: told of each table that is left out, since its files are gone or damaged, and why, on one line.

    Reading only: nothing that is done here reaches the tables. Raises UnavailableError, BrokenError
    as a sink does. No catalog yet: no views.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    if not config.is_file or config.catalog.exists():
        with translated("tables"), open_catalog(config) as catalog:
            for name in _tables(catalog, config.namespace):
                try:
                    table = catalog.load_table(name)
                    config.check_is_ours(table)
                    _create_view(connection, table, _schema(name, config.namespace))
                except UNREADABLE as error:
                    unreadable(_shown(name, config.namespace), _why(error))
    return connection


def _shown(name: Identifier, namespace: str) -> str:
    """As a query has it."""
    return ".".join(name).removeprefix(f"{namespace}.")


def _schema(name: Identifier, namespace: str) -> str:
    """The one of DuckDB's that shows it."""
    own = ".".join(name[:-1])
    return MAIN if own == namespace else own


def _why(error: Exception) -> str:
    """On one line, without the statement of ours behind DuckDB's words, which says nothing to who reads the table."""
    words = str(error)
    return " ".join(
        (words.partition(PLACE)[0] if isinstance(error, duckdb.Error) else words).split()
    )


def _tables(catalog: Catalog, first: str) -> Iterator[Identifier]:
    """Of all namespaces, those of that one first: if names of others are DuckDB's own, these are not shown for it."""
    for namespace in sorted(_namespaces(catalog), key=lambda name: (".".join(name) != first, name)):
        yield from sorted(catalog.list_tables(namespace))


def _namespaces(catalog: Catalog, within: Identifier = ()) -> Iterator[Identifier]:
    for namespace in catalog.list_namespaces(within):
        yield namespace
        yield from _namespaces(catalog, namespace)


def _create_view(connection: duckdb.DuckDBPyConnection, table: Table, schema: str) -> None:
    within = f"memory.{_quoted(schema)}"  # else some names would be those of DuckDB's own databases
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {within}")
    name = f"{within}.{_quoted(table.name()[-1])}"
    tasks = list(table.scan().plan_files())
    columns = _columns(table)
    if columns is None or any(task.delete_files for task in tasks):
        # Only other engines make such; PyIceberg reads them right, if not as fast.
        connection.register(PASSED, table.scan().to_arrow())
        connection.execute(f"CREATE TABLE {name} AS FROM {PASSED}")
        connection.unregister(PASSED)
        return
    selects = [_select_none(columns), *_selects(tasks, columns, table.schema().schema_id)]
    connection.execute(f"CREATE VIEW {name} AS {' UNION ALL '.join(selects)}")


def _columns(table: Table) -> list[pa.Field] | None:
    """The event's columns, then our own, also where evolution added some later.

    None: some are of types that we do not deliver.
    """
    try:
        columns = arrow_columns(table.schema())
    except RejectedError:
        return None
    return sorted(columns, key=lambda field: field.name in SYSTEM_COLUMNS.names)


def _selects(tasks: Iterable[FileScanTask], columns: list[pa.Field], current: int) -> Iterator[str]:
    """One SELECT for each set of files of the same columns."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(local_path(task.file.file_path) for task in tasks):
        groups.setdefault(_layout(path), []).append(path)
    for layout, files in groups.items():
        select = _select_as_is if layout == str(current) else _select_cast
        yield select(columns, files)


def _layout(path: Path) -> str:
    """What files of the same columns have in common: the schema id in our names, or else the
    columns that a foreign file itself tells.
    """
    ours = _OURS.fullmatch(path.name)
    return ours[1] if ours else str(pq.read_schema(path))


def _select_none(columns: list[pa.Field]) -> str:
    """No rows, of the right types: a table without files has columns too."""
    nulls = ", ".join(f"NULL::{_type(f.type)} AS {_quoted(f.name)}" for f in columns)
    return f"(SELECT {nulls} WHERE false)"


def _select_as_is(columns: list[pa.Field], files: list[Path]) -> str:
    names = ", ".join(_quoted(f.name) for f in columns)
    return f"(SELECT {names} FROM {_scan(files)})"  # noqa: S608 -- quoted


def _select_cast(columns: list[pa.Field], files: list[Path]) -> str:
    present = set(pq.read_schema(files[0]).names)
    casts = ", ".join(
        f"CAST({_quoted(f.name) if f.name in present else 'NULL'} AS {_type(f.type)})"
        f" AS {_quoted(f.name)}"
        for f in columns
    )
    return f"(SELECT {casts} FROM {_scan(files)})"  # noqa: S608 -- quoted


def _scan(files: list[Path]) -> str:
    names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    return f"read_parquet([{names}], hive_partitioning = false)"


def _type(kind: pa.DataType) -> str:
    """An Arrow type as DuckDB names it."""
    if pa.types.is_struct(kind):
        members = ", ".join(f"{_quoted(member.name)} {_type(member.type)}" for member in kind)
        return f"STRUCT({members})"
    if pa.types.is_list(kind):
        return f"{_type(kind.value_type)}[]"
    if pa.types.is_map(kind):
        return f"MAP({_type(kind.key_type)}, {_type(kind.item_type)})"
    if pa.types.is_decimal128(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    return _NAMES[kind]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
