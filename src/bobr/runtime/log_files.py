"""What parts print to stderr, kept in files that never grow beyond a bound: their logs, and last words of crashes.

The supervisor copies it, so that the bound holds for whatever writes there: Python, C code, an interpreter that dies.
"""

import logging
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

FILE_BYTES_MAX = 16 * 1024 * 1024
FILES_MAX = 2
"""`broker.log`, and `broker.log.1` that was full before it."""
LINE_BYTES_MAX = 64 * 1024
"""A longer line is cut in pieces."""


class LogFile:
    """One part's. Thread-safe; never raises: a part must not stand still because the disk of its log is full."""

    def __init__(self, path: Path) -> None:
        """Makes the file, or goes on in the one that is there; opens it when something comes."""
        with suppress(OSError):
            path.touch()
        self._handler = _Lossy(
            path, maxBytes=FILE_BYTES_MAX, backupCount=FILES_MAX - 1, encoding="utf-8", delay=True
        )

    def keep(self, stream: TextIO) -> None:
        """Copy all that comes, until the end of the stream; closes it."""
        with stream:
            while line := stream.readline(LINE_BYTES_MAX):
                self._handler.handle(logging.makeLogRecord({"msg": line.rstrip("\n")}))

    def close(self) -> None:
        """Release the file; it is opened again if more comes."""
        self._handler.close()


class _Lossy(RotatingFileHandler):
    """Lines that can not be written are lost."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # as logging calls it
        """Nobody could read of it either."""
