"""Trimming by age, and the counters that describe a stream without looking at its events."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import PartitionState
from bobr.log.sqlite import SqliteLog
from bobr.log.sqlite import admin as module
from bobr.testing.clock import ManualClock

Sql = Callable[..., list[tuple[int, ...]]]
ORDERS = StreamName("orders")
CLICKS = StreamName("clicks")
SOURCE = StreamPartition(ORDERS, Partition(0))
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def put(log: SqliteLog, count: int, stream: StreamName = ORDERS) -> None:
    payloads = pa.array([b"abcd"] * count, pa.binary())
    batch = Batch(stream=stream, schema_id=SchemaId(1), payloads=payloads)
    log.appender().append(batch).result()


def plan_of(path: Path, statement: str, values: dict[str, int] | list[object]) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(f"explain query plan {statement}", values).fetchall()
    return [str(row[3]) for row in found]


def state(log: SqliteLog, stream: StreamName = ORDERS) -> PartitionState:
    return log.admin().describe(stream)[Partition(0)]


@pytest.fixture
def hours(log: SqliteLog, clock: ManualClock) -> list[datetime]:
    """The times of twelve chunks of ten events."""
    times = []
    for _ in range(12):
        times.append(clock.now())
        put(log, 10)
        clock.move(HOUR)
    return times


def test_trim_removes_what_is_older_and_nothing_else(log: SqliteLog, hours: list[datetime]) -> None:
    assert log.admin().trim(ORDERS, hours[0]) == 0
    assert log.admin().trim(ORDERS, hours[4] + timedelta(microseconds=1)) == 50
    assert log.admin().trim(ORDERS, hours[4] + timedelta(microseconds=1)) == 0
    assert (state(log).first, state(log).end) == (50, 120)
    assert state(log).nbytes == 70 * 8


def test_trim_works_in_steps_that_others_can_write_between(
    log: SqliteLog, hours: list[datetime], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRIM_CHUNKS", 5)
    sql("create table step (events integer)")
    # What every transaction removed: the counter goes down once in each.
    sql(
        "create trigger steps after update of nbytes on stream begin "
        "insert into step values (old.nbytes - new.nbytes); end"
    )
    assert log.admin().trim(ORDERS, hours[-1] + HOUR) == 120
    assert sql("select events / 8 from step") == [(50,), (50,), (20,)]


def test_trim_touches_one_stream_only(log: SqliteLog, clock: ManualClock) -> None:
    log.admin().create(CLICKS)
    put(log, 3)
    put(log, 4, CLICKS)
    assert log.admin().trim(ORDERS, clock.now() + HOUR) == 3
    assert (state(log, CLICKS).first, state(log, CLICKS).end) == (0, 4)


def test_offsets_are_not_reused_after_all_is_trimmed_and_reopened(
    path: Path, log: SqliteLog, clock: ManualClock
) -> None:
    put(log, 7)
    written = clock.now()
    log.admin().trim(ORDERS, clock.now() + HOUR)
    log.close()
    with closing(SqliteLog(path)) as again:
        empty = state(again)
        assert (empty.first, empty.end, empty.nbytes) == (7, 7, 0)
        assert empty.last_ingest_time == written
        put(again, 1)
        assert (state(again).first, state(again).end) == (7, 8)


def test_events_from_a_wrong_future_hold_nothing_back(log: SqliteLog, clock: ManualClock) -> None:
    put(log, 10)
    clock.move(1000 * DAY)
    put(log, 10)
    clock.move(-1000 * DAY + HOUR)
    put(log, 10)
    assert log.admin().trim(ORDERS, clock.now() - DAY) == 0
    clock.move(DAY)
    put(log, 10)
    assert log.admin().trim(ORDERS, clock.now() - DAY + HOUR) == 30
    clock.move(-1000 * DAY)
    assert log.admin().trim(ORDERS, clock.now() - DAY) == 0


def test_what_lies_behind_a_position_stays_however_old(
    log: SqliteLog, hours: list[datetime], clock: ManualClock
) -> None:
    def trim(upto: int) -> int:
        return log.admin().trim(ORDERS, clock.now(), {SOURCE: Offset(upto)})

    assert [trim(0), trim(9), trim(10), trim(39), trim(1000)] == [0, 0, 10, 20, 90]


def test_describe_and_trim_find_their_rows_by_index(path: Path, log: SqliteLog) -> None:
    named = {"id": 1, "before": 1, "now": 1, "upto": 1, "stream": 1, "position": 1}
    plans = [plan_of(path, statement, named) for statement in (module._LAST, module._TIME)] + [
        plan_of(path, statement, ["x", 1, 1][: statement.count("?")])
        for statement in (module._DESCRIBE, module._STREAM, module._OLDEST, module._DELETE)
    ]
    assert not [step for plan in plans for step in plan if "SCAN" in step], plans


def steps_of(log: SqliteLog, act: Callable[[], object]) -> int:
    """Of SQLite's machine, while it acts."""
    steps: list[None] = []
    connection = log.admin()._connection
    connection.set_progress_handler(lambda: steps.append(None), 1)
    act()
    connection.set_progress_handler(None, 1)
    return len(steps)


def test_what_a_stream_is_asked_costs_the_same_however_much_it_holds(log: SqliteLog) -> None:
    def fill(chunks: int) -> None:
        """Neighbours of different schemas share no chunk."""
        event = pa.array([b"abcd"], pa.binary())
        appender = log.appender()
        futures = [
            appender.append(Batch(stream=ORDERS, schema_id=SchemaId(1 + n % 2), payloads=event))
            for n in range(chunks)
        ]
        for future in futures:
            future.result()

    def costs() -> list[int]:
        admin, middle = log.admin(), Offset(state(log).end // 2)
        return [
            steps_of(log, lambda: admin.describe(ORDERS)),
            steps_of(log, lambda: admin.time_at(SOURCE, middle)),
            steps_of(log, lambda: admin.groups(ORDERS)),
        ]

    fill(10)
    few = costs()
    fill(990)
    assert costs() == few
    assert min(few) > 0


def test_room_that_trim_made_is_used_again(path: Path, log: SqliteLog, clock: ManualClock) -> None:
    def fill() -> int:
        put(log, 200_000)
        log.admin().trim(ORDERS, clock.move(HOUR))
        return path.stat().st_size

    fill()
    fill()
    sizes = {fill() for _ in range(5)}
    assert len(sizes) == 1
