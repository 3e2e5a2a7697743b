"""One pipeline, stepped by hand, between a log and a table in memory."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pyarrow as pa
import pytest

from bobr.batch import Positions, StoredBatch
from bobr.errors import BobrError, BrokenError, OverloadedError, RejectedError, UnavailableError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Limit, Reader
from bobr.schema import EventType
from bobr.testing.log import MemoryLog
from bobr.transmitter.flush import FlushPolicy, Held, wait_seconds
from bobr.transmitter.pipeline import Pipeline
from bobr.transmitter.sinks import Committed, Sink, TablePartition, TableSchema
from bobr.transmitter.status import State

OLD, NEW, ODD = SchemaId(1), SchemaId(2), SchemaId(3)
SOURCE = StreamPartition(StreamName("orders"), Partition(0))
Deliver = Callable[[Pipeline], None]
PATIENCE = 60.0
"""For what must happen: long enough for any machine, never waited for when all is well."""
World = Any  # the class in conftest.py; test modules import nothing from each other


@dataclass
class FailingSink:
    """Passes everything to a real sink, but first raises the next of `errors` at that method."""

    sink: Sink
    method: str
    errors: list[BobrError]

    def open(self, table: TableSchema) -> Positions:
        self._fail("open")
        return self.sink.open(table)

    def write(self, rows: pa.RecordBatch, partition: TablePartition) -> None:
        self._fail("write")
        self.sink.write(rows, partition)

    def commit(self, upto: Positions) -> Committed:
        self._fail("commit")
        return self.sink.commit(upto)

    def ids_since(self, stream: StreamName, since: datetime) -> pa.RecordBatchReader:
        return self.sink.ids_since(stream, since)  # type: ignore[attr-defined]  # of a MemorySink

    def close(self) -> None:
        self.sink.close()

    def _fail(self, method: str) -> None:
        if method == self.method and self.errors:
            raise self.errors.pop(0)


@dataclass
class TellingSink(FailingSink):
    """Counts up each time that the table is opened."""

    opened: threading.Semaphore

    def open(self, table: TableSchema) -> Positions:
        positions = super().open(table)
        self.opened.release()
        return positions


def test_commits_when_the_oldest_event_is_old_enough(world: World) -> None:
    pipeline = world.pipeline(flush_seconds=5.0)
    pipeline.step()
    world.publish("a", "b")
    pipeline.step()
    world.clock.seconds = 4.9
    world.publish("c")
    pipeline.step()
    assert (pipeline.status.held, world.position()) == (3, 0)
    world.clock.seconds = 5.0
    pipeline.step()
    assert (pipeline.status.held, world.position()) == (0, 3)
    assert world.column("_event_id") == ["a", "b", "c"]
    assert pipeline.status.last_commit == world.clock.now()
    assert pipeline.status.counts.rows == 3


@pytest.mark.parametrize(
    "policy", [FlushPolicy(events=2), FlushPolicy(nbytes=10), FlushPolicy(partitions=2)]
)
def test_commits_when_enough_is_held(world: World, policy: FlushPolicy) -> None:
    world.limits = replace(world.limits, flush=policy)
    pipeline = world.pipeline(flush_seconds=1000.0)
    pipeline.step()
    for day in range(2):
        world.publish(f"{day}", event_time=datetime(2024, 1, 1 + day, tzinfo=UTC))
        pipeline.step()
    assert world.position() == 2


@dataclass
class CountingSink(FailingSink):
    """Keeps how many table partitions each commit had."""

    sizes: list[int]
    partitions: set[TablePartition] = field(default_factory=set)

    def write(self, rows: pa.RecordBatch, partition: TablePartition) -> None:
        self.partitions.add(partition)
        super().write(rows, partition)

    def commit(self, upto: Positions) -> Committed:
        self.sizes.append(len(self.partitions))
        self.partitions.clear()
        return super().commit(upto)


@pytest.mark.parametrize("fails", [True, False])
def test_one_read_of_many_table_partitions_makes_many_commits(
    world: World, deliver: Deliver, fails: bool
) -> None:
    """Days in a wild order, two schemas in turns, events that fit none, in one read."""
    sizes: list[int] = []
    failures: list[BobrError] = []

    def around(sink: Sink) -> Sink:
        return CountingSink(sink=sink, method="commit", errors=failures, sizes=sizes)

    world.limits, world.around = replace(world.limits, flush=FlushPolicy(partitions=7)), around
    ids = [f"e{number}" for number in range(100)]
    for number, event_id in enumerate(ids):
        day = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=number * 7 % 20)
        world.publish(event_id, event_id, schema=(OLD, NEW)[number % 2], event_time=day)
        if number % 50 == 0:
            world.publish_bytes(b"\xff")
    failures += [UnavailableError("not now")] if fails else []
    pipeline = world.pipeline()
    deliver(pipeline)
    assert world.column("_event_id") == ids
    assert max(sizes) == 7
    counts = pipeline.status.counts
    assert (counts.duplicates, counts.undecodable, counts.rows) == (100, 2, 100)


def test_a_stop_is_noticed_between_the_commits_of_one_read(world: World, deliver: Deliver) -> None:
    pipelines: list[Pipeline] = []

    class StoppingSink(FailingSink):
        def commit(self, upto: Positions) -> Committed:
            pipelines[0].stop()
            return super().commit(upto)

    world.around = lambda sink: StoppingSink(sink=sink, method="", errors=[])
    world.limits = replace(world.limits, flush=FlushPolicy(partitions=2))
    for day in range(1, 10):
        world.publish(f"{day}", event_time=datetime(2024, 1, day, tzinfo=UTC))
    pipelines.append(world.pipeline(flush_seconds=1000.0))
    pipelines[0].run()
    assert world.position() < 9
    world.around = lambda sink: sink
    deliver(world.pipeline())
    assert world.column("_event_id") == [f"{day}" for day in range(1, 10)]


def test_system_columns_say_where_a_row_came_from(world: World, deliver: Deliver) -> None:
    happened = datetime(2023, 5, 1, tzinfo=UTC)
    world.publish("a", event_time=happened)
    world.clock.seconds = 7
    world.publish("", schema=NEW)
    deliver(world.pipeline())
    began = world.clock.start
    assert world.column("_event_id") == ["a", None]
    assert world.column("_event_time") == [happened, began + timedelta(seconds=7)]
    assert world.column("_ingest_time") == [began, began + timedelta(seconds=7)]
    assert world.column("_stream") == ["orders", "orders"]
    assert world.column("_partition") == [0, 0]
    assert world.column("_offset") == [0, 1]
    assert world.column("_schema_id") == [1, 2]


def test_a_new_pipeline_goes_on_from_the_table(world: World, deliver: Deliver) -> None:
    world.publish("a")
    deliver(world.pipeline())
    world.publish("b")
    deliver(world.pipeline())
    assert world.column("_event_id") == ["a", "b"]


def test_the_status_tells_what_the_table_holds_not_what_this_pipeline_did(
    world: World, deliver: Deliver
) -> None:
    world.publish("a", "b")
    deliver(world.pipeline())
    again = world.pipeline()
    again.step()
    told = again.status.as_json()
    assert (told["rows"], told["files"], told["rows_committed"]) == (2, 1, 0)
    world.publish("c")
    deliver(again)
    told = again.status.as_json()
    assert (told["rows"], told["files"], told["rows_committed"]) == (3, 2, 1)


def test_stopping_commits_what_is_held(world: World) -> None:
    pipeline = world.pipeline()
    pipeline.step()
    world.publish("a")
    pipeline.step()
    pipeline.stop()
    pipeline.run()
    assert pipeline.status.state is State.STOPPED
    assert world.column("_event_id") == ["a"]


# ---- duplicates


def test_duplicates_are_dropped_across_batches_commits_and_restarts(
    world: World, deliver: Deliver
) -> None:
    world.publish("a", "b", "a")
    pipeline = world.pipeline()
    deliver(pipeline)
    world.publish("b", "c")
    deliver(pipeline)
    world.publish("c", "d")
    again = world.pipeline()
    deliver(again)
    assert world.column("_event_id") == ["a", "b", "c", "d"]
    assert world.column("_offset") == [0, 1, 4, 6]
    assert (pipeline.status.counts.duplicates, again.status.counts.duplicates) == (2, 1)


def test_duplicates_are_told_by_the_time_of_arrival(world: World, deliver: Deliver) -> None:
    """However long the pipeline stood still, and however old the events themselves are."""
    world.publish("a", event_time=datetime(2001, 1, 1, tzinfo=UTC))
    deliver(world.pipeline(dedup_seconds=3600))
    world.clock.seconds = 3000
    world.publish("a", event_time=datetime(2005, 1, 1, tzinfo=UTC))
    world.clock.seconds = 1_000_000
    world.publish("a")
    deliver(world.pipeline(dedup_seconds=3600))
    assert world.column("_offset") == [0, 2]


def test_without_dedup_every_event_is_a_row(world: World, deliver: Deliver) -> None:
    world.publish("a", "a")
    deliver(world.pipeline(dedup_seconds=0))
    assert world.column("_event_id") == ["a", "a"]


def test_ids_of_rows_that_were_not_committed_are_no_duplicates(
    world: World, deliver: Deliver
) -> None:
    errors: list[BobrError] = [UnavailableError("the catalog is away")]
    world.around = lambda sink: FailingSink(sink, "commit", errors)
    world.publish("a", "b", "a")
    pipeline = world.pipeline()
    deliver(pipeline)
    assert not errors
    assert world.column("_event_id") == ["a", "b"]
    assert pipeline.status.counts.duplicates == 1  # and not twice, though it was read twice


def test_what_a_log_gives_again_is_dropped_by_position(world: World, deliver: Deliver) -> None:
    world.log = ReplayingLog(world.log)
    for event_id in "abc":
        world.publish(event_id)
    deliver(world.pipeline(dedup_seconds=0))
    assert world.column("_event_id") == ["a", "b", "c"]


class ReplayingLog(MemoryLog):
    """Each read brings what the read before brought once more."""

    def __init__(self, log: MemoryLog) -> None:
        self.__dict__.update(log.__dict__)

    def reader(self) -> "ReplayingReader":  # type: ignore[override]  # a reader all the same
        return ReplayingReader(super().reader())


@dataclass
class ReplayingReader:
    reader: Reader
    before: list[StoredBatch] = field(default_factory=list)

    def assign(self, positions: Positions) -> None:
        self.reader.assign(positions)

    def read(self, limit: Limit, timeout_seconds: float) -> list[StoredBatch]:
        now = self.reader.read(Limit(events=1, nbytes=1), timeout_seconds)
        again, self.before = self.before, now
        return [*again, *now]

    def wake(self) -> None:
        self.reader.wake()

    @property
    def lost(self) -> Mapping[StreamPartition, int]:
        return self.reader.lost

    def close(self) -> None:
        self.reader.close()


def test_the_dedup_window_moves_on_after_a_jump_of_the_clock_and_back(
    world: World, deliver: Deliver
) -> None:
    world.clock.start = datetime(2026, 6, 1, tzinfo=UTC)
    pipeline = world.pipeline(dedup_seconds=3600)
    years = 1400 * 24 * 3600.0

    def publish(*ids: str, at: float) -> None:
        world.clock.seconds = at
        world.publish(*ids)
        deliver(pipeline)

    publish("a", at=0)
    publish("b", "b", at=years)
    publish("a", "c", at=100)  # the clock is right again
    publish("c", "d", at=200)
    publish("a", "d", at=3700)
    assert world.column("_event_id") == ["a", "b", "c", "d", "a"]
    publish("c", at=4000)
    pipeline = world.pipeline(dedup_seconds=3600)
    publish("c", "a", at=4001)
    assert world.column("_event_id") == ["a", "b", "c", "d", "a", "c"]


# ---- schemas


def test_old_and_new_producers_take_turns(world: World, deliver: Deliver) -> None:
    """The new schema comes unannounced, in the middle of a read."""
    pipeline = world.pipeline(OLD)
    pipeline.step()
    world.publish("a", items=[{"sku": "x"}])
    world.publish("b", schema=NEW, city="Riga", items=[{"sku": "y", "count": 2}])
    world.publish("c")
    world.publish("b", "d", schema=NEW)
    deliver(pipeline)
    assert world.column("_event_id") == ["a", "b", "c", "d"]
    assert world.column("city") == [None, "Riga", None, ""]
    assert world.column("items")[:2] == [
        [{"sku": "x", "count": None}],
        [{"sku": "y", "count": 2}],
    ]


def test_rows_that_are_staged_survive_an_evolution(world: World, deliver: Deliver) -> None:
    pipeline = world.pipeline(OLD)
    pipeline.step()
    world.publish("a")
    pipeline.step()
    assert (pipeline.status.held, world.position()) == (1, 0)
    world.publish("a", "b", schema=NEW)
    pipeline.step()
    assert (pipeline.status.held, world.position()) == (2, 1)
    deliver(pipeline)
    assert world.column("_event_id") == ["a", "b"]


def test_the_table_follows_the_stream_before_any_event(world: World) -> None:
    pipeline = world.pipeline(OLD)
    pipeline.step()
    assert "city" not in world.table.columns.names
    pipeline.adopt(world.plan(OLD, NEW))
    pipeline.step()
    assert "city" in world.table.columns.names
    assert pipeline.status.state is State.RUNNING


def test_a_schema_that_the_table_can_not_follow_breaks_the_delivery(world: World) -> None:
    pipeline = world.pipeline(OLD)
    pipeline.step()
    world.publish("a")
    world.publish("b", schema=ODD, total="12")
    pipeline.step()
    assert pipeline.status.state is State.BROKEN
    assert "column total" in pipeline.status.reason


def test_a_broken_delivery_is_tried_again_once_a_minute(world: World, deliver: Deliver) -> None:
    world.publish_bytes(b"", schema=SchemaId(9))
    pipeline = world.pipeline()
    pipeline.step()
    pipeline.step()
    assert pipeline.status.state is State.BROKEN
    assert "no schema 9" in pipeline.status.reason
    world.clock.seconds += 59
    pipeline.step()
    assert pipeline.status.state is State.BROKEN
    world.types = {**world.types, SchemaId(9): world.types[OLD]}
    world.clock.seconds += 1
    deliver(pipeline)
    assert (pipeline.status.state, pipeline.status.reason) == (State.RUNNING, "")
    assert world.column("_schema_id") == [9]


def test_events_that_do_not_decode_are_skipped_and_counted(world: World, deliver: Deliver) -> None:
    world.publish("a")
    world.publish_bytes(b"\xff", b"\x0a\x01b", b"\x0a\x05cut")
    pipeline = world.pipeline()
    deliver(pipeline)
    assert world.column("_event_id") == ["a", "b"]
    assert world.column("_offset") == [0, 2]
    assert pipeline.status.counts.undecodable == 2
    assert world.position() == 4


def test_events_of_a_removed_stream_of_the_same_name_are_skipped_and_counted(
    world: World, deliver: Deliver
) -> None:
    """It carried another message, and the log has its events for a while; those of the new one follow them."""
    former = SchemaId(9)

    def types(message: str, schema_id: SchemaId) -> EventType:
        if schema_id == former:
            raise RejectedError(f"there is no message {message}")
        known: EventType = world.type(message, schema_id)
        return known

    world.publish_bytes(b"1", b"2", schema=former)
    world.publish("a")
    world.publish_bytes(b"3", schema=former)
    pipeline = Pipeline(world.plan(), replace(world.wiring(), types=types), world.limits)
    deliver(pipeline)
    assert world.column("_event_id") == ["a"]
    assert (world.position(), pipeline.status.counts.undecodable) == (4, 3)
    its_own = Pipeline(world.plan(former), replace(world.wiring(), types=types), world.limits)
    its_own.step()
    assert its_own.status.state is State.BROKEN


# ---- errors


@pytest.mark.parametrize("method", ["open", "write", "commit"])
@pytest.mark.parametrize("error", [UnavailableError("away"), OverloadedError("disk full")])
def test_it_recovers_from_any_failure_of_the_sink(
    world: World, deliver: Deliver, method: str, error: BobrError
) -> None:
    errors: list[BobrError] = [error] * 3
    world.around = lambda sink: FailingSink(sink, method, errors)
    world.publish("a", "b")
    deliver(world.pipeline())
    assert world.column("_event_id") == ["a", "b"]


def test_it_waits_longer_after_each_failure_up_to_a_bound(world: World) -> None:
    errors: list[BobrError] = [UnavailableError("away")] * 40
    world.around = lambda sink: FailingSink(sink, "open", errors)
    world.limits = replace(world.limits, retry_seconds=0.25)
    pipeline = world.pipeline()
    waited = []
    while errors:
        before = world.clock.seconds
        left = len(errors)
        while len(errors) == left:
            pipeline.step()
            world.clock.seconds += 0.125 if pipeline.status.state is State.WAITING else 0
        waited.append(world.clock.seconds - before)
    assert pipeline.status.reason == "away"
    assert waited[1:5] == [0.25, 0.5, 1.0, 2.0]
    assert max(waited) == 30.0


def test_a_broken_sink_is_shown(world: World) -> None:
    errors: list[BobrError] = [BrokenError("table t: the catalog is damaged")]
    world.around = lambda sink: FailingSink(sink, "open", errors)
    pipeline = world.pipeline()
    pipeline.step()
    assert pipeline.status.state is State.BROKEN
    assert pipeline.status.as_json()["reason"] == "table t: the catalog is damaged"


def test_a_bug_breaks_the_delivery_and_leaves_the_thread_alone(world: World) -> None:
    errors: list[BaseException] = [ZeroDivisionError("a bug")]
    world.around = lambda sink: FailingSink(sink, "open", errors)  # type: ignore[arg-type]
    pipeline = world.pipeline()
    pipeline.step()
    assert pipeline.status.state is State.BROKEN
    assert "ZeroDivisionError" in pipeline.status.reason


def test_two_pipelines_on_one_table_deliver_each_row_once(world: World) -> None:
    first, second = world.pipeline(flush_seconds=1.0), world.pipeline(flush_seconds=1.0)
    for number in range(40):
        world.publish(f"{number}", f"{number // 2}")
        (first if number % 3 else second).step()
        second.step()
        world.clock.seconds += 0.4
    for _ in range(300):
        first.step()
        second.step()
        world.clock.seconds += 0.4
    assert world.position() == 80
    offsets = world.column("_offset")
    assert len(offsets) == len(set(offsets)) == 40
    assert sorted(map(str, world.column("_event_id"))) == sorted(map(str, range(40)))


@pytest.mark.parametrize("why", ["time", "flush"])
def test_an_idle_delivery_sees_what_others_did_to_its_table(
    world: World, deliver: Deliver, why: str
) -> None:
    """A table that was rolled back or dropped gets its rows again, though no more events come."""
    pipeline = world.pipeline()
    world.publish("a", "b")
    deliver(pipeline)
    pipeline.step()
    world.table.__init__(version=99)
    pipeline.step()
    assert pipeline.status.state is State.RUNNING
    end = {SOURCE: Offset(2)}
    if why == "time":
        world.clock.seconds += world.limits.confirm_seconds
    else:
        pipeline.flush(end)
    assert pipeline.wait_for(end, timeout_seconds=0) == (why == "time")
    for _ in range(20):
        pipeline.step()
        world.clock.seconds += 1
    assert world.column("_event_id") == ["a", "b"]
    assert pipeline.wait_for(end, timeout_seconds=0)
    assert pipeline.status.counts.fenced == 1


def test_old_partitions_leave_the_table_now_and_then(world: World, deliver: Deliver) -> None:
    """Also while nothing comes, and without being looked for at each step."""
    day = 24 * 3600
    pipeline = world.pipeline(keep_seconds=2 * day, dedup_seconds=day)
    for number in range(4):
        world.publish(f"{number}", event_time=world.clock.now() - timedelta(days=number))
    deliver(pipeline)
    fresh = pipeline.status.last_commit
    world.clock.seconds += world.limits.retain_seconds
    pipeline.step()
    assert world.column("_event_id") == [
        "0",
        "1",
        "2",
    ]  # of the third day the last hours are not old yet
    world.clock.seconds += day
    pipeline.step()
    assert world.column("_event_id") == ["0", "1"]
    assert pipeline.status.totals.rows == 2
    assert pipeline.status.counts.retired == 2
    assert (pipeline.status.last_retired, pipeline.status.last_commit) == (world.clock.now(), fresh)
    world.clock.seconds += world.limits.retain_seconds / 2
    pipeline.step()
    world.publish("4", event_time=world.clock.now())
    deliver(pipeline)
    assert world.column("_event_id") == ["0", "1", "4"]


def test_a_table_that_is_to_be_kept_for_a_shorter_time_loses_rows_at_once(
    world: World, deliver: Deliver
) -> None:
    pipeline = world.pipeline()
    world.publish("old", event_time=world.clock.now() - timedelta(days=9))
    world.publish("new")
    deliver(pipeline)
    pipeline.step()
    assert world.column("_event_id") == ["old", "new"]
    pipeline.adopt(world.plan(keep_seconds=2 * 24 * 3600))
    for _ in range(2):
        pipeline.step()
    assert world.column("_event_id") == ["new"]
    assert pipeline.status.state is State.RUNNING


def test_positions_behind_the_log_break_the_delivery(world: World, deliver: Deliver) -> None:
    """The log was made anew: its offsets mean other events now."""
    world.publish("a", "b")
    deliver(world.pipeline())
    world.log = MemoryLog(clock=world.clock)
    world.log.create(StreamName("orders"))
    pipeline = world.pipeline()
    pipeline.step()
    pipeline.step()
    assert pipeline.status.state is State.BROKEN


@pytest.mark.parametrize("events", [3, 4, 5])
def test_an_older_copy_of_the_log_that_went_on_breaks_the_delivery(
    world: World, deliver: Deliver, events: int
) -> None:
    """Its offsets mean other events, though the position is not behind its end any more: none may be passed over."""
    world.publish("a")
    copied = world.clock.seconds
    world.clock.seconds += 60
    world.publish("b", "c", "a")
    deliver(world.pipeline())
    assert world.position() == 4
    world.log = MemoryLog(clock=world.clock)
    world.log.create(StreamName("orders"))
    world.clock.seconds, now = copied, world.clock.seconds + 60
    world.publish("a")
    world.clock.seconds = now
    world.publish(*(f"new{number}" for number in range(events)))
    pipeline = world.pipeline()
    pipeline.step()
    assert pipeline.status.state is State.BROKEN
    assert "not the log" in pipeline.status.reason


@dataclass
class UnreadableSink(FailingSink):
    """Whose rows can not be read."""

    def last_row(self, source: StreamPartition) -> tuple[Offset, datetime] | None:
        self._fail("last_row")
        raise AssertionError(source)


def test_rows_that_can_not_be_read_are_no_reason_to_deliver_no_more(
    world: World, deliver: Deliver
) -> None:
    world.publish("a", "b")
    deliver(world.pipeline())
    errors: list[BobrError] = [BrokenError("a file of it is gone")]
    world.around = lambda sink: UnreadableSink(sink=sink, method="last_row", errors=errors)
    world.publish("c")
    deliver(world.pipeline())
    assert (world.column("_event_id"), errors) == (["a", "b", "c"], [])


def test_events_that_the_log_lost_are_counted(world: World, deliver: Deliver) -> None:
    world.publish("a", "b")
    world.clock.seconds = 100
    world.publish("c")
    world.log.trim(StreamName("orders"), world.clock.now())
    pipeline = world.pipeline()
    deliver(pipeline)
    assert world.column("_event_id") == ["c"]
    assert pipeline.status.lost == 2


def test_news_wake_a_pipeline_that_waits_for_events(world: World) -> None:
    opened = threading.Semaphore(0)

    def around(sink: Sink) -> Sink:
        return TellingSink(sink=sink, method="", errors=[], opened=opened)

    world.limits, world.around = replace(world.limits, poll_seconds=3600.0), around
    pipeline = world.pipeline(flush_seconds=3600.0)
    thread = threading.Thread(target=pipeline.run, daemon=True)
    thread.start()
    assert opened.acquire(timeout=PATIENCE)
    world.publish("a")
    pipeline.flush({SOURCE: Offset(1)})
    assert pipeline.wait_for({SOURCE: Offset(1)}, PATIENCE)
    pipeline.adopt(world.plan(OLD, NEW, flush_seconds=3600.0))
    assert opened.acquire(timeout=PATIENCE)  # the table follows
    pipeline.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_nothing_held_is_never_due() -> None:
    assert wait_seconds(Held(), FlushPolicy(age_seconds=0.001), 7.0) == inf


def test_nobody_waits_for_a_pipeline_that_does_not_run(world: World) -> None:
    pipeline = world.pipeline()
    pipeline.stop()
    pipeline.run()
    assert not pipeline.wait_for({SOURCE: Offset(1)}, timeout_seconds=3600)


def test_a_flush_commits_what_was_asked_for_as_soon_as_it_is_read(world: World) -> None:
    world.limits = replace(world.limits, read=Limit(events=1, nbytes=1000))
    pipeline = world.pipeline(flush_seconds=1000.0)
    pipeline.step()
    world.publish("a")
    world.publish("b")
    world.publish("c")
    pipeline.flush({SOURCE: Offset(2)})
    pipeline.step()
    assert world.position() == 0
    pipeline.step()
    assert world.position() == 2
    pipeline.step()
    assert (world.position(), pipeline.status.held) == (2, 1)
