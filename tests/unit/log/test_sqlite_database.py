"""What opening the embedded log makes, accepts and refuses."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from bobr.errors import BrokenError, MisconfiguredError, OverloadedError, UnavailableError
from bobr.ids import StreamName
from bobr.log.sqlite import SqliteLog, database
from bobr.log.sqlite.database import Database

Sql = Callable[..., list[tuple[int, ...]]]
ORDERS = StreamName("orders")


def _insert(base: Database, connection: sqlite3.Connection, names: list[tuple[str]]) -> None:
    with base.writing(connection):
        connection.executemany("insert into stream (name) values (?)", names)


def test_the_folder_is_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "log.db"
    SqliteLog(path).close()
    assert [file.name for file in path.parent.iterdir()] == ["log.db"]


def test_many_may_make_it_at_once(path: Path) -> None:
    def make(number: int) -> None:
        with closing(SqliteLog(path)) as log:
            log.admin().create(StreamName(f"stream{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    with closing(SqliteLog(path)) as log:
        assert log.admin().streams() == [f"stream{number}" for number in range(8)]
    assert [file.name for file in path.parent.iterdir()] == ["log.db"]


def test_a_name_that_looks_like_a_uri_is_only_a_name(tmp_path: Path) -> None:
    path = tmp_path / "log ?mode=memory#%41.db"
    SqliteLog(path).close()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"events, events, events\n" * 1000)
    with pytest.raises(MisconfiguredError, match="not a database") as refused:
        SqliteLog(path)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == b"events, events, events\n" * 1000


def test_a_database_of_another_program_is_refused(path: Path, sql: Sql) -> None:
    sql("create table notes (text text)")
    with pytest.raises(MisconfiguredError, match="another program"):
        SqliteLog(path)
    assert sql("select count(*) from sqlite_schema") == [(1,)]


def test_a_newer_format_is_refused(path: Path, log: SqliteLog, sql: Sql) -> None:
    log.close()
    sql("pragma user_version = 2")
    with pytest.raises(MisconfiguredError, match="format 2, this version of Bobr reads format 1"):
        SqliteLog(path)


def test_a_database_that_lost_its_wal_mode_is_refused(path: Path, log: SqliteLog, sql: Sql) -> None:
    log.close()
    sql("pragma journal_mode = delete")
    with pytest.raises(MisconfiguredError, match="WAL"):
        SqliteLog(path)


@pytest.mark.parametrize("place", ["file/log.db", "folder"])
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(MisconfiguredError, match="can not be opened") as refused:
        SqliteLog(tmp_path / place)
    assert "\n" not in str(refused.value)


def test_a_writer_that_stays_too_long_makes_others_unavailable(
    path: Path, log: SqliteLog, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    sql("begin immediate")
    with closing(SqliteLog(path)) as other:
        with pytest.raises(UnavailableError, match=r"log\.db"):
            other.admin().create(StreamName("clicks"))
        sql("rollback")
        other.admin().create(StreamName("clicks"))
        assert log.admin().streams() == ["clicks", "orders"]


def test_a_full_database_rolls_back_and_says_so(path: Path) -> None:
    base = Database(path)
    with closing(base.connect()) as connection:
        connection.execute("pragma max_page_count = 20")
        names = [(str(number) * 100_000,) for number in range(10)]
        with pytest.raises(OverloadedError, match=f"free space under {path.parent}"):
            _insert(base, connection, names)
        assert not connection.in_transaction
        assert connection.execute("select count(*) from stream").fetchone() == (0,)
        connection.execute("pragma max_page_count = 1000")
        _insert(base, connection, names)
        assert connection.execute("select count(*) from stream").fetchone() == (10,)


def test_a_connection_that_may_not_write_is_overloaded(path: Path) -> None:
    base = Database(path)
    with closing(base.connect()) as connection:
        connection.execute("pragma query_only = on")
        with pytest.raises(OverloadedError, match="read-only"):
            _insert(base, connection, [("orders",)])


def test_damage_outside_chunks_is_broken(path: Path, log: SqliteLog) -> None:
    log.close()
    content = bytearray(path.read_bytes())
    page = database.PAGE_BYTES
    content[page : 2 * page] = b"\xff" * page  # the table of streams
    path.write_bytes(content)
    with closing(SqliteLog(path)) as damaged, pytest.raises(BrokenError, match="damaged"):
        damaged.admin().describe(ORDERS)


def test_a_wrong_statement_stays_the_bug_that_it_is(path: Path) -> None:
    base = Database(path)
    with (
        closing(base.connect()) as connection,
        pytest.raises(sqlite3.OperationalError),
        base.reading(connection),
    ):
        connection.execute("select * from nowhere")


def test_every_connection_syncs_each_commit(path: Path) -> None:
    with closing(Database(path).connect()) as connection:
        assert connection.execute("pragma synchronous").fetchone() == (2,)
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
