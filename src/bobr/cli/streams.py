"""`bobr streams`, `bobr stream show`, `bobr delivery`: how streams and deliveries stand; pause and resume."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from bobr.cli.options import DIR, EXIT_PARTLY, Dir, Json
from bobr.errors import plain

ASK_SECONDS = 60.0

ROW = (
    *("stream", "partitions", "events", "MB", "events_per_second", "last_event"),
    *("readers", "largest_lag", "largest_lag_seconds"),
)
PARTITION = ("partition", "first", "end", "events", "MB", "share", "last_event")
READER = ("name", "kind", "state", "lag", "lag_seconds", "ingest_watermark")
LISTED = ("partitions", "readers")
"""Members of a stream that are tables of their own."""

Name = Annotated[str, typer.Argument(help="Its name; `bobr status` lists them.")]
Message = Annotated[str, typer.Option("--message", "-m", help="Why, for the history.")]
Author = Annotated[
    str | None,
    typer.Option(help="Who, for the history.  [default: git's user, or the system's]"),
]


def streams(directory: Dir = DIR, as_json: Json = False) -> None:
    """List the streams: what the log holds of each, its rate, and how far behind its last reader is.

    Events per second are those of the last minute. Lag is in events, and in seconds since the oldest of them came.
    Empty: not known.

    Example: bobr streams
    """
    found = _ask(directory, "/v1/streams")
    if as_json:
        print(json.dumps(found))
    elif found["streams"]:
        _table(ROW, found["streams"])
    else:
        print("no streams yet: `bobr deliver` or `bobr apply` makes the first")


def show_stream(name: Name, directory: Dir = DIR, as_json: Json = False) -> None:
    """Show one stream: its partitions and their skew, who reads it with their lag, its rate and schemas.

    Example: bobr stream show orders
    """
    found = _ask(directory, f"/v1/streams/{quote(name, safe='')}")
    if as_json:
        print(json.dumps(found))
        return
    _pairs((key, value) for key, value in found.items() if key not in LISTED)
    for title, names in zip(LISTED, (PARTITION, READER), strict=True):
        print()
        _table(names, found[title]) if found[title] else print(f"no {title}")


def show_delivery(name: Name, directory: Dir = DIR, as_json: Json = False) -> None:
    """Show one delivery: state, positions, what its table holds and lacks, and what was dropped.

    Example: bobr delivery show orders
    """
    found = _ask(directory, f"/v1/deliveries/{quote(name, safe='')}")
    print(json.dumps(found)) if as_json else _pairs(found.items())


def pause(
    name: Name,
    message: Message = "",
    author: Author = None,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Deliver nothing more to this table until it is resumed; its events stay in the log.

    Exit status 1: some part has not answered in time.

    Example: bobr delivery pause orders -m "the disk is moved"
    """
    _say(directory, name, "pause", message, author, as_json=as_json)


def resume(
    name: Name,
    message: Message = "",
    author: Author = None,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Deliver again, from where the table is.

    Exit status 1: some part has not answered in time.

    Example: bobr delivery resume orders
    """
    _say(directory, name, "resume", message, author, as_json=as_json)


def _say(  # the options of both commands
    directory: Path, name: str, word: str, message: str, author: str | None, *, as_json: bool
) -> None:
    from bobr.cli.origin import author_here
    from bobr.cli.plans import rollout_lines
    from bobr.cli.system import controller

    said = urlencode({"message": message, "author": author or author_here(Path())})
    with controller(directory) as system:
        path = f"/v1/deliveries/{quote(name, safe='')}/{word}?{said}"
        answer: Mapping[str, Any] = system.post(path, {}, ASK_SECONDS)
    if as_json:
        print(json.dumps(answer))
    else:
        for line in rollout_lines(answer):
            print(line)
    if not answer["live"]:
        raise typer.Exit(EXIT_PARTLY)


def _ask(directory: Path, path: str) -> Mapping[str, Any]:
    from bobr.cli.system import controller

    with controller(directory) as system:
        found: Mapping[str, Any] = system.get(path, ASK_SECONDS)
    return found


def _table(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    from bobr.cli.render import print_columns

    shown = list(rows)
    numbers = {name for name in names if any(isinstance(row[name], int | float) for row in shown)}
    print_columns(names, [[_cell(row[name]) for name in names] for row in shown], right=numbers)


def _pairs(members: Iterable[tuple[str, Any]]) -> None:
    for name, value in members:
        print(plain(f"{name:<18} {_cell(value)}".rstrip()))


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.3f}".rstrip("0").rstrip(".")
        case Mapping():
            return ", ".join(f"{name}: {_cell(each)}" for name, each in value.items())
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
