"""The command line: data on stdout, words and progress on stderr, an exit status that a script can use.

0: done. 1: done, but not for all (events refused, tables behind). 2: not done, the message says why. 70: a bug.
130: interrupted. `ending.py` sees to it, and `main` until that is loaded.
"""

import gc
import os
import signal

EXIT_INTERRUPTED = 130  # as shells tell SIGINT
COLLECT_OBJECTS = 50_000
"""New objects between looks for circles. Imports make many, and all stay: with Python's 700 a fifth of a start."""


def main() -> None:
    """Run the command of `sys.argv`. All else is loaded here, so that who interrupts that sees no traceback of it."""
    gc.set_threshold(COLLECT_OBJECTS)
    interrupts_end()
    from bobr.cli.commands import build

    build()()


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


def _end(_number: int, _frame: object) -> None:
    os._exit(EXIT_INTERRUPTED)
