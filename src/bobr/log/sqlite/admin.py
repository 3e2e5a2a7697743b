"""Making, describing and trimming streams."""

import threading
import time
from collections.abc import Mapping
from datetime import datetime

from bobr.batch import Positions
from bobr.clock import Clock
from bobr.errors import NotFoundError, RejectedError
from bobr.ids import Offset, Partition, StreamName, StreamPartition
from bobr.log import Group, PartitionState
from bobr.log.sqlite.database import Database
from bobr.log.sqlite.flush import EPOCH, MICROSECOND

TRIM_CHUNKS = 32
"""Removed in one transaction: ≤ 32 MiB of events, some 10 ms in which appends wait."""

_DESCRIBE = """
select (select min(first) from chunk where stream_id = id), "end", nbytes, ingest_time
from stream where name = ?
"""
_TIME = """
select case when :position < "end" then (
    select ingest_time from chunk where stream_id = id and first >= coalesce(
        (select max(first) from chunk where stream_id = id and first <= :position), 0)
    order by first limit 1) end
from stream where name = :stream
"""
_STREAM = 'select id, "end" from stream where name = ?'
_LAST = """
select first from chunk
where stream_id = :id and ingest_time < :before and first + events <= :upto and first < coalesce(
    (select first from chunk where stream_id = :id and first < :upto
        and ingest_time between :before and :now order by first limit 1), :upto)
order by first desc limit 1
"""
"""The last chunk that may go: old enough, and behind no younger one whose time has come already."""
_OLDEST = """
select first, events, size from chunk where stream_id = ? and first <= ? order by first limit ?
"""
_DELETE = "delete from chunk where stream_id = ? and first <= ?"
_SHRINK = "update stream set nbytes = nbytes - ? where id = ?"


class SqliteAdmin:
    """A `LogAdmin`. Any process may have one, whoever appends."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Opens a connection of its own. `clock`: tells which ingest times are still to come."""
        self._database = database
        self._clock = clock
        self._connection = database.connect()
        self._lock = threading.Lock()

    @property
    def partitions_max(self) -> int:
        """See `LogAdmin`."""
        return 1

    def create(self, stream: StreamName, partitions: int = 1) -> None:
        """See `LogAdmin`. Only one partition."""
        if partitions != 1:
            raise RejectedError(
                f"stream {stream!r} can not have {partitions} partitions: "
                "the embedded log has one for each stream"
            )
        with self._lock, self._database.writing(self._connection):
            insert = "insert into stream (name) values (?) on conflict do nothing"
            self._connection.execute(insert, (stream,))

    def describe(self, stream: StreamName) -> Mapping[Partition, PartitionState]:
        """See `LogAdmin`. `nbytes` counts as `StoredBatch.nbytes` does; on disk it is less."""
        with self._lock, self._database.translated():
            found = self._connection.execute(_DESCRIBE, (stream,)).fetchone()
        if found is None:
            raise _no_such(stream)
        first, end, nbytes, ingest_time = found
        state = PartitionState(
            first=Offset(end if first is None else first),
            end=Offset(end),
            nbytes=nbytes,
            last_ingest_time=None if ingest_time < 0 else EPOCH + ingest_time * MICROSECOND,
        )
        return {Partition(0): state}

    def time_at(self, source: StreamPartition, position: Offset) -> datetime | None:
        """See `LogAdmin`. By the row of the chunk, whose events all came at one time."""
        values = {"stream": source.stream, "position": position}
        with self._lock, self._database.translated():
            found = self._connection.execute(_TIME, values).fetchone()
        if found is None:
            raise _no_such(source.stream)
        (micros,) = found
        is_there = source.partition == 0 and micros is not None
        return EPOCH + micros * MICROSECOND if is_there else None

    def groups(self, stream: StreamName) -> list[Group]:
        """See `LogAdmin`. None: readers keep their own place."""
        with self._lock, self._database.translated():
            found = self._connection.execute(_STREAM, (stream,)).fetchone()
        if found is None:
            raise _no_such(stream)
        return []

    def streams(self) -> list[StreamName]:
        """See `LogAdmin`."""
        with self._lock, self._database.translated():
            found = self._connection.execute("select name from stream order by name").fetchall()
        return [StreamName(name) for (name,) in found]

    def trim(self, stream: StreamName, before: datetime, upto: Positions | None = None) -> int:
        """See `LogAdmin`. Whole chunks; the file keeps its size and new events use the room.

        In short transactions; after each the database is left to the appender for as long.
        """
        stream_id, last = self._last_to_go(stream, before, upto or {})
        removed = 0
        while step := self._trim_step(stream_id, last):
            removed += step
        return removed

    def close(self) -> None:
        """Release the connection. Idempotent."""
        with self._lock:
            self._connection.close()

    def _last_to_go(self, stream: StreamName, before: datetime, upto: Positions) -> tuple[int, int]:
        """The stream's id, and the first offset of the last chunk that may go; -1: none may."""
        with self._lock, self._database.reading(self._connection):
            found = self._connection.execute(_STREAM, (stream,)).fetchone()
            if found is None:
                raise _no_such(stream)
            stream_id, end = found
            values = {
                "id": stream_id,
                "before": (before - EPOCH) // MICROSECOND,
                "now": (self._clock.now() - EPOCH) // MICROSECOND,
                "upto": min(end, upto.get(StreamPartition(stream, Partition(0)), end)),
            }
            last = self._connection.execute(_LAST, values).fetchone()
        return stream_id, -1 if last is None else last[0]

    def _trim_step(self, stream_id: int, last: int) -> int:
        """Remove some of the oldest chunks up to `last`; the events that they held, 0: there are none."""
        began = time.monotonic()
        with self._lock, self._database.writing(self._connection):
            gone = self._connection.execute(_OLDEST, (stream_id, last, TRIM_CHUNKS)).fetchall()
            if gone:
                self._connection.execute(_DELETE, (stream_id, gone[-1][0]))
                self._connection.execute(_SHRINK, (sum(row[2] for row in gone), stream_id))
        if gone:
            time.sleep(time.monotonic() - began)
        return sum(row[1] for row in gone)


def _no_such(stream: StreamName) -> NotFoundError:
    return NotFoundError(
        f"no stream {stream!r} in the log: it was never made there, or the log was lost"
    )
