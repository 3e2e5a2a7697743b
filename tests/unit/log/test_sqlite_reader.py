"""What the reader does with small chunks, damaged ones, and commits of others."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from bobr.batch import Batch, StoredBatch
from bobr.errors import BrokenError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Limit
from bobr.log.sqlite import SqliteLog
from bobr.log.sqlite.reader import SqliteReader

Sql = Callable[..., list[tuple[int, ...]]]
ORDERS = StreamName("orders")
SOURCE = StreamPartition(ORDERS, Partition(0))
ALL = Limit(events=1_000_000, nbytes=1 << 26)


def put(log: SqliteLog, *counts: int, schema_id: int = 1) -> None:
    """Chunks of so many events, each saying its offset."""
    for count in counts:
        (state,) = log.admin().describe(ORDERS).values()
        payloads = pa.array([b"%d" % (state.end + n) for n in range(count)], pa.binary())
        batch = Batch(stream=ORDERS, schema_id=SchemaId(schema_id), payloads=payloads)
        log.appender().append(batch).result()


def reader_at(log: SqliteLog, position: int = 0) -> SqliteReader:
    reader = log.reader()
    reader.assign({SOURCE: Offset(position)})
    return reader


def offsets(batches: list[StoredBatch]) -> list[int]:
    for batch in batches:
        assert batch.payloads.to_pylist() == [
            b"%d" % offset for offset in batch.offsets.to_pylist()
        ]
    return [offset for batch in batches for offset in batch.offsets.to_pylist()]


def test_many_small_chunks_come_as_one_batch(log: SqliteLog) -> None:
    put(log, *[1] * 50)
    with closing(reader_at(log)) as reader:
        (batch,) = reader.read(ALL, 0)
    assert offsets([batch]) == list(range(50))


def test_a_change_of_schema_parts_batches(log: SqliteLog) -> None:
    put(log, 2, 2)
    put(log, 3, schema_id=2)
    put(log, 1)
    with closing(reader_at(log, 1)) as reader:
        batches = reader.read(ALL, 0)
    assert [(batch.schema_id, len(batch)) for batch in batches] == [(1, 3), (2, 3), (1, 1)]


def test_a_large_chunk_is_read_from_disk_once(log: SqliteLog, sql: Sql) -> None:
    put(log, 100)
    with closing(reader_at(log)) as reader:
        first = reader.read(Limit(events=10, nbytes=1 << 20), 0)
        sql("delete from chunk")
        rest = [reader.read(Limit(events=30, nbytes=1 << 20), 0) for _ in range(3)]
    assert offsets(first + [batch for batches in rest for batch in batches]) == list(range(100))


def test_partitions_take_turns(log: SqliteLog) -> None:
    clicks = StreamPartition(StreamName("clicks"), Partition(0))
    log.admin().create(clicks.stream)
    put(log, 10)
    events = pa.array([b"c"] * 10, pa.binary())
    batch = Batch(stream=clicks.stream, schema_id=SchemaId(1), payloads=events)
    log.appender().append(batch).result()
    with closing(log.reader()) as reader:
        reader.assign({SOURCE: Offset(0), clicks: Offset(0)})
        two = [reader.read(Limit(events=4, nbytes=1 << 20), 0) for _ in range(2)]
    assert {batch.source for batches in two for batch in batches} == {SOURCE, clicks}


@pytest.mark.parametrize("damaged", [{0}, {2}, {4}, {1, 2}, {3, 4}, {0, 1, 2, 3, 4}])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_damaged_chunks_are_passed_over_counted_and_named(
    log: SqliteLog, sql: Sql, damaged: set[int], limit: int
) -> None:
    put(log, *[10] * 5)
    for chunk in damaged:
        sql("update chunk set body = zeroblob(length(body)) where first = ?", 10 * chunk)
    got: list[StoredBatch] = []
    with closing(reader_at(log, 5)) as reader, capture_logs() as logged:
        while batches := reader.read(Limit(events=limit, nbytes=1 << 20), 0.0):
            got += batches
        lost = reader.lost
        put(log, 1)
        assert offsets(reader.read(ALL, 10.0)) == [50]
    good = [offset for offset in range(5, 50) if offset // 10 not in damaged]
    assert offsets(got) == good
    assert dict(lost) == {SOURCE: 45 - len(good)}
    assert [(line["stream"], line["first_offset"], line["events"]) for line in logged] == [
        ("orders", 10 * chunk, 10) for chunk in sorted(damaged)
    ]


@pytest.mark.parametrize("column", ["events", "size", "schema_id", "ingest_time", "crc"])
@pytest.mark.parametrize("value", [-5, 0, 1 << 40])
def test_a_row_that_lies_hides_no_other(log: SqliteLog, sql: Sql, column: str, value: int) -> None:
    put(log, 10, 10, 10)
    sql(f"update chunk set {column} = ? where first = 10", value)
    with closing(reader_at(log)) as reader:
        got = offsets([batch for _ in range(30) for batch in reader.read(ALL, 0.0)])
        assert sum(reader.lost.values()) == 10
    assert got == [*range(10), *range(20, 30)]


def test_what_is_behind_retention_is_lost_even_before_the_next_event(
    log: SqliteLog, sql: Sql
) -> None:
    put(log, 10)
    sql("delete from chunk")
    with closing(reader_at(log, 4)) as reader:
        assert reader.read(ALL, 0.0) == []
        assert dict(reader.lost) == {SOURCE: 6}


def test_a_commit_of_another_opener_wakes_the_reader(path: Path, log: SqliteLog) -> None:
    waiting = threading.Event()

    def read() -> list[StoredBatch]:
        with closing(reader_at(log)) as reader:
            assert reader.read(ALL, 0.0) == []
            waiting.set()
            return reader.read(ALL, 60.0)

    with closing(SqliteLog(path)) as other, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        assert waiting.wait(60.0)
        put(other, 3)
        assert offsets(reading.result(60.0)) == [0, 1, 2]


def test_an_idle_reader_lets_the_wal_start_anew(path: Path, log: SqliteLog, sql: Sql) -> None:
    put(log, 10)
    with closing(reader_at(log)) as reader:
        reader.read(ALL, 0.0)
        reader.read(ALL, 0.0)
        assert sql("pragma wal_checkpoint(truncate)")[0][0] == 0
    assert path.with_name("log.db-wal").stat().st_size == 0


def test_a_waiting_reader_looks_once_however_busy_other_streams_are(log: SqliteLog) -> None:
    log.admin().create(StreamName("idle"))
    statements: list[str] = []
    with closing(log.reader()) as idle, closing(reader_at(log)) as busy:
        idle.assign({StreamPartition(StreamName("idle"), Partition(0)): Offset(0)})
        idle._connection.set_trace_callback(statements.append)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(idle.read, ALL, 600.0)
            for _ in range(20):
                put(log, 1)
                busy.read(ALL, 60.0)
            idle.wake()
            assert waiting.result(60.0) == []
    looks = [statement for statement in statements if statement.startswith("begin")]
    assert len(looks) == 2


def test_who_waits_is_told_that_the_log_can_not_be_read(log: SqliteLog, sql: Sql) -> None:
    with closing(reader_at(log)) as reader, ThreadPoolExecutor(1) as pool:
        assert (
            reader.read(ALL, 0.01) == []
        )  # what looks for it has begun, and does not open the log after this
        waiting = pool.submit(reader.read, ALL, 600.0)
        sql("pragma writable_schema = on")
        sql("update sqlite_schema set sql = 'no sql' where name = 'stream'")
        sql("pragma schema_version = 1000")
        with pytest.raises(BrokenError, match="is damaged"):
            waiting.result(60.0)


def test_a_closed_log_has_no_thread_left(path: Path) -> None:
    with closing(SqliteLog(path)) as log:
        log.admin().create(ORDERS)
        with closing(reader_at(log)) as reader:
            assert reader.read(ALL, 0.01) == []
        assert "bobr-log-ends" in {thread.name for thread in threading.enumerate()}
    assert "bobr-log-ends" not in {thread.name for thread in threading.enumerate()}
