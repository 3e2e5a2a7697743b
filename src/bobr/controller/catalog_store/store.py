"""The contract of the store of catalogs."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, Connection

from bobr.catalog import Catalog, Delta, diff
from bobr.catalog.change import delta_json, delta_of, with_changes
from bobr.controller.catalog_store import tables
from bobr.controller.catalog_store.conflict import REVISIONS_TOLD_MAX, conflict
from bobr.controller.catalog_store.database import Database, LostError
from bobr.controller.catalog_store.entry import Entry, Row, Stamp, content, entry_of, sealed
from bobr.controller.catalog_store.walk import (
    NOTHING,
    SNAPSHOT_EVERY,
    Known,
    digest_of,
    pack,
    walk,
    wants_snapshot,
)
from bobr.errors import (
    BrokenError,
    ConflictError,
    NotFoundError,
    RejectedError,
    RetryableError,
    UnavailableError,
)
from bobr.ids import Revision

ENTRIES_MAX = 1_000
"""Of one `history`: in memory, whole, each as large as its change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A revision that is about to be stored, on the one that it was made for."""

    base: Known
    catalog: Catalog
    row: Row
    body: bytes | None
    """The snapshot, if it has one."""


class CatalogStore:
    """Revisions, the newest of which is in force. Thread-safe; several processes may share a database.

    Every method asks the database. UnavailableError: it does not answer, or is locked; the same call finds it again
    when it is back. BrokenError: it answers what can not be.
    """

    def __init__(self, url: str | URL) -> None:
        """`postgresql://user@host/database` or `sqlite:////path/file`; makes what is missing in it.

        MisconfiguredError: it can not be opened, is no database, or has another format.
        """
        self._database = Database(url)
        self._lock = threading.Lock()
        self._newest = NOTHING

    @classmethod
    def in_file(cls, path: Path) -> "CatalogStore":
        """In a SQLite file of this machine."""
        return cls(URL.create("sqlite", database=str(path)))

    def newest(self) -> Catalog:
        """The catalog in force; revision 0, empty, at the beginning."""
        return self._look().catalog

    def at(self, revision: Revision) -> Catalog:
        """As it was. NotFoundError: there is no such revision; those that there are, are named."""
        seen = self._newest
        with self._database.reading() as connection:
            _check_range(revision, Revision(0), tables.tip(connection).revision)
            return _read(connection, revision, seen).catalog

    def entry(self, revision: Revision) -> Entry:
        """Who made it, and what it changed. NotFoundError as above; revision 0 was made by nobody."""
        with self._database.reading() as connection:
            _check_range(revision, Revision(1), tables.tip(connection).revision)
            (row,) = tables.rows_between(connection, Revision(revision - 1), revision)
        return entry_of(row)

    def history(self, limit: int, before: Revision | None = None) -> Sequence[Entry]:
        """The last `limit` revisions, of those before `before` if it is given; newest first, at most `ENTRIES_MAX`."""
        with self._database.reading() as connection:
            end = tables.tip(connection).revision + 1
            below = Revision(end if before is None else max(0, min(before, end)))
            rows = tables.rows_below(connection, below, max(0, min(limit, ENTRIES_MAX)))
        return [entry_of(row) for row in rows]

    def commit(self, catalog: Catalog, stamp: Stamp) -> Catalog:
        """Put a catalog in force that was made from revision `catalog.revision`; it is the one after it.

        What is in force already is returned as it is, without a new revision.

        ConflictError: another revision came first; it says who changed what since. RejectedError: a value can not be
        kept. UnavailableError: nothing was stored; or, if its text says so, that is not known: it may have been
        stored, once, and the same call can not store it again, but gets a ConflictError that names it.
        """
        base = self._look()
        if base.revision != catalog.revision:
            raise self._conflict(catalog.revision)
        draft = _draft(base, catalog, stamp)
        if draft is None:
            return base.catalog
        self._store(draft)
        self._remember(Known(catalog=draft.catalog, digest=draft.row.digest))
        return draft.catalog

    def verify(self) -> str:
        """Read everything; the digest of the newest revision (empty: there is none), to be noted elsewhere.

        BrokenError: something was changed, or removed from the middle; the first revision that does not fit is named.
        """
        with self._database.reading() as connection:
            newest = tables.tip(connection).revision
            known = NOTHING
            while known.revision < newest:
                last = Revision(min(known.revision + SNAPSHOT_EVERY, newest))
                known = _verified(connection, known, last)
        return known.digest

    def close(self) -> None:
        """Release the database. Idempotent."""
        self._database.close()

    def _look(self) -> Known:
        """The newest. BrokenError: the database has less than it had, or another history."""
        seen = (
            self._newest
        )  # before the question, which other threads may have answers to that are newer
        with self._database.reading() as connection:
            tip = tables.tip(connection)
            if tip.revision < seen.revision:
                message = (
                    f"{self._database.where} has {tip.revision} revisions, and had {seen.revision}: an older copy was "
                    "put in its place; if that was on purpose, restart the controller"
                )
                raise BrokenError(message)
            known = _read(connection, tip.revision, seen)
        if known.digest != tip.digest:
            message = f"{self._database.where}: revision {tip.revision} is not the one that was read before"
            raise BrokenError(message)
        self._remember(known)
        return known

    def _remember(self, known: Known) -> None:
        with self._lock:
            if known.revision > self._newest.revision:
                self._newest = known

    def _store(self, draft: Draft) -> None:
        """The same row again when its answer was lost: if it is there, it is found to be ours, and never twice."""
        try:
            self._append(draft)
        except LostError:
            try:
                self._append(draft)
            except RetryableError as error:
                message = f"{error}. It is not known whether revision {draft.row.revision} was stored: plan again"
                raise UnavailableError(message) from error

    def _append(self, draft: Draft) -> None:
        base = tables.Tip(draft.base.revision, draft.base.digest)
        try:
            with self._database.writing() as connection:
                if tables.tip(connection) != base:  # a standby that took over may not have the base
                    raise ConflictError("another revision came first")
                tables.append(connection, draft.row, draft.body)
        except ConflictError as error:
            if not self._is_stored(draft.row):
                raise self._conflict(draft.base.revision) from error

    def _is_stored(self, row: Row) -> bool:
        """Whether it is there, and ours: the ticket is in it."""
        with self._database.reading() as connection:
            before = Revision(row.revision - 1)
            return list(tables.rows_between(connection, before, row.revision)) == [row]

    def _conflict(self, base: Revision) -> ConflictError:
        """NotFoundError: that base is not there at all."""
        with self._database.reading() as connection:
            newest = tables.tip(connection).revision
            _check_range(base, Revision(0), newest)
            last = Revision(min(base + REVISIONS_TOLD_MAX, newest))
            rows = tables.rows_between(connection, base, last)
        return conflict(base, newest, [entry_of(row) for row in rows])


def _draft(base: Known, catalog: Catalog, stamp: Stamp) -> Draft | None:
    """None: nothing changes. What is put in force is what will be read: JSON rounds times to milliseconds."""
    revision = Revision(base.revision + 1)
    delta = _as_read(diff(base.catalog, catalog.model_copy(update={"revision": revision})))
    if not delta.changes:
        return None
    following = with_changes(delta, base.catalog)
    text = delta_json(delta)
    body = pack(following) if wants_snapshot(delta, following) else None
    snapshot = "" if body is None else digest_of(body)
    row = sealed(content(text, revision, stamp, uuid4().hex, snapshot), base.digest)
    return Draft(base=base, catalog=following, row=row, body=body)


def _as_read(delta: Delta) -> Delta:
    """What will be read of it; what differs only in what JSON does not keep is no change."""
    try:
        read = delta_of(delta_json(delta))
    except ValueError as error:
        raise RejectedError(f"the catalog has a value that can not be kept: {error}") from error
    return replace(read, changes=tuple(each for each in read.changes if each.before != each.after))


def _read(connection: Connection, revision: Revision, seen: Known) -> Known:
    """From what is known already, or from the nearest snapshot."""
    if revision == seen.revision:
        return seen
    start = tables.snapshot(connection, revision)
    if start.revision < seen.revision < revision:
        start = seen
    return _walked(connection, start, revision)


def _walked(connection: Connection, start: Known, last: Revision) -> Known:
    known = walk(start, tables.rows_between(connection, start.revision, last))
    if known.revision != last:
        raise BrokenError(f"revision {known.revision + 1} is missing: there are more behind it")
    return known


def _verified(connection: Connection, start: Known, last: Revision) -> Known:
    """Up to `last`; the snapshots on the way are those of the changes."""
    known = start
    for row in tables.rows_between(connection, start.revision, last):
        known = walk(known, [row])
        if row.snapshot and tables.snapshot(connection, row.revision) != known:
            message = f"revision {row.revision} does not fit: its snapshot is missing, or another"
            raise BrokenError(message)
    if known.revision != last:
        raise BrokenError(f"revision {known.revision + 1} is missing: there are more behind it")
    return known


def _check_range(revision: Revision, first: Revision, last: Revision) -> None:
    if not first <= revision <= last:
        there = f"there are {first} to {last}" if last >= first else "there is none yet"
        raise NotFoundError(f"there is no revision {revision}: {there}")
