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
from bobr.controller.catalog_store.conflict import REVISIONS_TOLD_MAX, conflict, on_trial
from bobr.controller.catalog_store.database import Database, LostError
from bobr.controller.catalog_store.entry import Entry, Row, Stamp, content, entry_of, sealed
from bobr.controller.catalog_store.tables import Verdict
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
    trial_seconds: float | None = None
    """It is on trial."""
    ends_trial: bool = False
    """Of the revision that it is made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The newest revision, which canaries try. Whoever has seen it for so long takes it back."""

    catalog: Catalog
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is in force, and what is on trial to follow it."""

    catalog: Catalog
    trial: Trial | None

    @property
    def newest(self) -> Catalog:
        """In force or not; whatever changes the catalog follows this revision."""
        return self.catalog if self.trial is None else self.trial.catalog


class CatalogStore:
    """Revisions. The newest is in force, or on trial: then the one before it is.

    Thread-safe; several processes may share a database.

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
        """The newest revision, in force or on trial; revision 0, empty, at the beginning."""
        known, _ = self._look()
        return known.catalog

    def standing(self) -> Standing:
        """What is in force, and what is on trial."""
        known, seconds = self._look()
        if seconds is None:
            return Standing(catalog=known.catalog, trial=None)
        before = self.at(Revision(known.revision - 1))
        return Standing(catalog=before, trial=Trial(catalog=known.catalog, seconds=seconds))

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

    def commit(self, catalog: Catalog, stamp: Stamp, trial_seconds: float | None = None) -> Catalog:
        """Put a catalog in force that was made from revision `catalog.revision`; it is the one after it.

        What is in force already is returned as it is, without a new revision. trial_seconds: it is not in force, but
        on trial, until `keep` ends that, or `take_back`; then nothing else is changed.

        ConflictError: another revision came first; it says who changed what since. Or one is on trial.
        RejectedError: a value can not be kept. UnavailableError: nothing was stored; or, if its text says so, that is
        not known: it may have been stored, once, and the same call can not store it again, but gets a ConflictError
        that names it.
        """
        base, _ = self._look()
        if base.revision != catalog.revision:
            raise self.conflict(catalog.revision)
        draft = _draft(base, catalog, stamp)
        return (
            base.catalog
            if draft is None
            else self._put(replace(draft, trial_seconds=trial_seconds))
        )

    def take_back(self, catalog: Catalog, stamp: Stamp) -> Catalog:
        """End the trial of revision `catalog.revision` by this catalog, which is in force then, as the one after it.

        ConflictError: it is not on trial; most often because it was decided meanwhile. All else as for `commit`.
        """
        base, seconds = self._look()
        draft = _draft(base, catalog, stamp)
        if base.revision != catalog.revision or seconds is None or draft is None:
            message = f"revision {catalog.revision} is not on trial: somebody else decided it"
            raise ConflictError(message)
        return self._put(replace(draft, ends_trial=True))

    def _put(self, draft: Draft) -> Catalog:
        self._store(draft)
        self._remember(Known(catalog=draft.catalog, digest=draft.row.digest))
        return draft.catalog

    def keep(self, revision: Revision) -> None:
        """End the trial of the newest revision: it is in force. Idempotent.

        ConflictError: it was taken back. UnavailableError: nothing was decided, or that is not known; the same call
        finds out.
        """
        try:
            self._keep(revision)
        except LostError:
            self._keep(revision)

    def _keep(self, revision: Revision) -> None:
        try:
            with self._database.writing() as connection:
                newest = tables.tip(connection)
                if newest.revision != revision:
                    raise ConflictError("another revision came first")
                if newest.trial_seconds is not None:
                    tables.judge(connection, revision, Verdict.KEPT)
        except ConflictError as error:
            message = f"revision {revision} was tried for too long, and taken back: apply it again"
            raise ConflictError(message) from error

    def conflict(self, base: Revision) -> ConflictError:
        """What is told to who changes `base`, which is not in force any more. NotFoundError: it is not there at all."""
        with self._database.reading() as connection:
            newest, _, seconds = tables.tip(connection)
            _check_range(base, Revision(0), newest)
            last = Revision(min(base + REVISIONS_TOLD_MAX, newest))
            rows = tables.rows_between(connection, base, last)
        if seconds is not None:
            return on_trial(newest, seconds)
        if base == newest:
            return ConflictError(
                f"revision {base} was on trial, and was decided meanwhile: plan again"
            )
        return conflict(base, newest, [entry_of(row) for row in rows])

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

    def _look(self) -> tuple[Known, float | None]:
        """The newest, and how long it is on trial. BrokenError: the database has less than it had, or other rows."""
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
        return known, tip.trial_seconds

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
        base = draft.base
        try:
            with self._database.writing() as connection:
                revision, digest, seconds = tables.tip(connection)
                if (revision, digest) != (base.revision, base.digest):  # a standby may not have it
                    raise ConflictError("another revision came first")
                if draft.ends_trial != (seconds is not None):
                    raise ConflictError("a trial was begun or decided meanwhile")
                if draft.ends_trial:
                    tables.judge(connection, revision, Verdict.TAKEN_BACK)
                tables.append(connection, draft.row, draft.body, draft.trial_seconds)
        except ConflictError as error:
            if not self._is_stored(draft.row):
                raise self.conflict(draft.base.revision) from error

    def _is_stored(self, row: Row) -> bool:
        """Whether it is there, and ours: the ticket is in it."""
        with self._database.reading() as connection:
            before = Revision(row.revision - 1)
            return list(tables.rows_between(connection, before, row.revision)) == [row]


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
