"""One flush: many batches, one transaction. Neighbours of one stream and schema share chunks."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, groupby
from typing import NamedTuple

import pyarrow as pa

from bobr.batch import Batch
from bobr.clock import Clock
from bobr.errors import BobrError, NotFoundError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Appended
from bobr.log.ingest_time import ingest_time
from bobr.log.sqlite.chunk import Body, bodies, placed
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


class _Share(NamedTuple):
    """One stream's part of a flush. runs: neighbours of one schema, as bodies of chunks."""

    stream: StreamName
    indices: list[int]
    lengths: list[int]
    runs: list[tuple[SchemaId, list[Body]]]


class Flush:
    """Stores batches, all in one transaction. One thread at a time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """`clock`: gives the ingest times (`ingest_time.py` has what becomes of its jumps)."""
        self._database = database
        self._clock = clock
        self._connection = database.connect()

    def __call__(self, batches: Sequence[Batch]) -> list[Outcome]:
        """What became of each. Raises what `Database.translated` does: nothing was stored.

        All that can be done before the transaction is: others write while we compress.
        """
        shares = _shares(batches)
        now = self._clock.now()
        outcomes: dict[int, Outcome] = {}
        with self._database.writing(self._connection):
            for share in shares:
                outcomes.update(zip(share.indices, self._store(share, now), strict=True))
        return [outcomes[index] for index in range(len(batches))]

    def close(self) -> None:
        """Release the connection. Idempotent."""
        self._connection.close()

    def _store(self, share: _Share, now: datetime) -> list[Outcome]:
        found = self._connection.execute(_FIND, (share.stream,)).fetchone()
        if found is None:
            error = NotFoundError(
                f"no stream {share.stream!r} in the log: it was never made there, or the log was lost"
            )
            return [error] * len(share.lengths)
        tail = start = _Tail(*found)
        tail = tail._replace(ingest_time=_ingest_micros(now, tail.ingest_time))
        for schema_id, run in share.runs:
            tail = self._insert(tail, schema_id, run)
        self._connection.execute(_UPDATE, (*tail[1:], tail.stream_id))
        return _appended(share, start.end)

    def _insert(self, tail: _Tail, schema_id: SchemaId, run: list[Body]) -> _Tail:
        for body in run:
            row = placed(
                body,
                stream_id=tail.stream_id,
                first=tail.end,
                schema_id=schema_id,
                ingest_time=tail.ingest_time,
            )
            self._connection.execute(_INSERT, row)
            tail = tail._replace(end=row.end, nbytes=tail.nbytes + row.size)
        return tail


def _ingest_micros(now: datetime, last: int) -> int:
    """`ingest_time` as the database has it."""
    before = None if last < 0 else EPOCH + last * MICROSECOND
    return (ingest_time(now, before) - EPOCH) // MICROSECOND


def _shares(batches: Sequence[Batch]) -> list[_Share]:
    """By stream, in the order that they came."""
    streams: dict[StreamName, list[int]] = defaultdict(list)
    for index, batch in enumerate(batches):
        streams[batch.stream].append(index)
    return [
        _Share(
            stream,
            indices,
            [len(batches[index]) for index in indices],
            list(_runs([batches[index] for index in indices])),
        )
        for stream, indices in streams.items()
    ]


def _runs(batches: list[Batch]) -> Iterator[tuple[SchemaId, list[Body]]]:
    for schema_id, run in groupby(batches, key=lambda batch: batch.schema_id):
        arrays = [batch.payloads for batch in run]
        yield schema_id, list(bodies(arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)))


def _appended(share: _Share, start: int) -> list[Outcome]:
    """What each batch is answered, when the first event has the offset `start`."""
    source = StreamPartition(share.stream, Partition(0))
    ends = accumulate(share.lengths, initial=start)
    next(ends)
    return [
        Appended(events=events, end={source: Offset(end)})
        for events, end in zip(share.lengths, ends, strict=True)
    ]
