"""Making, describing and trimming streams."""

import threading
import time
from collections.abc import Mapping
from datetime import datetime
from itertools import takewhile

from bobr.errors import NotFoundError, RejectedError
from bobr.ids import Offset, Partition, StreamName
from bobr.log import PartitionState
from bobr.log.sqlite.database import Database
from bobr.log.sqlite.flush import EPOCH, MICROSECOND

TRIM_CHUNKS = 32
"""Removed in one transaction: ≤ 32 MiB of events, some 10 ms in which appends wait."""

_DESCRIBE = """
select (select min(first) from chunk where stream_id = id), "end", nbytes, ingest_time
from stream where name = ?
"""
_OLDEST = """
select first, events, size, ingest_time from chunk
where stream_id = (select id from stream where name = ?) order by first limit ?
"""
_DELETE = """
delete from chunk where stream_id = (select id from stream where name = ?) and first <= ?
"""
_SHRINK = "update stream set nbytes = nbytes - ? where name = ?"


class SqliteAdmin:
    """A `LogAdmin`. Any process may have one, whoever appends."""

    def __init__(self, database: Database) -> None:
        """Opens a connection of its own."""
        self._database = database
        self._connection = database.connect()
        self._lock = threading.Lock()

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

    def streams(self) -> list[StreamName]:
        """See `LogAdmin`."""
        with self._lock, self._database.translated():
            found = self._connection.execute("select name from stream order by name").fetchall()
        return [StreamName(name) for (name,) in found]

    def trim(self, stream: StreamName, before: datetime) -> int:
        """See `LogAdmin`. Whole chunks; the file keeps its size and new events use the room.

        In short transactions; after each the database is left to the appender for as long.
        """
        self.describe(stream)
        until = (before - EPOCH) // MICROSECOND
        removed = 0
        while step := self._trim_step(stream, until):
            removed += step
        return removed

    def close(self) -> None:
        """Release the connection. Idempotent."""
        with self._lock:
            self._connection.close()

    def _trim_step(self, stream: StreamName, until: int) -> int:
        """Remove some of the oldest chunks; the events that they held, 0: there are none so old."""
        began = time.monotonic()
        with self._lock, self._database.writing(self._connection):
            oldest = self._connection.execute(_OLDEST, (stream, TRIM_CHUNKS)).fetchall()
            gone = list(takewhile(lambda row: row[3] < until, oldest))
            if gone:
                self._connection.execute(_DELETE, (stream, gone[-1][0]))
                self._connection.execute(_SHRINK, (sum(row[2] for row in gone), stream))
        if gone:
            time.sleep(time.monotonic() - began)
        return sum(row[1] for row in gone)


def _no_such(stream: StreamName) -> NotFoundError:
    return NotFoundError(f"no stream {stream!r} in the log: create it first")
