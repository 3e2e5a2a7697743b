"""A query over the delivered tables, for `bobr sql`: it only reads, and tells what is wrong and which tables there are.

DuckDB can write files, and the tables are files: one `COPY … TO` with a wrong path would end a
table. So only what reads is run. Reading other files is the user's right, in the user's own shell.
"""

import difflib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import duckdb
import pyarrow as pa

from bobr.catalog.model import LAKE
from bobr.cli.destinations import Reading, reading
from bobr.errors import BobrError, BrokenError, NotFoundError, RejectedError
from bobr.ids import DestinationName
from bobr.transmitter.sinks.iceberg.query import MAIN, PLACE, connect

PREPARING = frozenset({duckdb.StatementType.CREATE, duckdb.StatementType.INSERT})
"""In memory, for the statements behind it."""
READING = frozenset(
    {
        duckdb.StatementType.SELECT,
        duckdb.StatementType.EXPLAIN,
        duckdb.StatementType.PRAGMA,
        duckdb.StatementType.CALL,
        duckdb.StatementType.SET,
        duckdb.StatementType.MULTI,  # PIVOT
        *PREPARING,
    }
)
WRITES = re.compile(r"\bCOPY\b", re.IGNORECASE)
"""Where DuckDB hides the statement that it will run: behind EXPLAIN ANALYZE, and in several made of a PIVOT."""
HIDING = frozenset({duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI})
NO_TABLE = re.compile(r"Table with name (.+?) does not exist")
LISTS_TABLES = re.compile(
    r"(^|;|\(|\bfrom)\s*show\b"
    r"|\b(describe\s*(;|$)|information_schema|pg_catalog|sqlite_master|duckdb_(tables|views|columns)|pragma\b)",
    re.IGNORECASE,
)
"""In a query for which tables there are, not for what is in one."""
TABLES_TOLD_MAX = 20


class Answer(NamedTuple):
    """rows: of the last statement; no columns: it has none. is_partial: it lists tables, and some are left out."""

    rows: pa.Table
    is_partial: bool


def run(directory: Path, query: str, destination: str = LAKE) -> Answer:
    """What it says. Tables that can not be read are left out, which is told on stderr, as are those it may mean, too.

    RejectedError: it is wrong, or would write. NotFoundError: no such table, destination or data folder. BrokenError:
    it is for a table that can not be read.
    """
    over = reading(directory, DestinationName(destination))
    unreadable: dict[str, str] = {}
    connection = connect(over.config, unreadable.__setitem__)
    try:
        rows = _rows(connection, query, over, unreadable)
        for name in _named(connection, query):
            for words in over.besides(name):
                print(f"bobr: {name} is that of {destination}; {words}", file=sys.stderr)
    finally:
        for table, why in unreadable.items():
            print(f"bobr: table {table} can not be read and is left out: {why}", file=sys.stderr)
    return Answer(rows, bool(unreadable and LISTS_TABLES.search(query)))


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, over: Reading, unreadable: dict[str, str]
) -> pa.Table:
    """unreadable: tables, and why; the one that the query is for is said by the error, and no longer there."""
    try:
        connection.execute("SET lock_configuration = true")  # some settings name files to write
        _refuse_writes(connection, query)
        relation = cast("duckdb.DuckDBPyRelation | None", connection.sql(query))  # None: no result
        return pa.table({}) if relation is None else relation.to_arrow_table()
    except duckdb.CatalogException as error:
        elsewhere = [words for name in _named(connection, query) for words in over.besides(name)]
        raise _not_found(
            str(error), over.where, _tables(connection), elsewhere, unreadable
        ) from error
    except duckdb.Error as error:
        raise _refused(str(error)) from error


def _named(connection: duckdb.DuckDBPyConnection, query: str) -> Sequence[str]:
    """Tables that its statements are for, as far as DuckDB takes them apart: SELECT and what is one inside."""
    names: dict[str, None] = {}
    for statement in connection.extract_statements(query):
        found = connection.execute("SELECT json_serialize_sql(?)", [statement.query]).fetchone()
        assert found is not None
        names |= dict.fromkeys(_tables_in(json.loads(found[0])))
    return list(names)


def _tables_in(part: object) -> Iterator[str]:
    """Of a query as JSON."""
    if isinstance(part, list):
        for each in part:
            yield from _tables_in(each)
    elif isinstance(part, dict):
        if part.get("type") == "BASE_TABLE":
            words = (part[each] for each in ("catalog_name", "schema_name", "table_name"))
            yield ".".join(word for word in words if word)
        yield from _tables_in(list(part.values()))


def _refuse_writes(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    statements = connection.extract_statements(query)
    if not statements:
        raise RejectedError("there is no statement in the query")
    if statements[-1].type in PREPARING:
        message = (
            f"{statements[-1].query.split()[0].upper()} changes nothing that stays: bobr sql only reads. "
            "What it makes can be read by a statement behind it, in the same query"
        )
        raise RejectedError(message)
    for statement in statements:
        hidden = statement.type in HIDING and WRITES.search(statement.query)
        if statement.type not in READING or hidden:
            message = (
                f"{statement.query.split()[0].upper()} is not run: bobr sql only reads. Results go to stdout: "
                "--csv or --json, and `> FILE`"
            )
            raise RejectedError(message)


def _not_found(
    message: str,
    where: str,
    tables: Sequence[str],
    elsewhere: Sequence[str],
    unreadable: dict[str, str],
) -> BobrError:
    missing = NO_TABLE.search(message)
    if not missing:
        return _refused(message)
    name = missing[1].strip('"')
    for table in unreadable:
        if name.lower() in (table, table.rpartition(".")[2]):
            return BrokenError(f"table {name!r} can not be read: {unreadable.pop(table)}")
    if elsewhere:
        return NotFoundError(f"no table {name!r} in {where}; {'; '.join(elsewhere)}")
    none = "none that can be read" if unreadable else "none yet, `bobr deliver` makes them"
    there = ", ".join(_nearest(name, tables)) or none
    more = f" and {len(tables) - TABLES_TOLD_MAX} more" if len(tables) > TABLES_TOLD_MAX else ""
    return NotFoundError(f"no table {name!r} in {where}; there are: {there}{more}")


def _refused(message: str) -> RejectedError:
    """What is wrong, on one line. The place in the query, with its mark below it, is printed before."""
    what, _, place = message.partition(PLACE)
    if place:
        print(f"{PLACE}{place}".strip("\n"), file=sys.stderr)
    return RejectedError(" ".join(what.split()))


def _nearest(name: str, tables: Sequence[str]) -> Sequence[str]:
    def unlikeness(table: str) -> float:
        return -difflib.SequenceMatcher(None, name.lower(), table).ratio()

    return sorted(tables, key=unlikeness)[:TABLES_TOLD_MAX]


def _tables(connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
    """By the names that a query has for them."""
    found = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables ORDER BY table_schema <> 'main', 1, 2"
    )
    return [name if schema == MAIN else f"{schema}.{name}" for schema, name in found.fetchall()]
