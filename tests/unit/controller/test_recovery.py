"""A lost key: a way back in through the catalog's database, and only where it is needed."""

from pathlib import Path

import pytest

from bobr.catalog import Catalog, LogLevel, Principal, Settings
from bobr.catalog.access import is_administrator
from bobr.catalog.keys import digest, new_key
from bobr.catalog.model import Key
from bobr.clock import SystemClock
from bobr.controller.catalog_store import CatalogStore, Stamp
from bobr.controller.recovery import add_administrator
from bobr.errors import RejectedError
from bobr.ids import PrincipalName

OPS, RESCUE = PrincipalName("ops"), PrincipalName("rescue")
SHA256 = digest(new_key(RESCUE))


@pytest.fixture
def store(tmp_path: Path) -> CatalogStore:
    return CatalogStore.in_file(tmp_path / "catalog.sqlite")


def administrator(name: PrincipalName) -> Principal:
    return Principal(name=name, keys=(Key(sha256=digest(new_key(name))),), configure=("*",))


def put(store: CatalogStore, *principals: Principal, trial_seconds: float | None = None) -> Catalog:
    """These, and nobody else."""
    stamp = Stamp(author="ops", address="", source="a test", message="", at=SystemClock().now())
    some = {"principals": {each.name: each for each in principals}}
    return store.commit(store.newest().model_copy(update=some), stamp, trial_seconds)


def closed(store: CatalogStore) -> None:
    """As it is with keys."""
    put(store, administrator(OPS))


def test_an_administrator_is_added_and_all_else_stays(store: CatalogStore) -> None:
    closed(store)
    before = store.newest()
    add_administrator(store, RESCUE, SHA256, "ann", SystemClock())
    after = store.newest()
    assert is_administrator(after.principals[RESCUE])
    assert [key.sha256 for key in after.principals[RESCUE].keys] == [SHA256]
    kept = {name: each for name, each in after.principals.items() if name != RESCUE}
    former = {"principals": kept, "revision": before.revision}
    assert after.model_copy(update=former) == before
    stamp = store.entry(after.revision).stamp
    assert (stamp.author, stamp.source) == ("ann", "bobr key recover")


def test_what_is_on_trial_is_taken_back_with_it_but_for_keys(store: CatalogStore) -> None:
    """Whoever tries it has ended, most often; a key that it revokes stays revoked."""
    closed(store)
    before, clock = store.newest(), SystemClock()
    stamp = Stamp(author="ops", address="", source="a test", message="", at=clock.now())
    settings = Settings(log_level=LogLevel.DEBUG)
    bare = before.principals[OPS].model_copy(update={"keys": ()})
    tried = before.model_copy(update={"settings": settings, "principals": {OPS: bare}})
    store.commit(tried, stamp, 25.0)
    add_administrator(store, RESCUE, SHA256, "ann", clock)
    after = store.standing()
    assert (after.trial, after.catalog.settings) == (None, before.settings)
    assert after.catalog.principals[OPS] == bare
    assert is_administrator(after.catalog.principals[RESCUE])


def test_what_a_trial_gives_is_given_to_nobody(store: CatalogStore) -> None:
    closed(store)
    ops, eve = store.newest().principals[OPS], administrator(PrincipalName("eve"))
    put(store, ops, eve, trial_seconds=25.0)
    add_administrator(store, RESCUE, SHA256, "ann", SystemClock())
    after = store.standing().catalog.principals
    assert set(after) == {OPS, RESCUE}
    assert after[OPS] == ops


def test_a_trial_of_a_system_without_keys_opens_nothing(store: CatalogStore) -> None:
    """What is in force needs a key, and has them all afterwards."""
    closed(store)
    before = store.newest().principals
    put(store, trial_seconds=25.0)
    add_administrator(store, RESCUE, SHA256, "ann", SystemClock())
    after = store.standing()
    assert after.trial is None
    assert {**after.catalog.principals, **before} == after.catalog.principals
    assert set(after.catalog.principals) == {OPS, RESCUE}


def test_nor_does_one_with_keys_close_a_system_that_has_none(store: CatalogStore) -> None:
    put(store, administrator(OPS), trial_seconds=25.0)
    with pytest.raises(RejectedError, match="nobody needs a key"):
        add_administrator(store, RESCUE, SHA256, "ann", SystemClock())


def test_where_nobody_needs_a_key_none_is_made(store: CatalogStore) -> None:
    with pytest.raises(RejectedError, match="nobody needs a key"):
        add_administrator(store, RESCUE, SHA256, "ann", SystemClock())


def test_a_principal_that_there_is_keeps_its_keys(store: CatalogStore) -> None:
    closed(store)
    with pytest.raises(RejectedError, match="'ops' already"):
        add_administrator(store, OPS, SHA256, "ann", SystemClock())
