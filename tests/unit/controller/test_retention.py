"""Retention: delivered events go after their time, others stay however old they are."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.catalog import Catalog, Delivery, Stream
from bobr.controller.retention import Retention
from bobr.ids import DeliveryName, Offset, Partition, SchemaId, StreamName
from bobr.log.sqlite import SqliteLog
from bobr.testing.clock import ManualClock

ORDERS = StreamName("orders")
WEEK = timedelta(days=7)


def catalog(*tables: str) -> Catalog:
    stream = Stream(name=ORDERS, message="Order", schema_ids=(SchemaId(1),))
    deliveries = {
        DeliveryName(table): Delivery(name=DeliveryName(table), stream=ORDERS, table=table)
        for table in tables
    }
    return Catalog(streams={ORDERS: stream}, deliveries=deliveries)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(tmp_path: Path, clock: ManualClock) -> SqliteLog:
    log = SqliteLog(tmp_path / "log.sqlite", clock=clock)
    log.admin().create(ORDERS)
    return log


def append(log: SqliteLog, events: int) -> None:
    payloads = pa.array([b"event"] * events, pa.binary())
    batch = Batch(stream=ORDERS, schema_id=SchemaId(1), payloads=payloads)
    log.appender().append(batch).result()


def first(log: SqliteLog) -> Offset:
    return log.admin().describe(ORDERS)[Partition(0)].first


def test_old_delivered_events_go_and_young_ones_stay(log: SqliteLog, clock: ManualClock) -> None:
    append(log, 10)
    clock.move(WEEK + timedelta(seconds=1))
    append(log, 5)
    Retention(log, clock).apply(catalog("a"), {DeliveryName("a"): {"0": 15}})
    assert first(log) == 10


@pytest.mark.parametrize(
    ("committed", "left"),
    [
        ({"a": {"0": 20}, "b": {"0": 10}}, 10),
        ({"a": {"0": 20}, "b": {"0": 3}}, 0),
        ({"a": {"0": 20}}, 0),
        ({"a": {"0": 20}, "b": {"0": 21}}, 0),  # the position is one in another log
        ({}, 0),
    ],
)
def test_what_some_table_lacks_stays(
    log: SqliteLog, clock: ManualClock, committed: dict[DeliveryName, dict[str, int]], left: int
) -> None:
    append(log, 10)
    clock.move(timedelta(minutes=1))
    append(log, 10)
    clock.move(2 * WEEK)
    Retention(log, clock).apply(catalog("a", "b"), committed)
    assert first(log) == left


def test_a_stream_without_deliveries_goes_by_time_alone(log: SqliteLog, clock: ManualClock) -> None:
    append(log, 10)
    clock.move(WEEK + timedelta(seconds=1))
    Retention(log, clock).apply(catalog(), {})
    assert first(log) == 10


def test_a_stream_that_fails_does_not_keep_the_others(log: SqliteLog, clock: ManualClock) -> None:
    append(log, 10)
    clock.move(WEEK + timedelta(seconds=1))
    gone = Stream(name=StreamName("gone"), message="Order", schema_ids=(SchemaId(1),))
    streams = {gone.name: gone, **catalog().streams}
    Retention(log, clock).apply(Catalog(streams=streams), {})
    assert first(log) == 10


def test_a_jump_of_the_clock_and_back_ends_neither_retention_nor_what_is_awaited(
    log: SqliteLog, clock: ManualClock
) -> None:
    clock.move(WEEK)
    append(log, 10)
    clock.move(200 * WEEK)
    append(log, 10)
    retention = Retention(log, clock)
    retention.apply(catalog("a"), {DeliveryName("a"): {"0": 5}})
    assert first(log) == 0
    clock.move(-200 * WEEK)
    append(log, 10)
    clock.move(WEEK + timedelta(seconds=1))
    append(log, 10)
    retention.apply(catalog("a"), {DeliveryName("a"): {"0": 20}})
    assert first(log) == 10  # what comes next is not yet delivered, so nothing tells its true age
    retention.apply(catalog("a"), {DeliveryName("a"): {"0": 40}})
    assert first(log) == 30
