"""What is the Iceberg sink's own: kills, lost answers, other engines, leftovers, SQL."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.transforms import MonthTransform
from pyiceberg.types import StringType
from sqlalchemy.exc import OperationalError

from bobr.catalog import PartitionBy
from bobr.errors import BrokenError, FencedError, OverloadedError, RejectedError, UnavailableError
from bobr.ids import Offset
from bobr.testing.clock import ManualClock
from bobr.testing.sink_contract import (
    COLUMNS,
    INNER,
    NOON,
    ORDERS,
    at,
    deliver,
    row,
    schema_of,
    write,
)
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink, durable, files
from bobr.transmitter.sinks.iceberg.client import IcebergTable, open_catalog
from bobr.transmitter.sinks.iceberg.durable import local_path
from bobr.transmitter.sinks.iceberg.query import connect

KILLED_WRITER = Path(__file__).with_name("killed_writer.py")
BEFORE = [
    "rows are staged",
    "a file is finished",
    "all files are durable",
    "manifests are written",
    "metadata is written",
]
AFTER = ["the catalog is changed", "the commit is known"]


FILE, SERVER = "catalog in a file", "catalog in a server"
ONLY_FILE = pytest.mark.parametrize("config", [FILE], indirect=True)


@pytest.fixture(params=[FILE, SERVER])
def config(tmp_path: Path, request: pytest.FixtureRequest) -> IcebergConfig:
    config = IcebergConfig.in_folder(tmp_path)
    if request.param == FILE:
        return config
    url = request.getfixturevalue("postgres").new_database_of_user("geheim")
    return replace(config, url=url.set(password="geheim"))


@pytest.fixture
def sink(config: IcebergConfig) -> Iterator[IcebergSink]:
    sink = IcebergSink(config, "t")
    yield sink
    sink.close()


@pytest.fixture
def table(config: IcebergConfig, sink: IcebergSink) -> Iterator[Table]:
    """The table as another engine sees it; it has the rows 0 to 4."""
    sink.open(schema_of())
    deliver(sink, 0, 5)
    with open_catalog(config) as catalog:
        yield catalog.load_table("bobr.t")


def list_of(values: dict[str, float]) -> list[tuple[str, float]]:
    return list(values.items())


def query(config: IcebergConfig, sql: str) -> list[tuple[object, ...]]:
    with connect(config) as connection:
        rows: list[tuple[object, ...]] = connection.sql(sql).fetchall()
    return rows


def offsets(config: IcebergConfig) -> list[object]:
    return [offset for (offset,) in query(config, "SELECT _offset FROM t ORDER BY 1")]


def data_files(config: IcebergConfig) -> set[Path]:
    return set(config.warehouse.rglob("*.parquet"))


def grow_old(config: IcebergConfig) -> None:
    """Let every file look as if it was written two hours ago."""
    then = datetime.now(UTC).timestamp() - 7200
    for path in config.warehouse.rglob("*.*"):
        os.utime(path, (then, then))


VALUES = {
    "i": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "f": (pa.float32(), st.floats(width=32)),
    "d": (pa.float64(), st.floats()),
    "n": (pa.decimal128(20, 0), st.integers(0, 2**64 - 1).map(Decimal)),
    "s": (pa.string(), st.text()),
    "b": (pa.binary(), st.binary()),
    "t": (
        pa.timestamp("us", "UTC"),
        st.datetimes(datetime.min, timezones=st.just(UTC)),  # noqa: DTZ901
    ),
    "l": (pa.list_(pa.string()), st.lists(st.text() | st.none())),
    "m": (pa.map_(pa.string(), pa.float64()), st.dictionaries(st.text(), st.floats()).map(list_of)),
}


@given(rows=st.lists(st.fixed_dictionaries({n: v | st.none() for n, (_, v) in VALUES.items()})))
@settings(max_examples=30, deadline=None)
def test_any_values_come_back_by_sql(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    config = IcebergConfig.in_folder(tmp_path_factory.mktemp("lake"))
    table = schema_of(pa.schema([(name, kind) for name, (kind, _) in VALUES.items()]))
    sink = IcebergSink(config, "t")
    sink.open(table)
    written = [row(offset, **values) for offset, values in enumerate(rows)]
    write(sink, table, written)
    sink.commit(at(len(rows)))
    sink.close()
    names = ", ".join(VALUES)
    with connect(config) as connection:
        found = connection.sql(f"SELECT {names} FROM t ORDER BY _offset").to_arrow_table()
    expected = pa.Table.from_pylist(written, schema=table.columns).select(list(VALUES))
    assert repr(found.to_pylist()) == repr(expected.to_pylist())  # as text, NaN equals NaN


# ---- another's files


def copied(config: IcebergConfig, folder: Path) -> IcebergConfig:
    shutil.copytree(config.catalog.parent, folder)
    return IcebergConfig.in_folder(folder)


@ONLY_FILE
def test_a_copy_touches_nothing_of_the_original(
    config: IcebergConfig, sink: IcebergSink, table: Table, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Iceberg names files by absolute path: who starts a back-up to look at it would write into what runs."""
    copy = copied(config, tmp_path_factory.mktemp("copy") / "lake")
    deliver(sink, 5, 10)  # unknown to the copy, and what it does not know is a leftover to it
    grow_old(config)
    before = set(config.warehouse.rglob("*"))
    stranger = IcebergSink(copy, "t")
    with pytest.raises(BrokenError, match="is a copy"):
        stranger.open(schema_of())
    stranger.close()
    assert set(config.warehouse.rglob("*")) == before
    told: list[str] = []
    connect(copy, lambda name, why: told.append(f"{name}: {why}")).close()
    assert [text[:20] for text in told] == ["t: table t lies in /"]
    assert offsets(config) == list(range(10))


@pytest.mark.parametrize("place", ["/proc/nope", "{file}/lake"])
def test_a_warehouse_that_can_not_be_made_is_not_a_table_whose_file_is_gone(
    tmp_path: Path, place: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    folder = Path(place.format(file=file))
    with pytest.raises(UnavailableError, match="can not be made: N") as told:
        IcebergSink(IcebergConfig.in_folder(folder), "t").open(schema_of())
    assert f"folder {folder} " in str(told.value)
    assert "moved" not in str(told.value)


@ONLY_FILE
def test_a_folder_may_be_reached_by_a_link(
    config: IcebergConfig, table: Table, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Either way round: its new name is a link, or its old one."""
    link = tmp_path_factory.mktemp("other") / "link"
    link.symlink_to(config.catalog.parent)
    sink = IcebergSink(IcebergConfig.in_folder(link), "t")
    assert sink.open(schema_of()) == at(5)
    sink.close()
    moved = config.catalog.parent.rename(tmp_path_factory.mktemp("disk") / "lake")
    gone = IcebergSink(IcebergConfig.in_folder(moved), "t")
    with pytest.raises(BrokenError, match="put a link where it was"):
        gone.open(schema_of())
    config.catalog.parent.symlink_to(moved)
    assert gone.open(schema_of()) == at(5)
    gone.close()


@ONLY_FILE
def test_ids_are_read_by_many_sinks_that_begin_at_once(config: IcebergConfig, table: Table) -> None:
    """In a new process: what a library makes at its first use is made by some threads at the same moment."""
    code = f"""
import sys, threading
from datetime import UTC, datetime
from pathlib import Path
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.testing.sink_contract import schema_of
sys.setswitchinterval(1e-5)
sinks = [IcebergSink(IcebergConfig.in_folder(Path({str(config.catalog.parent)!r})), "t") for _ in range(6)]
for sink in sinks:
    sink.open(schema_of())
together = threading.Barrier(len(sinks))
rows = []
def read(sink):
    together.wait()
    rows.append(sink.ids_since("orders", datetime(2020, 1, 1, tzinfo=UTC)).read_all().num_rows)
threads = [threading.Thread(target=read, args=(sink,)) for sink in sinks]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*rows)
"""
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5"] * 6, done.stderr


# ---- files that are gone or damaged


@pytest.mark.parametrize("damage", ["gone", "cut", "empty"])
def test_a_damaged_file_breaks_its_table_and_no_other(
    config: IcebergConfig, sink: IcebergSink, damage: str
) -> None:
    sink.open(schema_of())
    deliver(sink, 0, 5)
    (path,) = data_files(config)
    with_neighbour = IcebergSink(config, "u")
    with_neighbour.open(schema_of())
    deliver(with_neighbour, 0, 3)
    with_neighbour.close()
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    sink.open(schema_of())
    with pytest.raises(BrokenError, match=r"table bobr\.t"):
        sink.ids_since(ORDERS.stream, datetime(2000, 1, 1, tzinfo=UTC)).read_all()
    left_out: list[str] = []
    with connect(config, lambda table, _: left_out.append(table)) as connection:
        assert connection.sql("SELECT count(*) FROM u").fetchall() == [(3,)]
    assert left_out == ["t"]


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_damaged_metadata_hides_its_table_and_no_other(config: IcebergConfig, damage: str) -> None:
    for name in ("t", "u"):
        sink = IcebergSink(config, name)
        sink.open(schema_of())
        deliver(sink, 0, 3)
        sink.close()
    with open_catalog(config) as catalog:
        path = local_path(catalog.load_table((config.namespace, "t")).metadata_location)
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    left_out: list[str] = []
    with connect(config, lambda table, _: left_out.append(table)) as connection:
        assert connection.sql("SELECT count(*) FROM u").fetchall() == [(3,)]
    assert left_out == ["t"]


# ---- kills


@pytest.mark.parametrize("point", BEFORE + AFTER)
def test_a_killed_writer_leaves_a_whole_commit_or_none(
    config: IcebergConfig, sink: IcebergSink, point: str
) -> None:
    sink.open(schema_of())
    deliver(sink, 0, 5)
    catalog = (str(config.warehouse), config.url.render_as_string(hide_password=False))
    words = [sys.executable, str(KILLED_WRITER), *catalog, "5", "40", point]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    landed = 40 if point in AFTER else 5
    assert offsets(config) == list(range(landed))
    assert sink.open(schema_of()) == at(landed)
    assert {Path(path) for path in referenced(config)} == data_files(config)
    assert not staging_notes(config)
    deliver(sink, landed, 50)
    assert offsets(config) == list(range(50))
    grow_old(config)
    sink.maintain(timedelta(0))
    assert {Path(path) for path in referenced(config)} == data_files(config)
    assert offsets(config) == list(range(50))


def staging_notes(config: IcebergConfig) -> list[Path]:
    return list(config.warehouse.rglob("*.staging"))


def test_opening_leaves_alone_what_a_living_writer_has_staged(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    write(sink, schema_of(), [row(5)])
    staged = data_files(config)
    other = IcebergSink(config, "t")
    other.open(schema_of())
    other.close()
    assert data_files(config) == staged
    sink.commit(at(6))
    assert offsets(config) == list(range(6))
    assert not staging_notes(config)


def referenced(config: IcebergConfig) -> list[str]:
    with open_catalog(config) as catalog:
        return [task.file.file_path for task in catalog.load_table("bobr.t").scan().plan_files()]


# ---- answers that are lost


def answering(monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Any]) -> None:
    """Have the catalog's next commit go through `fault`, which is given the real one."""
    real = SqlCatalog.commit_table

    def once(self: SqlCatalog, *args: Any) -> Any:
        monkeypatch.setattr(SqlCatalog, "commit_table", real)
        return fault(lambda: real(self, *args))

    monkeypatch.setattr(SqlCatalog, "commit_table", once)


def lost() -> OperationalError:
    return OperationalError("UPDATE", {}, Exception("disk I/O error"))


def test_a_commit_that_landed_while_its_answer_was_lost(
    config: IcebergConfig, sink: IcebergSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_lost(commit: Callable[[], None]) -> None:
        commit()
        raise lost()

    sink.open(schema_of())
    answering(monkeypatch, answer_lost)
    assert deliver(sink, 0, 5).rows == 5
    deliver(sink, 5, 6)
    assert offsets(config) == list(range(6))


def test_a_commit_that_did_not_land(
    config: IcebergConfig, sink: IcebergSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(commit: Callable[[], None]) -> None:
        raise lost()

    sink.open(schema_of())
    answering(monkeypatch, refused)
    with pytest.raises(UnavailableError, match="disk I/O error"):
        deliver(sink, 0, 5)
    assert not sink.open(schema_of())
    assert not data_files(config)
    deliver(sink, 0, 6)
    assert offsets(config) == list(range(6))


def test_a_full_disk_during_a_commit_leaves_no_files(
    config: IcebergConfig, sink: IcebergSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(commit: Callable[[], None]) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sink.open(schema_of())
    answering(monkeypatch, full)
    with pytest.raises(OverloadedError, match="the disk is full"):
        deliver(sink, 0, 5)
    sink.close()
    assert not data_files(config)
    assert not staging_notes(config)


@contextmanager
def silent_from_the_next_commit(*, lands: bool) -> Iterator[None]:
    """Neither the answer of the commit nor a look at the table comes through."""

    def silent(commit: Callable[[], None]) -> None:
        if lands:
            commit()
        patch.setattr(SqlCatalog, "load_table", unreachable)
        raise lost()

    def unreachable(self: SqlCatalog, name: str) -> Table:
        raise lost()

    with pytest.MonkeyPatch.context() as patch:
        answering(patch, silent)
        yield


@pytest.mark.parametrize("lands", [True, False])
def test_who_opens_a_table_next_settles_what_is_in_doubt(
    config: IcebergConfig, sink: IcebergSink, lands: bool
) -> None:
    sink.open(schema_of())
    with silent_from_the_next_commit(lands=lands):
        with pytest.raises(UnavailableError):
            deliver(sink, 0, 5)
        sink.close()
    assert data_files(config)
    other = IcebergSink(config, "t")
    assert other.open(schema_of()) == (at(5) if lands else {})
    other.close()
    assert {Path(path) for path in referenced(config)} == data_files(config)
    assert offsets(config) == list(range(5 if lands else 0))
    assert not staging_notes(config)


def test_files_of_a_commit_in_doubt_are_not_dropped(
    config: IcebergConfig, sink: IcebergSink
) -> None:
    sink.open(schema_of())
    with silent_from_the_next_commit(lands=True):
        with pytest.raises(UnavailableError):
            deliver(sink, 0, 5)
        with pytest.raises(UnavailableError):
            sink.open(schema_of())
    assert sink.open(schema_of()) == at(5)
    assert offsets(config) == list(range(5))


def test_a_commit_that_landed_under_that_of_another(
    config: IcebergConfig, sink: IcebergSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is lost, and before it looks another writer goes on from it: its files are the table's."""
    other = IcebergSink(config, "t")

    def overtaken(commit: Callable[[], None]) -> None:
        commit()
        assert other.open(schema_of()) == at(5)
        deliver(other, 5, 7)
        raise lost()

    sink.open(schema_of())
    answering(monkeypatch, overtaken)
    with pytest.raises(FencedError):
        deliver(sink, 0, 5)
    sink.close()
    other.close()
    assert offsets(config) == list(range(7))


def test_a_file_that_can_not_be_finished_is_removed_by_the_next(
    config: IcebergConfig, sink: IcebergSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    sink.open(schema_of())
    write(sink, schema_of(), [row(0)])
    with monkeypatch.context() as patch:
        patch.setattr(files, "sync_file", full)
        with pytest.raises(OverloadedError):
            sink.commit(at(1))
    assert not sink.open(schema_of())
    assert not data_files(config)
    deliver(sink, 0, 6)
    assert offsets(config) == list(range(6))


def test_a_disk_that_fails_while_rows_are_written(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    blocked = config.warehouse / "bobr" / "t" / "data" / "2024-03-02T00"
    blocked.touch()
    with pytest.raises(UnavailableError, match="the disk fails"):
        deliver(sink, 5, 80)
    blocked.unlink()
    assert sink.open(schema_of()) == at(5)
    deliver(sink, 5, 80)
    assert offsets(config) == list(range(80))


def test_a_staged_file_that_vanished_is_not_committed(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    committed = data_files(config)
    write(sink, schema_of(), [row(5)])
    for path in data_files(config) - committed:
        path.unlink()
    with pytest.raises(BrokenError, match="is gone"):
        sink.commit(at(6))
    assert sink.open(schema_of()) == at(5)


@ONLY_FILE
def test_a_catalog_that_is_none(config: IcebergConfig, sink: IcebergSink) -> None:
    config.catalog.write_bytes(b"this is no database, and long enough to be looked at" * 100)
    with pytest.raises(BrokenError, match="damaged"):
        sink.open(schema_of())


# ---- other engines


def foreign_row(offset: int) -> pa.Table:
    return pa.Table.from_pylist([row(offset)], schema=schema_of().columns)


def test_a_foreign_append_does_not_fence(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    write(sink, schema_of(), [row(5)])
    table.append(foreign_row(100))
    sink.commit(at(6))
    assert offsets(config) == [*range(6), 100]
    assert sink.open(schema_of()) == at(6)


@pytest.mark.parametrize("asked", ["commit", "ids"])
def test_another_engine_may_replace_and_remove_what_we_have_loaded(
    config: IcebergConfig, sink: IcebergSink, table: Table, asked: str
) -> None:
    """It compacts, forgets the snapshots before, and removes their manifests and files: nobody's reading breaks."""
    before = files_of(table)
    table.overwrite(table.scan().to_arrow())
    former = [each.snapshot_id for each in table.refresh().metadata.snapshots][:-1]
    table.maintenance.expire_snapshots().by_ids(former).commit()
    for path in before - files_of(table.refresh()):
        path.unlink()
    if asked == "ids":
        ids = sink.ids_since(ORDERS.stream, NOON).read_all()["_event_id"].to_pylist()
        assert sorted(ids) == [f"id-{offset}" for offset in range(5)]
    deliver(sink, 5, 6)
    assert offsets(config) == list(range(6))


def files_of(table: Table) -> set[Path]:
    manifests = [each for one in table.metadata.snapshots for each in one.manifests(table.io)]
    lists = {one.manifest_list for one in table.metadata.snapshots}
    entries = [entry for each in manifests for entry in each.fetch_manifest_entry(table.io)]
    data = {entry.data_file.file_path for entry in entries}
    return {local_path(name) for name in lists | {each.manifest_path for each in manifests} | data}


def test_totals_are_the_tables_own(sink: IcebergSink, table: Table) -> None:
    table.append(foreign_row(100))
    table.delete("_offset = 3")
    sink.open(schema_of())
    totals = sink.totals()
    assert totals is not None
    assert totals.rows == 5


def test_positions_survive_foreign_snapshots(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    for offset in (100, 101):
        table.append(foreign_row(offset))
    table.delete("_offset = 3")
    assert sink.open(schema_of()) == at(5)
    deliver(sink, 5, 6)
    assert offsets(config) == [0, 1, 2, 4, 5, 100, 101]


def test_positions_survive_the_loss_of_the_snapshot_that_had_them(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    table.append(foreign_row(100))
    table.maintenance.expire_snapshots().older_than(datetime.now(UTC) + timedelta(1)).commit()
    assert len(table.refresh().metadata.snapshots) == 1
    assert sink.open(schema_of()) == at(5)
    sink.maintain(timedelta(0))
    assert sink.open(schema_of()) == at(5)


def test_positions_go_back_with_a_rollback(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    first = table.current_snapshot()
    assert first is not None
    deliver(sink, 5, 9)
    table.refresh().manage_snapshots().rollback_to_snapshot(first.snapshot_id).commit()
    with pytest.raises(FencedError):
        deliver(sink, 9, 10)
    assert sink.open(schema_of()) == at(5)
    deliver(sink, 5, 10)
    assert offsets(config) == list(range(10))


def test_a_rollback_to_where_nothing_tells_the_positions(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    """Another engine has expired the commit of ours below it: what was rolled back would never come again."""
    first = table.current_snapshot()
    table.append(foreign_row(100))
    foreign = table.refresh().current_snapshot()
    assert first is not None
    assert foreign is not None
    table.maintenance.expire_snapshots().by_id(first.snapshot_id).commit()
    assert sink.open(schema_of()) == at(5)
    deliver(sink, 5, 7)
    newest = table.refresh().current_snapshot()
    assert newest is not None
    table.manage_snapshots().set_current_snapshot(foreign.snapshot_id).commit()
    with pytest.raises(BrokenError, match="rolled back"):
        sink.open(schema_of())
    table.refresh().append(foreign_row(101))
    with pytest.raises(BrokenError, match="rolled back"):
        sink.open(schema_of())
    table.refresh().manage_snapshots().set_current_snapshot(newest.snapshot_id).commit()
    assert sink.open(schema_of()) == at(7)
    assert offsets(config) == [*range(7), 100]


def test_a_rollback_to_before_our_first_commit(config: IcebergConfig, sink: IcebergSink) -> None:
    sink.open(schema_of())
    with open_catalog(config) as catalog:
        table = catalog.load_table("bobr.t")
        table.append(foreign_row(100))
        first = table.refresh().current_snapshot()
        assert first is not None
        deliver(sink, 0, 3)
        table.refresh().manage_snapshots().set_current_snapshot(first.snapshot_id).commit()
        table.refresh().append(foreign_row(101))
    with pytest.raises(FencedError):
        deliver(sink, 3, 4)
    assert not sink.open(schema_of())
    deliver(sink, 0, 4)
    assert offsets(config) == [*range(4), 100, 101]


def test_pyiceberg_never_retries_behind_our_back(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    """Its retry would append on top of the other writer's commit: rows twice."""
    with table.transaction() as change:
        change.set_properties({"commit.retry.num-retries": "4"})
    other = IcebergSink(config, "t")
    sink.open(schema_of())
    other.open(schema_of())
    deliver(other, 5, 7)
    with pytest.raises(FencedError):
        deliver(sink, 5, 7)
    other.close()
    assert offsets(config) == list(range(7))


def test_a_retry_that_is_asked_for_while_we_write_is_none(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    """Others may set PyIceberg's retry at any time, not only before we open the table."""
    other = IcebergSink(config, "t")
    other.open(schema_of())
    with table.transaction() as change:
        change.set_properties({"commit.retry.num-retries": "4"})
    deliver(sink, 5, 6)  # and have loaded that
    other.open(schema_of())
    deliver(other, 6, 7)
    other.close()
    with pytest.raises(FencedError):
        deliver(sink, 6, 7)
    assert offsets(config) == list(range(7))


def partition_by_month(table: Table) -> None:
    with table.refresh().update_spec() as spec:
        spec.remove_field("_event_time_day")
        spec.add_field("_event_time", MonthTransform(), "month")


@pytest.mark.parametrize("appended", [False, True])
@pytest.mark.parametrize("staged", [False, True])
def test_files_are_never_named_by_a_foreign_partitioning(
    config: IcebergConfig, sink: IcebergSink, table: Table, staged: bool, appended: bool
) -> None:
    """A day's number as a month's: readers that ask for a time would pass over the file."""
    if staged:
        write(sink, schema_of(), [row(5)])
    partition_by_month(table)
    if appended:
        table.append(foreign_row(100))
    for start in (5, 6):  # the second after a commit that loaded the foreign partitioning
        with suppress(UnavailableError):
            deliver(sink, start, start + 1)
    end = sink.open(schema_of())
    deliver(sink, end.get(ORDERS, Offset(0)), 7)
    rows = table.refresh().scan("_event_time < '2025-01-01T00:00:00+00:00'").to_arrow()
    assert sorted(rows["_offset"].to_pylist()) == [*range(7), *([100] if appended else [])]


def test_a_column_that_another_engine_replaced_is_told_as_such(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    """And not as a damaged file; a value that would do as the new type is not passed for one, nor is it left out."""
    with table.refresh().update_schema(allow_incompatible_changes=True) as schema:
        schema.delete_column("x")
    with table.refresh().update_schema() as schema:
        schema.add_column("x", StringType())
    with pytest.raises(RejectedError, match=r"column x: a table column of type .*string can not"):
        deliver(sink, 5, 6, x=12)
    with pytest.raises(RejectedError, match=r"column x: a table column of type .*string can not"):
        sink.open(schema_of())
    assert offsets(config) == list(range(5))


def test_a_column_that_another_engine_removed_comes_again(sink: IcebergSink, table: Table) -> None:
    with table.refresh().update_schema(allow_incompatible_changes=True) as schema:
        schema.delete_column("x")
    with pytest.raises(UnavailableError, match=r"columns .* were changed by another engine"):
        deliver(sink, 5, 6, x=12)
    assert sink.open(schema_of()) == at(5)
    deliver(sink, 5, 6, x=12)
    assert table.refresh().scan("x = 12").to_arrow()["_offset"].to_pylist() == [5]


def test_a_table_that_was_replaced_by_another_is_opened(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    write(sink, schema_of(), [row(5)])
    table.catalog.drop_table("bobr.t")
    other = IcebergSink(config, "t")
    other.open(schema_of())
    deliver(other, 0, 2)
    other.close()
    with pytest.raises(UnavailableError, match="replaced"):
        sink.commit(at(6))
    assert sink.open(schema_of()) == at(2)
    assert offsets(config) == [0, 1]


def test_a_table_that_was_dropped_is_made_anew(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    table.catalog.drop_table("bobr.t")
    with pytest.raises(UnavailableError, match="dropped"):
        deliver(sink, 5, 6)
    assert not sink.open(schema_of())
    deliver(sink, 0, 2)
    assert offsets(config) == [0, 1]


def test_a_table_that_was_renamed_keeps_its_files(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    """What is delivered under the old name goes into another folder, which is swept alone."""
    table.catalog.rename_table("bobr.t", "bobr.kept")
    with pytest.raises(UnavailableError, match="dropped"):
        deliver(sink, 5, 6)
    assert not sink.open(schema_of())
    deliver(sink, 0, 2)
    grow_old(config)
    sink.maintain(timedelta(0))
    kept = table.catalog.load_table("bobr.kept")
    assert sorted(kept.scan().to_arrow()["_offset"].to_pylist()) == list(range(5))
    assert query(config, "SELECT count(*) FROM kept") == [(5,)]
    assert offsets(config) == [0, 1]


def test_a_table_that_can_not_be_made_leaves_nothing(
    config: IcebergConfig, sink: IcebergSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, where it is tried again and again."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as full:
        full.setattr(durable, "io", SimpleNamespace(FileIO=fail))
        for _ in range(3):
            with pytest.raises(OverloadedError):
                sink.open(schema_of())
    sink.open(schema_of())
    assert [path.name for path in (config.warehouse / "bobr").iterdir()] == ["t"]


def test_of_thousands_of_foreign_snapshots_each_is_looked_at_once(
    sink: IcebergSink, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    for offset in range(100, 112):
        table.append(foreign_row(offset))
    deliver(sink, 5, 6)
    looks: list[int] = []
    looked = IcebergTable._parent

    def look(self: IcebergTable, snapshot: Snapshot) -> Snapshot | None:
        looks.append(snapshot.snapshot_id)
        return looked(self, snapshot)

    monkeypatch.setattr(IcebergTable, "_parent", look)
    sink.maintain(timedelta(days=1))
    assert len(looks) <= 12 + 12  # a line, and a step from each other's snapshot


@pytest.mark.parametrize(
    "step", ["create_namespace_if_not_exists", "create_table_transaction", "commit_table"]
)
def test_two_may_make_a_table_at_once(
    config: IcebergConfig, sink: IcebergSink, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    other = IcebergSink(config, "t")
    original = getattr(SqlCatalog, step)

    def second(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(SqlCatalog, step, original)
        other.open(schema_of())
        return original(*arguments, **named)

    monkeypatch.setattr(SqlCatalog, step, second)
    assert not sink.open(schema_of())
    deliver(other, 0, 2)
    other.close()
    with pytest.raises(FencedError):
        deliver(sink, 0, 1)
    assert offsets(config) == [0, 1]


def test_other_engines_read_the_rows(table: Table) -> None:
    rows = table.scan(row_filter="_event_time >= '2024-02-29T14:00:00+00:00'").to_arrow()
    assert sorted(rows["_offset"].to_pylist()) == [2, 3, 4]
    assert [field.name for field in table.spec().fields] == ["_event_time_day"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (pa.uint64(), "column u: Iceberg has no type for uint64"),
        (pa.list_(pa.duration("us")), r"column u.\w+: Iceberg has no type for duration"),
        (pa.struct([]), "column u: a struct without members"),
    ],
)
def test_types_that_iceberg_has_not_are_refused(
    sink: IcebergSink, kind: pa.DataType, message: str
) -> None:
    with pytest.raises(RejectedError, match=message):
        sink.open(schema_of(pa.schema([("u", kind)])))


# ---- bookkeeping


def test_maintaining_forgets_snapshots_that_were_replaced_long_ago(
    sink: IcebergSink, table: Table
) -> None:
    for offset in range(5, 9):
        deliver(sink, offset, offset + 1)
    sink.maintain(timedelta(minutes=1))
    assert len(table.refresh().metadata.snapshots) == 5
    sink.maintain(timedelta(0))
    assert len(table.refresh().metadata.snapshots) == 1


@pytest.mark.parametrize("kind", ["tag", "branch"])
def test_what_has_a_name_is_not_forgotten(
    config: IcebergConfig, sink: IcebergSink, table: Table, kind: str
) -> None:
    first = table.current_snapshot()
    assert first is not None
    change = table.manage_snapshots()
    (change.create_tag if kind == "tag" else change.create_branch)(
        first.snapshot_id, "audit"
    ).commit()
    for offset in range(5, 8):
        deliver(sink, offset, offset + 1)
        sink.maintain(timedelta(0))
    table.refresh()
    assert len(table.metadata.snapshots) == 2
    assert table.scan(snapshot_id=table.metadata.refs["audit"].snapshot_id).to_arrow().num_rows == 5
    assert offsets(config) == list(range(8))


def test_what_a_rollback_may_need_is_not_forgotten(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    """A foreign snapshot that readers may still need, without the commit of ours below it, has no positions."""
    table.append(foreign_row(100))
    table.append(foreign_row(101))
    foreign = table.refresh().current_snapshot()
    assert foreign is not None
    table.manage_snapshots().create_tag(foreign.snapshot_id, "audit").commit()
    deliver(sink, 5, 9)
    sink.maintain(timedelta(0))
    table.refresh().manage_snapshots().set_current_snapshot(foreign.snapshot_id).commit()
    assert sink.open(schema_of()) == at(5)
    deliver(sink, 5, 9)
    assert offsets(config) == [*range(9), 100, 101]


def test_what_was_made_current_again_is_not_forgotten(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    """Between our commit and its maintenance: the table would have no current snapshot, and no rows."""
    first = table.current_snapshot()
    assert first is not None
    deliver(sink, 5, 9)
    table.refresh().manage_snapshots().rollback_to_snapshot(first.snapshot_id).commit()
    sink.maintain(timedelta(0))
    assert offsets(config) == list(range(5))
    assert sink.open(schema_of()) == at(5)


def test_what_another_has_forgotten_already_is_nothing_to_do(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    deliver(sink, 5, 9)
    other = IcebergSink(config, "t")
    other.open(schema_of())
    other.maintain(timedelta(0))
    other.close()
    sink.maintain(timedelta(0))
    deliver(sink, 9, 10)
    assert offsets(config) == list(range(10))


def test_snapshots_of_a_clock_that_was_wrong_do_not_stay(
    sink: IcebergSink, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.time() + 4 * 365 * 24 * 3600
    with monkeypatch.context() as jump:
        jump.setattr("pyiceberg.table.snapshots.time", SimpleNamespace(time=lambda: later))
        for offset in range(5, 9):
            deliver(sink, offset, offset + 1)
    deliver(sink, 9, 10)
    sink.maintain(timedelta(0))
    assert len(table.refresh().metadata.snapshots) == 1


def test_maintaining_removes_what_nothing_refers_to(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    for offset in range(5, 20):
        deliver(sink, offset, offset + 1)
    data = config.warehouse / "bobr" / "t" / "data" / "2024-02-29T00"
    leftover = data / f"bobr-{'0' * 32}-00001-s0.parquet"
    foreign = data / "theirs.parquet"
    leftover.touch()
    foreign.touch()
    grow_old(config)
    young = data / f"bobr-{'1' * 32}-00001-s0.parquet"
    young.touch()
    sink.maintain(timedelta(0))
    assert not leftover.exists()
    assert foreign.exists()
    assert young.exists()
    names = [path.name for path in (config.warehouse / "bobr" / "t" / "metadata").iterdir()]
    assert len([name for name in names if name.startswith("snap-")]) == 1
    assert offsets(config) == list(range(20))
    deliver(sink, 20, 21)


def test_files_of_dropped_partitions_are_removed_when_no_reader_may_have_them(
    config: IcebergConfig, table: Table
) -> None:
    clock = ManualClock()
    clock.move(datetime.now(UTC) - clock.now())
    sink = IcebergSink(config, "t", clock=clock)
    sink.open(schema_of())
    deliver(sink, 5, 20)  # of two days
    sink.maintain(timedelta(0))
    data = config.warehouse / "bobr" / "t" / "data"
    grow_old(config)
    assert sink.drop_before(datetime(2024, 3, 1, tzinfo=UTC)) == 12
    keep = timedelta(minutes=10)
    sink.maintain(keep)
    assert {path.parent.name for path in data.glob("*/*.parquet")} > {"2024-02-29T00"}
    clock.move(2 * keep)
    sink.maintain(keep)
    assert {path.parent.name for path in data.glob("*/*.parquet")} == {"2024-03-01T00"}
    assert offsets(config) == list(range(12, 20))
    deliver(sink, 20, 21)
    sink.close()


# ---- SQL


def test_sql_without_a_catalog_or_a_table(config: IcebergConfig, sink: IcebergSink) -> None:
    assert query(config, "SELECT 1") == [(1,)]
    sink.open(schema_of())
    assert query(config, "SELECT count(*), max(s.a) FROM t WHERE s.b = 'b'") == [(0, None)]


def test_sql_shows_times_in_utc_and_our_columns_last(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    sink.open(schema_of(pa.schema([*COLUMNS, ("late", pa.string())])))
    assert query(config, "SELECT _event_time::VARCHAR FROM t WHERE _offset = 1") == [
        ("2024-02-29 13:00:00+00",)
    ]
    names = [name for name, *_ in query(config, "DESCRIBE t")]
    assert names[:5] == ["x", "s", "l", "late", "_event_id"]


def test_sql_reaches_members_that_older_files_lack(
    config: IcebergConfig, sink: IcebergSink
) -> None:
    """DuckDB's own union of files crashes on this."""
    inner = pa.struct([*INNER, ("c", pa.struct([("d", pa.float64())]))])
    wide = schema_of(
        pa.schema([("s", inner), ("l", pa.list_(inner)), ("m", pa.map_(pa.string(), inner))])
    )
    sink.open(schema_of())
    deliver(sink, 0, 1, None, s={"a": 1, "b": "b"}, l=[{"a": 2, "b": "b"}])
    sink.open(wide)
    deep = {"a": 3, "b": "b", "c": {"d": 0.5}}
    deliver(sink, 1, 2, wide, s=deep, l=[deep], m=[("k", deep)])
    found = query(config, "SELECT s.a, s.c.d, l[1].c.d, m['k'].c.d FROM t ORDER BY _offset")
    assert found == [(1, None, None, None), (3, 0.5, 0.5, 0.5)]
    assert query(config, "SELECT count(*) FROM t WHERE s.c.d IS NULL") == [(1,)]


def test_sql_reads_what_other_engines_wrote(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    table.append(foreign_row(100))
    wide = pa.schema([*COLUMNS, ("n", pa.string())])
    sink.open(schema_of(wide))
    deliver(sink, 5, 6, schema_of(wide), n="new")
    assert query(config, "SELECT _offset FROM t WHERE n IS NULL ORDER BY 1") == [
        *((offset,) for offset in range(5)),
        (100,),
    ]


def test_sql_reads_tables_of_types_that_are_not_ours(
    config: IcebergConfig, sink: IcebergSink, table: Table
) -> None:
    theirs = pa.table({"day": pa.array([0], pa.time64("us")), "n": [7]})
    table.catalog.create_table("bobr.theirs", theirs.schema).append(theirs)
    assert query(config, "SELECT n FROM theirs") == [(7,)]
    assert query(config, "SELECT count(*) FROM t") == [(5,)]


def test_sql_filters_reach_the_files(config: IcebergConfig, sink: IcebergSink) -> None:
    table = schema_of(by=PartitionBy.MONTH)
    sink.open(table)
    deliver(sink, 0, 5, table, x=1)
    deliver(sink, 5, 6, table, x=3)
    ((_, plan),) = query(config, "EXPLAIN SELECT s.a FROM t WHERE x = 2")
    assert "READ_PARQUET" in str(plan)
    assert "Filters" in str(plan).split("READ_PARQUET")[1]


def test_sql_names_that_are_words_of_sql(config: IcebergConfig) -> None:
    sink = IcebergSink(config, "select")
    table = schema_of(
        pa.schema([("group", pa.string()), ("order", pa.struct([("by", pa.int32())]))])
    )
    sink.open(table)
    deliver(sink, 0, 1, table, group="g", order={"by": 1})
    sink.close()
    assert query(config, 'SELECT "group", "order"."by" FROM "select"') == [("g", 1)]
