"""Deliveries change while events flow, to real tables: the transmitter goes on, and no event is lost or doubled."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.catalog import Catalog, Delivery, Destination, Stream
from bobr.catalog.references import Text
from bobr.ids import DeliveryName, DestinationName, SchemaId, StreamName
from bobr.log.sqlite import SqliteLog
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.transmitter.part import Transmitter
from bobr.transmitter.sinks import Sink
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.sinks.iceberg.query import connect
from bobr.transmitter.status import PipelineStatus, State
from bobr.transmitter.wiring import Limits, Wiring

ORDERS = StreamName("orders")
PROTO = 'syntax = "proto3"; message Order { string event_id = 1; int64 number = 2; }'
STREAM = Stream(name=ORDERS, message="Order", schema_ids=(SchemaId(1),))
PATIENCE = 60.0
"""For what must happen: long enough for any machine, never waited for when all is well."""


class Shop:
    """A log, a transmitter, and a producer that waits for nobody."""

    def __init__(self, folder: Path) -> None:
        self.lake = folder / "lake"
        self.log = SqliteLog(folder / "log.sqlite")
        self.log.admin().create(ORDERS)
        self.type = EventType.build(compile_files({"o.proto": PROTO}, "o.proto"), "Order")
        wiring = Wiring(sink=self.sink, log=self.log, types=lambda _message, _schema_id: self.type)
        self.transmitter = Transmitter(wiring, Limits(retry_seconds=0.05, retry_seconds_max=0.2))
        self.published = 0
        self._ended = threading.Event()
        self._paced = threading.Semaphore(200)
        self._producer = threading.Thread(target=self._produce)

    def sink(self, delivery: Delivery, destination: Destination) -> Sink:
        """As in the composition root."""
        return IcebergSink(IcebergConfig.of(destination, self.lake), delivery.table)

    def apply(self, *deliveries: Delivery, places: tuple[Destination, ...] = ()) -> None:
        self.transmitter.apply(
            Catalog(
                streams={ORDERS: STREAM},
                deliveries={each.name: each for each in deliveries},
                destinations={each.name: each for each in places},
            )
        )

    def flush(self) -> None:
        """More may be published from here on."""
        assert self.transmitter.flush(PATIENCE), self.transmitter.status()
        for _ in range(50):
            self._paced.release()

    def produce(self) -> None:
        self._producer.start()

    def _produce(self) -> None:
        appender = self.log.appender()
        while self._paced.acquire() and not self._ended.is_set():
            payloads = []
            for _ in range(3):
                order = self.type.message_class(event_id=f"{self.published}", number=self.published)
                payloads.append(order.SerializeToString())
                self.published += 1
            batch = Batch(
                stream=ORDERS, schema_id=SchemaId(1), payloads=pa.array(payloads, pa.binary())
            )
            appender.append(batch).result()

    def stop_producing(self) -> None:
        self._ended.set()
        self._paced.release()
        if self._producer.is_alive():
            self._producer.join()

    def close(self) -> None:
        self.stop_producing()
        self.transmitter.close()
        self.log.appender().close()
        self.log.close()

    def wait_for(self, name: str, state: State) -> PipelineStatus:
        pipeline = self.transmitter._running[DeliveryName(name)].pipeline
        with pipeline._changed:
            there = pipeline._changed.wait_for(lambda: pipeline.status.state is state, PATIENCE)
        assert there, pipeline.status
        return pipeline.status


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def delivery(table: str, **options: Any) -> Delivery:
    words = {"name": table.rpartition(".")[2], "from": ORDERS, "flush": "50ms", **options}
    return Delivery.model_validate({"table": table, **words})


def numbers(config: IcebergConfig, table: str) -> list[int]:
    with connect(config) as connection:
        rows = connection.sql(f"SELECT number FROM {table} ORDER BY _offset").fetchall()
    return [number for (number,) in rows]


def test_every_change_of_a_delivery_is_taken_while_it_runs(shop: Shop, tmp_path: Path) -> None:
    other = Destination(
        name=DestinationName("other"),
        kind="iceberg",
        warehouse=Text(str(tmp_path / "other")),
        namespace="web",
    )
    shop.apply(delivery("same"), delivery("orders"), places=(other,))
    shop.produce()
    shop.flush()
    running = shop.transmitter._running[DeliveryName("same")]
    before = (running.pipeline, running.thread, running.pipeline._session)
    changed = shop.transmitter._running[DeliveryName("orders")].thread
    for options in (
        {"dedup": "0s"},
        {"dedup": "1h", "partition": "hour"},
        {"partition": "none", "flush": "10ms"},
        {"table": "shop.orders"},
        {"to": "other"},
        {"paused": True},
        {},
    ):
        table = str(options.pop("table", "orders"))
        shop.apply(delivery("same"), delivery(table, **options), places=(other,))
        if options.get("paused"):
            shop.wait_for("orders", State.PAUSED)
        else:
            shop.flush()
    shop.stop_producing()
    shop.flush()
    assert (running.pipeline, running.thread, running.pipeline._session) == before
    assert shop.transmitter._running[DeliveryName("orders")].thread is changed
    everything = list(range(shop.published))
    lake = IcebergConfig.in_folder(shop.lake)
    assert shop.published > 600
    assert numbers(lake, "same") == everything
    assert numbers(lake, "orders") == everything
    there = numbers(lake, "shop.orders")
    assert there
    assert there == everything[: len(there)]
    elsewhere = numbers(IcebergConfig.of(other, shop.lake), "orders")
    assert elsewhere
    assert elsewhere == everything[: len(elsewhere)]
    assert (tmp_path / "other" / "warehouse" / "web" / "orders").is_dir()
