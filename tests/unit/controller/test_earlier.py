"""Tables that no delivery in force has: who had them, by the history; and what a rollback makes of it."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bobr.catalog import Catalog, Delivery, Destination
from bobr.catalog.tables import Between, check_rows
from bobr.controller.back import back_to
from bobr.controller.catalog_store import CatalogStore, Stamp
from bobr.controller.earlier import AT_ONCE, earlier
from bobr.ids import DeliveryName, Revision

STAMP = Stamp(
    author="a", address="h", source="t", message="", at=datetime(2026, 11, 29, tzinfo=UTC)
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CatalogStore]:
    with closing(CatalogStore.in_file(tmp_path / "catalog.sqlite")) as store:
        yield store


def catalog(warehouse: str = "/srv/w", **deliveries: Mapping[str, Any]) -> Catalog:
    values = [
        Delivery.model_validate({"name": name, "from": "orders", "to": "wh", "table": name, **said})
        for name, said in deliveries.items()
    ]
    wh = Destination.model_validate({"name": "wh", "kind": "iceberg", "warehouse": warehouse})
    return Catalog(deliveries={each.name: each for each in values}, destinations={wh.name: wh})


def commit(store: CatalogStore, *catalogs: Catalog) -> Catalog:
    for each in catalogs:
        now = store.newest()
        store.commit(each.model_copy(update={"revision": now.revision}), STAMP)
    return store.newest()


def keeps(store: CatalogStore, wanted: Catalog) -> Mapping[str, int | None]:
    """By who had them last, of the tables that are wanted and nobody has."""
    found = earlier(store, store.newest(), wanted)
    return {each.name: each.keep_seconds for each in found.values()}


def test_the_last_that_had_the_table_is_found(store: CatalogStore) -> None:
    commit(
        store,
        catalog(a={"table": "t", "keep": "30d"}),
        catalog(b={"table": "t", "keep": "7d"}, c={"table": "u"}),
        catalog(c={"table": "u"}),
        catalog(),
    )
    wanted = catalog(x={"table": "bobr.t"}, y={"table": "new"}, z={"table": "u"})
    assert keeps(store, wanted) == {"b": 7 * 24 * 3600, "c": None}
    assert keeps(store, catalog()) == {}


def test_a_table_that_was_left_with_its_destination_is_found(store: CatalogStore) -> None:
    commit(store, catalog(a={"keep": "30d"}), catalog("/srv/v", a={"keep": "7d"}))
    assert keeps(store, catalog("/srv/w/.", a={})) == {"a": 30 * 24 * 3600}


def test_many_revisions_lie_between(store: CatalogStore) -> None:
    others = (catalog(z={"keep": f"{each}d"}) for each in range(1, AT_ONCE + 5))
    commit(store, catalog(a={"keep": "30d"}), *others)
    assert keeps(store, catalog(b={"table": "a"})) == {"a": 30 * 24 * 3600}


def test_who_takes_up_a_table_is_asked_before_it_loses_rows_or_gets_others(
    store: CatalogStore,
) -> None:
    current = commit(store, catalog(c={"table": "t"}), catalog())
    wanted = catalog(
        cc={"table": "t", "keep": "24h", "from": "clicks", "partition": "hour"}, d={"keep": "1d"}
    )
    wanted = wanted.model_copy(update={"streams": {"clicks": None}})
    faults = check_rows(Between(current, wanted, earlier(store, current, wanted)))
    assert [fault.path[1:] for fault in faults] == [
        ("cc", "from"),
        ("cc", "partition"),
        ("cc", "keep"),
    ]


@pytest.mark.parametrize(
    "since",
    [
        pytest.param([], id="renamed"),
        pytest.param([catalog()], id="removed"),
    ],
)
def test_a_rollback_makes_no_table_lose_rows(store: CatalogStore, since: list[Catalog]) -> None:
    """Whatever the delivery is called that has it now, or had it last."""
    then = commit(store, catalog(a={"table": "t", "keep": "24h"}))
    paused = {"table": "t", "keep": "90d", "paused": not since}
    now = commit(store, catalog(b=paused), *since)
    target = store.at(Revision(then.revision))
    (back,) = back_to(Between(now, target, earlier(store, now, target))).deliveries.values()
    assert (back.name, back.keep_seconds) == (DeliveryName("a"), 90 * 24 * 3600)
    assert back.paused == (not since)
