"""Batches: how events travel. Raw bytes, many at a time; never one Python object an event."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from bobr.ids import Offset, SchemaId, StreamName, StreamPartition

Positions = Mapping[StreamPartition, Offset]
"""Per partition the offset of the next event to read: everything before it is done. Absent: from the start (0)."""

OFFSETS = pa.int64()
INGEST_TIMES = pa.timestamp("us", "UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Events of one stream, written with one schema, on their way into a log.

    payloads: binary, one serialized protobuf message each, no nulls; at most 2 GiB together.
    """

    stream: StreamName
    schema_id: SchemaId
    payloads: pa.BinaryArray

    def __len__(self) -> int:
        """Events."""
        return len(self.payloads)

    @property
    def nbytes(self) -> int:
        """Bytes of the payloads, for limits and counters; at least one for each event, so that empty ones count."""
        return int(self.payloads.nbytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBatch:
    """Events that a log holds, of one partition, in its order.

    offsets: int64, strictly rising. ingest_times: timestamp(µs, UTC), when the broker accepted each. Both have one
    entry for each payload and no nulls.
    """

    source: StreamPartition
    schema_id: SchemaId
    payloads: pa.BinaryArray
    offsets: pa.Int64Array
    ingest_times: pa.TimestampArray

    def __len__(self) -> int:
        """Events."""
        return len(self.payloads)

    @property
    def nbytes(self) -> int:
        """Bytes of the payloads."""
        return int(self.payloads.nbytes)

    @property
    def next_offset(self) -> Offset:
        """The position behind the last event."""
        return Offset(self.offsets[-1].as_py() + 1)

    def slice(self, start: int, length: int | None = None) -> "StoredBatch":
        """A part of the events, without a copy."""
        return StoredBatch(
            source=self.source,
            schema_id=self.schema_id,
            payloads=self.payloads.slice(start, length),
            offsets=self.offsets.slice(start, length),
            ingest_times=self.ingest_times.slice(start, length),
        )
