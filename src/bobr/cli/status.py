"""`bobr status` and `bobr flush`: how things stand, and wait until they stand well."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from bobr.cli.options import DIR, EXIT_PARTLY, Dir, Json

COLUMNS = {
    "parts": ("part", "state", "pid", "restarts", "last_exit", "revision", "error"),
    "streams": ("stream", "events", "MB", "last_event", "schemas", "accepted", "rejected"),
    "deliveries": (
        *("delivery", "state", "rows", "files", "lag", "duplicates", "last_commit", "reason"),
    ),
}

NAMES = ("pid", "revision")
"""Columns of numbers that name something: nothing to be read as a size."""


def flush(
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.", min=0)] = 30.0,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Return when everything that was accepted so far is in the tables.

    Exit status 1: the time was up before, stderr says which tables are behind.

    Example: bobr flush --timeout 60 && bobr sql 'select count(*) from orders'
    """
    from bobr.cli.system import controller

    with controller(directory) as system:
        done = system.post("/v1/flush", {"timeout_seconds": timeout}, timeout + 15)
    if as_json:
        print(json.dumps(done))
    behind: Mapping[str, Any] = done["behind"]  # type: ignore[assignment]  # delivery → events
    for name, word in behind.items():
        print(f"bobr: {name} {_lack(word)}", file=sys.stderr)
    if behind:
        raise typer.Exit(EXIT_PARTLY)


def _lack(word: Mapping[str, Any]) -> str:
    """What a table lacks, and why."""
    why = ": ".join(filter(None, (word["state"], word["reason"])))
    if word["events"] is None:
        return f"may be behind, it is not known by how much: {why}"
    return f"is behind by {word['events']:,} events: {why}"


def status(directory: Dir = DIR, as_json: Json = False) -> None:
    """Show parts, streams and deliveries: events, MB, lag, last commit.

    Exit status 1: a part does not run or has an error, or a delivery is broken or unknown.

    Example: bobr status --json
    """
    from bobr.cli.system import controller

    with controller(directory) as system:
        state: Mapping[str, Any] = system.get("/v1/status")
    if as_json:
        print(json.dumps(state))
    else:
        _print(state)
    if not state["well"]:
        raise typer.Exit(EXIT_PARTLY)


def _print(state: Mapping[str, Any]) -> None:
    from bobr.cli.render import print_columns

    for name, columns in COLUMNS.items():
        if state[name]:
            rows = [[_cell(column, row.get(column)) for column in columns] for row in state[name]]
            print_columns(columns, rows)
        else:
            print(f"no {name} yet")
        print()
    print("  ".join(f"{name} {where}" for name, where in state["addresses"].items()))


def _cell(column: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and column not in NAMES:
        return f"{value:,}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)
