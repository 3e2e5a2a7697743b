"""Where catalogs are kept: every revision, whole, in one SQLite table. Only the controller opens it."""

import sqlite3
import threading
from datetime import datetime
from pathlib import Path

from bobr.catalog import Catalog
from bobr.errors import MisconfiguredError, RejectedError
from bobr.ids import Revision

SCHEMA = """
CREATE TABLE IF NOT EXISTS catalog (
    revision INTEGER PRIMARY KEY,
    made_at  TEXT NOT NULL,
    message  TEXT NOT NULL,
    body     TEXT NOT NULL
) STRICT
"""


class CatalogStore:
    """Revisions, the newest of which is in force. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Opens or creates. MisconfiguredError: the file can not be used."""
        self._lock = threading.Lock()
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(SCHEMA)
        except sqlite3.Error as error:
            message = f"the catalog database {path} can not be used: {error}"
            raise MisconfiguredError(message) from error

    def newest(self) -> Catalog:
        """The catalog in force; revision 0, empty, at the beginning."""
        with self._lock:
            row = self._database.execute(
                "SELECT body FROM catalog ORDER BY revision DESC LIMIT 1"
            ).fetchone()
        return Catalog() if row is None else Catalog.model_validate_json(row[0])

    def commit(self, catalog: Catalog, message: str, now: datetime) -> Catalog:
        """Put the catalog in force as the revision after its own; RejectedError: another change came first."""
        following = catalog.model_copy(update={"revision": Revision(catalog.revision + 1)})
        row = (following.revision, now.isoformat(), message, following.model_dump_json())
        with self._lock:
            try:
                self._database.execute("INSERT INTO catalog VALUES (?, ?, ?, ?)", row)
            except sqlite3.IntegrityError as error:
                message = f"the catalog was changed meanwhile: revision {following.revision} exists; look again"
                raise RejectedError(message) from error
        return following

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._database.close()
