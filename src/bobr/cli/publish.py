"""`bobr publish`: events from a file or a pipe into a stream, with every refused one named."""

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from bobr.cli.lines import Line, events
from bobr.cli.options import DIR, EXIT_INTERRUPTED, EXIT_PARTLY, Dir, Json
from bobr.cli.rejects import Rejects
from bobr.errors import BobrError, RejectedError

STDIN = Path("-")


@dataclass(slots=True)
class Total:
    """What became of the events so far. unsure: those that are sent, and not answered."""

    accepted: int = 0
    rejected: int = 0
    unsure: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def publish(
    stream: Annotated[str, typer.Argument(help="Name of the stream.")],
    file: Annotated[
        Path, typer.Argument(help="NDJSON, one event a line, or a JSON array; - for stdin.")
    ],
    rejects: Annotated[
        Path | None, typer.Option(help="File for the refused events; without it: stderr.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds to go on while the system takes nothing.", min=0)
    ] = 60.0,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Publish events and wait until they are durable.

    Gzip is unpacked. A pipe may stay open: what comes is published within a second, until Ctrl-C.

    Refused events come out as JSON lines: line, reason, field, rule, message and the event itself, which can be mended
    and published again. Exit status 1: some were refused. 130: Ctrl-C, after saying what was accepted.

    Example: bobr publish orders orders.ndjson --rejects refused.ndjson
    """
    total = Total()
    try:
        _publish(stream, file, rejects, timeout, directory, total)
    except KeyboardInterrupt:
        _tell_interrupted(total)
        _print(total, as_json=as_json)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except BobrError:
        if total.accepted or total.rejected:
            _print(total, as_json=as_json)
        raise
    _print(total, as_json=as_json)
    if total.rejected:
        raise typer.Exit(EXIT_PARTLY)


def _publish(
    stream: str,
    file: Path,
    rejects: Path | None,
    timeout_seconds: float,
    directory: Path,
    total: Total,
) -> None:
    from bobr.cli.events import EventsClient
    from bobr.cli.input import Source
    from bobr.cli.system import addresses

    http = addresses(directory)["http"]
    with ExitStack() as stack:
        descriptor = stack.enter_context(_opened(file))
        show = stack.enter_context(_progress(descriptor))
        out = stack.enter_context(_open_rejects(rejects, descriptor)) if rejects else sys.stderr
        refused = stack.enter_context(Rejects(out))
        client = stack.enter_context(EventsClient(http, stream, timeout_seconds))
        source = Source(descriptor, "stdin" if file == STDIN else str(file))
        for lines in events(source.pieces(), source.name):
            if lines:
                total.unsure = len(lines)
                answer = client.publish_lines([line.text for line in lines])
                _count(total, answer, lines, refused)
            show(total.accepted)


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    """Its descriptor, without a buffer that would wait to be full."""
    if file == STDIN:
        if sys.stdin is None:
            raise RejectedError("stdin is closed: there is nothing to publish")
        yield sys.stdin.fileno()
        return
    try:
        opened = file.open("rb", buffering=0)
    except OSError as error:
        raise RejectedError(f"{file} can not be read: {error.strerror}") from error
    with opened:
        yield opened.fileno()


def _open_rejects(rejects: Path, source: int) -> TextIO:
    try:
        if rejects.is_file() and os.path.samestat(rejects.stat(), os.fstat(source)):
            raise RejectedError(f"--rejects {rejects} is what is published; it would be emptied")
        return rejects.open("w", buffering=1)
    except OSError as error:
        raise RejectedError(f"--rejects {rejects} can not be written: {error.strerror}") from error


def _count(total: Total, answer: dict[str, Any], lines: Sequence[Line], refused: Rejects) -> None:
    total.unsure = 0
    if {each["reason"] for each in answer["rejected"]} == {"REASON_UNKNOWN_STREAM"}:
        raise RejectedError(answer["rejected"][0]["message"])
    total.accepted += answer["accepted"]
    total.rejected += len(answer["rejected"])
    for rejection in answer["rejected"]:
        line = lines[rejection.pop("index")]
        reason = rejection["reason"]
        total.reasons[reason] = total.reasons.get(reason, 0) + 1
        refused.add(line, rejection)
    if answer.get("stopped_at") is not None:
        message = (
            f"nearly every event is refused: stopped before line {lines[answer['stopped_at']].number}; "
            f"{total.accepted:,} events were accepted until there"
        )
        raise RejectedError(message)


def _tell_interrupted(total: Total) -> None:
    unsure = f"; {total.unsure:,} more were being sent and may be stored" if total.unsure else ""
    print(f"bobr: interrupted{unsure}", file=sys.stderr)


def _print(total: Total, *, as_json: bool) -> None:
    if as_json:
        counts = {"accepted": total.accepted, "rejected": total.rejected, "reasons": total.reasons}
        print(json.dumps(counts))
        return
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(total.reasons.items()))
    print(
        f"accepted {total.accepted:,}, rejected {total.rejected:,}"
        + (f" ({reasons})" if reasons else "")
    )


@contextmanager
def _progress(source: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, else nothing. The value is told the events that are accepted."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    status = os.fstat(source)
    is_file = stat.S_ISREG(status.st_mode)
    with Progress(console=Console(stderr=True, soft_wrap=True), transient=True) as progress:
        task = progress.add_task("publishing", total=status.st_size if is_file else None)

        def show(accepted: int) -> None:
            done = os.lseek(source, 0, os.SEEK_CUR) if is_file else None
            progress.update(task, completed=done, description=f"{accepted:,} accepted")

        yield show
