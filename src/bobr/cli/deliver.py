"""`bobr deliver`: schema → registry, stream, table, in one command."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from bobr.cli.options import DIR, Dir, Json, Options
from bobr.errors import SchemaError

OPTIONS: Options = {
    "stream": "--stream",
    "message": "--message",
    "table": "--table",
    "partition_by": "--partition",
    "dedup": "--dedup",
    "retention": "--retention",
    "event_bytes_max": "--event-bytes-max",
}


def deliver(  # noqa: PLR0913, PLR0917  # the options of the command
    proto: Annotated[Path, typer.Argument(help="The .proto file; imports are found beside it.")],
    stream: Annotated[str, typer.Option(help="Name of the stream, new or existing.")],
    message: Annotated[
        str, typer.Option(help="Full name of the event's message; may be left out if there is one.")
    ] = "",
    table: Annotated[
        str | None,
        typer.Option(help="Name of the table.  [default: the stream's, with _ for - and .]"),
    ] = None,
    partition: Annotated[
        str | None, typer.Option(help="none, hour, day or month of the event time.  [default: day]")
    ] = None,
    dedup: Annotated[
        str | None,
        typer.Option(
            help="Two events of one id within this time are one, such as 1h; 0: never.  [default: 24h]"
        ),
    ] = None,
    retention: Annotated[
        str | None,
        typer.Option(
            help="How long the log keeps delivered events, such as 12h or 30d.  [default: 7d]"
        ),
    ] = None,
    event_bytes_max: Annotated[
        int | None,
        typer.Option(
            help="A larger event is refused; in bytes, at most 3145728 (3 MiB).  [default: 1048576]",
            show_default=False,
        ),
    ] = None,
    include: Annotated[
        list[Path] | None,
        typer.Option(
            "-I", "--include", help="Further folder of imports.", exists=True, file_okay=False
        ),
    ] = None,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Register a schema, make its stream, and deliver the stream to a table.

    Again with a changed schema: the stream and the table follow, if they can; nothing is restarted.
    Times are a number with s, m, h or d: 90s, 30m, 12h, 7d.

    Example: bobr deliver shop.proto --message shop.v1.Order --stream orders --partition month
    """
    from bobr.cli.system import controller
    from bobr.schema.source.local import read_sources

    sources = read_sources(proto, include or ())
    wish = {
        "files": sources.files,
        "main": sources.main,
        "message": message,
        "stream": stream,
        "table": table,
        "partition_by": partition,
        "dedup": dedup,
        "retention": retention,
        "event_bytes_max": event_bytes_max,
    }
    try:
        with controller(directory, OPTIONS) as system, _told_when_interrupted(stream):
            done = system.post("/v1/deliver", wish)
    except SchemaError as error:
        raise sources.told(error) from error
    if as_json:
        print(json.dumps(done))
        return
    for line in done["changes"] or ["nothing changed"]:  # type: ignore[attr-defined]  # a list of lines
        print(line)
    print(f"live at revision {done['revision']}")


@contextmanager
def _told_when_interrupted(stream: str) -> Iterator[None]:
    """The controller has heard the wish, and goes on by itself."""
    try:
        yield
    except KeyboardInterrupt:
        message = (
            f"bobr: interrupted before the controller answered: stream {stream} may be made or changed all the same: "
            "`bobr status` shows it; the same `bobr deliver` again does no harm"
        )
        with suppress(OSError):
            print(message, file=sys.stderr)
        raise
