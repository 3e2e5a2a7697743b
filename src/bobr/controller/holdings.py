"""What streams hold, and how far behind their tables are in time. Bounded work for each stream; blocks."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from bobr.catalog import Catalog, Delivery
from bobr.catalog.validate import Held, Holdings
from bobr.clock import Clock
from bobr.controller.retention import Committed
from bobr.errors import BobrError
from bobr.ids import DeliveryName, Offset, Partition, StreamName, StreamPartition
from bobr.log import Log, PartitionState


class Holder:
    """Asks the log. Thread-safe."""

    def __init__(self, of: Log, clock: Clock, committed: Callable[[], Committed]) -> None:
        """`committed`: what tables have, as their transmitters tell."""
        self._log = of
        self._clock = clock
        self._committed = committed

    def held(self, catalog: Catalog, streams: Iterable[StreamName]) -> Holdings:
        """Of those streams that are in the log; what can not be told is left out."""
        found: dict[StreamName, Held] = {}
        for stream in streams:
            try:
                found[stream] = self._held(catalog, stream)
            except BobrError:
                continue
        return found

    def _held(self, catalog: Catalog, stream: StreamName) -> Held:
        states = self._log.admin().describe(stream)
        deliveries = [each for each in catalog.deliveries.values() if each.stream == stream]
        return Held(
            events=sum(state.end - state.first for state in states.values()),
            behind_seconds=dict(self._behind(deliveries, states)),
        )

    def _behind(
        self, deliveries: Iterable[Delivery], states: Mapping[Partition, PartitionState]
    ) -> Iterator[tuple[DeliveryName, float]]:
        committed = self._committed()
        for delivery in deliveries:
            told = committed.get(delivery.name, {})
            ages = [
                self._age(StreamPartition(delivery.stream, number), Offset(position))
                for number, state in states.items()
                if (position := max(state.first, told.get(str(number), 0))) < state.end
            ]
            yield delivery.name, max(ages, default=0.0)

    def _age(self, source: StreamPartition, position: Offset) -> float:
        """Of the first event there, in seconds."""
        taken = self._log.admin().time_at(source, position)
        return 0.0 if taken is None else max(0.0, (self._clock.now() - taken).total_seconds())
