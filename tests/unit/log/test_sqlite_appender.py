"""The queue before the disk: its limits, its answers, and what becomes of it when things break."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.errors import BrokenError, OverloadedError, RejectedError, UnavailableError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Limit
from bobr.log.sqlite import SqliteLimits, SqliteLog, database
from bobr.log.sqlite import appender as module
from bobr.testing.clock import ManualClock

Sql = Callable[..., list[tuple[int, ...]]]
ORDERS = StreamName("orders")
SOURCE = StreamPartition(ORDERS, Partition(0))
ALL = Limit(events=1_000_000, nbytes=1 << 26)


def batch(count: int, size: int = 8) -> Batch:
    payloads = pa.array([b"x" * size] * count, pa.binary())
    return Batch(stream=ORDERS, schema_id=SchemaId(1), payloads=payloads)


@pytest.fixture
def narrow(path: Path, log: SqliteLog) -> Iterator[SqliteLog]:
    """The same log, with little room for what waits."""
    limits = SqliteLimits(waiting_events=10, waiting_bytes=1000)
    with closing(SqliteLog(path, limits=limits)) as narrow:
        yield narrow


def test_what_passes_the_limit_of_events_is_refused_at_once(narrow: SqliteLog, sql: Sql) -> None:
    appender = narrow.appender()
    sql("begin immediate")  # the disk is busy
    taken = [appender.append(batch(6)), appender.append(batch(4))]
    with pytest.raises(OverloadedError, match="10 events of 120 bytes wait") as refused:
        appender.append(batch(1))
    assert refused.value.retry_after_seconds > 0
    sql("rollback")
    assert [future.result().end[SOURCE] for future in taken] == [6, 10]
    assert appender.append(batch(10)).result().end[SOURCE] == 20


def test_what_passes_the_limit_of_bytes_is_refused_at_once(narrow: SqliteLog, sql: Sql) -> None:
    appender = narrow.appender()
    sql("begin immediate")
    taken = appender.append(batch(1, 900))
    with pytest.raises(OverloadedError):
        appender.append(batch(1, 100))
    sql("rollback")
    assert taken.result().events == 1


def test_one_batch_larger_than_the_limits_is_let_in_alone(narrow: SqliteLog, sql: Sql) -> None:
    appender = narrow.appender()
    sql("begin immediate")
    taken = appender.append(batch(50, 500))
    with pytest.raises(OverloadedError):
        appender.append(batch(1))
    sql("rollback")
    assert taken.result().events == 50


def test_an_acknowledged_batch_has_left_the_queue(narrow: SqliteLog) -> None:
    appender = narrow.appender()
    for number in range(1, 200):
        assert appender.append(batch(10)).result().end[SOURCE] == 10 * number


def test_an_event_that_no_row_can_hold_is_rejected(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVENT_BYTES_MAX", 1000)
    with pytest.raises(RejectedError, match="1,001 bytes for orders"):
        log.appender().append(batch(1, 1001))
    assert log.appender().append(batch(3, 1000)).result().events == 3


def test_what_waits_together_is_stored_together(log: SqliteLog, sql: Sql) -> None:
    appender = log.appender()
    sql("begin immediate")
    futures = [appender.append(batch(1)) for _ in range(500)]
    sql("rollback")
    assert [future.result().end[SOURCE] for future in futures] == list(range(1, 501))
    # The thread took the first few before the others came; all others share a chunk.
    assert sql("select count(*) from chunk")[0][0] <= 2


def test_a_failed_flush_stores_nothing_and_the_next_one_works(
    path: Path, log: SqliteLog, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    appender = log.appender()
    sql("begin immediate")
    failed = appender.append(batch(3))
    assert isinstance(failed.exception(), UnavailableError)
    sql("rollback")
    assert sql("select count(*) from chunk") == [(0,)]
    assert appender.append(batch(4)).result().end[SOURCE] == 4


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_writer_dies_no_future_stays_open(log: SqliteLog, sql: Sql) -> None:
    appender = log.appender()
    sql("begin immediate")
    futures = [appender.append(batch(1)) for _ in range(10)]
    sql("drop table chunk")
    sql("commit")
    assert {type(future.exception()) for future in futures} == {BrokenError}
    appender.close()
    with pytest.raises(UnavailableError):
        appender.append(batch(1))


def test_after_close_there_is_a_new_appender(log: SqliteLog) -> None:
    first = log.appender()
    assert log.appender() is first
    first.close()
    assert log.appender().append(batch(1)).result().events == 1


def test_several_appenders_share_the_offsets(path: Path, log: SqliteLog) -> None:
    with closing(SqliteLog(path)) as other:
        mine, theirs = log.appender(), other.appender()
        futures = [which.append(batch(2)) for _ in range(100) for which in (mine, theirs)]
        ends = sorted(future.result().end[SOURCE] for future in futures)
    assert ends == list(range(2, 401, 2))


def test_ingest_time_stands_while_the_clock_is_behind(
    path: Path, log: SqliteLog, clock: ManualClock
) -> None:
    began = clock.now()
    log.appender().append(batch(1)).result()
    clock.move(timedelta(hours=-1))
    log.appender().append(batch(1)).result()
    log.close()
    with closing(SqliteLog(path, clock=clock)) as again:
        again.appender().append(batch(1)).result()
        clock.move(timedelta(hours=2))
        again.appender().append(batch(1)).result()
        reader = again.reader()
        reader.assign({SOURCE: Offset(0)})
        times = [t for got in reader.read(ALL, 0) for t in got.ingest_times.to_pylist()]
        reader.close()
    assert times == [began, began, began, began + timedelta(hours=1)]
