"""How every command ends: one place for all that goes wrong, one line on stderr, one exit status.

A mistake of the user's or of the machine's is a line that says what to do. What nobody foresaw is a
bug: a line and a status of its own, and the traceback for who asks for it.
"""

import contextlib
import errno
import functools
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import NoReturn, ParamSpec, TextIO, cast

import typer

from bobr.cli import EXIT_INTERRUPTED, EndedError, interrupts_raise
from bobr.cli.options import EXIT_FAILED
from bobr.errors import BobrError, MisconfiguredError, plain

TRACE = "BOBR_TRACE"
"""In the environment: print the traceback of what went wrong, too."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


P = ParamSpec("P")


def run(app: Callable[[], None]) -> NoReturn:
    """The whole command line: what typer itself prints, such as --help, ends as the commands do."""
    if isinstance(
        sys.stdout, io.TextIOWrapper
    ):  # as stderr: words are understood with an escape in them, too
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _ended(part=False):
            try:
                app()
            finally:
                _flush(sys.stdout)
    except typer.Exit as end:
        sys.exit(end.exit_code)
    sys.exit()


def exact_output() -> None:
    """What a program reads from stdout has no escapes for what its encoding lacks: then it is not written."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="strict")


def told(command: Callable[P, None], *, part: bool = False) -> Callable[P, None]:
    """The command, ending as this module says. part: its supervisor reads stdout, its stderr is a log."""

    @functools.wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        with _ended(part=part):
            interrupts_raise()
            try:
                command(*arguments, **options)
            except typer.Exit:  # it has told all; its status stays when nobody reads on
                with _unread():
                    _flush(sys.stdout)
                raise
            _flush(sys.stdout)

    return run


@contextlib.contextmanager
def _ended(*, part: bool) -> Iterator[None]:
    try:
        yield
    except (typer.Exit, typer.BadParameter):
        raise
    except KeyboardInterrupt as error:
        _flush_or_mute(sys.stdout)
        status = error.status if isinstance(error, EndedError) else EXIT_INTERRUPTED
        raise typer.Exit(status) from error
    except BobrError as error:
        raise typer.Exit(_refuse(error, part=part)) from error
    except BrokenPipeError as error:  # `bobr tail | head`
        _mute(sys.stdout)
        raise typer.Exit(0) from error
    except OSError as error:
        raise typer.Exit(_refuse_output(error, part=part)) from error
    except UnicodeEncodeError as error:
        raise typer.Exit(_refuse_encoding(error, part=part)) from error
    except Exception as error:
        raise typer.Exit(_tell_bug(error, part=part)) from error


@contextlib.contextmanager
def _unread() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _mute(sys.stdout)


def _refuse(error: BobrError, *, part: bool) -> int:
    _trace()
    if part and isinstance(error, MisconfiguredError):
        _tell(str(error), sys.stdout)
        return os.EX_CONFIG
    _tell(str(error), sys.stderr)
    _flush_or_mute(sys.stdout)
    return EXIT_FAILED


def _refuse_output(error: OSError, *, part: bool) -> int:
    """A disk is full where the output goes; every other error of a file is translated where it is used."""
    if part or error.errno not in FULL:
        return _tell_bug(error, part=part)
    _trace()
    _mute(sys.stdout)
    _tell(f"the output can not be written: {error.strerror}: it is not complete", sys.stderr)
    return EXIT_FAILED


def _refuse_encoding(error: UnicodeEncodeError, *, part: bool) -> int:
    """Of the output, which lacks a letter; every other is a bug."""
    if sys.stdout is None or error.encoding != sys.stdout.encoding or error.encoding == "utf-8":
        return _tell_bug(error, part=part)
    _trace()
    _flush_or_mute(sys.stdout)
    letter = error.object[error.start]
    _tell(
        f"the output is {error.encoding}, which has no {letter!a}: PYTHONIOENCODING=utf-8 has all",
        sys.stderr,
    )
    return EXIT_FAILED


def _tell_bug(error: Exception, *, part: bool) -> int:
    _trace(always=part)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    more = "" if part or _is_traced() else f": {TRACE}=1 prints where"
    _tell(f"a bug, please report it: {what}{more}", sys.stderr)
    return os.EX_SOFTWARE


def _tell(line: str, out: TextIO) -> None:
    lines = "\n".join(map(plain, line.split("\n")))  # each problem has one
    with contextlib.suppress(OSError):
        print(f"bobr: {lines}", file=out, flush=True)


def _trace(*, always: bool = False) -> None:
    if always or _is_traced():
        with contextlib.suppress(OSError):
            traceback.print_exc()


def _is_traced() -> bool:
    return os.environ.get(TRACE, "") not in {"", "0"}


def _flush(out: TextIO | None) -> None:
    """Here a full disk is still told; when the interpreter ends it would be a traceback. None: it was closed."""
    if out is not None:
        out.flush()


def _flush_or_mute(out: TextIO | None) -> None:
    """As far as it can be written: what went wrong is told already, by itself."""
    try:
        _flush(out)
    except OSError:
        _mute(out)


def _mute(out: TextIO | None) -> None:
    """Send what is left in its buffer nowhere, so that the interpreter ends without a word of its own."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, cast(TextIO, out).fileno())
        os.close(nowhere)
