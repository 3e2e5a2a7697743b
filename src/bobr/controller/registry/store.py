"""The registry's memory: schemas, versions and settings in one SQLite file.

It keeps no rule: what may be registered or deleted is decided in `registry.py`. A schema, once
stored, is never removed and its id never reused: events in logs carry it. A version number is never
reused either; "deleted for good" hides it.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from bobr.errors import MisconfiguredError, OverloadedError, UnavailableError
from bobr.ids import SchemaId
from bobr.schema.source.sources import Reference, References

LOCK_SECONDS_MAX = 5.0  # another process holds the file: someone looks into it with sqlite3

_TABLES = """
create table if not exists schemas (
    id integer primary key autoincrement,
    digest blob not null unique,
    name text not null,
    text text not null
) strict;
create table if not exists schema_references (
    schema_id integer not null references schemas (id),
    position integer not null,
    name text not null,
    subject text not null,
    version integer not null,
    primary key (schema_id, position)
) strict, without rowid;
create index if not exists schema_references_by_target on schema_references (subject, version);
create table if not exists versions (
    subject text not null,
    version integer not null,
    schema_id integer not null references schemas (id),
    state integer not null,
    primary key (subject, version)
) strict, without rowid;
create index if not exists versions_by_schema on versions (schema_id);
create table if not exists settings (
    subject text not null,
    name text not null,
    value text not null,
    primary key (subject, name)
) strict, without rowid;
"""


class State(IntEnum):
    """Of a version."""

    LIVE = 0
    DELETED = 1
    """Found only by who asks for deleted ones, and through references and ids."""
    GONE = 2
    """Not found; only its number stays taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """As it was sent. name: of its file, empty if unknown. digest: of what it means, 32 bytes."""

    digest: bytes
    name: str
    text: str
    references: References


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A schema in a subject."""

    subject: str
    version: int
    schema_id: SchemaId
    state: State


class Store:
    """Thread-safe. Each method is one transaction, durable when it returns.

    Raises OverloadedError when the disk is full, UnavailableError when the file is locked or can
    not be read or written now.
    """

    def __init__(self, path: Path) -> None:
        """Opens or makes the file. MisconfiguredError: it is there, but no registry."""
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(
                path, timeout=LOCK_SECONDS_MAX, isolation_level=None, check_same_thread=False
            )
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
            self._db.execute("pragma foreign_keys = on")
            self._db.executescript(_TABLES)
        except sqlite3.Error as error:
            message = f"the schema registry can not be opened in {path}: {error}"
            raise MisconfiguredError(message) from error

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            self._db.close()

    def add(self, versions: Sequence[tuple[str, int, Schema]]) -> list[SchemaId]:
        """Store schemas as versions of subjects, all or none; their ids.

        A schema that is there (by its digest) keeps its id, text and references.
        """
        with self._transaction() as db:
            return [self._add(db, *version) for version in versions]

    def schema(self, schema_id: SchemaId) -> Schema | None:
        """The schema of that id."""
        with self._transaction() as db:
            row = db.execute(
                "select digest, name, text from schemas where id = ?", (schema_id,)
            ).fetchone()
            return self._schema(db, schema_id, row) if row else None

    def id_of(self, digest: bytes) -> SchemaId | None:
        """The id of the schema that means this."""
        with self._transaction() as db:
            row = db.execute("select id from schemas where digest = ?", (digest,)).fetchone()
        return SchemaId(row[0]) if row else None

    def versions(self, subject: str, worst: State = State.LIVE) -> list[Version]:
        """Of a subject, oldest first, none of a state beyond `worst`."""
        return self._versions("subject = ? and state <= ? order by version", subject, worst)

    def usages(self, schema_id: SchemaId, worst: State = State.LIVE) -> list[Version]:
        """Where a schema is, by subject and version."""
        where = "schema_id = ? and state <= ? order by subject, version"
        return self._versions(where, schema_id, worst)

    def subjects(self, worst: State = State.LIVE) -> list[str]:
        """Those with a version, sorted."""
        query = "select distinct subject from versions where state <= ? order by subject"
        with self._transaction() as db:
            return [row[0] for row in db.execute(query, (worst,))]

    def mark(self, versions: Sequence[Version], state: State) -> None:
        """Change the state of versions, all or none."""
        keys = [(state, each.subject, each.version) for each in versions]
        with self._transaction() as db:
            db.executemany("update versions set state = ? where subject = ? and version = ?", keys)

    def referenced_by(
        self, subject: str, version: int, worst: State | None = None
    ) -> list[SchemaId]:
        """Schemas that import it, sorted; with `worst` only those that have such a version."""
        query = (
            "select distinct r.schema_id from schema_references r "
            "left join versions v on v.schema_id = r.schema_id "
            "where r.subject = ? and r.version = ? and (? is null or v.state <= ?) "
            "order by r.schema_id"
        )
        with self._transaction() as db:
            return [SchemaId(r[0]) for r in db.execute(query, (subject, version, worst, worst))]

    def setting(self, subject: str, name: str) -> str | None:
        """What was set for a subject; for all of them: subject ''."""
        query = "select value from settings where subject = ? and name = ?"
        with self._transaction() as db:
            row = db.execute(query, (subject, name)).fetchone()
        return row[0] if row else None

    def set(self, subject: str, name: str, value: str | None) -> None:
        """Set, or with None forget."""
        with self._transaction() as db:
            db.execute("delete from settings where subject = ? and name = ?", (subject, name))
            if value is not None:
                db.execute("insert into settings values (?, ?, ?)", (subject, name, value))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commits, or rolls back on any error; vendor errors are translated here."""
        with self._lock, _translated():
            self._db.execute("begin immediate")
            try:
                yield self._db
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    def _add(self, db: sqlite3.Connection, subject: str, version: int, schema: Schema) -> SchemaId:
        row = db.execute("select id from schemas where digest = ?", (schema.digest,)).fetchone()
        schema_id = SchemaId(row[0]) if row else self._insert(db, schema)
        db.execute(
            "insert into versions values (?, ?, ?, ?)",
            (subject, version, schema_id, State.LIVE),
        )
        return schema_id

    def _insert(self, db: sqlite3.Connection, schema: Schema) -> SchemaId:
        done = db.execute(
            "insert into schemas (digest, name, text) values (?, ?, ?)",
            (schema.digest, schema.name, schema.text),
        )
        assert done.lastrowid is not None
        db.executemany(
            "insert into schema_references values (?, ?, ?, ?, ?)",
            [
                (done.lastrowid, position, each.name, each.subject, each.version)
                for position, each in enumerate(schema.references)
            ],
        )
        return SchemaId(done.lastrowid)

    def _schema(
        self, db: sqlite3.Connection, schema_id: SchemaId, row: tuple[bytes, str, str]
    ) -> Schema:
        digest, name, text = row
        query = (
            "select name, subject, version from schema_references "
            "where schema_id = ? order by position"
        )
        references = tuple(
            Reference(name=each[0], subject=each[1], version=each[2])
            for each in db.execute(query, (schema_id,))
        )
        return Schema(digest=digest, name=name, text=text, references=references)

    def _versions(self, where: str, *values: str | int) -> list[Version]:
        query = f"select subject, version, schema_id, state from versions where {where}"  # noqa: S608  # ours
        with self._transaction() as db:
            return [
                Version(subject=row[0], version=row[1], schema_id=row[2], state=State(row[3]))
                for row in db.execute(query, values)
            ]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
        kind = OverloadedError if full else UnavailableError
        raise kind(f"the schema registry's file can not be used: {error}") from error
