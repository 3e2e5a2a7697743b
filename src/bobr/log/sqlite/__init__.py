"""The embedded log: one SQLite database that several processes share.

One process appends (the broker), others read (transmitters) and administrate (the controller).
An append is durable when its future resolves: WAL, `synchronous=FULL`, one commit for all that
waits.

    database.py   the file and its tables; SQLite's errors as ours
    chunk.py      events ↔ one row                                   pure
    flush.py      batches → chunks, one transaction
    appender.py   the queue before it, and its thread
    reader.py     chunks → batches
    ends.py       one look for all readers that wait
    admin.py      create, describe, trim

One partition for each stream. Not for network file systems: the WAL's index is shared memory.
"""

from pathlib import Path

from bobr.clock import Clock, SystemClock
from bobr.log.sqlite.admin import SqliteAdmin
from bobr.log.sqlite.appender import SqliteAppender, SqliteLimits
from bobr.log.sqlite.database import Database
from bobr.log.sqlite.ends import EndsWatch
from bobr.log.sqlite.flush import Flush
from bobr.log.sqlite.reader import SqliteReader

__all__ = ["SqliteLimits", "SqliteLog"]


class SqliteLog:
    """A `Log`. Open the same path in as many processes as needed; never carry one over a fork."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock = SystemClock(),  # noqa: B008 -- it has no state
        limits: SqliteLimits = SqliteLimits(),  # noqa: B008 -- a frozen value
    ) -> None:
        """`path`: of the database, made with its folder when not there; beside it `-wal` and `-shm`.

        MisconfiguredError: it can not be made or opened, is something else, or of another format.
        """
        self._database = Database(path)
        self._clock = clock
        self._limits = limits
        self._appender: SqliteAppender | None = None
        self._admin = SqliteAdmin(self._database, clock)
        self._ends = EndsWatch(self._database)

    def appender(self) -> SqliteAppender:
        """See `Log`. A new one when the last one was closed."""
        if self._appender is None or self._appender.closed:
            self._appender = SqliteAppender(Flush(self._database, self._clock), self._limits)
        return self._appender

    def reader(self) -> SqliteReader:
        """See `Log`."""
        return SqliteReader(self._database, self._ends)

    def admin(self) -> SqliteAdmin:
        """See `Log`."""
        return self._admin

    def close(self) -> None:
        """See `Log`."""
        if self._appender is not None:
            self._appender.close()
        self._ends.close()
        self._admin.close()
