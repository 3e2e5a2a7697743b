"""The database file: how it is made and opened, its transactions, and what SQLite's errors mean."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bobr.errors import (
    BobrError,
    BrokenError,
    MisconfiguredError,
    OverloadedError,
    UnavailableError,
)

FORMAT = 1
"""Of the tables below; in `user_version`. Another number is never touched."""
APPLICATION = 0x626F6272
"""«bobr», in `application_id`: tells our files from other SQLite databases."""
PAGE_BYTES = 32 * 1024
"""Measured: of 4, 8, 16 and 32 KiB the largest is the fastest for chunks (by a third over 4 KiB, with a
third of the stall for a checkpoint), and commits of one event do not get slower."""
BUSY_SECONDS = 10.0
"""How long one writer waits for another: all transactions are bounded, the longest is a flush."""
CHECKPOINT_BYTES = 32 * 1024 * 1024
"""The commit that brings the WAL to this size also moves it into the database: about 40 ms, once in
some hundred commits. A thread of its own for that was measured and gained nothing: its fsync stalls
the commits' just as long, and under full load it never reaches the end of the WAL, which then grows."""

SCHEMA = f"""
create table stream (
    id integer primary key,
    name text not null unique,
    "end" integer not null default 0,         -- offset of the next event; never goes back
    nbytes integer not null default 0,        -- of all bodies that are there, uncompressed
    ingest_time integer not null default -1   -- of the last event, µs since 1970; -1: none yet
) strict;
create table chunk (
    stream_id integer not null references stream (id),
    first integer not null,                   -- offset of the first event
    events integer not null,
    schema_id integer not null,
    ingest_time integer not null,
    size integer not null,                    -- of the body, uncompressed
    crc integer not null,
    body blob not null,
    primary key (stream_id, first)
) strict;
pragma application_id = {APPLICATION};
pragma user_version = {FORMAT};
"""


class Database:
    """A database file of this format. Holds no connection itself; thread-safe."""

    def __init__(self, path: Path) -> None:
        """Make the file unless it is there.

        MisconfiguredError: it can not be made or opened, or is something else.
        """
        self.path = path
        with self._opening():
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _create(path)
            connection = _connect(path)
            try:
                _check(connection, path)
            finally:
                connection.close()

    def connect(self) -> sqlite3.Connection:
        """A new connection, in autocommit mode. For one thread at a time, whichever."""
        with self._opening():
            return _connect(self.path)

    @contextmanager
    def reading(self, connection: sqlite3.Connection) -> Iterator[None]:
        """One snapshot for all that is read inside. Keep it short: the WAL only grows meanwhile."""
        with self.translated(), _transaction(connection, "begin"):
            yield

    @contextmanager
    def writing(self, connection: sqlite3.Connection) -> Iterator[None]:
        """One transaction, durable when it ends; nothing of it is there when it raises."""
        with self.translated(), _transaction(connection, "begin immediate"):
            yield

    @contextmanager
    def translated(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.Error as error:
            ours = _translated(error, self.path)
            if ours is None:
                raise
            raise ours from error

    @contextmanager
    def _opening(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise MisconfiguredError(
                f"the log {self.path} can not be opened: {error}; the folder must be writable "
                "and the file a log of Bobr's"
            ) from error


def _create(path: Path) -> None:
    """Make the file complete, then give it its name: no process ever sees half of it."""
    with tempfile.TemporaryDirectory(prefix=".new-log-", dir=path.parent) as folder:
        new = Path(folder) / path.name
        connection = sqlite3.connect(new, isolation_level=None)
        connection.execute(f"pragma page_size = {PAGE_BYTES}")
        connection.execute("pragma journal_mode = wal")
        connection.executescript(SCHEMA)
        connection.close()
        try:
            os.link(new, path)
        except FileExistsError:
            return
    _fsync_folder(path.parent)


def _fsync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("pragma synchronous = full")
        # Debian's SQLite overwrites what it deletes with zeros: retention would write all again.
        connection.execute("pragma secure_delete = off")
        connection.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_BYTES // PAGE_BYTES}")
        # After a WAL that a slow reader held open grew beyond this, give the space back.
        connection.execute(f"pragma journal_size_limit = {2 * CHECKPOINT_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("pragma application_id").fetchone()
    (version,) = connection.execute("pragma user_version").fetchone()
    if application != APPLICATION:
        raise MisconfiguredError(f"{path} is a SQLite database of another program, not a log")
    if version != FORMAT:
        raise MisconfiguredError(
            f"the log {path} has format {version}, this version of Bobr reads format {FORMAT}: "
            "run the version that wrote it"
        )
    (mode,) = connection.execute("pragma journal_mode").fetchone()
    if mode != "wal":
        raise MisconfiguredError(f"the log {path} is not in WAL mode but in {mode}: was it edited?")


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
}


def _translated(error: sqlite3.Error, path: Path) -> BobrError | None:
    """The table of what SQLite's result codes make the caller do. None: a bug of ours."""
    extended: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    code = extended & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return OverloadedError(f"disk full: free space under {path.parent}")
    if extended == sqlite3.SQLITE_IOERR_WRITE:  # what a quota or a limit of the process becomes
        return OverloadedError(f"disk full or failing: free space under {path.parent}")
    if code == sqlite3.SQLITE_READONLY:
        return OverloadedError(f"disk full or read-only: free space under {path.parent}")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return BrokenError(f"the log {path} is damaged ({error}): restore it from a copy")
    if code in _UNAVAILABLE:
        return UnavailableError(f"the log {path} does not answer: {error}")
    return None
