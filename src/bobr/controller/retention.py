"""Retention: delivered events leave the log after their time; events that some table still lacks never do."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from bobr.catalog import Catalog, Stream
from bobr.clock import Clock
from bobr.errors import BobrError
from bobr.ids import DeliveryName, Offset, StreamPartition
from bobr.log import Limit, Log

EVERY_SECONDS = 60.0
ONE = Limit(events=1, nbytes=1)

Committed = Mapping[DeliveryName, Mapping[str, int]]
"""Per delivery, what its table has: partition (as text) → next offset."""

log = structlog.get_logger()


class Retention:
    """Trims streams. Blocking; one thread at a time."""

    def __init__(self, of: Log, clock: Clock) -> None:
        """`of`: the log to trim."""
        self._log = of
        self._clock = clock

    def apply(self, catalog: Catalog, committed: Committed) -> None:
        """Trim every stream. A delivery that is not in `committed` has nothing yet."""
        for stream in catalog.streams.values():
            try:
                self._trim(stream, catalog, committed)
            except BobrError as error:  # the others are trimmed all the same
                log.error("retention failed", stream=stream.name, reason=str(error))

    def _trim(self, stream: Stream, catalog: Catalog, committed: Committed) -> None:
        deliveries = [each for each in catalog.deliveries.values() if each.stream == stream.name]
        before = self._before(stream, [committed.get(each.name, {}) for each in deliveries])
        removed = self._log.admin().trim(stream.name, before)
        if removed:
            log.info("retention", stream=stream.name, removed=removed, before=str(before))

    def _before(self, stream: Stream, tables: Sequence[Mapping[str, int]]) -> datetime:
        due = self._clock.now() - timedelta(seconds=stream.retention_seconds)
        awaited = (self._oldest_awaited(stream, table) for table in tables)
        return min([due, *(time for time in awaited if time is not None)])

    def _oldest_awaited(self, stream: Stream, table: Mapping[str, int]) -> datetime | None:
        """When the oldest event came that the table lacks; None: it lacks none."""
        reader = self._log.reader()
        try:
            times = []
            for partition in self._log.admin().describe(stream.name):
                start = Offset(table.get(str(partition), 0))
                reader.assign({StreamPartition(stream.name, partition): start})
                times += [batch.ingest_times[0].as_py() for batch in reader.read(ONE, 0.0)]
            return min(times, default=None)
        finally:
            reader.close()
