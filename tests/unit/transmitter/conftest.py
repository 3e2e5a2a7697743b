"""A stream of orders in two schemas, a log and a table in memory, and a clock set by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.catalog import BUILT_IN, Delivery, Destination, Stream
from bobr.errors import NotFoundError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.testing.log import MemoryLog
from bobr.testing.sink import MemorySink, MemoryTable
from bobr.transmitter.pipeline import Pipeline
from bobr.transmitter.plan import Plan
from bobr.transmitter.sinks import Sink
from bobr.transmitter.status import State
from bobr.transmitter.wiring import Limits, Wiring

ORDERS = StreamName("orders")
SOURCE = StreamPartition(ORDERS, Partition(0))
MESSAGE = "shop.Order"

PROTO = """
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
message Order {{
  string event_id = 1;
  google.protobuf.Timestamp event_time = 2;
  {total} total = 3;
  repeated Item items = 4;
  {more}
  message Item {{ string sku = 1; {item} }}
}}
"""
OLD, NEW, ODD = SchemaId(1), SchemaId(2), SchemaId(3)


@pytest.fixture(scope="session")
def types() -> dict[SchemaId, EventType]:
    """OLD, NEW with more fields at two depths, and ODD that no table can hold beside them."""
    texts = {
        OLD: PROTO.format(total="int32", more="", item=""),
        NEW: PROTO.format(total="int32", more="string city = 5;", item="int32 count = 2;"),
        ODD: PROTO.format(total="string", more="", item=""),
    }
    return {
        schema_id: EventType.build(compile_files({"order.proto": text}, "order.proto"), MESSAGE)
        for schema_id, text in texts.items()
    }


@dataclass(slots=True)
class ManualClock:
    """Stands still until told."""

    seconds: float = 0.0
    start: datetime = datetime(2024, 2, 29, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@dataclass(slots=True)
class World:
    """What surrounds a pipeline, and what it is asked to do."""

    types: dict[SchemaId, EventType]
    clock: ManualClock = field(default_factory=ManualClock)
    table: MemoryTable = field(default_factory=MemoryTable)
    log: MemoryLog = field(init=False)
    limits: Limits = field(default_factory=lambda: Limits(poll_seconds=0.0))
    around: Callable[[Sink], Sink] = lambda sink: sink

    def __post_init__(self) -> None:
        self.log = MemoryLog(clock=self.clock)
        self.log.create(ORDERS)

    def publish(
        self, *ids: str, schema: SchemaId = OLD, stream: StreamName = ORDERS, **members: object
    ) -> None:
        """One batch of orders with these ids."""
        event = self.types[schema].message_class
        payloads = [event(event_id=event_id, **members).SerializeToString() for event_id in ids]
        self.publish_bytes(*payloads, schema=schema, stream=stream)

    def publish_bytes(
        self, *payloads: bytes, schema: SchemaId = OLD, stream: StreamName = ORDERS
    ) -> None:
        """One batch of these."""
        batch = Batch(stream=stream, schema_id=schema, payloads=pa.array(payloads, pa.binary()))
        self.log.appender().append(batch).result()

    def wiring(self) -> Wiring:
        return Wiring(sink=self.sink, log=self.log, types=self.type, clock=self.clock)

    def sink(self, delivery: Delivery, destination: Destination) -> Sink:
        return self.around(MemorySink(self.table, clock=self.clock))

    def type(self, message: str, schema_id: SchemaId) -> EventType:
        if schema_id not in self.types:
            raise NotFoundError(f"no schema {schema_id} of {message}")
        return self.types[schema_id]

    def stream(self, *schema_ids: SchemaId) -> Stream:
        return Stream(name=ORDERS, message=MESSAGE, schema_ids=schema_ids or (OLD,))

    def pipeline(self, *schema_ids: SchemaId, **options: Any) -> Pipeline:
        """A new one, at its first step."""
        return Pipeline(self.plan(*schema_ids, **options), self.wiring(), self.limits)

    def plan(self, *schema_ids: SchemaId, to: Destination = BUILT_IN, **options: Any) -> Plan:
        """Of the pipelines; options: of the delivery."""
        words = {"name": "d", "stream": ORDERS, "table": "t", "flush_seconds": 5.0, **options}
        delivery = Delivery.model_validate({"to": to.name, **words})
        return Plan(delivery=delivery, stream=self.stream(*schema_ids), destination=to)

    def column(self, name: str) -> list[object]:
        """A column of the table, in the order of the log."""
        values: list[object] = self.table.rows().sort_by("_offset")[name].to_pylist()
        return values

    def position(self) -> int:
        return self.table.positions.get(SOURCE, Offset(0))


@pytest.fixture
def world(types: dict[SchemaId, EventType]) -> World:
    return World(types=types)


@pytest.fixture
def deliver(world: World) -> Callable[[Pipeline], None]:
    """Step until everything that the log holds is in the table."""

    def steps(pipeline: Pipeline) -> None:
        end = world.log.describe(ORDERS)[Partition(0)].end
        for _ in range(100):
            pipeline.step()
            if pipeline.status.positions.get(SOURCE, 0) >= end:
                return
            if pipeline.status.state is not State.OPENING:
                world.clock.seconds += 1
        raise AssertionError(f"not delivered: {pipeline.status}")

    return steps
