"""Streams and deliveries, put together from the catalog, the log, and what the parts tell."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from bobr.catalog import Catalog, Delivery, Stream
from bobr.catalog.nearest import meant
from bobr.clock import Clock
from bobr.controller.introspection import shape
from bobr.controller.introspection.behind import behind as behind_of
from bobr.controller.introspection.rates import Rates
from bobr.controller.introspection.shape import States, megabytes
from bobr.controller.introspection.told import (
    Deliveries,
    DeliveryRow,
    DeliveryTold,
    PartitionTold,
    Reading,
    StreamRow,
    Streams,
    StreamTold,
)
from bobr.controller.status import DeliveryReports
from bobr.errors import BobrError, NotFoundError
from bobr.ids import DeliveryName, Partition, StreamName
from bobr.log import Group, LogAdmin, PartitionState
from bobr.runtime.report import DeliveryReport

DECLARED = {"partition_by", "dedup_seconds", "flush_seconds", "keep_seconds"}
"""Members of a delivery that are told as files have them."""


class Introspector:
    """Asks the log. Thread-safe; blocks."""

    def __init__(self, admin: LogAdmin, clock: Clock) -> None:
        """`admin`: of the log. There are rates as soon as it has measured twice."""
        self._admin = admin
        self._clock = clock
        self._rates = Rates()

    def measure(self, catalog: Catalog) -> None:
        """Look how far each stream is, for its rate. To be called every `SAMPLE_SECONDS`."""
        states = {name: self.states(name) for name in catalog.streams}
        ends = {name: shape.end(some) for name, some in states.items() if some}
        self._rates.look(self._clock.monotonic(), ends)

    def states(self, stream: StreamName) -> States:
        """What the log says of it; {}: it can not tell."""
        try:
            return self._admin.describe(stream)
        except BobrError:
            return {}

    def streams(self, catalog: Catalog, reports: DeliveryReports) -> Streams:
        """All of them."""
        reading: defaultdict[StreamName, list[Delivery]] = defaultdict(list)
        for _, delivery in sorted(catalog.deliveries.items()):
            reading[delivery.stream].append(delivery)
        told = (
            self._stream(stream, reading[name], reports)
            for name, stream in sorted(catalog.streams.items())
        )
        return Streams(streams=[_row(each) for each in told])

    def stream(self, catalog: Catalog, name: StreamName, reports: DeliveryReports) -> StreamTold:
        """One. NotFoundError: the catalog has it not."""
        stream = catalog.streams.get(name)
        if stream is None:
            raise NotFoundError(f"there is no stream {name!r}: {meant(name, catalog.streams)}")
        reading = [each for _, each in sorted(catalog.deliveries.items()) if each.stream == name]
        return self._stream(stream, reading, reports)

    def _stream(
        self, stream: Stream, reading: Sequence[Delivery], reports: DeliveryReports
    ) -> StreamTold:
        name = stream.name
        now = self._clock.now()
        states = self.states(name)
        readers = self._readers(stream, reading, states, reports, now)
        rate = self._rates.of(name, self._clock.monotonic(), shape.end(states)) if states else None
        events = shape.events(states)
        return StreamTold(
            stream=name,
            message=stream.message,
            owner=stream.owner,
            events=events,
            MB=megabytes(shape.nbytes(states)),
            events_per_second=round(rate.events_per_second, 3) if rate else None,
            measured_seconds=round(rate.seconds, 3) if rate else None,
            last_event=_text(shape.last_event(states)),
            skew=shape.skew(states),
            ingest_watermark=_oldest(readers),
            schemas=list(stream.schema_ids),
            partitions=[_partition(number, each, events) for number, each in states.items()],
            readers=readers,
        )

    def deliveries(self, catalog: Catalog, reports: DeliveryReports) -> Deliveries:
        """All of them."""
        told = [self._delivery(each, reports) for _, each in sorted(catalog.deliveries.items())]
        members = DeliveryRow.model_fields.keys()
        return Deliveries(
            deliveries=[DeliveryRow(**each.model_dump(include=set(members))) for each in told]
        )

    def delivery(
        self, catalog: Catalog, name: DeliveryName, reports: DeliveryReports
    ) -> DeliveryTold:
        """One. NotFoundError: the catalog has it not."""
        delivery = catalog.deliveries.get(name)
        if delivery is None:
            raise NotFoundError(f"there is no delivery {name!r}: {meant(name, catalog.deliveries)}")
        return self._delivery(delivery, reports)

    def _readers(
        self,
        stream: Stream,
        reading: Sequence[Delivery],
        states: States,
        reports: DeliveryReports,
        now: datetime,
    ) -> list[Reading]:
        deliveries = [
            self._reading(each.name, "delivery", stream.name, states, reports[each.name], now)
            for each in reading
        ]
        groups = [
            self._reading(each.name, "group", stream.name, states, _as_report(each), now)
            for each in (self._admin.groups(stream.name) if states else [])
        ]
        return deliveries + groups

    def _reading(  # all that a reader is
        self,
        name: str,
        kind: Literal["delivery", "group"],
        stream: StreamName,
        states: States,
        report: DeliveryReport,
        now: datetime,
    ) -> Reading:
        behind = behind_of(self._admin, stream, states, report, now)
        return Reading(
            name=name,
            kind=kind,
            state=report.state,
            positions=report.positions,
            lag=behind.events,
            lag_seconds=_rounded(behind.seconds),
            ingest_watermark=_text(behind.watermark),
        )

    def _delivery(self, delivery: Delivery, reports: DeliveryReports) -> DeliveryTold:
        now = self._clock.now()
        report = reports[delivery.name]
        behind = behind_of(self._admin, delivery.stream, self.states(delivery.stream), report, now)
        said = {
            name: value
            for name, value in (report.__pydantic_extra__ or {}).items()
            if name in DeliveryTold.model_fields
        }
        unsaid = dict.fromkeys(DeliveryTold.model_fields)
        declared = delivery.model_dump(mode="json", include=DECLARED)
        return DeliveryTold.model_validate(
            {
                **unsaid,
                **said,
                **declared,
                "delivery": delivery.name,
                "stream": delivery.stream,
                "destination": delivery.to,
                "table": delivery.table,
                "paused": delivery.paused,
                "state": report.state,
                "reason": report.reason,
                "positions": report.positions,
                "lag": behind.events,
                "lag_seconds": _rounded(behind.seconds),
                "ingest_watermark": _text(behind.watermark),
            }
        )


def _row(told: StreamTold) -> StreamRow:
    lags = [each.lag for each in told.readers if each.lag is not None]
    seconds = [each.lag_seconds for each in told.readers if each.lag_seconds is not None]
    return StreamRow(
        stream=told.stream,
        partitions=len(told.partitions),
        events=told.events,
        MB=told.MB,
        events_per_second=told.events_per_second,
        last_event=told.last_event,
        readers=len(told.readers),
        largest_lag=max(lags, default=None),
        largest_lag_seconds=max(seconds, default=None),
    )


def _as_report(group: Group) -> DeliveryReport:
    """Its place, in the form in which deliveries tell theirs."""
    positions = {str(source.partition): int(at) for source, at in group.positions.items()}
    return DeliveryReport(state="running" if group.members else "empty", positions=positions)


def _partition(number: Partition, state: PartitionState, all_events: int) -> PartitionTold:
    events = state.end - state.first
    return PartitionTold(
        partition=number,
        first=state.first,
        end=state.end,
        events=events,
        MB=megabytes(state.nbytes),
        last_event=_text(state.last_ingest_time),
        share=round(events / all_events, 4) if all_events else None,
    )


def _oldest(readers: Sequence[Reading]) -> str | None:
    """None: there is no reader, or of one it is not known."""
    marks = [each.ingest_watermark for each in readers]
    known = [mark for mark in marks if mark is not None]
    return min(known) if known and len(known) == len(marks) else None


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
