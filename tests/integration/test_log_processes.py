"""One process appends while others read and trim.

Run as a script it is the process that appends.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from bobr.batch import Batch
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Limit
from bobr.log.sqlite import SqliteLog

ORDERS = StreamName("orders")
SOURCE = StreamPartition(ORDERS, Partition(0))
BATCHES = 500
EVENTS = 20
TOTAL = BATCHES * EVENTS
PATIENCE_SECONDS = 60.0


def produce(path: Path) -> None:
    """All events, each saying its offset."""
    with closing(SqliteLog(path)) as log:
        appender = log.appender()
        for start in range(0, TOTAL, EVENTS):
            events = [b"%d" % number for number in range(start, start + EVENTS)]
            payloads = pa.array(events, pa.binary())
            appender.append(Batch(stream=ORDERS, schema_id=SchemaId(1), payloads=payloads)).result()


def follow(path: Path) -> tuple[list[int], int]:
    """Read to the end as it is written: the offsets that came, and how many were lost."""
    offsets: list[int] = []
    with closing(SqliteLog(path)) as log, closing(log.reader()) as reader:
        reader.assign({SOURCE: Offset(0)})
        while len(offsets) + sum(reader.lost.values()) < TOTAL:
            batches = reader.read(Limit(events=70, nbytes=1 << 20), PATIENCE_SECONDS)
            assert batches or sum(reader.lost.values()), "nothing came"
            for batch in batches:
                offsets += batch.offsets.to_pylist()
                assert batch.payloads.to_pylist() == [b"%d" % n for n in batch.offsets.to_pylist()]
    return offsets, sum(reader.lost.values())


def started(path: Path) -> "subprocess.Popen[bytes]":
    """The stream, and the process that writes it."""
    with closing(SqliteLog(path)) as log:
        log.admin().create(ORDERS)
    return subprocess.Popen([sys.executable, __file__, str(path)])


def test_readers_follow_an_appender(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with started(path) as producer, ThreadPoolExecutor(2) as pool:
        followed = list(pool.map(follow, [path, path]))
    assert producer.returncode == 0
    assert followed == [(list(range(TOTAL)), 0)] * 2


def test_what_a_trim_takes_from_a_reader_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    removed = 0
    with started(path) as producer, ThreadPoolExecutor(1) as pool, closing(SqliteLog(path)) as log:
        reading = pool.submit(follow, path)
        while wait([reading], timeout=0.01).not_done:
            removed += log.admin().trim(ORDERS, datetime.now(UTC))
        offsets, lost = reading.result()
        removed += log.admin().trim(ORDERS, datetime.now(UTC))
    assert producer.returncode == 0
    assert offsets == sorted(set(offsets))
    assert len(offsets) + lost == removed == TOTAL


if __name__ == "__main__":
    produce(Path(sys.argv[1]))
