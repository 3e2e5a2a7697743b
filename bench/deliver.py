"""Log → Iceberg table, beside a raw Parquet write of the same columns in the same run.

    python -m bench.deliver [events]

Each event is read, decoded, deduplicated, written and committed, by one pipeline as it runs in the
transmitter. Below the target a profile of the pipeline's thread says where the time goes.
"""

import cProfile
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from bench.load import MESSAGE, Rate, event_type, events
from bobr.batch import INGEST_TIMES, Batch
from bobr.catalog import BUILT_IN, Delivery, Stream
from bobr.ids import DeliveryName, Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log.sqlite import SqliteLog
from bobr.testing.sink_contract import deliver, schema_of
from bobr.transmitter.dedup import DedupIndex
from bobr.transmitter.pipeline import Pipeline
from bobr.transmitter.plan import Plan
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.sinks.iceberg.query import connect
from bobr.transmitter.wiring import Wiring

EVENTS = 600_000
TARGET = 200_000
ORDERS = StreamName("orders")
SCHEMA = SchemaId(1)
READ = 32_768
COMMITS = 200


def main(count: int = EVENTS) -> None:
    """Print one line for each figure."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    payloads = events(count)
    print(f"deliver: {count:,} events of {sum(map(len, payloads)) / count:.0f} bytes")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        with closing(_log(Path(folder) / "log.db", payloads)) as log:
            raw = _show("raw Parquet write, zstd 1", _raw_write(Path(folder), payloads))
            _show("decode alone", _decode(payloads))
            _show("the same ids in a dedup index", _dedup(count))
            _show("log → table, no dedup", _deliver(Path(folder), log, count, dedup_seconds=0))
            whole = _show("log → table", _deliver(Path(folder), log, count))
            print(f"  {whole.per_second / raw.per_second:.0%} of the raw write")
            if whole.per_second < TARGET:
                _profile(lambda: _deliver(Path(folder), log, count))
        _commits(Path(folder))


def _arrays(payloads: Sequence[bytes], size: int) -> Iterator[pa.BinaryArray]:
    for start in range(0, len(payloads), size):
        yield pa.array(payloads[start : start + size], pa.binary())


def _log(path: Path, payloads: Sequence[bytes]) -> SqliteLog:
    """The events in one stream, as a broker appends them: 1,000 a batch."""
    log = SqliteLog(path)
    log.admin().create(ORDERS)
    appender = log.appender()
    for array in _arrays(payloads, 1000):
        appender.append(Batch(stream=ORDERS, schema_id=SCHEMA, payloads=array)).result()
    return log


def _show(what: str, rate: Rate) -> Rate:
    print(f"  {what:<32} {rate.per_second:>10,.0f} rows/s")
    return rate


def _raw_write(folder: Path, payloads: Sequence[bytes]) -> Rate:
    decode = event_type().decode
    table = pa.Table.from_batches([decode(array).columns for array in _arrays(payloads, 100_000)])
    started = time.perf_counter()
    pq.write_table(table, folder / "raw.parquet", compression="zstd", compression_level=1)
    return Rate(count=len(payloads), seconds=time.perf_counter() - started)


def _decode(payloads: Sequence[bytes]) -> Rate:
    arrays = list(_arrays(payloads, READ))
    started = time.perf_counter()
    for array in arrays:
        event_type().decode(array)
    return Rate(count=len(payloads), seconds=time.perf_counter() - started)


def _dedup(count: int) -> Rate:
    ids = [
        pa.array([f"{n:036x}" for n in range(start, start + READ)])
        for start in range(0, count, READ)
    ]
    times = pa.repeat(pa.scalar(datetime.now(UTC), INGEST_TIMES), READ)
    index = DedupIndex(3600)
    started = time.perf_counter()
    for some in ids:
        index.fresh(some, times)
        index.commit()
    return Rate(count=count, seconds=time.perf_counter() - started)


def _deliver(folder: Path, log: SqliteLog, count: int, dedup_seconds: int = 24 * 3600) -> Rate:
    """A new table each time."""
    lake = IcebergConfig.in_folder(folder / f"lake-{dedup_seconds}-{time.monotonic_ns()}")
    delivery = Delivery(
        name=DeliveryName("d"), stream=ORDERS, table="orders", dedup_seconds=dedup_seconds
    )
    pipeline = Pipeline(
        Plan(
            delivery=delivery,
            stream=Stream(name=ORDERS, message=MESSAGE, schema_ids=(SCHEMA,)),
            destination=BUILT_IN,
        ),
        Wiring(
            sink=lambda delivery, _destination: IcebergSink(lake, delivery.table),
            log=log,
            types=lambda message, schema_id: event_type(),
        ),
    )
    pipeline.step()
    started = time.perf_counter()
    _step_until(pipeline, count)
    rate = Rate(count=count, seconds=time.perf_counter() - started)
    pipeline.stop()
    pipeline.run()
    with connect(lake) as connection:
        assert connection.sql("SELECT count(*) FROM orders").fetchall() == [(count,)]
    return rate


def _step_until(pipeline: Pipeline, end: int) -> None:
    source = StreamPartition(ORDERS, Partition(0))
    while (committed := pipeline.status.positions.get(source, Offset(0))) < end:
        if pipeline.status.held == end - committed:
            pipeline.stop()  # which commits the rest
        pipeline.step()


def _profile(work: Callable[[], Rate]) -> None:
    profile = cProfile.Profile()
    profile.runcall(work)
    pstats.Stats(profile).sort_stats("tottime").print_stats(12)


def _commits(folder: Path) -> None:
    """How long a commit of one row takes, as snapshots collect and after they are forgotten."""
    sink = IcebergSink(IcebergConfig.in_folder(folder / "commits"), "t")
    sink.open(schema_of())
    seconds = [_commit_seconds(sink, offset) for offset in range(COMMITS)]
    first, last = statistics.median(seconds[:20]), statistics.median(seconds[-20:])
    sink.maintain(timedelta(0))
    after = statistics.median(_commit_seconds(sink, COMMITS + offset) for offset in range(20))
    sink.close()
    print(f"  commit {first * 1000:.0f} ms, {last * 1000:.0f} ms at {COMMITS} snapshots", end="")
    print(f", {after * 1000:.0f} ms when they are forgotten")


def _commit_seconds(sink: IcebergSink, offset: int) -> float:
    started = time.perf_counter()
    deliver(sink, offset, offset + 1)
    return time.perf_counter() - started


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
