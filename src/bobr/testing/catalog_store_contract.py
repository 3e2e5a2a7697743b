"""The contract of stores of catalogs as tests, over any database: subclass, give it `databases`, run pytest.

    class TestInMyDatabase(CatalogStoreContract):
        @pytest.fixture
        def databases(self) -> Databases:
            return a function that makes an empty database, and returns its URL

What a database does when it is killed, cut off or locked is each one's own to test.
"""

import multiprocessing
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from multiprocessing.synchronize import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bobr.catalog import (
    Catalog,
    Delivery,
    Destination,
    LogLevel,
    PartitionBy,
    Route,
    Settings,
    Stream,
)
from bobr.catalog.change import diff
from bobr.catalog.durations import seconds_of
from bobr.controller.catalog_store import CatalogStore, Stamp
from bobr.controller.catalog_store.walk import LARGE_CHANGES, SNAPSHOT_EVERY
from bobr.errors import ConflictError, NotFoundError, RejectedError
from bobr.ids import DeliveryName, DestinationName, Revision, RouteName, SchemaId, StreamName
from bobr.testing.append_only_contract import (
    STAMP,
    AppendOnlyContract,
    Databases,
    grown,
    values,
    with_streams,
)
from bobr.testing.catalog_trial_contract import CatalogTrialContract

THREADS = 20
PROCESSES = 4
PATIENCE_SECONDS = 120.0
NAMES = st.sampled_from(["a", "b.c", "d-1", "e_2"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
WHOLE_SECONDS = st.integers(60, 90 * 24 * 3600)
STREAMS = st.builds(
    Stream,
    name=NAMES.map(StreamName),
    message=st.sampled_from(["M", "shop.v1.Order"]),
    schema_ids=st.lists(st.integers(1, 9).map(SchemaId), min_size=1, max_size=3).map(tuple),
    partitions=st.integers(1, 9),
    retention_seconds=WHOLE_SECONDS,
    key=st.none() | st.just("customer.id"),
    owner=TEXTS,
)
ROUTES = st.builds(
    Route,
    name=NAMES.map(RouteName),
    sources=st.lists(NAMES.map(StreamName), min_size=1, max_size=3).map(tuple),
    where=st.none() | TEXTS,
    to=NAMES.map(StreamName),
)
DELIVERIES = st.builds(
    Delivery,
    name=NAMES.map(DeliveryName),
    stream=NAMES.map(StreamName),
    table=st.sampled_from(["orders", "shop.orders"]),
    partition_by=st.sampled_from(PartitionBy),
    dedup_seconds=WHOLE_SECONDS,
    flush_seconds=st.integers(1, 10_000).map(lambda number: seconds_of(f"{number}ms")),
    paused=st.booleans(),
)
DESTINATIONS = st.builds(
    Destination,
    name=NAMES.map(DestinationName),
    kind=st.just("iceberg"),
    namespace=st.sampled_from(["bobr", "shop"]),
)


CATALOGS = st.builds(
    Catalog,
    streams=st.lists(STREAMS, max_size=4).map(lambda some: {each.name: each for each in some}),
    routes=st.lists(ROUTES, max_size=3).map(lambda some: {each.name: each for each in some}),
    deliveries=st.lists(DELIVERIES, max_size=4).map(
        lambda some: {each.name: each for each in some}
    ),
    destinations=st.lists(DESTINATIONS, max_size=2).map(
        lambda some: {each.name: each for each in some}
    ),
    settings=st.builds(Settings, log_level=st.sampled_from(LogLevel)),
)
STAMPS = st.builds(
    Stamp,
    author=TEXTS,
    address=TEXTS,
    source=TEXTS,
    message=TEXTS,
    at=st.datetimes(timezones=st.just(UTC) | st.just(timezone(timedelta(hours=9)))).filter(
        lambda at: 1 < at.year < 9999
    ),
)


class CatalogStoreContract(AppendOnlyContract, CatalogTrialContract):
    """One test for each sentence of the contract. Needs a fixture `databases`."""

    def test_it_begins_with_the_empty_revision_0(self, store: CatalogStore) -> None:
        assert store.newest() == store.at(Revision(0)) == Catalog()
        assert store.history(10) == []
        assert store.verify() == ""

    def test_a_revision_survives_the_store(self, store: CatalogStore, url: str) -> None:
        made = store.commit(with_streams(Catalog(), "a"), STAMP)
        assert made == with_streams(Catalog(revision=Revision(1)), "a")
        store.close()
        with closing(CatalogStore(url)) as again:
            assert again.newest() == made

    def test_another_store_sees_it_at_once(self, store: CatalogStore, url: str) -> None:
        with closing(CatalogStore(url)) as other:
            grown(store, 3)
            assert other.newest() == store.newest()
            theirs = other.commit(with_streams(other.newest(), "theirs"), STAMP)
            assert store.newest() == theirs

    def test_what_is_in_force_makes_no_revision(self, store: CatalogStore) -> None:
        (*_, newest) = grown(store, 2)
        assert store.commit(newest, STAMP) == newest
        assert store.commit(with_streams(newest, "s0"), STAMP) == newest
        assert len(store.history(10)) == 2

    def test_every_revision_is_read_back_as_it_was(self, databases: Databases) -> None:
        @settings(max_examples=15)
        @given(wished=st.lists(st.tuples(CATALOGS, STAMPS), min_size=1, max_size=8))
        def check(wished: list[tuple[Catalog, Stamp]]) -> None:
            url = databases()
            with closing(CatalogStore(url)) as store, closing(CatalogStore(url)) as other:
                _check_history(other, *_committed(store, wished))

        check()

    def test_old_revisions_are_rebuilt_from_snapshots(self, store: CatalogStore, url: str) -> None:
        catalogs = grown(store, SNAPSHOT_EVERY + 5)
        assert values(url, "SELECT revision FROM bobr_snapshot") == [SNAPSHOT_EVERY]
        with closing(CatalogStore(url)) as fresh:
            assert fresh.newest() == catalogs[-1]
            for revision in (0, 1, SNAPSHOT_EVERY - 1, SNAPSHOT_EVERY, SNAPSHOT_EVERY + 1):
                assert fresh.at(Revision(revision)) == catalogs[revision]
            fresh.verify()

    def test_a_large_change_has_a_snapshot(self, store: CatalogStore, url: str) -> None:
        names = [f"s{number}" for number in range(LARGE_CHANGES)]
        made = store.commit(with_streams(Catalog(), *names), STAMP)
        assert values(url, "SELECT revision FROM bobr_snapshot") == [1]
        with closing(CatalogStore(url)) as fresh:
            assert fresh.newest() == made
            fresh.verify()

    def test_a_revision_that_is_not_there_is_not_found(self, store: CatalogStore) -> None:
        with pytest.raises(NotFoundError, match="there is none yet"):
            store.entry(Revision(1))
        grown(store, 2)
        for revision in (-1, 3, 10**30):
            with pytest.raises(NotFoundError, match="0 to 2"):
                store.at(Revision(revision))
            with pytest.raises(NotFoundError, match="1 to 2"):
                store.entry(Revision(revision))
        with pytest.raises(NotFoundError, match="0 to 2"):
            store.commit(Catalog(revision=Revision(3)), STAMP)

    def test_a_time_that_json_rounds_is_in_force_as_it_is_read(
        self, store: CatalogStore, url: str
    ) -> None:
        odd = Delivery(
            name=DeliveryName("d"), stream=StreamName("s"), table="t", flush_seconds=1.23456
        )
        made = store.commit(Catalog(deliveries={odd.name: odd}), STAMP)
        assert made.deliveries[odd.name].flush_seconds == pytest.approx(1.235)
        again = Catalog(revision=made.revision, deliveries={odd.name: odd})
        assert store.commit(again, STAMP) == made
        with closing(CatalogStore(url)) as fresh:
            assert fresh.newest() == made

    def test_a_value_that_json_can_not_keep_is_refused(self, store: CatalogStore) -> None:
        tiny = Delivery(
            name=DeliveryName("d"), stream=StreamName("s"), table="t", flush_seconds=0.0001
        )
        with pytest.raises(RejectedError, match="can not be kept"):
            store.commit(Catalog(deliveries={tiny.name: tiny}), STAMP)
        assert store.newest() == Catalog()

    # History

    def test_history_is_newest_first_and_goes_on_before_a_revision(
        self, store: CatalogStore
    ) -> None:
        grown(store, 5)
        assert [each.revision for each in store.history(2)] == [5, 4]
        assert [each.revision for each in store.history(2, Revision(4))] == [3, 2]
        assert [each.revision for each in store.history(9, Revision(2))] == [1]
        assert [each.revision for each in store.history(9, Revision(10**30))] == [5, 4, 3, 2, 1]
        assert store.history(9, Revision(0)) == store.history(0) == []
        assert store.entry(Revision(3)) == store.history(1, Revision(4))[0]

    def test_an_entry_says_who_from_where_what_and_why(self, store: CatalogStore) -> None:
        at = datetime(2026, 11, 24, 21, 30, tzinfo=timezone(timedelta(hours=9)))
        stamp = Stamp(author="Яна", address="::1", source="apply", message="day 1\n", at=at)
        store.commit(with_streams(Catalog(), "a"), stamp)
        entry = store.entry(Revision(1))
        assert entry.stamp == stamp
        assert entry.stamp.at.tzinfo is UTC
        assert [each.name for each in entry.delta.changes] == ["a"]

    # Races

    def test_of_two_changes_on_one_base_the_second_is_told_of_the_first(
        self, store: CatalogStore, url: str
    ) -> None:
        with closing(CatalogStore(url)) as other:
            store.commit(with_streams(Catalog(), "a", "b"), STAMP)
            with pytest.raises(ConflictError) as caught:
                other.commit(with_streams(Catalog(), "c"), STAMP)
        for words in ("revision 0", "1 by anna (why not)", "stream 'a', stream 'b'", "plan again"):
            assert words in str(caught.value)
        assert set(store.newest().streams) == {"a", "b"}

    def test_what_is_in_force_but_was_made_from_an_older_revision_is_refused(
        self, store: CatalogStore
    ) -> None:
        grown(store, 2)
        with pytest.raises(ConflictError):
            store.commit(with_streams(Catalog(), "s0", "s1"), STAMP)

    def test_what_a_loser_is_told_is_bounded(self, store: CatalogStore) -> None:
        long = replace(STAMP, message="m" * 4000, author="a" * 4000)
        catalog = store.commit(with_streams(Catalog(), *(f"t{n}" for n in range(300))), long)
        for number in range(20):
            catalog = store.commit(with_streams(catalog, f"s{number}"), long)
        with pytest.raises(ConflictError) as caught:
            store.commit(with_streams(Catalog(), "c"), STAMP)
        said = str(caught.value)
        assert len(said) < 2000
        assert said.count("'") == 2 * 10
        assert "290 more" in said
        assert "and 16 more" in said

    def test_of_many_threads_exactly_one_wins(self, url: str) -> None:
        with closing(CatalogStore(url)) as one, closing(CatalogStore(url)) as two:
            (*_, base) = grown(one, 3)
            barrier = threading.Barrier(THREADS)

            def change(number: int) -> Catalog | ConflictError:
                barrier.wait(PATIENCE_SECONDS)
                return _tried((one, two)[number % 2], base, f"t{number}")

            with ThreadPoolExecutor(THREADS) as pool:
                answers = list(pool.map(change, range(THREADS)))
            _check_race(one, base, answers)

    def test_of_several_processes_exactly_one_wins(self, store: CatalogStore, url: str) -> None:
        (*_, base) = grown(store, 3)
        context = multiprocessing.get_context("spawn")
        barrier = context.Barrier(PROCESSES)
        with ProcessPoolExecutor(PROCESSES, context, _remember, (barrier,)) as pool:
            names = [f"p{number}" for number in range(PROCESSES)]
            changes = [pool.submit(_race, url, base, name) for name in names]
            answers = [change.result(PATIENCE_SECONDS) for change in changes]
        _check_race(store, base, answers)

    def test_changes_by_threads_that_plan_again_are_all_made(self, url: str) -> None:
        with closing(CatalogStore(url)) as one, closing(CatalogStore(url)) as two:

            def insist(number: int) -> None:
                store = (one, two)[number % 2]
                while isinstance(_tried(store, store.newest(), f"t{number}"), ConflictError):
                    pass

            with ThreadPoolExecutor(8) as pool:
                list(pool.map(insist, range(16)))
            assert set(one.newest().streams) == {f"t{number}" for number in range(16)}
            assert one.newest() == two.newest()
            assert one.newest().revision == 16
            one.verify()

    def test_many_stores_may_open_an_empty_database_at_once(self, databases: Databases) -> None:
        url = databases()
        with ThreadPoolExecutor(8) as pool:
            stores = list(pool.map(CatalogStore, [url] * 8))
        assert [store.newest() for store in stores] == [Catalog()] * 8
        for store in stores:
            store.close()

    def test_a_store_closes_twice(self, store: CatalogStore) -> None:
        store.close()
        store.close()


def _committed(
    store: CatalogStore, wished: Sequence[tuple[Catalog, Stamp]]
) -> tuple[Sequence[Catalog], Sequence[Stamp]]:
    """Each put in force after the other: the revisions from 0, and the stamps of those from 1."""
    catalogs, stamps = [Catalog()], []
    for catalog, stamp in wished:
        base = store.newest()
        made = store.commit(catalog.model_copy(update={"revision": base.revision}), stamp)
        if made.revision > base.revision:
            stamps.append(stamp)
            catalogs.append(catalog.model_copy(update={"revision": made.revision}))
        assert made == store.newest() == catalogs[-1]
    return catalogs, stamps


def _check_history(
    store: CatalogStore, catalogs: Sequence[Catalog], stamps: Sequence[Stamp]
) -> None:
    entries = store.history(100)[::-1]
    assert [store.at(each.revision) for each in catalogs] == catalogs
    assert [each.stamp for each in entries] == stamps
    assert [each.delta for each in entries] == [diff(*each) for each in pairwise(catalogs)]
    assert store.verify() == (entries[-1].digest if entries else "")


def _tried(store: CatalogStore, base: Catalog, name: str) -> Catalog | ConflictError:
    try:
        return store.commit(with_streams(base, name), replace(STAMP, message=f"add {name}"))
    except ConflictError as error:
        return error


def _check_race(
    store: CatalogStore, base: Catalog, answers: Sequence[Catalog | ConflictError]
) -> None:
    """One won, and every loser was told what it was."""
    (won,) = [each for each in answers if isinstance(each, Catalog)]
    losers = [each for each in answers if isinstance(each, ConflictError)]
    (name,) = won.streams.keys() - base.streams.keys()
    assert len(losers) == len(answers) - 1
    for loser in losers:
        assert f"{won.revision} by anna (add {name}) changed stream '{name}'" in str(loser)
    assert store.newest() == won
    assert won.revision == base.revision + 1
    store.verify()


_barriers: list[Barrier] = []
"""Of a process: what it was started with."""


def _remember(barrier: Barrier) -> None:
    _barriers.append(barrier)


def _race(url: str, base: Catalog, name: str) -> Catalog | ConflictError:
    with closing(CatalogStore(url)) as store:
        _barriers[0].wait(PATIENCE_SECONDS)
        return _tried(store, base, name)
