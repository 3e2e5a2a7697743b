"""One flush: many batches, one transaction. Neighbours of one stream and schema share chunks."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import pyarrow as pa

from bobr.batch import Batch
from bobr.clock import Clock
from bobr.errors import BobrError, NotFoundError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Appended
from bobr.log.sqlite.chunk import chunks
from bobr.log.sqlite.database import Database

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Outcome = Appended | BobrError

_FIND = 'select id, "end", nbytes, ingest_time from stream where name = ?'
_INSERT = "insert into chunk values (?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = 'update stream set "end" = ?, nbytes = ?, ingest_time = ? where id = ?'


class _Tail(NamedTuple):
    """Where a stream goes on."""

    stream_id: int
    end: int
    nbytes: int
    ingest_time: int


class Flush:
    """Stores batches, all in one transaction. One thread at a time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """`clock`: gives the ingest times; when it jumps back, the stream's last is given again."""
        self._database = database
        self._clock = clock
        self._connection = database.connect()

    def __call__(self, batches: Sequence[Batch]) -> list[Outcome]:
        """What became of each. Raises what `Database.translated` does: nothing was stored."""
        now = (self._clock.now() - EPOCH) // MICROSECOND
        streams: dict[StreamName, list[int]] = defaultdict(list)
        for index, batch in enumerate(batches):
            streams[batch.stream].append(index)
        outcomes: dict[int, Outcome] = {}
        with self._database.writing(self._connection):
            for stream, indices in streams.items():
                mine = [batches[index] for index in indices]
                outcomes.update(zip(indices, self._store(stream, mine, now), strict=True))
        return [outcomes[index] for index in range(len(batches))]

    def close(self) -> None:
        """Release the connection. Idempotent."""
        self._connection.close()

    def _store(self, stream: StreamName, batches: list[Batch], now: int) -> Iterable[Outcome]:
        found = self._connection.execute(_FIND, (stream,)).fetchone()
        if found is None:
            error = NotFoundError(f"no stream {stream!r} in the log: create it first")
            return [error] * len(batches)
        tail = _Tail(*found)
        tail = tail._replace(ingest_time=max(now, tail.ingest_time))
        return self._append(tail, batches)

    def _append(self, tail: _Tail, batches: list[Batch]) -> list[Outcome]:
        source = StreamPartition(batches[0].stream, Partition(0))
        outcomes: list[Outcome] = []
        end = tail.end
        for batch in batches:
            end += len(batch)
            outcomes.append(Appended(events=len(batch), end={source: Offset(end)}))
        for schema_id, run in groupby(batches, key=lambda batch: batch.schema_id):
            tail = self._insert(tail, schema_id, [batch.payloads for batch in run])
        self._connection.execute(_UPDATE, (*tail[1:], tail.stream_id))
        return outcomes

    def _insert(self, tail: _Tail, schema_id: SchemaId, arrays: list[pa.BinaryArray]) -> _Tail:
        payloads = arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
        for row in chunks(
            payloads,
            stream_id=tail.stream_id,
            first=tail.end,
            schema_id=schema_id,
            ingest_time=tail.ingest_time,
        ):
            self._connection.execute(_INSERT, row)
            tail = tail._replace(end=row.end, nbytes=tail.nbytes + row.size)
        return tail
