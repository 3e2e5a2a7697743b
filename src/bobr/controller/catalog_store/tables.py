"""The tables, what guards them, and the statements; each takes the connection that it runs in.

    bobr_revision   a row for each revision: `entry.Row`
    bobr_snapshot   some catalogs whole: `walk.pack`
    bobr_trial      revisions that canaries try before they are in force, and for how long
    bobr_verdict    what became of those

Rows are only ever added. That is not left to this module: triggers refuse everything else to everybody who does not
drop them first, and then the digests tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    Connection,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    insert,
    inspect,
    select,
)

from bobr.controller.catalog_store.entry import Row
from bobr.controller.catalog_store.walk import NOTHING, Known, unpack
from bobr.errors import MisconfiguredError
from bobr.ids import Revision

METADATA = MetaData()
SECONDS: Double[float] = Double().with_variant(REAL(), "sqlite")
NUMBER = BigInteger().with_variant(Integer(), "sqlite")
TEXTS = ("made_at", "author", "address", "source", "message", "ticket", "delta", "snapshot")
REVISIONS = Table(
    "bobr_revision",
    METADATA,
    Column("revision", NUMBER, primary_key=True, autoincrement=False),
    *(Column(name, Text, nullable=False) for name in (*TEXTS, "digest")),
    sqlite_strict=True,
)
SNAPSHOTS = Table(
    "bobr_snapshot",
    METADATA,
    Column("revision", NUMBER, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_strict=True,
)
TRIALS = Table(
    "bobr_trial",
    METADATA,
    Column("revision", NUMBER, primary_key=True, autoincrement=False),
    Column("seconds", SECONDS, nullable=False),
    sqlite_strict=True,
)
VERDICTS = Table(
    "bobr_verdict",
    METADATA,
    Column("revision", NUMBER, primary_key=True, autoincrement=False),
    Column("verdict", Text, nullable=False),
    sqlite_strict=True,
)
DEVELOPMENT = "catalog"
"""The one table of development versions before this format."""

GUARDS: Mapping[str, Sequence[str]] = {
    "sqlite": (
        """CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
        BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed'); END""",
        """CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
        BEGIN SELECT RAISE(ABORT, 'rows of {table} are never deleted'); END""",
        # REPLACE deletes without asking the trigger above.
        """CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table}
        WHEN EXISTS (SELECT 1 FROM {table} WHERE revision = NEW.revision)
        BEGIN SELECT RAISE(ABORT, 'rows of {table} are never replaced'); END""",
    ),
    "postgresql": (
        """CREATE OR REPLACE FUNCTION bobr_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION USING MESSAGE = 'rows of ' || TG_TABLE_NAME || ' are never changed or deleted'; END $$""",
        """CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION bobr_refuse()""",
    ),
}
"""By dialect; each for every table."""
MAKING_LOCK = 0x626F6272
"""«bobr»: PostgreSQL's advisory lock of whoever makes the tables; others wait and find them there."""


def prepare(connection: Connection) -> None:
    """Make the tables, unless they are there. MisconfiguredError: there is something else."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MAKING_LOCK})")
    there = set(inspect(connection).get_table_names())
    if REVISIONS.name in there:
        _check(connection)
    elif connection.dialect.name == "sqlite" and DEVELOPMENT in there:
        message = (
            "it was made by an earlier development version of Bobr, whose format this one does not read: "
            "start with a new --dir"
        )
        raise MisconfiguredError(message)
    for name in METADATA.tables.keys() - there:
        METADATA.tables[name].create(connection)
        for guard in GUARDS[connection.dialect.name]:
            connection.exec_driver_sql(guard.format(table=name))


def _check(connection: Connection) -> None:
    there = {each["name"] for each in inspect(connection).get_columns(REVISIONS.name)}
    if differing := there ^ set(REVISIONS.columns.keys()):
        names = ", ".join(sorted(differing))
        raise MisconfiguredError(
            f"its table {REVISIONS.name} has another format ({names}): it belongs to another version of Bobr; "
            "run that version, or start with a new database"
        )


class Verdict(StrEnum):
    """On a revision that was tried. There is one at most: whoever comes second finds the first."""

    KEPT = "kept"
    TAKEN_BACK = "taken back"


class Tip(NamedTuple):
    """The newest revision and its digest. trial_seconds: it is on trial for so long, and not in force."""

    revision: Revision
    digest: str
    trial_seconds: float | None = None


def tip(connection: Connection) -> Tip:
    """By one statement: a verdict that comes meanwhile does not make a revision look kept that was taken back."""
    revision = REVISIONS.c.revision
    query = (
        select(revision, REVISIONS.c.digest, TRIALS.c.seconds, VERDICTS.c.verdict)
        .outerjoin(TRIALS, TRIALS.c.revision == revision)
        .outerjoin(VERDICTS, VERDICTS.c.revision == revision)
        .order_by(revision.desc())
        .limit(1)
    )
    found = connection.execute(query).one_or_none()
    if found is None:
        return Tip(NOTHING.revision, NOTHING.digest)
    return Tip(found.revision, found.digest, found.seconds if found.verdict is None else None)


def rows_between(connection: Connection, after: Revision, last: Revision) -> Sequence[Row]:
    """Those of (after, last], oldest first."""
    revision = REVISIONS.c.revision
    query = select(REVISIONS).where(revision > after, revision <= last).order_by(revision)
    return _rows(connection, query)


def rows_below(connection: Connection, end: Revision, limit: int) -> Sequence[Row]:
    """The last `limit` of those before `end`, newest first."""
    revision = REVISIONS.c.revision
    query = select(REVISIONS).where(revision < end).order_by(revision.desc()).limit(limit)
    return _rows(connection, query)


def _rows(connection: Connection, query: Select[tuple[object, ...]]) -> Sequence[Row]:
    return [Row(**each._asdict()) for each in connection.execute(query)]


def snapshot(connection: Connection, last: Revision) -> Known:
    """The newest catalog that is kept whole and is not younger than `last`. BrokenError: it was changed."""
    query = (
        select(REVISIONS, SNAPSHOTS.c.body)
        .join(SNAPSHOTS, SNAPSHOTS.c.revision == REVISIONS.c.revision)
        .where(REVISIONS.c.revision <= last)
        .order_by(REVISIONS.c.revision.desc())
        .limit(1)
    )
    found = connection.execute(query).one_or_none()
    if found is None:
        return NOTHING
    members = found._asdict()
    body = members.pop("body")
    return unpack(body, Row(**members))


def append(
    connection: Connection, row: Row, body: bytes | None, trial_seconds: float | None
) -> None:
    """Add a revision, its snapshot if it has one, and its trial. sqlalchemy's IntegrityError: the number is taken."""
    connection.execute(insert(REVISIONS).values(asdict(row)))
    if body is not None:
        connection.execute(insert(SNAPSHOTS).values(revision=row.revision, body=body))
    if trial_seconds is not None:
        connection.execute(insert(TRIALS).values(revision=row.revision, seconds=trial_seconds))


def judge(connection: Connection, revision: Revision, verdict: Verdict) -> None:
    """End its trial. sqlalchemy's IntegrityError: another verdict came first."""
    connection.execute(insert(VERDICTS).values(revision=revision, verdict=verdict.value))
