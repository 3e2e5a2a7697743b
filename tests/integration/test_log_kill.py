"""SIGKILL of the appending process, at seeded moments: what was acknowledged is there, once, in order, whole.

Run as a script it is that process: it appends batches to two streams and prints what was acknowledged.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Appended, Appender, Limit, Log
from bobr.log.sqlite import SqliteLog, database

STREAMS = (StreamName("orders"), StreamName("clicks"))
SOURCES = [StreamPartition(stream, Partition(0)) for stream in STREAMS]
KILLS = 10
ALL = Limit(events=10_000, nbytes=1 << 24)


def batch(rng: random.Random, stream: StreamName, start: int) -> Batch:
    """Events that say where they should lie and where their batch ends."""
    stop = start + rng.choice((1, 1, 10, 1000))
    padding = rng.randbytes(rng.choice((0, 100, 2000)))
    events = [b"%d %d %s" % (number, stop, padding) for number in range(start, stop)]
    schema_id = SchemaId(rng.choice((1, 2)))
    return Batch(stream=stream, schema_id=schema_id, payloads=pa.array(events, pa.binary()))


def announce(future: Future[Appended]) -> None:
    """To the pipe, whose content outlives this process."""
    ((source, end),) = future.result().end.items()
    os.write(1, b"%s %d\n" % (source.stream.encode(), end))


def produce(path: Path, seed: int) -> None:
    """Append until killed, with checkpoints much more often than usual."""
    database.CHECKPOINT_BYTES = 256 * 1024
    rng = random.Random(seed)
    log = SqliteLog(path)
    ends = {stream: int(log.admin().describe(stream)[Partition(0)].end) for stream in STREAMS}
    appender = log.appender()
    while True:
        append_some(appender, rng, ends)


def append_some(appender: Appender, rng: random.Random, ends: dict[StreamName, int]) -> None:
    """A few batches at once; returns when the last one is durable."""
    futures = []
    for _ in range(rng.randrange(1, 30)):
        stream = rng.choice(STREAMS)
        one = batch(rng, stream, ends[stream])
        ends[stream] += len(one)
        futures.append(appender.append(one))
        futures[-1].add_done_callback(announce)
    for future in futures:
        future.result()


def killed_after(path: Path, seed: int, acknowledgements: int) -> Counter[str]:
    """The highest acknowledged end of each stream, of a process that is killed after so many answers."""
    command = [sys.executable, __file__, str(path), str(seed)]
    acknowledged: Counter[str] = Counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout):
            stream, end = line.decode().split()
            acknowledged[stream] = max(acknowledged[stream], int(end))
            if count == acknowledgements:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return acknowledged


def stored(log: Log, since: dict[StreamPartition, Offset]) -> Iterator[tuple[str, int, bytes]]:
    """Everything from there: stream, offset, event."""
    with closing(log.reader()) as reader:
        reader.assign(since)
        while batches := reader.read(ALL, 0.0):
            for one in batches:
                for offset, event in zip(
                    one.offsets.to_pylist(), one.payloads.to_pylist(), strict=True
                ):
                    yield one.source.stream, offset, event
        assert dict(reader.lost) == {}


@pytest.mark.parametrize("seed", [1, 20_261_124])
def test_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    print(f"{seed=}")
    rng = random.Random(seed)
    path = tmp_path / "log.db"
    with closing(SqliteLog(path)) as log:
        for name in STREAMS:
            log.admin().create(name)
    ends = dict.fromkeys(SOURCES, Offset(0))
    for _ in range(KILLS):
        acknowledged = killed_after(path, rng.randrange(1 << 30), rng.randrange(1, 200))
        with closing(SqliteLog(path)) as log:
            last = {}
            for stream, offset, event in stored(log, ends):
                source = StreamPartition(StreamName(stream), Partition(0))
                assert offset == ends[source] == int(event.split(b" ", 1)[0])
                ends[source] = Offset(offset + 1)
                last[source] = int(event.split(b" ", 2)[1])
            for source, end in ends.items():
                assert end >= acknowledged[source.stream]
                assert last.get(source, end) == end, "half of a batch"


if __name__ == "__main__":
    produce(Path(sys.argv[1]), int(sys.argv[2]))
