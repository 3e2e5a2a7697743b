"""Retention: delivered events leave the log after their time; events that some table still lacks never do."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from bobr.batch import Positions
from bobr.catalog import Catalog, Stream
from bobr.clock import Clock
from bobr.errors import BobrError
from bobr.ids import DeliveryName, Offset, StreamName, StreamPartition
from bobr.log import Log, PartitionState

EVERY_SECONDS = 60.0
REMOVED_SECONDS = 7 * 24 * 3600.0
"""Events of a stream that is not declared any more stay so long: a rollback finds them."""

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
        for name in {*catalog.streams, *self._log.admin().streams()}:
            stream = catalog.streams.get(name)
            try:
                if stream is None:
                    self._trim_removed(name)
                else:
                    self._trim(stream, catalog, committed)
            except BobrError as error:  # the others are trimmed all the same
                log.error("retention failed", stream=name, reason=str(error))

    def _trim_removed(self, name: StreamName) -> None:
        """By time alone: no table awaits anything of it."""
        due = self._clock.now() - timedelta(seconds=REMOVED_SECONDS)
        removed = self._log.admin().trim(name, due)
        if removed:
            log.info("retention", stream=name, removed=removed, before=str(due))

    def _trim(self, stream: Stream, catalog: Catalog, committed: Committed) -> None:
        deliveries = [each for each in catalog.deliveries.values() if each.stream == stream.name]
        due = self._clock.now() - timedelta(seconds=stream.retention_seconds)
        upto = self._delivered(stream, [committed.get(each.name, {}) for each in deliveries])
        removed = self._log.admin().trim(stream.name, due, upto)
        if removed:
            log.info("retention", stream=stream.name, removed=removed, before=str(due))

    def _delivered(self, stream: Stream, tables: Sequence[Mapping[str, int]]) -> Positions:
        """What every table has; without tables nothing is awaited."""
        if not tables:
            return {}
        return {
            StreamPartition(stream.name, partition): min(
                _within(table.get(str(partition), 0), state) for table in tables
            )
            for partition, state in self._log.admin().describe(stream.name).items()
        }


def _within(position: int, state: PartitionState) -> Offset:
    """A position behind the end is one in another log: what this one holds is in no table."""
    return Offset(position if position <= state.end else 0)
