"""A revision that a part refuses, taken back in the store of the catalog. Blocks."""

from dataclasses import dataclass, replace
from datetime import datetime

from bobr.catalog import Catalog, diff
from bobr.catalog.tables import Between
from bobr.controller.back import taken_back, untried
from bobr.controller.catalog_store import CatalogStore, Stamp, Standing
from bobr.controller.proposal import check_sound
from bobr.errors import ConflictError
from bobr.ids import Revision

MESSAGE_CHARACTERS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """It is to be taken back. before: what was in force. stamp: of the change. on_trial: only canaries were told."""

    before: Catalog
    catalog: Catalog
    why: str
    stamp: Stamp
    on_trial: bool


def put_back(
    store: CatalogStore, refusal: Refused, at: datetime
) -> tuple[Catalog, Revision | None]:
    """What is in force then, and what took the refused one back: None, there was nothing to be taken back.

    ConflictError, RetryableError: not now. ProblemsError: others need by now what it brought.
    """
    standing = store.standing()
    stamp = replace(
        refusal.stamp,
        source="automatic rollback",
        message=printable(refusal.why)[:MESSAGE_CHARACTERS_MAX],
        at=at,
    )
    if refusal.on_trial:
        return _end_trial(store, refusal, standing, stamp)
    if standing.trial is not None:
        tried = standing.trial.catalog.revision
        raise ConflictError(f"some instances try revision {tried} now, which is decided first")
    wanted = taken_back(refusal.before, refusal.catalog, standing.catalog)
    check_sound(Between(standing.catalog, wanted), {})
    catalog = store.commit(wanted, stamp)
    is_new = catalog.revision > standing.catalog.revision
    return catalog, Revision(catalog.revision) if is_new else None


def _end_trial(
    store: CatalogStore, refusal: Refused, standing: Standing, stamp: Stamp
) -> tuple[Catalog, Revision | None]:
    revision = Revision(refusal.catalog.revision)
    wanted = untried(refusal.before, refusal.catalog)
    brought = bool(diff(refusal.catalog, wanted).changes)
    if standing.trial is None or standing.trial.catalog.revision != revision:  # another did
        return standing.catalog, Revision(revision + 1) if brought else None
    if not brought:
        store.keep(revision)
        return refusal.catalog, None
    catalog = store.take_back(wanted, stamp)
    return catalog, Revision(catalog.revision)


def printable(text: str) -> str:
    """Without what databases and terminals do not take, such as NUL."""
    return "".join(each if each.isprintable() else " " for each in text)
