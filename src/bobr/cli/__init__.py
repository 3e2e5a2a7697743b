"""The command line: data on stdout, words and progress on stderr, an exit status that a script can use.

0: done. 1: done, but not for all (events refused, tables behind). 2: not done, the message says why. 70: a bug.
130: interrupted. `ending.py` sees to it, and `main` until that is loaded.
"""

import gc
import sys

EXIT_INTERRUPTED = 130  # as shells tell SIGINT
COLLECT_OBJECTS = 50_000
"""New objects between looks for circles. Imports make many, and all stay: with Python's 700 a fifth of a start."""


def main() -> None:
    """Run the command of `sys.argv`. All else is loaded here, so that who interrupts that sees no traceback of it."""
    gc.set_threshold(COLLECT_OBJECTS)
    try:
        from bobr.cli.commands import build

        build()()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
