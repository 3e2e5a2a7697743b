"""Chunks: how events lie in one row of the database. Pure.

A chunk's body is the events' lengths (little-endian uint32, one each), then their bytes end to end;
compressed when that makes it smaller. Lengths instead of offsets: bodies can be joined as they are,
however small, without a loop over events.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bobr.batch import INGEST_TIMES, StoredBatch
from bobr.ids import SchemaId, StreamPartition

CHUNK_BYTES = 1024 * 1024
"""A body is at most this large, unless one event alone is larger. Larger ones were measured to be
no faster, and retention and reads from the middle want them small."""
CHUNK_EVENTS = 65_536
COMPRESS_FROM_BYTES = 1024
"""Smaller bodies stay as they are: there is little to gain."""
CODEC = pa.Codec("zstd", compression_level=-5)
"""Measured on nested 240-byte events, half of them random text: two thirds of the bytes, as many
events/s, for 0.15 µs of CPU an event, since SQLite writes and sums every byte twice, into the WAL and
into the database. Slower disks gain; level 1 halves the bytes for twice that time."""

_KEY = struct.Struct("<qqqqqq")
_LENGTH = np.dtype("<u4")


class Body(NamedTuple):
    """Events of a chunk before they have a place. size: of the body, uncompressed."""

    events: int
    size: int
    packed: bytes


class Chunk(NamedTuple):
    """One row. ingest_time: µs since 1970. size: of the body, uncompressed. crc: of all the rest."""

    stream_id: int
    first: int
    events: int
    schema_id: int
    ingest_time: int
    size: int
    crc: int
    body: bytes

    @property
    def end(self) -> int:
        """The offset behind the last event."""
        return self.first + self.events

    def checksum(self) -> int:
        """CRC-32 of all columns, the body as stored: a damaged or misplaced row does not pass."""
        return zlib.crc32(self.body, zlib.crc32(_KEY.pack(*self[:6])))


def bodies(payloads: pa.BinaryArray) -> Iterator[Body]:
    """The events, cut into chunks and compressed."""
    ends, data = _ends(payloads), payloads.buffers()[2] or pa.py_buffer(b"")
    costs = _costs(ends)
    start = 0
    while start < len(costs):
        stop = _cut(costs, start)
        body = _body(ends[start : stop + 1], data)
        yield Body(stop - start, len(body), _compressed(body))
        start = stop


def placed(body: Body, *, stream_id: int, first: int, schema_id: int, ingest_time: int) -> Chunk:
    """The row that holds the body, now that it has its place."""
    events, size, packed = body
    row = Chunk(stream_id, first, events, schema_id, ingest_time, size, 0, packed)
    return row._replace(crc=row.checksum())


def joined(rows: Sequence[Chunk], source: StreamPartition) -> StoredBatch:
    """Rows of one stream and schema, in order, as one batch. Their `checksum` is their `crc`."""
    counts = np.array([row.events for row in rows])
    firsts = np.array([row.first for row in rows])
    times = np.array([row.ingest_time for row in rows])
    starts = np.cumsum(counts) - counts
    offsets = np.repeat(firsts - starts, counts) + np.arange(counts.sum())
    return StoredBatch(
        source=source,
        schema_id=SchemaId(rows[0].schema_id),
        payloads=_payloads([_unpacked(row) for row in rows], counts),
        offsets=pa.array(offsets, pa.int64()),
        ingest_times=pa.array(np.repeat(times, counts), pa.int64()).cast(INGEST_TIMES),
    )


def fitting(payloads: pa.BinaryArray, events: int, nbytes: int) -> int:
    """How many events from the start stay within both limits; bytes are counted as pyarrow does."""
    costs = _costs(_ends(payloads))
    return min(events, int(np.searchsorted(costs, nbytes, side="right")))


def _ends(payloads: pa.BinaryArray) -> npt.NDArray[np.int64]:
    """Where each event starts in the data buffer, and where the last one ends."""
    window = slice(payloads.offset, payloads.offset + len(payloads) + 1)
    return np.frombuffer(payloads.buffers()[1], np.int32)[window].astype(np.int64)


def _costs(ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The bytes of a body that holds the events up to each one, itself included."""
    lengths = np.arange(1, len(ends), dtype=np.int64) * _LENGTH.itemsize
    costs: npt.NDArray[np.int64] = ends[1:] - ends[0] + lengths
    return costs


def _cut(costs: npt.NDArray[np.int64], start: int) -> int:
    """The end of the chunk that starts there; `costs` are the cumulated bytes behind each event."""
    budget = CHUNK_BYTES + (costs[start - 1] if start else 0)
    stop = int(np.searchsorted(costs, budget, side="right"))
    return min(max(stop, start + 1), start + CHUNK_EVENTS)


def _body(ends: npt.NDArray[np.int64], data: pa.Buffer) -> bytes:
    lengths = np.diff(ends).astype(_LENGTH)
    return b"".join((lengths.data, memoryview(data)[ends[0] : ends[-1]]))


def _compressed(body: bytes) -> bytes:
    if len(body) < COMPRESS_FROM_BYTES:
        return body
    packed: bytes = CODEC.compress(body, asbytes=True)
    return packed if len(packed) < len(body) else body


def _unpacked(row: Chunk) -> bytes:
    if len(row.body) == row.size:
        return row.body
    body: bytes = CODEC.decompress(row.body, row.size, asbytes=True)
    return body


def _payloads(unpacked: Iterable[bytes], counts: npt.NDArray[np.int64]) -> pa.BinaryArray:
    split = [
        (memoryview(body), _LENGTH.itemsize * int(n))
        for body, n in zip(unpacked, counts, strict=True)
    ]
    lengths = np.frombuffer(b"".join(body[:at] for body, at in split), _LENGTH)
    offsets = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    data = b"".join(body[at:] for body, at in split)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers)
