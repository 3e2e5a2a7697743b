"""That a revision on trial is in force only when it is kept: tests of a store of catalogs, over any database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy.exc import DBAPIError

from bobr.catalog import Catalog
from bobr.controller.catalog_store import CatalogStore, Standing, Trial
from bobr.errors import BobrError, ConflictError
from bobr.ids import Revision
from bobr.testing.append_only_contract import (
    STAMP,
    execute,
    grown,
    unguard,
    values,
    with_streams,
)

SECONDS = 25.0
RACES = 20


def _outcome(act: Callable[[], object]) -> BobrError | None:
    try:
        act()
    except ConflictError as error:
        return error
    return None


class CatalogTrialContract:
    """Part of `CatalogStoreContract`. Needs a fixture `store`, and the `url` of its database."""

    @pytest.fixture
    def before(self, store: CatalogStore) -> Catalog:
        """In force, revision 2."""
        return grown(store, 2)[-1]

    @pytest.fixture
    def tried(self, store: CatalogStore, before: Catalog) -> Catalog:
        """On trial, revision 3."""
        return store.commit(with_streams(before, "tried"), STAMP, SECONDS)

    def test_what_is_on_trial_is_not_in_force_for_anybody(
        self, store: CatalogStore, url: str, before: Catalog, tried: Catalog
    ) -> None:
        with closing(CatalogStore(url)) as other:
            for each in (store, other):
                assert each.standing() == Standing(
                    catalog=before, trial=Trial(catalog=tried, seconds=SECONDS)
                )
                assert each.newest() == each.standing().newest == tried

    def test_nothing_else_is_changed_meanwhile(
        self, store: CatalogStore, before: Catalog, tried: Catalog
    ) -> None:
        with pytest.raises(ConflictError, match=r"try revision 3 now.*decided within 25 seconds"):
            store.commit(with_streams(before, "another"), STAMP)
        with pytest.raises(ConflictError, match="try revision 3 now"):
            store.commit(with_streams(tried, "another"), STAMP)
        assert store.newest() == tried

    def test_only_what_is_on_trial_is_taken_back(
        self, store: CatalogStore, before: Catalog, tried: Catalog
    ) -> None:
        back = before.model_copy(update={"revision": 2})
        with pytest.raises(ConflictError, match="revision 2 is not on trial"):
            store.take_back(back, STAMP)
        store.keep(Revision(3))
        with pytest.raises(ConflictError, match="revision 3 is not on trial"):
            store.take_back(before.model_copy(update={"revision": 3}), STAMP)

    def test_what_is_kept_is_in_force(self, store: CatalogStore, url: str, tried: Catalog) -> None:
        for _ in range(2):
            store.keep(Revision(3))
            with closing(CatalogStore(url)) as other:
                assert other.standing() == Standing(catalog=tried, trial=None)
        store.commit(with_streams(tried, "next"), STAMP)
        assert store.newest().revision == 4
        store.verify()

    def test_what_is_taken_back_is_followed_by_what_was_before(
        self, store: CatalogStore, before: Catalog, tried: Catalog
    ) -> None:
        back = store.take_back(before.model_copy(update={"revision": tried.revision}), STAMP)
        assert store.standing() == Standing(catalog=back, trial=None)
        assert back.model_copy(update={"revision": 2}) == before
        with pytest.raises(ConflictError, match="revision 3 was tried for too long"):
            store.keep(Revision(3))

    def test_what_is_not_on_trial_is_kept_without_a_word(
        self, store: CatalogStore, url: str, before: Catalog
    ) -> None:
        store.keep(Revision(2))
        assert store.standing() == Standing(catalog=before, trial=None)
        assert values(url, "SELECT count(*) FROM bobr_verdict") == [0]

    def test_one_who_keeps_and_one_who_takes_back_agree(self, url: str) -> None:
        """Two controllers decide at once: exactly one is told that it came too late."""
        with closing(CatalogStore(url)) as one, closing(CatalogStore(url)) as two:
            for number in range(RACES):
                before = one.newest()
                tried = one.commit(with_streams(before, f"t{number}"), STAMP, SECONDS)
                back = before.model_copy(update={"revision": tried.revision})
                revision = Revision(tried.revision)
                with ThreadPoolExecutor(2) as pool:
                    keeping = pool.submit(_outcome, lambda: one.keep(revision))  # noqa: B023
                    taking = pool.submit(_outcome, lambda: two.take_back(back, STAMP))  # noqa: B023
                kept, taken = keeping.result(), taking.result()
                standing = two.standing()
                assert standing.trial is None
                assert (kept is None) != (taken is None), (kept, taken)
                assert (standing.catalog.revision == tried.revision) == (taken is not None)

    @pytest.mark.parametrize("table", ["bobr_trial", "bobr_verdict"])
    def test_trials_can_not_be_changed_or_deleted(
        self, store: CatalogStore, url: str, tried: Catalog, table: str
    ) -> None:
        store.keep(Revision(tried.revision))
        for statement in (f"UPDATE {table} SET revision = 7", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match="never"):
                execute(url, statement)
        assert values(url, f"SELECT revision FROM {table}") == [3]

    def test_a_database_that_was_made_without_trials_gets_them(
        self, store: CatalogStore, url: str, before: Catalog
    ) -> None:
        store.close()
        unguard(url)
        for table in ("bobr_trial", "bobr_verdict"):
            execute(url, f"DROP TABLE {table}")
        with closing(CatalogStore(url)) as other:
            tried = other.commit(with_streams(before, "tried"), STAMP, SECONDS)
            assert other.standing().trial == Trial(catalog=tried, seconds=SECONDS)
            with pytest.raises(DBAPIError, match="never"):
                execute(url, "DELETE FROM bobr_trial")
