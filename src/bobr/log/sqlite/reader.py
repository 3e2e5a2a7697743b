"""The reading end: runs of chunks become batches; nothing is held open between two reads."""

import threading
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby

import structlog

from bobr.batch import Positions, StoredBatch
from bobr.errors import BrokenError
from bobr.ids import StreamPartition
from bobr.log import Limit
from bobr.log.sqlite.chunk import Chunk, fitting, joined
from bobr.log.sqlite.database import Database
from bobr.log.sqlite.ends import EndsWatch

RUN_BYTES = 256 * 1024 * 1024
"""No more is read at once whatever the limit: an Arrow binary array ends at 2 GiB."""

_FIND = 'select id, "end" from stream where name = ?'
_ROWS = """
select * from chunk where stream_id = :stream and first >= coalesce(
    (select max(first) from chunk where stream_id = :stream and first <= :position), 0)
order by first
"""
_NEXT = "select min(first) from chunk where stream_id = ? and first > ?"
_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Cursor:
    """One assigned partition. position: behind what was read. ready: read, but not yet given."""

    source: StreamPartition
    position: int
    ready: deque[StoredBatch] = field(default_factory=deque)


class SqliteReader:
    """A `Reader`. A chunk that fails its checksum is passed over, counted in `lost` and reported in the
    process's own log; it stays in the database until retention takes it."""

    def __init__(self, database: Database, ends: EndsWatch) -> None:
        """Nothing assigned. `ends`: where to wait."""
        self._database = database
        self._ends = ends
        self._wake = threading.Event()
        self._connection = database.connect()
        self._cursors: deque[_Cursor] = deque()
        self._lost: Counter[StreamPartition] = Counter()

    @property
    def lost(self) -> Mapping[StreamPartition, int]:
        """See `Reader`."""
        return dict(self._lost)

    def assign(self, positions: Positions) -> None:
        """See `Reader`."""
        self._lost.clear()
        self._cursors = deque(
            _Cursor(source=source, position=position) for source, position in positions.items()
        )

    def read(self, limit: Limit, timeout_seconds: float) -> list[StoredBatch]:
        """See `Reader`."""
        batches = self._available(limit)
        if not batches and timeout_seconds > 0:
            self._ends.wait(self._positions(), self._wake, timeout_seconds)
            batches = self._available(limit)
        return batches

    def wake(self) -> None:
        """See `Reader`."""
        self._wake.set()

    def close(self) -> None:
        """See `Reader`."""
        self._cursors.clear()
        self._connection.close()

    def _positions(self) -> dict[str, int]:
        return {cursor.source.stream: cursor.position for cursor in self._cursors}

    def _available(self, limit: Limit) -> list[StoredBatch]:
        """What can be given at once. Partitions take turns at being first."""
        batches: list[StoredBatch] = []
        events, nbytes = limit.events, limit.nbytes
        self._cursors.rotate(-1)
        for cursor in self._cursors:
            while batch := self._next(cursor, Limit(events=events, nbytes=nbytes), not batches):
                batches.append(batch)
                events, nbytes = events - len(batch), nbytes - batch.nbytes
        return batches

    def _next(self, cursor: _Cursor, left: Limit, first: bool) -> StoredBatch | None:
        """The partition's next batch within the limit; the first of a read has at least one event."""
        if left.events <= 0 or (left.nbytes <= 0 and not first):
            return None
        while not cursor.ready:
            if not self._fetch(cursor, left):
                return None
        head = cursor.ready.popleft()
        fits = max(fitting(head.payloads, left.events, left.nbytes), int(first))
        if fits < len(head):
            cursor.ready.appendleft(head.slice(fits))
        return head.slice(0, fits) if fits else None

    def _fetch(self, cursor: _Cursor, left: Limit) -> bool:
        """Read the chunks that hold the next events, as many as fit. False: there are none."""
        with self._database.reading(self._connection):
            found = self._connection.execute(_FIND, (cursor.source.stream,)).fetchone()
            if found is None or cursor.position == found[1]:
                return False
            stream_id, end = found
            if cursor.position > end:
                raise BrokenError(_behind_the_end(cursor, end))
            rows = self._rows(stream_id, cursor.position, left)
            stop = self._first_behind(stream_id, rows, end)
        self._digest(cursor, rows, stop)
        return True

    def _rows(self, stream_id: int, position: int, left: Limit) -> list[Chunk]:
        rows: list[Chunk] = []
        events, nbytes = left.events, min(left.nbytes, RUN_BYTES)
        keys = {"stream": stream_id, "position": position}
        with closing(self._connection.execute(_ROWS, keys)) as found:
            for row in map(Chunk._make, found):
                if rows and (events <= 0 or nbytes < row.size):
                    break
                rows.append(row)
                events -= row.end - max(row.first, position)
                nbytes -= row.size
        return rows

    def _first_behind(self, stream_id: int, rows: list[Chunk], end: int) -> int:
        """Where these rows end: the next one says it, since a damaged one may say anything."""
        if not rows:
            return end
        found = self._connection.execute(_NEXT, (stream_id, rows[-1].first)).fetchone()
        return end if found[0] is None else int(found[0])

    def _digest(self, cursor: _Cursor, rows: list[Chunk], stop: int) -> None:
        """Move the position behind these rows; what lies before it and is not ready is lost."""
        start = cursor.position
        sound = [row for row in rows if self._is_sound(row, cursor.source)]
        cursor.position = stop
        for _, run in groupby(sound, key=lambda row: row.schema_id):
            cursor.ready.append(joined(list(run), cursor.source))
        if sound and sound[0].first < start:
            cursor.ready[0] = cursor.ready[0].slice(start - sound[0].first)
        lost = cursor.position - start - sum(map(len, cursor.ready))
        if lost:
            self._lost[cursor.source] += lost

    def _is_sound(self, row: Chunk, source: StreamPartition) -> bool:
        sound = row.crc == row.checksum()
        if not sound:
            _log.error(
                "damaged events are passed over",
                log=str(self._database.path),
                stream=source.stream,
                first_offset=row.first,
                events=row.events,
            )
        return sound


def _behind_the_end(cursor: _Cursor, end: int) -> str:
    return (
        f"position {cursor.position} of stream {cursor.source.stream!r} lies behind the end {end} "
        "of the log: this is not the log that the position came from, or an older copy of it"
    )
