"""`bobr sql` and `bobr tail`: what is in the tables, and what is in the streams."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bobr.cli.options import DIR, Dir, Json
from bobr.errors import RejectedError

if TYPE_CHECKING:
    import pyarrow as pa


def sql(
    query: Annotated[
        str, typer.Argument(help="DuckDB's SQL; every delivered table is there by name.")
    ],
    directory: Dir = DIR,
    as_json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV with a header on stdout.")] = False,
) -> None:
    """Query the delivered tables.

    --json prints a list of objects. Times are UTC.

    Example: bobr sql 'select platform, count(*) as n from orders group by 1'
    """
    from bobr.cli.render import print_csv, print_json, print_table

    result = _result(directory, query)
    if as_json:
        print_json(result, sys.stdout)
    elif csv:
        print_csv(result, sys.stdout)
    else:
        print_table(result)


def _result(directory: Path, query: str) -> "pa.Table":
    import duckdb
    import pyarrow as pa

    from bobr.cli.system import lake
    from bobr.transmitter.sinks.iceberg import IcebergConfig, connect

    try:
        connection = connect(IcebergConfig.in_folder(lake(directory)), _tell_unreadable)
        relation = cast("duckdb.DuckDBPyRelation | None", connection.sql(query))  # None: no result
        return pa.table({}) if relation is None else relation.to_arrow_table()
    except duckdb.Error as error:
        raise RejectedError(str(error)) from error


def _tell_unreadable(table: str, why: str) -> None:
    print(f"bobr: table {table} can not be read and is left out: {why}", file=sys.stderr)


def tail(
    stream: Annotated[str, typer.Argument(help="Name of the stream.")],
    start: Annotated[
        str, typer.Option("--from", help="beginning, end, or the offset to start at.")
    ] = "end",
    limit: Annotated[int, typer.Option(help="Stop after so many events; 0: never.")] = 0,
    follow: Annotated[
        bool, typer.Option(help="Wait for new events at the end; --no-follow: stop there.")
    ] = True,
    directory: Dir = DIR,
) -> None:
    """Print events as they are in the stream, decoded, one JSON object a line.

    Example: bobr tail orders --from beginning --limit 5
    """
    from bobr.cli.system import controller

    path = f"/v1/streams/{stream}/events"
    query: dict[str, str | int] = {"from": start, "limit": limit, "follow": int(follow)}
    with controller(directory) as system:
        for line in system.lines(path, query):
            print(line, flush=True)
