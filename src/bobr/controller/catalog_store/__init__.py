"""Where catalogs are kept: every revision as a change, who made it and why, in SQLite or PostgreSQL. Append-only.

Only the controller opens it. Several controllers may share one PostgreSQL: a change is put in force by compare-and-set.

    store.py       the contract: newest, standing, at, entry, history, commit, keep, take_back, verify
    entry.py       a revision as a person reads it and as a row; the digest that chains rows        pure
    walk.py        from one catalog to the next by rows that fit; snapshots                        pure
    conflict.py    what the loser of a race is told                                                pure
    tables.py      the tables, what guards them, and the statements
    database.py    connections, transactions and bounds; the only place that knows vendors' errors
"""

from bobr.controller.catalog_store.entry import Entry, Stamp
from bobr.controller.catalog_store.store import CatalogStore, Standing, Trial

__all__ = ["CatalogStore", "Entry", "Stamp", "Standing", "Trial"]
