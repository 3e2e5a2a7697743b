"""The command line: data on stdout, words and progress on stderr, an exit status that a script can use.

0: done. 1: done, but not for all (events refused, tables behind or left out). 2: not done, the message says why.
70: a bug. 130: interrupted. 143, 129: ended by SIGTERM or SIGHUP.
`ending.py` sees to it, and `main` until that is loaded.
"""

import gc
import os
import signal

EXIT_INTERRUPTED = 130  # as shells tell SIGINT
ENDS = (signal.SIGTERM, signal.SIGHUP)
COLLECT_OBJECTS = 50_000
"""New objects between looks for circles. Imports make many, and all stay: with Python's 700 a fifth of a start."""


def main() -> None:
    """Run the command of `sys.argv`. All else is loaded here, so that who interrupts that sees no traceback of it."""
    gc.set_threshold(COLLECT_OBJECTS)
    interrupts_end()
    from bobr.cli.commands import build
    from bobr.cli.ending import run

    run(build())


def interrupts_end() -> None:
    """Have Ctrl-C end the process here and now, with nothing to be put in order.

    As an exception it is lost when it comes while an object is deleted, and imports delete many.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def interrupts_raise() -> None:
    """Have Ctrl-C be Python's KeyboardInterrupt again, which commands put things in order for."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class EndedError(KeyboardInterrupt):
    """SIGTERM or SIGHUP, to be answered as Ctrl-C is. name: the signal's. status: as shells tell it."""

    def __init__(self, number: int) -> None:
        """`number`: of the signal."""
        super().__init__()
        self.name = signal.Signals(number).name
        self.status = 128 + number


def ends_raise() -> None:
    """Have SIGTERM and SIGHUP raise EndedError, for a command that has something to tell; by nohup it goes on."""
    for number in ENDS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _raise)


def ends_pass() -> None:
    """Ignore SIGTERM and SIGHUP from now on: a closed terminal often sends a second one while the first is told."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, _frame: object) -> None:
    raise EndedError(number)


def _end(_number: int, _frame: object) -> None:
    os._exit(EXIT_INTERRUPTED)
