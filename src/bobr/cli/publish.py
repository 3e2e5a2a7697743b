"""`bobr publish`: NDJSON from a file or a pipe into a stream, with every refused line named."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TextIO

import typer

from bobr.cli.options import DIR, EXIT_PARTLY, Dir, Json
from bobr.errors import RejectedError

PIECE_BYTES = 1024 * 1024
BLANK = b" \t\r\n"
STDIN = Path("-")


@dataclass(slots=True)
class Total:
    """What became of the lines so far."""

    accepted: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def publish(
    stream: Annotated[str, typer.Argument(help="Name of the stream.")],
    file: Annotated[Path, typer.Argument(help="NDJSON, one event a line; - for stdin.")],
    rejects: Annotated[
        Path | None, typer.Option(help="File for the refused events; without it: stderr.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds to keep trying while the system takes nothing.")
    ] = 60.0,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Publish events and wait until they are durable.

    Refused events come out as JSON lines: line, reason, field, rule, message and the event itself. Exit status 1: some
    were refused.

    Example: bobr publish orders orders.ndjson --rejects refused.ndjson
    """
    from bobr.cli.events import EventsClient
    from bobr.cli.system import addresses

    total = Total()
    with ExitStack() as stack:
        source = sys.stdin.buffer if file == STDIN else stack.enter_context(_open(file))
        out = stack.enter_context(_open_rejects(rejects, file)) if rejects else sys.stderr
        advance = stack.enter_context(_progress(source, file))
        client = stack.enter_context(EventsClient(addresses(directory)["http"], stream, timeout))
        for lines in _pieces(source):
            answer = client.publish_lines([line.text for line in lines])
            _count(total, answer, lines, out)
            advance(sum(len(line.text) for line in lines))
    _print(total, as_json=as_json)
    if total.rejected:
        raise typer.Exit(EXIT_PARTLY)


def _open(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise RejectedError(f"{file} can not be read: {error.strerror}") from error


def _open_rejects(rejects: Path, file: Path) -> TextIO:
    if rejects.exists() and file.exists() and rejects.samefile(file):
        raise RejectedError(f"--rejects {rejects} is the file to publish; it would be emptied")
    try:
        return rejects.open("w")
    except OSError as error:
        raise RejectedError(f"--rejects {rejects} can not be written: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the input that is not blank. number: from 1, blank ones counted."""

    number: int
    text: bytes


def _pieces(source: BinaryIO) -> Iterator[list[Line]]:
    """The input in pieces of about `PIECE_BYTES`, without blank lines, which the broker would not count."""
    first = 1
    while lines := source.readlines(PIECE_BYTES):
        yield [Line(number, text) for number, text in enumerate(lines, first) if text.strip(BLANK)]
        first += len(lines)


def _count(total: Total, answer: dict[str, Any], lines: Sequence[Line], out: TextIO) -> None:
    if {each["reason"] for each in answer["rejected"]} == {"REASON_UNKNOWN_STREAM"}:
        raise RejectedError(answer["rejected"][0]["message"])
    total.accepted += answer["accepted"]
    total.rejected += len(answer["rejected"])
    for rejection in answer["rejected"]:
        line = lines[rejection.pop("index")]
        reason = rejection["reason"]
        total.reasons[reason] = total.reasons.get(reason, 0) + 1
        event = line.text.decode(errors="replace").rstrip("\r\n")
        out.write(
            json.dumps({"line": line.number, **rejection, "event": event}, ensure_ascii=False)
            + "\n"
        )
    if answer.get("stopped_at") is not None:
        message = (
            f"nearly every event is refused: stopped before line {lines[answer['stopped_at']].number}; "
            f"{total.accepted:,} events were accepted until there"
        )
        raise RejectedError(message)


def _print(total: Total, *, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {"accepted": total.accepted, "rejected": total.rejected, "reasons": total.reasons}
            )
        )
        return
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(total.reasons.items()))
    print(
        f"accepted {total.accepted:,}, rejected {total.rejected:,}"
        + (f" ({reasons})" if reasons else "")
    )


def _progress(source: BinaryIO, file: Path) -> Any:
    """A bar on a terminal, else nothing: a context whose value takes the bytes done."""
    from contextlib import contextmanager

    @contextmanager
    def bar() -> Iterator[Callable[[int], None]]:
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.console import Console
        from rich.progress import Progress

        size = file.stat().st_size if file != STDIN else None
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("publishing", total=size)
            yield lambda nbytes: progress.advance(task, nbytes)

    del source
    return bar()
