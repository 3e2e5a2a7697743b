"""Log → pipeline → Iceberg → SQL, with kills, twins, duplicates and two schemas: each event once."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bobr.batch import Batch
from bobr.ids import SchemaId, StreamName
from bobr.log import Log
from bobr.log.sqlite import SqliteLog
from bobr.schema.source.compile import compile_files
from bobr.transmitter.sinks.iceberg import IcebergConfig
from bobr.transmitter.sinks.iceberg.query import connect

PROCESS = Path(__file__).with_name("transmitter_process.py")
ORDERS = StreamName("orders")
WRITER_PROTO = """
syntax = "proto3";
message Order { string event_id = 1; int64 number = 2; repeated Item items = 3;
  message Item { string sku = 1; int32 count = 2; } }
"""
"""As the newer of the two schemas in `transmitter_process.py`."""

Row = tuple[int, str, int, str, int | None]
"""Offset, id, number, sku and count of the first item."""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = SqliteLog(tmp_path / "log.db")
    log.admin().create(ORDERS)
    yield log
    log.close()


def order_class() -> type[Message]:
    files: FileDescriptorSet = compile_files({"o.proto": WRITER_PROTO}, "o.proto")
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("Order"))


@dataclass
class Producer:
    """Publishes orders, some of them again, and keeps the ledger of what the table must hold."""

    log: Log
    random: random.Random
    order: type[Message] = field(default_factory=order_class)
    ledger: list[Row] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    end: int = 0

    def publish(self, batches: int) -> None:
        appender = self.log.appender()
        for _ in range(batches):
            schema_id = self.random.choice([1, 2])
            payloads = [self._payload(schema_id) for _ in range(self.random.randint(1, 40))]
            array = pa.array(payloads, pa.binary())
            batch = Batch(stream=ORDERS, schema_id=SchemaId(schema_id), payloads=array)
            appender.append(batch).result()

    def _payload(self, schema_id: int) -> bytes:
        offset, self.end = self.end, self.end + 1
        again = bool(self.ids) and self.random.random() < 0.3
        event_id = self.random.choice(self.ids[-200:]) if again else f"order-{offset}"
        item = {"sku": f"sku-{offset}", "count": 7} if schema_id == 2 else {"sku": f"sku-{offset}"}
        if not again:
            count = item["count"] if schema_id == 2 else None
            self.ids.append(event_id)
            self.ledger.append((offset, event_id, offset * 10, f"sku-{offset}", count))  # type: ignore[arg-type]
        values = {"event_id": event_id, "number": offset * 10, "items": [item]}
        return self.order(**values).SerializeToString()


class Transmitters:
    """Processes on one folder, as many as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def start(self, count: int) -> None:
        command = [sys.executable, str(PROCESS), str(self.folder)]
        started = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(count)
        ]
        for process in started:
            assert process.stdout is not None
            while "runs" not in (line := process.stdout.readline()):
                assert line, "it ended"
        self.running += started

    def kill(self) -> None:
        for process in self.running:
            process.kill()
            process.communicate()
        self.running = []

    def finish(self) -> None:
        """Have them deliver what the log holds, and end."""
        for process in self.running:
            out, _ = process.communicate("")
            assert process.returncode == 0, out
        self.running = []


@pytest.fixture
def transmitters(tmp_path: Path) -> Iterator[Transmitters]:
    transmitters = Transmitters(tmp_path)
    yield transmitters
    transmitters.kill()


def rows(folder: Path, columns: Sequence[str]) -> list[Row]:
    with connect(IcebergConfig.in_folder(folder / "lake")) as connection:
        found: list[Row] = connection.sql(
            f"SELECT {', '.join(columns)} FROM orders ORDER BY _offset"
        ).fetchall()
    return found


@pytest.mark.slow
def test_each_event_is_in_the_table_once_whatever_is_killed(
    tmp_path: Path, log: Log, transmitters: Transmitters
) -> None:
    seed = int(os.environ.get("BOBR_SEED", random.randrange(2**32)))
    print(f"BOBR_SEED={seed}")
    chance = random.Random(seed)
    producer = Producer(log, chance)
    for _ in range(6):
        transmitters.start(chance.choice([1, 1, 2]))  # a second one by mistake
        producer.publish(batches=chance.randint(5, 60))
        transmitters.kill()
    transmitters.start(1)
    producer.publish(batches=5)
    transmitters.finish()
    columns = ["_offset", "_event_id", "number", "items[1].sku", "items[1].count"]
    assert rows(tmp_path, columns) == producer.ledger
