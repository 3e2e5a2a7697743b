"""The embedded log beside a bare SQLite loop that stores the same bytes in as many transactions.

    python -m bench.append

One thread, one batch in flight, so every batch is a commit of its own; then a full queue, where they share commits;
then reading it all. Events are nested protobuf messages of about 200 bytes, half of them random text.
"""

import random
import sqlite3
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bobr.batch import Batch
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Appended, Limit
from bobr.log.sqlite import SqliteLog
from bobr.log.sqlite.database import CHECKPOINT_BYTES, PAGE_BYTES
from bobr.v1.broker_pb2 import PublishResponse, Rejection

STREAM = StreamName("orders")
COMMITS = {1000: 1000, 100: 2000, 1: 2000}
"""Events a batch → batches."""
QUEUED = 100
"""Batches in flight where the queue is kept full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run. latencies: seconds from append to durable."""

    events: int
    seconds: float
    latencies: Sequence[float] = (0.0,)

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    def __str__(self) -> str:
        """Rate and latencies."""
        ms = [f"{1000 * self.quantile(q):.1f}" for q in (0.5, 0.99, 1.0)]
        return f"{self.rate:10,.0f} events/s   p50 {ms[0]}  p99 {ms[1]}  max {ms[2]} ms"

    def quantile(self, part: float) -> float:
        """Of the latencies."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def event(rng: random.Random) -> bytes:
    """About 200 bytes: nested, repeated, strings and numbers."""
    rejected = [
        Rejection(
            index=rng.randrange(1 << 28),
            reason="REASON_INVALID",
            field=f"items[{rng.randrange(20)}].{rng.choice(('price', 'sku', 'quantity'))}",
            rule=rng.choice(("string.uuid", "int32.gte", "double.finite")),
            message=str(uuid.UUID(int=rng.getrandbits(128))),
        )
        for _ in range(3)
    ]
    return PublishResponse(accepted=rng.randrange(1 << 30), rejected=rejected).SerializeToString()


def batches(size: int, count: int) -> list[Batch]:
    """So many batches of so many events."""
    rng = random.Random(size)
    pool = pa.array([event(rng) for _ in range(max(size, 50_000))], pa.binary())
    starts = [index * size % (len(pool) - size + 1) for index in range(count)]
    return [
        Batch(stream=STREAM, schema_id=SchemaId(1), payloads=pool.slice(start, size))
        for start in starts
    ]


def bare(folder: Path, work: Sequence[Batch]) -> Measured:
    """The floor: one insert and one commit for each batch, without offsets, times, checks or threads."""
    bodies = [b"".join(batch.payloads.to_pylist()) for batch in work]
    latencies = []
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        connection.execute(f"pragma page_size = {PAGE_BYTES}")
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_BYTES // PAGE_BYTES}")
        connection.execute("create table chunk (id integer primary key, body blob)")
        for body in bodies:
            began = time.perf_counter()
            connection.execute("begin immediate")
            connection.execute("insert into chunk (body) values (?)", (body,))
            connection.execute("commit")
            latencies.append(time.perf_counter() - began)
    events = sum(map(len, work))
    return Measured(events=events, seconds=sum(latencies), latencies=latencies)


def appended(log: SqliteLog, work: Sequence[Batch], in_flight: int) -> Measured:
    """The log, with so many batches under way."""
    appender = log.appender()
    waiting: deque[tuple[float, Future[Appended]]] = deque()
    latencies = []
    began = time.perf_counter()
    for batch in work:
        waiting.append((time.perf_counter(), appender.append(batch)))
        if len(waiting) == in_flight:
            start, future = waiting.popleft()
            future.result()
            latencies.append(time.perf_counter() - start)
    for _, future in waiting:
        future.result()
    seconds = time.perf_counter() - began
    return Measured(events=sum(map(len, work)), seconds=seconds, latencies=latencies)


def read(log: SqliteLog) -> Measured:
    """All of the stream, as a transmitter reads it."""
    limit = Limit(events=100_000, nbytes=64 * 1024 * 1024)
    reader = log.reader()
    reader.assign({StreamPartition(STREAM, Partition(0)): Offset(0)})
    began, events = time.perf_counter(), 0
    while got := reader.read(limit, 0.0):
        events += sum(map(len, got))
    seconds = time.perf_counter() - began
    reader.close()
    return Measured(events=events, seconds=seconds)


def run(folder: Path, size: int, count: int) -> None:
    """Both sides with batches of one size."""
    work = batches(size, count)
    floor = bare(folder, work)
    with closing(SqliteLog(folder / "log.db")) as log:
        log.admin().create(STREAM)
        ours = appended(log, work, in_flight=1)
        queued = appended(log, work, in_flight=QUEUED)
        back = read(log)
    print(f"{size:,} events a batch, {work[0].nbytes / size:.0f} bytes each")
    print(f"  bare SQLite      {floor}")
    print(f"  log              {ours}   {ours.rate / floor.rate:.0%}")
    print(f"  log, {QUEUED} queued  {queued}   {queued.rate / floor.rate:.0%}")
    print(f"  read back        {back.rate:10,.0f} events/s")


def main() -> None:
    """Print the figures."""
    for size, count in COMMITS.items():
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            run(Path(folder), size, count)


if __name__ == "__main__":
    main()
