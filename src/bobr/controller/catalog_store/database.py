"""Connections, transactions and their bounds; SQLAlchemy's errors as ours, here and nowhere else.

A connection that broke is noticed when it is taken from the pool, and replaced: nobody starts anything anew when the
database is back.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from bobr.controller.catalog_store.tables import prepare
from bobr.errors import (
    BobrError,
    BrokenError,
    ConflictError,
    MisconfiguredError,
    OverloadedError,
    UnavailableError,
)

CONNECTIONS_MAX = 5
"""Of one store. Changes come one by one; more would only wait in the database."""
CONNECTION_SECONDS_MAX = 10.0
"""Waiting for one of them."""
CONNECT_SECONDS_MAX = 5.0
"""One try to reach PostgreSQL. Whole seconds, as libpq has them."""
STATEMENT_SECONDS_MAX = 10.0
"""One statement in PostgreSQL: a first change of 4,500 objects takes 0.3 s, with all that is around it."""
LOCK_SECONDS_MAX = 5.0
"""Waiting for another writer, whose transaction takes milliseconds: longer means that someone holds a lock by hand."""
SILENCE_SECONDS_MAX = 15.0
"""What was sent to PostgreSQL and is not acknowledged by its machine ends the connection: a cut cable says nothing."""

DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
"""What a URL may begin with, and what it means."""
AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
}
"""SQLite's primary codes of a file that can not be used now. PostgreSQL's are all of class OperationalError."""
DISK_FULL = "53100"
READ_ONLY = "25006"
"""PostgreSQL's code of a server that became a standby: a new connection finds the primary, if there is one."""


class LostError(UnavailableError):
    """The connection broke in a transaction: whether it was stored is not known."""


class Database:
    """A database that has the tables. Thread-safe."""

    def __init__(self, url: str | URL) -> None:
        """Connects, and makes the tables unless they are there.

        MisconfiguredError: what to do is said. UnavailableError: nobody answers there, yet.
        """
        parsed = _parsed(url)
        self.where = f"the catalog database {parsed.render_as_string(hide_password=True)}"
        self._engine = _engine(parsed)
        try:
            with self._begin_writing() as connection:
                prepare(connection)
        except SQLAlchemyError as error:
            self.close()
            message = f"{self.where} can not be used: {_reason(error)}; {_advice(parsed)}"
            raise (UnavailableError if _is_absent(error, parsed) else MisconfiguredError)(
                message
            ) from error
        except MisconfiguredError as error:
            self.close()
            raise MisconfiguredError(f"{self.where} can not be used: {error}") from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """For some queries. UnavailableError, BrokenError."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, durable when it ends; nothing of it is there when it raises, unless by LostError.

        ConflictError: what it adds is there. UnavailableError, OverloadedError (a full disk), BrokenError.
        """
        with self._translated(), self._begin_writing() as connection:
            yield connection

    def close(self) -> None:
        """Give up all connections. Idempotent."""
        self._engine.dispose()

    @contextmanager
    def _begin_writing(self) -> Iterator[Connection]:
        with self._engine.connect() as idle:
            connection = idle.execution_options(writes=True)
            with connection.begin():
                yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            if _state(error) == READ_ONLY:
                self._engine.dispose()
            raise _kind(error)(f"{self.where}: {_reason(error)}") from error


def _parsed(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        message = "the URL of the catalog database is none: write postgresql://user@host/database"
        raise MisconfiguredError(message) from error
    if parsed.drivername not in DRIVERS or not parsed.database or parsed.database == ":memory:":
        shown = parsed.render_as_string(hide_password=True)
        raise MisconfiguredError(
            f"the catalog can not be kept in {shown}: write postgresql://user@host/database, or sqlite:////path/file"
        )
    return parsed.set(drivername=DRIVERS[parsed.drivername])


def _engine(url: URL) -> Engine:
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = create_engine(
        url,
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=CONNECTION_SECONDS_MAX,
        pool_pre_ping=True,
        connect_args={"timeout": LOCK_SECONDS_MAX} if is_sqlite else _libpq(),
    )
    event.listen(engine, "connect", _tune_sqlite if is_sqlite else _bound_postgresql)
    if is_sqlite:
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _libpq() -> dict[str, object]:
    silence = int(SILENCE_SECONDS_MAX)
    return {
        "connect_timeout": int(CONNECT_SECONDS_MAX),
        "tcp_user_timeout": silence * 1000,
        "keepalives_idle": silence // 3,
        "keepalives_interval": silence // 3,
        "keepalives_count": 2,
        "target_session_attrs": "read-write",  # where the URL names several hosts: the primary
        "application_name": "bobr",
    }


def _bound_postgresql(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    bounds = {
        "statement_timeout": STATEMENT_SECONDS_MAX,
        "lock_timeout": LOCK_SECONDS_MAX,
        "idle_in_transaction_session_timeout": STATEMENT_SECONDS_MAX,
    }
    cursor = connection.cursor()
    for name, seconds in bounds.items():
        cursor.execute(f"SET {name} = {int(seconds * 1000)}")
    cursor.close()
    connection.commit()


def _tune_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions are begun below
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes its lock first: one that has read already is refused, instead of waiting for its turn."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _kind(error: SQLAlchemyError) -> type[BobrError]:
    if isinstance(error, IntegrityError):
        return ConflictError
    if isinstance(error, PoolTimeoutError):
        return UnavailableError
    if not isinstance(error, DBAPIError):
        return BrokenError
    if error.connection_invalidated:
        return LostError
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return _sqlite_kind(code & 0xFF)
    if _state(error) == DISK_FULL:
        return OverloadedError
    is_away = isinstance(error, OperationalError) or _state(error) == READ_ONLY
    return UnavailableError if is_away else BrokenError


def _state(error: SQLAlchemyError) -> str | None:
    """PostgreSQL's code, if it gave one."""
    state: str | None = getattr(getattr(error, "orig", None), "sqlstate", None)
    return state


def _sqlite_kind(code: int) -> type[BobrError]:
    if code == sqlite3.SQLITE_FULL:
        return OverloadedError
    return UnavailableError if code in AWAY else BrokenError


def _reason(error: SQLAlchemyError) -> str:
    """Of the database itself, in a line."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(original).split())


def _is_absent(error: SQLAlchemyError, url: URL) -> bool:
    """Whether the same may succeed later: a server that refuses says FATAL, one that is not there says nothing.

    One that is starting or ending says so by FATAL, too.
    """
    if url.get_backend_name() == "sqlite" or not isinstance(error, OperationalError):
        return False
    reason = _reason(error)
    return "FATAL:" not in reason or "the database system is" in reason or "too many" in reason


def _advice(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return "the folder must be writable and the file a catalog of Bobr's, or choose another with --dir"
    return "it must run and be reachable there, and the user may make tables in it"
