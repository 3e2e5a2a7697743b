"""Both databases keep the contract; and what each does when it is locked, killed, cut off, or not what it should be."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from bobr.catalog import Catalog
from bobr.controller.catalog_store import CatalogStore
from bobr.errors import ConflictError, MisconfiguredError, OverloadedError, UnavailableError
from bobr.testing.append_only_contract import (
    STAMP,
    Databases,
    execute,
    grown,
    values,
    with_streams,
)
from bobr.testing.catalog_store_contract import CatalogStoreContract
from bobr.testing.cut import Cut, CuttingRelay
from bobr.testing.postgres import Postgres, at_port


class TestInSqlite(CatalogStoreContract):
    @pytest.fixture
    def databases(self, tmp_path: Path) -> Databases:
        numbers = count()
        return lambda: f"sqlite:///{tmp_path}/catalog {next(numbers)}.sqlite"

    def test_rows_can_not_be_replaced(self, store: CatalogStore, url: str) -> None:
        grown(store, 1)
        with pytest.raises(DBAPIError, match="never replaced"):
            execute(url, "REPLACE INTO bobr_revision SELECT * FROM bobr_revision")
        store.verify()

    def test_a_writer_waits_for_another_and_then_gives_up_while_readers_go_on(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "any name?.sqlite"
        with closing(CatalogStore.in_file(path)) as store:
            with closing(sqlite3.connect(path)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(UnavailableError, match="locked"):
                    store.commit(with_streams(Catalog(), "a"), STAMP)
                assert store.newest() == Catalog()
            assert store.commit(with_streams(Catalog(), "a"), STAMP).revision == 1

    def test_a_full_disk_stores_nothing_and_is_said(self, store: CatalogStore) -> None:
        (*_, newest) = grown(store, 1)
        larger = with_streams(newest, *(f"t{number}" for number in range(1000)))
        with store._database.reading() as connection:  # its only connection
            connection.exec_driver_sql("PRAGMA max_page_count = 20")
        with pytest.raises(OverloadedError, match="full"):
            store.commit(larger, STAMP)
        assert store.newest() == newest
        store.verify()

    def test_what_is_durable_is_said_to_sqlite(self, store: CatalogStore, url: str) -> None:
        grown(store, 1)
        assert values(url, "PRAGMA journal_mode") == ["wal"]
        with store._database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2

    def test_a_file_that_is_something_else(self, tmp_path: Path) -> None:
        path = tmp_path / "catalog.sqlite"
        path.write_bytes(b"not a database" * 100)
        with pytest.raises(MisconfiguredError, match="can not be used: file is not a database"):
            CatalogStore.in_file(path)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(MisconfiguredError, match="the folder must be writable"):
            CatalogStore.in_file(tmp_path / "nowhere" / "catalog.sqlite")

    def test_a_file_of_an_earlier_development_version(self, tmp_path: Path) -> None:
        path = tmp_path / "catalog.sqlite"
        with closing(sqlite3.connect(path)) as old:
            old.execute("CREATE TABLE catalog (revision INTEGER PRIMARY KEY, body TEXT)")
        with pytest.raises(MisconfiguredError, match=r"earlier development version.* new --dir"):
            CatalogStore.in_file(path)

    def test_a_file_of_another_format(self, tmp_path: Path) -> None:
        path = tmp_path / "catalog.sqlite"
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE bobr_revision (revision INTEGER PRIMARY KEY, colour TEXT)")
        with pytest.raises(MisconfiguredError, match=r"another format .*colour"):
            CatalogStore.in_file(path)


class TestInPostgresql(CatalogStoreContract):
    @pytest.fixture
    def databases(self, postgres: Postgres) -> Databases:
        return postgres.new_database

    @pytest.fixture
    def relay(self, postgres: Postgres) -> Iterator[CuttingRelay]:
        """Between a store and the server."""
        with closing(CuttingRelay(postgres.address)) as relay:
            yield relay

    @pytest.mark.parametrize("table", ["bobr_revision", "bobr_snapshot"])
    def test_tables_can_not_be_truncated(self, store: CatalogStore, url: str, table: str) -> None:
        grown(store, 1)
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            execute(url, f"TRUNCATE {table}")
        store.verify()

    def test_a_killed_server_is_unavailable_and_found_again(
        self, store: CatalogStore, postgres: Postgres
    ) -> None:
        (*_, newest) = grown(store, 2)
        postgres.kill()
        try:
            for call in (store.newest, store.verify, lambda: store.commit(newest, STAMP)):
                with pytest.raises(UnavailableError, match="the catalog database postgresql"):
                    call()
            with pytest.raises(UnavailableError):
                store.history(1)
        finally:
            postgres.start()
        assert store.newest() == newest
        assert store.commit(with_streams(newest, "after"), STAMP).revision == 3
        store.verify()

    def test_a_server_that_was_started_again_meanwhile_is_not_noticed(
        self, store: CatalogStore, postgres: Postgres
    ) -> None:
        (*_, newest) = grown(store, 2)
        postgres.kill()
        postgres.start()
        assert store.commit(with_streams(newest, "after"), STAMP).revision == 3

    def test_nothing_is_lost_or_doubled_when_the_server_is_killed_under_changes(
        self, store: CatalogStore, postgres: Postgres
    ) -> None:
        made: list[Catalog] = []
        enough = threading.Event()

        def change() -> None:
            for number in count():
                try:
                    made.append(store.commit(with_streams(store.newest(), f"s{number}"), STAMP))
                except UnavailableError:
                    return
                if number == 20:
                    enough.set()

        with ThreadPoolExecutor(1) as pool:
            changing = pool.submit(change)
            assert enough.wait(60)
            postgres.kill()
            changing.result(60)
        postgres.start()
        newest = store.newest()
        assert len(made) <= newest.revision <= len(made) + 1  # the last answer may have been lost
        assert [store.at(each.revision) for each in made] == made
        store.verify()

    @pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
    def test_a_lost_answer_is_found_out_and_nothing_is_stored_twice(
        self, relay: CuttingRelay, url: str, cut: Cut
    ) -> None:
        with closing(CatalogStore(at_port(url, relay.port))) as store:
            base = store.commit(with_streams(Catalog(), "a"), STAMP)
            relay.cut_once(cut, b"COMMIT", behind=b"INSERT")
            assert store.commit(with_streams(base, "b"), STAMP).revision == 2
            assert relay.has_cut
            assert len(store.history(10)) == 2
            assert store.newest().streams.keys() == {"a", "b"}
            store.verify()

    def test_a_lost_answer_that_is_not_found_out_is_said_and_the_same_call_is_harmless(
        self, relay: CuttingRelay, url: str
    ) -> None:
        with closing(CatalogStore(at_port(url, relay.port))) as store:
            relay.cut_once(Cut.AFTER, b"COMMIT", behind=b"INSERT", then_refuse=True)
            with pytest.raises(UnavailableError, match="not known whether revision 1 was stored"):
                store.commit(with_streams(Catalog(), "a"), STAMP)
            relay.accept_again()
            with pytest.raises(ConflictError, match=r"1 by anna .* changed stream 'a'"):
                store.commit(with_streams(Catalog(), "a"), STAMP)
            assert store.commit(with_streams(store.newest(), "a"), STAMP).revision == 1

    def test_who_waits_for_a_writer_that_gave_up_wins(self, store: CatalogStore, url: str) -> None:
        with psycopg.connect(url) as other:
            _insert_revision_1(other)
            with ThreadPoolExecutor(1) as pool:
                change = pool.submit(store.commit, with_streams(Catalog(), "a"), STAMP)
                _wait_until_blocked(url)
                other.rollback()
                assert change.result(60).revision == 1

    def test_waiting_for_a_writer_that_hangs_has_an_end(
        self, store: CatalogStore, url: str
    ) -> None:
        with psycopg.connect(url) as other:
            _insert_revision_1(other)
            with pytest.raises(UnavailableError, match="lock timeout"):
                store.commit(with_streams(Catalog(), "a"), STAMP)
            other.rollback()
        assert store.newest().revision == 0

    def test_a_server_that_became_a_standby_is_left(self, store: CatalogStore) -> None:
        with store._database._engine.begin() as connection:
            connection.exec_driver_sql("SET default_transaction_read_only = on")
        with pytest.raises(UnavailableError, match="read-only"):
            store.commit(with_streams(Catalog(), "a"), STAMP)
        assert store.commit(with_streams(Catalog(), "a"), STAMP).revision == 1

    def test_a_server_that_is_not_there(self, url: str) -> None:
        with pytest.raises(UnavailableError, match="must run and be reachable"):
            CatalogStore(at_port(url, 1))

    def test_a_server_that_refuses(self, url: str) -> None:
        with pytest.raises(MisconfiguredError, match="does not exist"):
            CatalogStore(f"{url}_of_nobody")

    def test_a_password_is_never_shown(self) -> None:
        for url in ("postgresql://u:geheim@127.0.0.1:1/d", "mysql://u:geheim@h/d", "geheim"):
            with pytest.raises((MisconfiguredError, UnavailableError)) as caught:
                CatalogStore(url)
            assert "geheim" not in str(caught.value)


def _insert_revision_1(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    texts = "'', '', '', '', '', '', '', '', ''"
    connection.execute(f"INSERT INTO bobr_revision VALUES (1, {texts})".encode())


def _wait_until_blocked(url: str) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while values(url, query) == [0]:
        pass
