"""From one catalog to the next, by rows that fit; and whole catalogs, packed. Pure."""

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from bobr.catalog import Catalog, Delta
from bobr.catalog.change import apply, delta_of, objects
from bobr.controller.catalog_store.entry import Row, fits
from bobr.errors import BrokenError, RejectedError
from bobr.ids import Revision

SNAPSHOT_EVERY = 100
"""Revisions. Measured with 4,500 objects: a snapshot has 50 KB and is read in some 50 ms, 99 changes of one object each
that follow it in some 10 ms more."""
LARGE_CHANGES = 100
"""A change of so many objects and of a quarter of the catalog has a snapshot, too: it is smaller than the change, and
is read instead of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A catalog that was read or written, and the digest of its row."""

    catalog: Catalog
    digest: str

    @property
    def revision(self) -> Revision:
        """Of the catalog."""
        return self.catalog.revision


NOTHING = Known(catalog=Catalog(), digest="")
"""Revision 0, which no row keeps."""


def walk(known: Known, rows: Iterable[Row]) -> Known:
    """The catalog after these rows, which follow it one by one.

    BrokenError: one is not there, was changed, or changes what there is not; the first such revision is named.
    """
    for row in rows:
        known = _step(known, row)
    return known


def _step(known: Known, row: Row) -> Known:
    following = known.revision + 1
    if row.revision != following:
        raise BrokenError(f"revision {following} is missing: {row.revision} follows")
    if not fits(row, known.digest):
        message = f"revision {following} does not fit the one before it: its row, or that one, was changed"
        raise BrokenError(message)
    try:
        catalog = apply(delta_of(row.delta), known.catalog)
    except (ValueError, RejectedError) as error:
        message = f"revision {following} does not fit the one before it: {error}"
        raise BrokenError(message) from error
    return Known(catalog=catalog, digest=row.digest)


def wants_snapshot(delta: Delta, catalog: Catalog) -> bool:
    """Whether the catalog is kept whole at this revision, and not only the change."""
    if delta.revision % SNAPSHOT_EVERY == 0:
        return True
    changes = len(delta.changes)
    return changes >= LARGE_CHANGES and 4 * changes >= len(objects(catalog))


def pack(catalog: Catalog) -> bytes:
    """For the snapshots' table: JSON, compressed."""
    return zlib.compress(catalog.model_dump_json().encode())


def unpack(body: bytes, row: Row) -> Known:
    """The inverse. BrokenError: it is not what was stored with that row."""
    if digest_of(body) != row.snapshot:
        message = f"the snapshot of revision {row.revision} was changed after it was stored"
        raise BrokenError(message)
    try:
        catalog = Catalog.model_validate_json(zlib.decompress(body))
    except ValueError as error:
        raise BrokenError(f"the snapshot of revision {row.revision}: {error}") from error
    return Known(catalog=catalog, digest=row.digest)


def digest_of(body: bytes) -> str:
    """Of a packed snapshot, as its row has it."""
    return hashlib.sha256(body).hexdigest()
