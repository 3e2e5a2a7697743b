"""A transmitter in a process of its own, to be killed: `transmitter_process.py FOLDER`.

Delivers the stream `orders` to the Iceberg table `orders`, all in FOLDER. Says "runs" when it does;
when its standard input ends it delivers what the log holds, says how many rows it committed, and
ends.
"""

import sys
from pathlib import Path

from bobr.catalog import Catalog, Delivery, Stream
from bobr.ids import DeliveryName, SchemaId, StreamName
from bobr.log import Limit
from bobr.log.sqlite import SqliteLog
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.transmitter.flush import FlushPolicy
from bobr.transmitter.part import Transmitter
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.wiring import Limits, Wiring

ORDERS = StreamName("orders")
PROTO = """
syntax = "proto3";
message Order {{ string event_id = 1; int64 number = 2; repeated Item items = 3;
  message Item {{ string sku = 1; {more} }} }}
"""
MORE = {1: "", 2: "int32 count = 2;"}


def event_type(message: str, schema_id: SchemaId) -> EventType:
    text = PROTO.format(more=MORE[schema_id])
    return EventType.build(compile_files({"o.proto": text}, "o.proto"), message)


def catalog() -> Catalog:
    delivery = Delivery(
        name=DeliveryName("d"),
        stream=ORDERS,
        table="orders",
        flush_seconds=0.05,
        dedup_seconds=3600,
    )
    return Catalog(
        streams={ORDERS: Stream(name=ORDERS, message="Order", schema_ids=(SchemaId(1),))},
        deliveries={delivery.name: delivery},
    )


def main(folder: Path) -> None:
    lake = IcebergConfig.in_folder(folder / "lake")
    log = SqliteLog(folder / "log.db")
    limits = Limits(
        read=Limit(events=50, nbytes=1 << 20),
        flush=FlushPolicy(events=300),
        poll_seconds=0.01,
        retry_seconds=0.05,
        maintain_seconds=0.0,
    )
    wiring = Wiring(
        sink=lambda delivery, _destination: IcebergSink(lake, delivery.table),
        log=log,
        types=event_type,
    )
    transmitter = Transmitter(wiring, limits)
    transmitter.apply(catalog())
    print("runs", flush=True)
    sys.stdin.read()
    assert transmitter.flush(60.0), transmitter.status()
    for status in transmitter.close():
        print(status.counts.rows, flush=True)
    log.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
