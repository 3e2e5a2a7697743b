"""The embedded log does, step by step, what the one in memory does; reopened in between and in small chunks too."""

import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bobr.batch import Batch, StoredBatch
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Limit, Log
from bobr.log.sqlite import SqliteLog, chunk
from bobr.testing.clock import ManualClock
from bobr.testing.log import MemoryLog

ORDERS = StreamName("orders")
SOURCE = StreamPartition(ORDERS, Partition(0))
HOUR = timedelta(hours=1)
START = datetime(2026, 6, 1, tzinfo=UTC)

events = st.lists(st.binary(max_size=40), max_size=12)
appends = st.tuples(st.just("append"), st.integers(1, 2), events)
moves = st.tuples(st.just("move"), st.integers(-5, 5))
trims = st.tuples(st.just("trim"), st.integers(-1, 5), st.floats(0, 1))
assigns = st.tuples(st.just("assign"), st.floats(0, 1))
reads = st.tuples(st.just("read"), st.integers(1, 20), st.integers(1, 200))
steps = st.lists(st.one_of(appends, appends, reads, reads, moves, trims, assigns), max_size=25)


def facts(batches: list[StoredBatch]) -> list[tuple[object, ...]]:
    """Each event with all that belongs to it, however they are batched."""
    return [
        (one.source, one.schema_id, *event)
        for one in batches
        for event in zip(
            one.offsets.to_pylist(),
            one.ingest_times.to_pylist(),
            one.payloads.to_pylist(),
            strict=True,
        )
    ]


class Subject:
    """A log with a clock and a reader of its own, taking steps."""

    def __init__(self, log: Log, clock: ManualClock) -> None:
        self.log, self.clock = log, clock
        self.log.admin().create(ORDERS)
        self.reader = log.reader()
        self.reader.assign({SOURCE: Offset(0)})
        self.ends = [0]

    def take(self, name: str, *arguments: object) -> object:
        """One step: what it answers, and how the stream is then."""
        answer = getattr(self, name)(*arguments)
        return answer, dict(self.reader.lost), self.log.admin().describe(ORDERS)

    def append(self, schema_id: int, payloads: list[bytes]) -> object:
        array = pa.array(payloads, pa.binary())
        batch = Batch(stream=ORDERS, schema_id=SchemaId(schema_id), payloads=array)
        appended = self.log.appender().append(batch).result()
        self.ends += appended.end.values()
        return appended.events, dict(appended.end)

    def move(self, hours: int) -> None:
        self.clock.move(hours * HOUR)

    def trim(self, hours: int, part: float) -> int:
        """At most to the end of some batch; in the middle of one they may differ."""
        upto = Offset(self.ends[int(part * (len(self.ends) - 1))])
        return self.log.admin().trim(ORDERS, self.clock.now() - hours * HOUR, {SOURCE: upto})

    def assign(self, part: float) -> None:
        state = self.log.admin().describe(ORDERS)[Partition(0)]
        self.reader.assign({SOURCE: Offset(int(part * state.end))})

    def read(self, limit: int, nbytes: int) -> object:
        return facts(self.reader.read(Limit(events=limit, nbytes=nbytes), 0.0))

    def close(self) -> None:
        self.reader.close()
        self.log.close()


@settings(deadline=None, max_examples=60)
@given(steps=steps, chunk_bytes=st.sampled_from([16, 100, 1 << 20]))
def test_both_logs_answer_alike(steps: list[tuple[object, ...]], chunk_bytes: int) -> None:
    clocks = ManualClock(START), ManualClock(START)
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        closing(Subject(MemoryLog(clock=clocks[0]), clocks[0])) as model,
        closing(Subject(SqliteLog(Path(folder) / "log.db", clock=clocks[1]), clocks[1])) as real,
    ):
        patch.setattr(chunk, "CHUNK_BYTES", chunk_bytes)
        for name, *arguments in steps:
            assert real.take(str(name), *arguments) == model.take(str(name), *arguments)
