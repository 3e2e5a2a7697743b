"""`bobr sql` and `bobr tail`: what is in the tables, and what is in the streams."""

import re
import sys
from typing import Annotated

import typer
from typer.core import TyperCommand

from bobr.cli.ending import exact_output
from bobr.cli.options import DIR, EXIT_PARTLY, Dir, Json
from bobr.errors import RejectedError, UnavailableError

COMMENT = re.compile(r"--[^=]*\s")
"""No option has a blank before its value."""


class SqlCommand(TyperCommand):
    """Takes a query that begins with a comment for a query, not for an option that is mistyped."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # its base is private
        """As if such had been put behind `--`."""
        queries = [each for each in args if COMMENT.match(each)]
        others = [each for each in args if each not in queries]
        ordered = [*others, "--", *queries] if queries and "--" not in args else args
        return super().parse_args(ctx, ordered)


def sql(
    query: Annotated[
        str,
        typer.Argument(
            help="DuckDB's SQL; every table of the destination is there (orders, shop.orders); - for stdin, in UTF-8."
        ),
    ],
    destination: Annotated[
        str, typer.Option(help="Whose tables; of another than the lake while the system runs.")
    ] = "lake",
    directory: Dir = DIR,
    as_json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV with a header on stdout.")] = False,
) -> None:
    """Query the delivered tables.

    It only reads, other files too (read_csv, read_parquet). Of several statements the last one's result is printed,
    with --json as a list of objects. Times are UTC. A table that can not be read is left out, which stderr says; exit
    status 1: the query lists tables, and some are left out. Where another destination has a table of that name, stderr
    says how to read it.

    Example: bobr sql 'select platform, count(*) as n from orders group by 1'

    Example: bobr sql - --csv < report.sql > report.csv
    """
    if as_json and csv:
        raise RejectedError("--json and --csv: choose one")

    from bobr.cli.query import run
    from bobr.cli.render import print_csv, print_json, print_table

    result, is_partial = run(directory, _stdin() if query == "-" else query, destination)
    if as_json or csv:
        exact_output()
    if as_json:
        print_json(result, sys.stdout)
    elif csv:
        print_csv(result, sys.stdout)
    else:
        print_table(result)
    if is_partial:
        raise typer.Exit(EXIT_PARTLY)


def _stdin() -> str:
    if sys.stdin is None:
        raise RejectedError("stdin is closed: there is no query")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RejectedError(f"the query is not UTF-8 at byte {error.start}") from error


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

    Exit status 2: it was ended before, such as by the revocation of the key.

    Example: bobr tail orders --from beginning --limit 5
    """
    from bobr.cli.system import controller

    exact_output()
    path = f"/v1/streams/{stream}/events"
    query: dict[str, str | int] = {"from": start, "limit": limit, "follow": int(follow)}
    events = 0
    with controller(directory) as system:
        for line in system.lines(path, query):
            if line:  # else it only asks whether we are still there
                print(line, flush=True)
                events += 1
        if follow and (not limit or events < limit):
            for _ in system.lines(path, {"from": "end", "follow": 0}):  # what ended it is told now
                pass
            raise UnavailableError("the controller has ended it: follow the stream again")
