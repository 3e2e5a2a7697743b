"""On the normal path no Python statement runs for each event: executed lines are counted, for few and many events."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.broker.calls import Answer, Call, RawEvents
from bobr.broker.limits import Limits
from bobr.broker.publish import Publisher
from bobr.broker.streams import Streams
from bobr.broker.tally import Tally
from bobr.catalog import BUILT_IN, Catalog, Delivery, Stream
from bobr.ids import DeliveryName, Partition, SchemaId, StreamName, StreamPartition
from bobr.log.sqlite import SqliteLog
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.schema.types import EventTypes
from bobr.transmitter.pipeline import Pipeline
from bobr.transmitter.plan import Plan
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.sinks.iceberg.query import connect
from bobr.transmitter.wiring import Wiring
from bobr.v1 import broker_pb2 as wire

PROTO = """
syntax = "proto3";
import "google/protobuf/timestamp.proto";
message Order {
  string event_id = 1;
  google.protobuf.Timestamp event_time = 2;
  Place place = 3;
  repeated Item items = 4;
  optional int32 rank = 5;
  enum Kind { NONE = 0; SOME = 1; }
  Kind kind = 6;
  message Place { string city = 1; }
  message Item { string sku = 1; double price = 2; }
}
"""
STREAM = Stream(name=StreamName("orders"), message="Order", schema_ids=(SchemaId(1),))
DELIVERY = Delivery(
    name=DeliveryName("orders"), stream=StreamName("orders"), table="orders", flush_seconds=3600
)
PLAN = Plan(delivery=DELIVERY, stream=STREAM, destination=BUILT_IN)
FEW, MANY = 20_000, 60_000
PER_CALL = 1_000
LINES_AN_EVENT = 0.5
"""What may run for each call, chunk, commit and page, spread over its events; one statement an event would be 1."""


class WholePath:
    """The broker's core, the log and one pipeline, without sockets."""

    def __init__(self, folder: Path) -> None:
        self.files: FileDescriptorSet = compile_files({"o.proto": PROTO}, "o.proto")
        self.log = SqliteLog(folder / "log.sqlite")
        self.log.admin().create(STREAM.name)
        self.lake = IcebergConfig.in_folder(folder / "lake")
        streams = Streams(lambda _: self.files)
        streams.apply(Catalog(streams={STREAM.name: STREAM}))
        self.settled = threading.Semaphore(0)
        self.publisher = Publisher("test", streams, self.log.appender(), Limits(), Tally(), self)
        wiring = Wiring(
            sink=lambda delivery, _destination: IcebergSink(self.lake, delivery.table),
            log=self.log,
            types=EventTypes(lambda _: self.files).get,
        )
        self.pipeline = Pipeline(PLAN, wiring)
        self.pipeline.step()  # opens

    def set_aside(self, calls: Sequence[Call]) -> None:
        """Nobody waits."""

    def settle(self, calls: Sequence[Call]) -> None:
        for _ in calls:
            self.settled.release()

    def requests(self, first: int, count: int) -> list[bytes]:
        order: Callable[..., Any] = EventType.build(self.files, "Order").message_class
        payloads = [
            order(
                event_id=f"order-{number}",
                event_time={"seconds": 1_790_000_000 + number % 1000},
                place={"city": "Tver"},
                items=[{"sku": "a", "price": number}],
                rank=number if number % 2 else None,
                kind=number % 2,
            ).SerializeToString()
            for number in range(first, first + count)
        ]
        return [
            wire.PublishRequest(
                stream="orders", events=payloads[at : at + PER_CALL]
            ).SerializeToString()
            for at in range(0, count, PER_CALL)
        ]

    def deliver(self, requests: Sequence[bytes]) -> None:
        """From bytes of calls to a committed table."""
        calls = [
            Call(
                events=RawEvents(request=request, stream=STREAM.name),
                nbytes=len(request),
                future=Future(),  # type: ignore[arg-type]  # no loop here
            )
            for request in requests
        ]
        self.publisher.publish(calls)
        for _ in calls:
            assert self.settled.acquire(timeout=60)
        assert all(call.outcome == Answer(accepted=PER_CALL) for call in calls)
        source = StreamPartition(STREAM.name, Partition(0))
        end = self.log.admin().describe(STREAM.name)[source.partition].end
        self.pipeline.flush({source: end})
        while self.pipeline.status.positions.get(source) != end:
            self.pipeline.step()


@pytest.fixture
def lines_run() -> Iterator[Callable[[], int]]:
    """Python lines executed so far by this thread and all that it starts."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    yield lambda: count
    sys.settrace(None)
    threading.settrace(None)


@pytest.mark.slow
def test_lines_run_do_not_grow_with_events(tmp_path: Path, lines_run: Callable[[], int]) -> None:
    path = WholePath(tmp_path)
    path.deliver(path.requests(0, PER_CALL))  # everything is imported and cached
    lines = []
    for first, count in ((10**6, FEW), (2 * 10**6, MANY)):
        requests = path.requests(first, count)
        before = lines_run()
        path.deliver(requests)
        lines.append(lines_run() - before)
    growth = (lines[1] - lines[0]) / (MANY - FEW)
    print(f"{lines} lines for {FEW} and {MANY} events: {growth:.3f} an event")
    assert growth < LINES_AN_EVENT, lines
    rows = connect(path.lake).sql("select count(*) from orders").fetchall()
    assert rows == [(PER_CALL + FEW + MANY,)]
