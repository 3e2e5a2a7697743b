"""Lag, watermark and skew of a log whose clock stands still, and who reads it."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.catalog import Catalog, Delivery, Stream
from bobr.controller.introspection import Introspector, samples
from bobr.controller.introspection.behind import SETTLE_SECONDS
from bobr.controller.introspection.shape import skew
from bobr.controller.status import NOT_BEGUN, DeliveryReports
from bobr.errors import NotFoundError
from bobr.ids import DeliveryName, Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Group, PartitionState
from bobr.runtime.metrics import exposition
from bobr.runtime.report import DeliveryReport
from bobr.testing.clock import ManualClock
from bobr.testing.log import MemoryLog

ORDERS, LAKE = StreamName("orders"), DeliveryName("orders-lake")
MINUTE = timedelta(minutes=1)
CATALOG = Catalog(
    streams={ORDERS: Stream(name=ORDERS, message="Order", schema_ids=(SchemaId(1),))},
    deliveries={LAKE: Delivery(name=LAKE, stream=ORDERS, table="orders")},
)


class Desk:
    """A log, its clock, and what is asked of it."""

    def __init__(self, log: MemoryLog, clock: ManualClock) -> None:
        self.log = log
        self.clock = clock
        self.introspector = Introspector(log, clock)
        log.create(ORDERS)

    def append(self, events: int) -> None:
        payloads = pa.array([b"event"] * events, pa.binary())
        batch = Batch(stream=ORDERS, schema_id=SchemaId(1), payloads=payloads)
        self.log.appender().append(batch).result()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(MemoryLog(clock=clock), clock)


def told(positions: Mapping[str, int], state: str = "running") -> DeliveryReports:
    return {LAKE: DeliveryReport(state=state, positions=positions)}


def test_the_lag_is_in_events_and_since_the_oldest_of_them_came(desk: Desk) -> None:
    desk.append(10)
    desk.clock.move(MINUTE)
    desk.append(5)
    came = desk.clock.now()
    desk.append(5)
    desk.clock.move(MINUTE)
    found = desk.introspector.delivery(CATALOG, LAKE, told({"0": 12}))
    assert (found.lag, found.lag_seconds) == (8, 60.0)
    assert found.ingest_watermark == came.isoformat(timespec="milliseconds")
    all_of_it = desk.introspector.delivery(CATALOG, LAKE, told({}))
    assert (all_of_it.lag, all_of_it.lag_seconds) == (20, 120.0)


def test_of_a_table_that_has_all_the_watermark_goes_on_with_time(desk: Desk) -> None:
    desk.append(10)
    newest = desk.clock.now()

    def watermark() -> str | None:
        found = desk.introspector.delivery(CATALOG, LAKE, told({"0": 10}))
        assert (found.lag, found.lag_seconds) == (0, 0.0)
        return found.ingest_watermark

    # Events that have their time already may just be stored: those of the last seconds are not promised.
    assert watermark() == newest.isoformat(timespec="milliseconds")
    later = desk.clock.move(MINUTE) - timedelta(seconds=SETTLE_SECONDS)
    assert watermark() == later.isoformat(timespec="milliseconds")


def test_what_retention_took_is_no_lag(desk: Desk) -> None:
    desk.append(10)
    desk.clock.move(MINUTE)
    desk.log.trim(ORDERS, desk.clock.now())
    desk.append(5)
    desk.clock.move(MINUTE)
    found = desk.introspector.delivery(CATALOG, LAKE, told({"0": 3}))
    assert (found.lag, found.lag_seconds) == (5, 60.0)


@pytest.mark.parametrize(
    "reports",
    [
        pytest.param({LAKE: NOT_BEGUN}, id="nobody tells of it"),
        pytest.param(told({"0": 11}), id="its positions are another log's"),
    ],
)
def test_what_is_not_known_is_no_number(desk: Desk, reports: DeliveryReports) -> None:
    desk.append(10)
    found = desk.introspector.delivery(CATALOG, LAKE, reports)
    assert (found.lag, found.lag_seconds, found.ingest_watermark) == (None, None, None)
    row = desk.introspector.streams(CATALOG, reports).streams[0]
    assert (row.readers, row.largest_lag, row.largest_lag_seconds) == (1, None, None)
    whole = desk.introspector.stream(CATALOG, ORDERS, reports)
    assert whole.ingest_watermark is None


class GroupLog(MemoryLog):
    """A log that keeps its readers' places, as Kafka does."""

    def groups(self, stream: StreamName) -> list[Group]:
        positions = {StreamPartition(stream, Partition(0)): Offset(4)}
        return [Group(name="analytics", members=2, positions=positions)]


def test_groups_of_the_log_stand_beside_deliveries(clock: ManualClock) -> None:
    desk = Desk(GroupLog(clock=clock), clock)
    desk.append(10)
    desk.clock.move(MINUTE)
    found = desk.introspector.stream(CATALOG, ORDERS, told({"0": 9}))
    assert [(each.name, each.kind, each.lag, each.lag_seconds) for each in found.readers] == [
        ("orders-lake", "delivery", 1, 60.0),
        ("analytics", "group", 6, 60.0),
    ]
    row = desk.introspector.streams(CATALOG, told({"0": 9})).streams[0]
    assert (row.readers, row.largest_lag) == (2, 6)


def test_a_stream_is_told_by_its_partitions(desk: Desk) -> None:
    desk.append(30)
    found = desk.introspector.stream(CATALOG, ORDERS, told({"0": 30}))
    (partition,) = found.partitions
    assert (partition.first, partition.end, partition.events, partition.share) == (0, 30, 30, 1.0)
    assert (found.events, found.skew) == (30, 1.0)
    assert found.last_event == desk.clock.now().isoformat(timespec="milliseconds")


def state(events: int) -> PartitionState:
    return PartitionState(first=Offset(5), end=Offset(5 + events), nbytes=0, last_ingest_time=None)


@pytest.mark.parametrize(
    ("events", "expected"),
    [((10, 10), 1.0), ((30, 10, 20), 1.5), ((100, 0, 0, 0), 4.0), ((0, 0), None), ((), None)],
)
def test_skew_is_the_largest_partition_over_the_mean(
    events: tuple[int, ...], expected: float | None
) -> None:
    states = {Partition(number): state(each) for number, each in enumerate(events)}
    assert skew(states) == expected


class WideLog(MemoryLog):
    """A stream of three partitions of ten events; all of a partition came one, two and three minutes ago."""

    def describe(self, stream: StreamName) -> Mapping[Partition, PartitionState]:
        now = self._clock.now()
        return {
            Partition(number): PartitionState(
                first=Offset(0), end=Offset(10), nbytes=100, last_ingest_time=now
            )
            for number in range(3)
        }

    def time_at(self, source: StreamPartition, position: Offset) -> datetime | None:
        return self._clock.now() - (source.partition + 1) * MINUTE if position < 10 else None


def test_of_several_partitions_the_oldest_event_that_is_lacking_counts(clock: ManualClock) -> None:
    introspector = Introspector(WideLog(clock=clock), clock)

    def behind(**positions: int) -> tuple[int | None, float | None, str | None]:
        reports = told({name.removeprefix("p"): at for name, at in positions.items()})
        found = introspector.delivery(CATALOG, LAKE, reports)
        return found.lag, found.lag_seconds, found.ingest_watermark

    def ago(minutes: int) -> str:
        return (clock.now() - minutes * MINUTE).isoformat(timespec="milliseconds")

    assert behind(p0=9, p1=9, p2=10) == (2, 120.0, ago(2))
    assert behind(p0=9, p1=10, p2=4) == (7, 180.0, ago(3))
    assert behind(p0=9, p1=10, p2=10) == (1, 60.0, ago(1))
    assert behind(p0=10, p1=10, p2=10) == (0, 0.0, ago(0))
    assert behind(p1=10) == (20, 180.0, ago(3))


def test_the_rate_is_of_the_log_and_needs_two_looks(desk: Desk) -> None:
    desk.introspector.measure(CATALOG)
    desk.append(120)
    assert desk.introspector.stream(CATALOG, ORDERS, told({})).events_per_second is None
    desk.clock.move(timedelta(seconds=30))
    found = desk.introspector.stream(CATALOG, ORDERS, told({}))
    assert (found.events_per_second, found.measured_seconds) == (4.0, 30.0)


def test_names_that_are_not_there_are_not_found(desk: Desk) -> None:
    with pytest.raises(NotFoundError, match="orders"):
        desk.introspector.stream(CATALOG, StreamName("order"), told({}))
    with pytest.raises(NotFoundError, match="orders-lake"):
        desk.introspector.delivery(CATALOG, DeliveryName("orders"), told({}))


def test_a_stream_that_the_log_lacks_is_told_without_numbers(clock: ManualClock) -> None:
    introspector = Introspector(MemoryLog(clock=clock), clock)
    introspector.measure(CATALOG)
    found = introspector.stream(CATALOG, ORDERS, told({"0": 3}))
    assert (found.events, found.last_event, found.events_per_second) == (0, None, None)
    assert [each.lag for each in found.readers] == [None]


def test_metrics_leave_out_what_is_not_known(desk: Desk) -> None:
    desk.append(10)
    status = {"well": True, "parts": []}

    def lines(reports: DeliveryReports) -> str:
        found = samples(desk.introspector, CATALOG, reports, status)
        return exposition("controller", found, "")[0].decode()

    lag = 'bobr_controller_delivery_lag_events{delivery="orders-lake",stream="orders"}'
    assert f"{lag} 4.0\n" in lines(told({"0": 6}))
    assert lag not in lines({LAKE: NOT_BEGUN})
    assert 'bobr_controller_stream_appended_events_total{stream="orders"} 10.0\n' in lines(told({}))
