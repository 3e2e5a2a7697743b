"""Which delivery had a table last that none in force has: found in the history of the catalog, newest first. Blocks.

A table stays when its delivery is removed, and what it holds binds whoever has it next.
"""

from collections.abc import Iterator
from dataclasses import replace

from bobr.catalog import Catalog, Delivery, Kind, flip
from bobr.catalog.change import Change, with_changes
from bobr.catalog.model import Place
from bobr.catalog.tables import Between, Tables
from bobr.controller.catalog_store import CatalogStore, Entry
from bobr.ids import Revision

REVISIONS_MAX = 1_000
"""That are looked at: every table that is really new needs all of them. Some 160 µs each, of a change of one object."""
AT_ONCE = 100


def earlier(store: CatalogStore, current: Catalog, wanted: Catalog) -> Tables:
    """By place, of those that are wanted and had by no delivery in force. UnavailableError: the store does not answer.

    current: at a revision that is in the store.
    """
    sought = Between(current, wanted).new_places()
    found: dict[Place, Delivery] = {}
    catalog, looked = current, 0
    while sought and looked < REVISIONS_MAX:
        entries = store.history(AT_ONCE, Revision(current.revision + 1 - looked))
        for entry in entries:
            catalog, ended = _before(entry, catalog)
            for delivery in ended:
                if (place := catalog.place_of(delivery)) in sought:
                    sought.discard(place)
                    found[place] = delivery
        if len(entries) < AT_ONCE:
            break
        looked += AT_ONCE
    return found


def _before(entry: Entry, catalog: Catalog) -> tuple[Catalog, Iterator[Delivery]]:
    """The catalog before that revision, as far as it tells of tables; deliveries whose table may have ended by it."""
    changes = [
        each for each in entry.delta.changes if each.kind in (Kind.DELIVERY, Kind.DESTINATION)
    ]
    if not changes:
        return catalog, iter(())
    before = with_changes(flip(replace(entry.delta, changes=changes)), catalog)
    if any(each.kind is Kind.DESTINATION for each in changes):
        return before, iter(before.deliveries.values())
    return before, _ended(changes)


def _ended(changes: list[Change]) -> Iterator[Delivery]:
    return (each.before for each in changes if isinstance(each.before, Delivery))
