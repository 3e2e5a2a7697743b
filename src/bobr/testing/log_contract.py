"""The contract of logs as tests: subclass `LogContract`, give it a `log` fixture, run pytest.

    class TestMyLog(LogContract):
        @pytest.fixture
        def log(self) -> Iterator[Log]:
            log = MyLog(...)
            yield log
            log.close()

Streams have one partition here. What depends on time or on a full disk is each log's own to test.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from bobr.batch import INGEST_TIMES, Batch, StoredBatch
from bobr.errors import BrokenError, NotFoundError, RejectedError, UnavailableError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Limit, Log, Reader

ORDERS = StreamName("orders")
CLICKS = StreamName("clicks")
PLENTY = Limit(events=1_000_000, nbytes=64 * 1024 * 1024)
SOON_SECONDS = 0.05
"""For reads that must come back empty."""
PATIENCE_SECONDS = 60.0
"""For what must happen: long enough for any machine, never waited for when all is well."""


def batch(*payloads: bytes, stream: StreamName = ORDERS, schema_id: int = 1) -> Batch:
    """A batch of these events."""
    array = pa.array(payloads, pa.binary())
    return Batch(stream=stream, schema_id=SchemaId(schema_id), payloads=array)


def numbered(start: int, stop: int, *, stream: StreamName = ORDERS) -> Batch:
    """A batch of events that say their number."""
    return batch(*(b"event %d" % number for number in range(start, stop)), stream=stream)


def source(stream: StreamName = ORDERS) -> StreamPartition:
    """The one partition of the stream."""
    return StreamPartition(stream, Partition(0))


def append(log: Log, *batches: Batch) -> list[int]:
    """Append them one after the other; the end that each was answered with."""
    appender = log.appender()
    futures = [appender.append(one) for one in batches]
    answers = [future.result(PATIENCE_SECONDS) for future in futures]
    return [answer.end[source(one.stream)] for one, answer in zip(batches, answers, strict=True)]


def reader_at(log: Log, position: int = 0, stream: StreamName = ORDERS) -> Reader:
    """A reader of that stream from there."""
    reader = log.reader()
    reader.assign({source(stream): Offset(position)})
    return reader


def read_all(reader: Reader, limit: Limit = PLENTY) -> list[StoredBatch]:
    """Batches until nothing comes any more."""
    batches: list[StoredBatch] = []
    while got := reader.read(limit, SOON_SECONDS):
        batches += got
    return batches


def payloads(batches: list[StoredBatch]) -> list[bytes]:
    """All events, in the order that they came."""
    return [payload for one in batches for payload in one.payloads.to_pylist()]


def offsets(batches: list[StoredBatch]) -> list[int]:
    """All offsets, in the order that they came."""
    return [offset for one in batches for offset in one.offsets.to_pylist()]


class LogContract:
    """One test for each sentence of the contract. Needs a fixture `log`: an empty `Log`."""

    @pytest.fixture(autouse=True)
    def _streams(self, log: Log) -> None:
        log.admin().create(ORDERS)

    # Appending

    def test_what_was_appended_is_read_once_and_in_order(self, log: Log) -> None:
        assert append(log, numbered(0, 3), numbered(3, 4), numbered(4, 10)) == [3, 4, 10]
        got = read_all(reader_at(log))
        assert payloads(got) == numbered(0, 10).payloads.to_pylist()
        assert offsets(got) == list(range(10))
        assert {one.source for one in got} == {source()}

    def test_types_are_those_of_the_batch_contract(self, log: Log) -> None:
        append(log, numbered(0, 3))
        (got,) = read_all(reader_at(log))
        assert got.payloads.type == pa.binary()
        assert got.offsets.type == pa.int64()
        assert got.ingest_times.type == INGEST_TIMES
        assert len(got.payloads) == len(got.offsets) == len(got.ingest_times) == 3
        assert got.next_offset == 3

    def test_ingest_times_are_of_the_append_and_never_go_back(self, log: Log) -> None:
        before = datetime.now(UTC) - timedelta(minutes=1)
        for start in range(0, 30, 10):
            append(log, numbered(start, start + 10))
        times = [time for one in read_all(reader_at(log)) for time in one.ingest_times.to_pylist()]
        assert times == sorted(times)
        assert before < times[0] <= times[-1] < datetime.now(UTC) + timedelta(minutes=1)

    def test_every_event_keeps_its_schema(self, log: Log) -> None:
        append(log, batch(b"a", schema_id=7), batch(b"b", schema_id=8), batch(b"c", schema_id=7))
        got = [(one.schema_id, one.payloads.to_pylist()) for one in read_all(reader_at(log))]
        assert got == [(7, [b"a"]), (8, [b"b"]), (7, [b"c"])]

    def test_any_bytes_are_kept(self, log: Log) -> None:
        odd = [b"", bytes(range(256)), b"\x00" * 100_000, b"x", b"", "жук".encode()]
        append(log, batch(*odd), batch(b""), batch(b"", b""))
        assert payloads(read_all(reader_at(log))) == [*odd, b"", b"", b""]

    def test_a_slice_of_an_array_is_stored_as_just_that(self, log: Log) -> None:
        whole = numbered(0, 100)
        part = Batch(stream=ORDERS, schema_id=SchemaId(1), payloads=whole.payloads.slice(40, 7))
        append(log, part)
        assert payloads(read_all(reader_at(log))) == part.payloads.to_pylist()

    def test_an_empty_batch_is_answered_and_not_stored(self, log: Log) -> None:
        appended = log.appender().append(batch()).result(PATIENCE_SECONDS)
        assert (appended.events, dict(appended.end)) == (0, {})
        assert log.admin().describe(ORDERS)[Partition(0)].end == 0

    def test_an_unknown_stream_fails_alone(self, log: Log) -> None:
        appender = log.appender()
        good = appender.append(numbered(0, 2))
        bad = appender.append(batch(b"x", stream=StreamName("nowhere")))
        also_good = appender.append(numbered(2, 4))
        assert isinstance(bad.exception(PATIENCE_SECONDS), NotFoundError)
        assert good.result(PATIENCE_SECONDS).end == {source(): 2}
        assert also_good.result(PATIENCE_SECONDS).end == {source(): 4}

    def test_streams_do_not_see_each_other(self, log: Log) -> None:
        log.admin().create(CLICKS)
        ends = append(log, numbered(0, 2), numbered(0, 5, stream=CLICKS), numbered(2, 3))
        assert ends == [2, 5, 3]
        assert payloads(read_all(reader_at(log))) == numbered(0, 3).payloads.to_pylist()
        assert payloads(read_all(reader_at(log, stream=CLICKS))) == (
            numbered(0, 5).payloads.to_pylist()
        )

    def test_threads_may_append_together_and_each_keeps_its_order(self, log: Log) -> None:
        appender = log.appender()

        def produce(thread: int) -> None:
            events = [b"%d %d" % (thread, number) for number in range(60)]
            futures = [appender.append(batch(one, one)) for one in events]
            for future in futures:
                future.result(PATIENCE_SECONDS)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(produce, range(4)))
        got = payloads(read_all(reader_at(log)))
        for thread in range(4):
            mine = [one for one in got if one.startswith(b"%d " % thread)]
            assert mine == [b"%d %d" % (thread, n // 2) for n in range(120)]
        assert len(got) == 4 * 120

    def test_a_future_can_not_be_cancelled(self, log: Log) -> None:
        future = log.appender().append(numbered(0, 1))
        assert not future.cancel()
        assert future.result(PATIENCE_SECONDS).events == 1

    def test_closing_the_appender_stores_what_was_taken(self, log: Log) -> None:
        appender = log.appender()
        futures = [appender.append(numbered(n, n + 1)) for n in range(50)]
        appender.close()
        assert all(future.done() for future in futures)
        assert payloads(read_all(reader_at(log))) == numbered(0, 50).payloads.to_pylist()

    def test_a_closed_appender_takes_nothing(self, log: Log) -> None:
        appender = log.appender()
        appender.close()
        appender.close()
        with pytest.raises(UnavailableError):
            appender.append(numbered(0, 1))

    # Reading

    def test_reading_starts_exactly_where_assigned(self, log: Log) -> None:
        append(log, numbered(0, 10), numbered(10, 20))
        for position in (0, 1, 9, 10, 11, 19):
            assert offsets(read_all(reader_at(log, position))) == list(range(position, 20))

    def test_assign_forgets_what_was_before(self, log: Log) -> None:
        append(log, numbered(0, 10))
        reader = reader_at(log)
        reader.read(Limit(events=3, nbytes=1_000_000), PATIENCE_SECONDS)
        reader.assign({source(): Offset(7)})
        assert offsets(read_all(reader)) == [7, 8, 9]
        reader.assign({})
        assert read_all(reader) == []

    def test_a_limit_of_events_is_kept(self, log: Log) -> None:
        append(log, numbered(0, 7), numbered(7, 8), numbered(8, 20))
        reader = reader_at(log)
        limit = Limit(events=3, nbytes=1_000_000)
        reads = []
        while got := reader.read(limit, SOON_SECONDS):
            reads.append(sum(map(len, got)))
            assert reads[-1] <= 3
        assert sum(reads) == 20

    def test_a_limit_of_bytes_is_kept(self, log: Log) -> None:
        events = [b"x" * size for size in (10, 400, 10, 10, 300, 0, 0, 90)]
        append(log, batch(*events[:4]), batch(*events[4:]))
        reader = reader_at(log)
        everything: list[bytes] = []
        while got := reader.read(Limit(events=1000, nbytes=420), SOON_SECONDS):
            assert sum(one.nbytes for one in got) <= 420
            everything += payloads(got)
        assert everything == events

    def test_a_larger_event_comes_alone(self, log: Log) -> None:
        append(log, batch(b"a", b"b" * 5000, b"c"))
        reader = reader_at(log)
        tight = Limit(events=1000, nbytes=100)
        reads = [payloads(reader.read(tight, PATIENCE_SECONDS)) for _ in range(3)]
        assert reads == [[b"a"], [b"b" * 5000], [b"c"]]

    def test_one_reader_reads_several_streams(self, log: Log) -> None:
        log.admin().create(CLICKS)
        append(log, numbered(0, 20), numbered(0, 20, stream=CLICKS))
        reader = log.reader()
        reader.assign({source(): Offset(5), source(CLICKS): Offset(15)})
        got = read_all(reader, Limit(events=4, nbytes=1_000_000))
        orders = [one for one in got if one.source == source()]
        clicks = [one for one in got if one.source == source(CLICKS)]
        assert offsets(orders) == list(range(5, 20))
        assert offsets(clicks) == list(range(15, 20))

    def test_a_read_without_events_ends_at_its_timeout(self, log: Log) -> None:
        append(log, numbered(0, 3))
        assert reader_at(log, 3).read(PLENTY, SOON_SECONDS) == []
        assert reader_at(log, 3).read(PLENTY, 0.0) == []

    def test_a_waiting_reader_is_woken_by_an_append(self, log: Log) -> None:
        reader = reader_at(log)
        started = threading.Event()

        def read() -> list[StoredBatch]:
            started.set()
            return reader.read(PLENTY, PATIENCE_SECONDS)

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            started.wait(PATIENCE_SECONDS)
            append(log, numbered(0, 1))
            assert payloads(reading.result(PATIENCE_SECONDS)) == [b"event 0"]

    def test_a_waiting_read_can_be_woken(self, log: Log) -> None:
        append(log, numbered(0, 1))
        reader = reader_at(log, 1)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(reader.read, PLENTY, 2 * PATIENCE_SECONDS)
            reader.wake()
            assert reading.result(PATIENCE_SECONDS) == []
        reader.wake()
        assert reader.read(PLENTY, 2 * PATIENCE_SECONDS) == []
        append(log, numbered(1, 2))
        assert payloads(reader.read(PLENTY, PATIENCE_SECONDS)) == [b"event 1"]

    def test_a_stream_made_after_assign_is_read(self, log: Log) -> None:
        reader = reader_at(log, stream=CLICKS)
        assert reader.read(PLENTY, SOON_SECONDS) == []
        log.admin().create(CLICKS)
        append(log, numbered(0, 2, stream=CLICKS))
        assert len(payloads(reader.read(PLENTY, PATIENCE_SECONDS))) == 2

    def test_a_position_behind_the_end_is_not_waited_at(self, log: Log) -> None:
        append(log, numbered(0, 3))
        with pytest.raises(BrokenError, match="4"):
            reader_at(log, 4).read(PLENTY, SOON_SECONDS)

    def test_a_reader_closes_twice(self, log: Log) -> None:
        reader = reader_at(log)
        reader.close()
        reader.close()

    # Administration

    def test_creating_a_stream_again_changes_nothing(self, log: Log) -> None:
        append(log, numbered(0, 3))
        log.admin().create(ORDERS)
        assert log.admin().describe(ORDERS)[Partition(0)].end == 3

    def test_a_stream_can_not_change_its_partitions(self, log: Log) -> None:
        with pytest.raises(RejectedError):
            log.admin().create(ORDERS, partitions=2)

    def test_streams_are_sorted(self, log: Log) -> None:
        log.admin().create(StreamName("zoo"))
        log.admin().create(CLICKS)
        assert log.admin().streams() == ["clicks", "orders", "zoo"]

    def test_describe_says_what_there_is(self, log: Log) -> None:
        empty = log.admin().describe(ORDERS)[Partition(0)]
        assert (empty.first, empty.end, empty.nbytes, empty.last_ingest_time) == (0, 0, 0, None)
        append(log, numbered(0, 100), numbered(100, 101))
        full = log.admin().describe(ORDERS)[Partition(0)]
        (*_, last) = read_all(reader_at(log))
        assert (full.first, full.end) == (0, 101)
        assert full.nbytes >= sum(map(len, numbered(0, 101).payloads.to_pylist()))
        assert full.last_ingest_time == last.ingest_times[-1].as_py()

    def test_an_unknown_stream_is_not_found(self, log: Log) -> None:
        nowhere = StreamName("nowhere")
        with pytest.raises(NotFoundError, match="nowhere"):
            log.admin().describe(nowhere)
        with pytest.raises(NotFoundError, match="nowhere"):
            log.admin().trim(nowhere, datetime.now(UTC))
        with pytest.raises(NotFoundError, match="nowhere"):
            log.admin().time_at(source(nowhere), Offset(0))
        with pytest.raises(NotFoundError, match="nowhere"):
            log.admin().groups(nowhere)

    def test_the_time_at_a_position_is_that_of_the_event_there(self, log: Log) -> None:
        append(log, numbered(0, 5))
        append(log, numbered(5, 6))
        append(log, batch(b"a", schema_id=2), numbered(7, 20))
        events = [
            (offset, time)
            for one in read_all(reader_at(log))
            for offset, time in zip(
                one.offsets.to_pylist(), one.ingest_times.to_pylist(), strict=True
            )
        ]
        told = [(at, log.admin().time_at(source(), Offset(at))) for at in range(20)]
        assert told == events

    def test_there_is_no_time_where_no_event_is_yet(self, log: Log) -> None:
        assert log.admin().time_at(source(), Offset(0)) is None
        append(log, numbered(0, 3))
        assert log.admin().time_at(source(), Offset(2)) is not None
        assert log.admin().time_at(source(), Offset(3)) is None
        assert log.admin().time_at(source(), Offset(1_000)) is None
        other = StreamPartition(ORDERS, Partition(1))
        assert log.admin().time_at(other, Offset(0)) is None

    def test_the_time_at_a_trimmed_position_is_that_of_the_oldest_left(self, log: Log) -> None:
        append(log, numbered(0, 3))
        log.admin().trim(ORDERS, datetime.now(UTC) + timedelta(days=1))
        append(log, numbered(3, 6))
        first = log.admin().describe(ORDERS)[Partition(0)].first
        oldest = read_all(reader_at(log))[0].ingest_times[0].as_py()
        assert log.admin().time_at(source(), Offset(0)) == oldest
        assert log.admin().time_at(source(), first) == oldest

    def test_describing_after_a_trim_counts_what_is_left(self, log: Log) -> None:
        append(log, numbered(0, 100))
        log.admin().trim(ORDERS, datetime.now(UTC) + timedelta(days=1))
        state = log.admin().describe(ORDERS)[Partition(0)]
        assert (state.nbytes == 0) == (state.first == state.end)

    def test_a_reader_keeps_its_own_place(self, log: Log) -> None:
        append(log, numbered(0, 3))
        reader = reader_at(log)
        read_all(reader)
        assert log.admin().groups(ORDERS) == []

    def test_trim_keeps_what_is_younger(self, log: Log) -> None:
        append(log, numbered(0, 10))
        assert log.admin().trim(ORDERS, datetime.now(UTC) - timedelta(days=1)) == 0
        assert offsets(read_all(reader_at(log))) == list(range(10))

    def test_what_trim_removed_is_counted_lost_and_offsets_go_on(self, log: Log) -> None:
        append(log, numbered(0, 10))
        reader = reader_at(log, 4)
        removed = log.admin().trim(ORDERS, datetime.now(UTC) + timedelta(days=1))
        state = log.admin().describe(ORDERS)[Partition(0)]
        assert (state.first, state.end) == (removed, 10)
        assert append(log, numbered(10, 12)) == [12]
        assert offsets(read_all(reader)) == list(range(max(removed, 4), 12))
        assert dict(reader.lost) == ({source(): removed - 4} if removed > 4 else {})

    def test_assign_starts_the_count_of_the_lost_anew(self, log: Log) -> None:
        append(log, numbered(0, 10))
        log.admin().trim(ORDERS, datetime.now(UTC) + timedelta(days=1))
        reader = reader_at(log)
        read_all(reader)
        reader.assign({source(): Offset(10)})
        assert dict(reader.lost) == {}

    def test_a_log_closes_twice(self, log: Log) -> None:
        log.appender().close()
        log.close()
        log.close()
