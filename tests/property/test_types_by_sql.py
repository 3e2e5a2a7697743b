"""Random event types and values go in as bytes and come out by SQL as they were decoded.

`test_decode_wire.py` holds the decoded columns against google.protobuf; this holds the table against the columns.
`BOBR_SEED` replays a run, `BOBR_SQL_TYPES` sets how many types are tried.
"""

import os
import random
from pathlib import Path
from typing import cast

import pyarrow as pa
from google.protobuf.descriptor import Descriptor

from bobr.batch import INGEST_TIMES, OFFSETS, StoredBatch
from bobr.catalog import PartitionBy
from bobr.errors import RejectedError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.schema import EventType
from bobr.testing.events import event_type, payload
from bobr.transmitter.rows import merged, table_rows, with_system_columns
from bobr.transmitter.sinks import TablePartition, TableSchema
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.sinks.iceberg.query import connect

SEED = int(os.environ.get("BOBR_SEED") or random.randrange(1 << 32))
TYPES = int(os.environ.get("BOBR_SQL_TYPES", "25"))
PAYLOADS = 20
SOURCE = StreamPartition(StreamName("s"), Partition(0))


def stored(payloads: list[bytes]) -> StoredBatch:
    return StoredBatch(
        source=SOURCE,
        schema_id=SchemaId(1),
        payloads=pa.array(payloads, pa.binary()),
        offsets=pa.array(range(len(payloads)), OFFSETS),
        ingest_times=pa.array([1_800_000_000_000_000] * len(payloads), INGEST_TIMES),
    )


def random_type(chance: random.Random) -> tuple[EventType, list[bytes]]:
    """A type that can be a table, and payloads that are, or nearly are, of it."""
    while True:
        files, name = event_type(chance)
        try:
            built = EventType.build(files, name)
        except RejectedError:
            continue
        if len(built.columns):
            return built, [
                payload(chance, cast(Descriptor, built.message_class.DESCRIPTOR))
                for _ in range(PAYLOADS)
            ]


def test_what_goes_in_as_bytes_comes_out_by_sql(tmp_path: Path) -> None:
    print(f"BOBR_SEED={SEED}")
    chance = random.Random(SEED)
    config = IcebergConfig.in_folder(tmp_path)
    rows = 0
    for number in range(TYPES):
        built, payloads = random_type(chance)
        columns = merged(pa.schema([]), [built])
        written = table_rows([stored(payloads)], lambda _, built=built: built, columns).rows  # type: ignore[misc]  # mypy can not infer a lambda's default
        sink = IcebergSink(config, f"t{number}")
        table = TableSchema(columns=with_system_columns(columns), partition_by=PartitionBy.NONE)
        sink.open(table)
        sink.write(written, TablePartition())
        sink.commit({SOURCE: Offset(len(payloads))})
        sink.close()
        with connect(config) as connection:
            found = connection.sql(f"select * from t{number} order by _offset").to_arrow_table()
        decoded = built.decode(pa.array(payloads, pa.binary())).columns
        names = built.columns.names
        assert repr(found.select(names).to_pylist()) == repr(decoded.to_pylist()), built.columns
        rows += len(decoded)
    assert rows > TYPES  # most payloads are events
