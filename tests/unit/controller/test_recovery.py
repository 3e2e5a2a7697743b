"""A lost key: a way back in through the catalog's database, and only where it is needed."""

from pathlib import Path

import pytest

from bobr.catalog import LogLevel, Principal, Settings
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


def closed(store: CatalogStore) -> None:
    """As it is with keys."""
    clock = SystemClock()
    key = Key(sha256=digest(new_key(OPS)))
    principals = {OPS: Principal(name=OPS, keys=(key,), configure=("*",))}
    stamp = Stamp(author="ops", address="", source="a test", message="", at=clock.now())
    store.commit(store.newest().model_copy(update={"principals": principals}), stamp)


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


def test_where_nobody_needs_a_key_none_is_made(store: CatalogStore) -> None:
    with pytest.raises(RejectedError, match="nobody needs a key"):
        add_administrator(store, RESCUE, SHA256, "ann", SystemClock())


def test_a_principal_that_there_is_keeps_its_keys(store: CatalogStore) -> None:
    closed(store)
    with pytest.raises(RejectedError, match="'ops' already"):
        add_administrator(store, OPS, SHA256, "ann", SystemClock())
