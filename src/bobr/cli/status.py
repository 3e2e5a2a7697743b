"""`bobr status` and `bobr flush`: how things stand, and wait until they stand well."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bobr.cli.options import DIR, EXIT_PARTLY, Dir, Json, waiting

if TYPE_CHECKING:
    from bobr.runtime.folder import PartProcess

COLUMNS = {
    "parts": ("part", "state", "pid", "restarts", "last_exit", "revision", "error"),
    "streams": ("stream", "events", "MB", "last_event", "schemas", "accepted", "rejected"),
    "deliveries": (
        *("delivery", "state", "rows", "files", "lag", "duplicates", "last_commit", "reason"),
    ),
}

CONTROLLER = "controller"
NAMES = ("pid", "revision")
"""Columns of numbers that name something: nothing to be read as a size."""
STATUS_SECONDS = 5.0
"""The controller looks only at what it has: one that takes longer hangs, or the machine does."""


def flush(
    timeout: Annotated[float, waiting("Seconds to wait at most.")] = 30.0,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Return when everything that was accepted so far is in the tables.

    Exit status 1: the time was up before, stderr says which tables are behind. A controller that does not answer is
    waited for 5 s longer, then the status is 2.

    Example: bobr flush --timeout 60 && bobr sql 'select count(*) from orders'
    """
    from bobr.cli.system import controller

    with controller(directory) as system:
        done = system.post("/v1/flush", {"timeout_seconds": timeout}, timeout + STATUS_SECONDS)
    if as_json:
        print(json.dumps(done))
    behind: Mapping[str, Any] = done["behind"]  # type: ignore[assignment]  # delivery → events
    for name, word in behind.items():
        print(f"bobr: {name} {_lack(word)}", file=sys.stderr)
    if behind:
        raise typer.Exit(EXIT_PARTLY)


def _lack(word: Mapping[str, Any]) -> str:
    """What a table lacks, and why."""
    why = ": ".join(dict.fromkeys(filter(None, (word["state"], word["reason"]))))
    if word["events"] is None:
        return f"may be behind, it is not known by how much: {why}"
    return f"is behind by {word['events']:,} events: {why}"


def status(directory: Dir = DIR, as_json: Json = False) -> None:
    """Show parts, streams and deliveries: events, MB, lag, last commit.

    Exit status 1: a part does not run, does not answer or has an error, or a delivery is broken or unknown. When the
    controller does not answer within 5 s, what its supervisor knows is shown: the parts. Warnings, such as that it is
    open to other machines, do not change it; they are on stderr, and in --json.

    Example: bobr status --json
    """
    from bobr.cli.system import SilentControllerError, controller

    advice = ""
    try:
        with controller(directory) as system:
            state: Mapping[str, Any] = system.get("/v1/status", STATUS_SECONDS)
    except SilentControllerError as error:
        state, advice = _told_by_others(directory, error.why)
    if as_json:
        print(json.dumps(state))
    else:
        _print(state)
    for words in filter(None, (*state["warnings"], advice)):
        print(f"bobr: {words}", file=sys.stderr)
    if not state["well"]:
        raise typer.Exit(EXIT_PARTLY)


def _told_by_others(directory: Path, why: str) -> tuple[Mapping[str, Any], str]:
    """The status as far as it is known without the controller, None for what is not; and what to do."""
    from bobr.cli.system import addresses, supervised

    running = supervised(directory)
    parts = running.parts if running else {}
    state = {
        "well": False,
        "revision": None,
        "parts": [_part(name, process, why) for name, process in parts.items()] or None,
        "streams": None,
        "deliveries": None,
        "warnings": [],
        "addresses": running.addresses if running else addresses(directory),
        "metrics": running.metrics if running else None,
    }
    pid = parts[CONTROLLER].pid if CONTROLLER in parts else None
    kill = f", then `kill -9 {pid}`: it is started anew" if pid else ""
    return state, f"{why}: if that lasts, look into its log, {CONTROLLER}.log{kill}"


def _part(name: str, process: "PartProcess", why: str) -> dict[str, object]:
    """As the controller tells it. Whether the other parts speak, only it knows."""
    part = {"part": name, **asdict(process), "revision": None, "error": None}
    if name != CONTROLLER:
        return part
    state = "silent" if process.state == "running" else process.state
    return {**part, "state": state, "error": why}


def _print(state: Mapping[str, Any]) -> None:
    from bobr.cli.render import print_columns

    for name, columns in COLUMNS.items():
        if state[name]:
            rows = [[_cell(column, row.get(column)) for column in columns] for row in state[name]]
            print_columns(columns, rows)
        else:
            print(f"{name} are not known" if state[name] is None else f"no {name} yet")
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
