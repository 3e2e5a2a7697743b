"""Revisions: kept, numbered, and won by one writer only."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bobr.catalog import Catalog, Stream
from bobr.controller.catalog_store import CatalogStore
from bobr.errors import MisconfiguredError, RejectedError
from bobr.ids import Revision, SchemaId, StreamName

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def with_stream(catalog: Catalog, name: str) -> Catalog:
    stream = Stream(name=StreamName(name), message="M", schema_ids=(SchemaId(1),))
    return catalog.model_copy(update={"streams": {**catalog.streams, stream.name: stream}})


def test_a_revision_survives_the_store(tmp_path: Path) -> None:
    store = CatalogStore(tmp_path / "catalog.sqlite")
    assert store.newest() == Catalog()
    made = store.commit(with_stream(Catalog(), "a"), "first", NOW)
    store.close()
    assert made.revision == 1
    store = CatalogStore(tmp_path / "catalog.sqlite")
    assert store.newest() == made
    store.close()


def test_of_two_changes_on_one_base_one_is_told_to_look_again(tmp_path: Path) -> None:
    store = CatalogStore(tmp_path / "catalog.sqlite")
    base = store.newest()
    store.commit(with_stream(base, "a"), "a", NOW)
    with pytest.raises(RejectedError, match="revision 1 exists"):
        store.commit(with_stream(base, "b"), "b", NOW)
    assert set(store.newest().streams) == {"a"}
    store.close()


def test_of_many_writers_exactly_one_wins(tmp_path: Path) -> None:
    stores = [CatalogStore(tmp_path / "catalog.sqlite") for _ in range(8)]

    def commit(number: int) -> Revision | None:
        try:
            return stores[number].commit(with_stream(Catalog(), f"s{number}"), "", NOW).revision
        except RejectedError:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [revision for revision in pool.map(commit, range(8)) if revision is not None]
    assert won == [1]
    assert len(stores[0].newest().streams) == 1
    for store in stores:
        store.close()


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(MisconfiguredError, match="can not be used"):
        CatalogStore(path)
