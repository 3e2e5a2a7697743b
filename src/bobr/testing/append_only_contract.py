"""That a store of catalogs only ever adds, and finds out what was done to its rows: tests, over any database."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from bobr.catalog import Catalog, Stream
from bobr.controller.catalog_store import CatalogStore, Stamp
from bobr.controller.catalog_store.database import Database
from bobr.controller.catalog_store.entry import sealed
from bobr.controller.catalog_store.tables import rows_between
from bobr.controller.catalog_store.walk import LARGE_CHANGES, SNAPSHOT_EVERY
from bobr.errors import BrokenError
from bobr.ids import Revision, SchemaId, StreamName

Databases = Callable[[], str]
"""Each call makes an empty database; its URL."""
NOON = datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)
STAMP = Stamp(author="anna", address="10.0.0.7", source="test", message="why not", at=NOON)


def stream(name: str) -> Stream:
    """Any stream."""
    return Stream(name=StreamName(name), message="shop.v1.Order", schema_ids=(SchemaId(1),))


def with_streams(catalog: Catalog, *names: str) -> Catalog:
    """The catalog and these streams."""
    added = {StreamName(name): stream(name) for name in names}
    return catalog.model_copy(update={"streams": {**catalog.streams, **added}})


def grown(store: CatalogStore, revisions: int) -> Sequence[Catalog]:
    """Every revision of a store that was empty: each adds a stream."""
    catalogs = [store.newest()]
    for number in range(revisions):
        catalogs.append(store.commit(with_streams(catalogs[-1], f"s{number}"), STAMP))
    return catalogs


class AppendOnlyContract:
    """Part of `CatalogStoreContract`. Needs a fixture `databases`."""

    @pytest.fixture
    def url(self, databases: Databases) -> str:
        """Of an empty database."""
        return databases()

    @pytest.fixture
    def store(self, url: str) -> Iterator[CatalogStore]:
        """In that database."""
        with closing(CatalogStore(url)) as store:
            yield store

    # Revisions

    @pytest.mark.parametrize("table", ["bobr_revision", "bobr_snapshot"])
    def test_rows_can_not_be_changed_or_deleted(
        self, store: CatalogStore, url: str, table: str
    ) -> None:
        names = [f"s{number}" for number in range(LARGE_CHANGES)]
        store.commit(with_streams(Catalog(), *names), STAMP)
        for statement in (f"UPDATE {table} SET revision = 7", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match="never"):
                execute(url, statement)
        store.verify()
        assert values(url, f"SELECT revision FROM {table}") == [1]

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("made_at", "'2026-01-01T00:00:00.000000+00:00'"),
            ("author", "'bob'"),
            ("address", "''"),
            ("source", "''"),
            ("message", "'why not '"),
            ("ticket", "''"),
            ("delta", "replace(delta, 'shop', 'shoe')"),
            ("digest", "'00'"),
            ("snapshot", "'00'"),
            ("revision", "99"),
        ],
    )
    def test_a_changed_row_is_found_and_named(
        self, store: CatalogStore, url: str, column: str, value: str
    ) -> None:
        grown(store, 4)
        store.verify()
        unguard(url)
        execute(url, f"UPDATE bobr_revision SET {column} = {value} WHERE revision = 2")
        with pytest.raises(BrokenError, match="revision 2"):
            store.verify()
        with closing(CatalogStore(url)) as fresh, pytest.raises(BrokenError, match="revision 2"):
            fresh.newest()

    def test_a_row_that_is_changed_with_its_digest_betrays_itself_by_the_next(
        self, store: CatalogStore, url: str
    ) -> None:
        grown(store, 4)
        unguard(url)
        forge(url, 2)
        with pytest.raises(BrokenError, match="revision 3"):
            store.verify()

    def test_a_removed_row_is_found_and_named(self, store: CatalogStore, url: str) -> None:
        grown(store, 4)
        unguard(url)
        execute(url, "DELETE FROM bobr_revision WHERE revision = 3")
        with pytest.raises(BrokenError, match="revision 3"):
            store.verify()

    def test_who_saw_the_end_knows_that_it_was_cut_off_or_replaced(
        self, store: CatalogStore, url: str
    ) -> None:
        grown(store, 4)
        noted = store.verify()
        unguard(url)
        execute(url, "DELETE FROM bobr_revision WHERE revision = 4")
        assert store.verify() != noted
        with pytest.raises(BrokenError, match="has 3 revisions, and had 4"):
            store.newest()
        with closing(CatalogStore(url)) as other:
            other.commit(with_streams(other.newest(), "other"), STAMP)
        with pytest.raises(BrokenError, match="revision 4"):
            store.newest()

    @pytest.mark.parametrize(
        "statement",
        ["UPDATE bobr_snapshot SET body = substr(body, 2)", "DELETE FROM bobr_snapshot"],
    )
    def test_a_changed_snapshot_is_found(
        self, store: CatalogStore, url: str, statement: str
    ) -> None:
        grown(store, SNAPSHOT_EVERY)
        unguard(url)
        execute(url, statement)
        with pytest.raises(BrokenError, match=f"revision {SNAPSHOT_EVERY}"):
            store.verify()


def execute(url: str, statement: str, **values: str) -> None:
    """Run a statement past the store, and commit it."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(text(statement), values)
    finally:
        engine.dispose()


def values(url: str, query: str) -> list[object]:
    """The first column of what the query finds."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(text(query)).scalars())
    finally:
        engine.dispose()


def unguard(url: str) -> None:
    """Drop what guards the rows, as an administrator can."""
    if url.startswith("sqlite"):
        for name in values(url, "SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            execute(url, f"DROP TRIGGER {name}")
    else:
        execute(url, "DROP FUNCTION bobr_refuse() CASCADE")


def forge(url: str, revision: int) -> None:
    """Change a row so that its digest fits: only the next one can tell."""
    with closing(Database(url)) as database, database.reading() as connection:
        before, row = rows_between(connection, Revision(revision - 2), Revision(revision))
    forged = sealed(replace(row, message="forged"), before.digest)
    statement = "UPDATE bobr_revision SET message = :message, digest = :digest WHERE revision = "
    execute(url, f"{statement}{revision}", message=forged.message, digest=forged.digest)
