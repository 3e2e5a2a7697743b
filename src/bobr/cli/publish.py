"""`bobr publish`: events from a file or a pipe into a stream, with every refused one named."""

import json
import os
import stat
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bobr.cli import EndedError, ends_pass, ends_raise
from bobr.cli.lines import NO_ROOM, Line, events
from bobr.cli.options import DIR, EXIT_PARTLY, Dir, Json, waiting
from bobr.cli.rejects import Rejects
from bobr.errors import BobrError, RejectedError

if TYPE_CHECKING:
    from bobr.cli.events import EventsClient, Piece

STDIN = Path("-")


@dataclass(slots=True)
class Total:
    """What became of the events so far: of the first ones, one behind the other.

    skipped: passed over before them, as was asked. unsure: those behind them that are sent, and not answered. untold:
    refused ones that are not written yet.
    """

    skipped: int = 0
    accepted: int = 0
    rejected: int = 0
    unsure: Sequence[Line] = ()
    untold: Sequence[Line] = ()
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Events of the input that need no further thought."""
        return self.skipped + self.accepted + self.rejected

    def rest(self) -> str:
        """How to go on behind them without loss or doubles."""
        again = f"; of those, publish what was refused as {NO_ROOM} again, too"
        return self._behind() + self._untold() + (again if NO_ROOM in self.reasons else "")

    def _untold(self) -> str:
        if not self.untold:
            return ""
        count, first, last = len(self.untold), self.untold[0].number, self.untold[-1].number
        return f"; {count:,} refused events of lines {first} to {last} are not written down"

    def _behind(self) -> str:
        if not self.unsure:
            return f"nothing behind the first {self.done:,} events is stored: --skip {self.done} goes on there"
        count, first, last = len(self.unsure), self.unsure[0].number, self.unsure[-1].number
        return (
            f"{count:,} events, lines {first} to {last}, may or may not be stored: --skip {self.done} sends "
            f"them again, safely if they have an id; --skip {self.done + count} goes on behind them"
        )


def publish(  # noqa: PLR0913, PLR0917  # the options of the command
    stream: Annotated[str, typer.Argument(help="Name of the stream.")],
    file: Annotated[
        Path, typer.Argument(help="NDJSON, one event a line, or a JSON array; - for stdin.")
    ],
    rejects: Annotated[
        Path | None, typer.Option(help="File for the refused events; without it: stderr.")
    ] = None,
    timeout: Annotated[float, waiting("Seconds to go on while the system takes nothing.")] = 60.0,
    skip: Annotated[
        int, typer.Option(help="Pass over the first events, which are stored already.", min=0)
    ] = 0,
    directory: Dir = DIR,
    as_json: Json = False,
) -> None:
    """Publish events and wait until they are durable.

    Gzip is unpacked. A pipe may stay open: what comes is published within a second, until Ctrl-C.

    Refused events come out as JSON lines: line, reason, field, rule, message and the event itself, which can be mended
    and published again. Exit status 1: some were refused. When it ends before the file does (status 2, or 130: Ctrl-C,
    143: SIGTERM, 129: SIGHUP), what it says was accepted or refused are the first events of the file: it says how to go
    on with --skip.

    Example: bobr publish orders orders.ndjson --rejects refused.ndjson
    """
    total = Total(skipped=skip)
    ends_raise()
    try:
        _publish(stream, file, rejects, timeout, directory, total)
    except KeyboardInterrupt as error:
        ends_pass()
        with suppress(OSError):
            _print(total, as_json=as_json)
        with suppress(OSError):  # the terminal may be gone
            _tell_interrupted(total, error)
        raise
    except Exception as error:
        if total.done == skip and not total.unsure:
            raise
        with suppress(OSError):
            _print(total, as_json=as_json)
        if not isinstance(error, BobrError):
            raise
        raise BobrError(f"{error}; {total.rest()}") from error
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
    from bobr.cli.system import addresses, client, url_of

    url = url_of(directory, addresses(directory)["http"])
    with ExitStack() as stack:
        descriptor = stack.enter_context(_opened(file))
        show = stack.enter_context(_progress(descriptor))
        refused = stack.enter_context(_refused(rejects, descriptor))
        events_client = EventsClient(
            lambda limits: client(url, directory=directory, limits=limits), stream, timeout_seconds
        )
        stack.enter_context(events_client)
        source = Source(descriptor, "stdin" if file == STDIN else str(file))
        come = 0
        for lines in events(source.pieces(), source.name):
            if behind := lines[max(0, total.skipped - come) :]:
                _publish_lines(events_client, behind, total, refused)
            come += len(lines)
            show(total.accepted)
    if come <= total.skipped:
        _tell_nothing(source.name, come, total.skipped)


def _tell_nothing(name: str, come: int, skipped: int) -> None:
    what = f"{come:,} events, and --skip {skipped} passes over them" if come else "no events"
    print(f"bobr: {name} has {what}: nothing was published", file=sys.stderr)


def _publish_lines(
    client: "EventsClient", lines: Sequence[Line], total: Total, refused: Rejects
) -> None:
    from bobr.cli.events import Piece

    piece = Piece([line.text for line in lines])
    total.unsure = lines  # until it is counted, whatever interrupts it
    try:
        client.publish(piece)
    finally:
        _count(total, piece, lines, refused)
    if piece.stopped:
        raise RejectedError(
            f"most events are refused: stopped before line {lines[piece.rest()].number}"
        )


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


@contextmanager
def _refused(file: Path | None, source: int) -> Iterator[Rejects]:
    """Where refused events go: to the file, or to stderr. source: what is published, which is never written to."""
    if file is None:
        with Rejects(sys.stderr, "stderr") as refused:
            yield refused
        return
    name = f"--rejects {file}"
    if file == STDIN:
        raise RejectedError(
            f"{name} would be a file of that name: without --rejects they go to stderr; or name a file"
        )
    try:
        if file.is_file() and os.path.samestat(file.stat(), os.fstat(source)):
            raise RejectedError(f"{name} is what is published; it would be emptied")
        out = file.open("w", buffering=1)
    except OSError as error:
        raise RejectedError(f"{name} can not be written: {error.strerror}") from error
    try:
        with Rejects(out, name) as refused:
            yield refused
        out.close()
    finally:
        with suppress(OSError):  # what was not written before is still not, and is told
            out.close()


def _count(total: Total, piece: "Piece", lines: Sequence[Line], refused: Rejects) -> None:
    """An event that is left though one behind it was accepted is refused: what is done shall be the first events."""
    rest = piece.rest()
    between = [_left(index, unsure=piece.unsure) for index in piece.left if index < rest]
    rejected = sorted([*piece.rejected, *between], key=itemgetter("index"))
    reasons = Counter(total.reasons) + Counter(each["reason"] for each in rejected)
    untold = deque(lines[each.pop("index")] for each in rejected)
    unsure, count = lines[rest:] if piece.unsure else (), len(rejected)
    total.unsure, total.untold, total.reasons = unsure, untold, reasons
    total.accepted += piece.accepted
    total.rejected += count
    for rejection in rejected:
        refused.add(untold[0], rejection)
        untold.popleft()


def _left(index: int, *, unsure: bool) -> dict[str, Any]:
    message = (
        "no answer: it may or may not be stored" if unsure else "there was no room: not stored"
    )
    return {
        "index": index,
        "reason": NO_ROOM,
        "field": "",
        "rule": "",
        "message": message,
    }


def _tell_interrupted(total: Total, error: KeyboardInterrupt) -> None:
    """The last line, behind the counts, which are on stderr when stdout can not be written."""
    why = f"ended by {error.name}" if isinstance(error, EndedError) else "interrupted"
    more = f"; {total.rest()}" if total.unsure or total.done > total.skipped else ""
    print(f"bobr: {why}{more}", file=sys.stderr)


def _print(total: Total, *, as_json: bool) -> None:
    """The counts, which nobody can ask for later: on stderr if stdout can not be written, and OSError."""
    counts = _json(total) if as_json else _words(total)
    try:
        print(counts, flush=True)
    except OSError:
        print(f"bobr: {counts}", file=sys.stderr)
        raise


def _json(total: Total) -> str:
    counts = {
        "accepted": total.accepted,
        "rejected": total.rejected,
        "unsure": len(total.unsure),
        "reasons": total.reasons,
    }
    return json.dumps(counts)


def _words(total: Total) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(total.reasons.items()))
    more = f" ({reasons})" if reasons else ""
    return f"accepted {total.accepted:,}, rejected {total.rejected:,}{more}"


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
    console = Console(stderr=True, soft_wrap=True)
    progress = Progress(console=console, transient=True, redirect_stdout=False)
    task = progress.add_task("publishing", total=status.st_size if is_file else None)

    def show(accepted: int) -> None:
        done = os.lseek(source, 0, os.SEEK_CUR) if is_file else None
        progress.update(task, completed=done, description=f"{accepted:,} accepted")

    try:
        progress.start()
        yield show
    finally:
        with suppress(
            OSError
        ):  # a terminal that is closed sends SIGHUP, which is what is to be told
            progress.stop()
