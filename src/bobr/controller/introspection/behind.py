"""How far behind a reader is, in events and in time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bobr.controller.introspection.shape import States
from bobr.controller.status import is_of_another_log, lag, lag_of
from bobr.ids import Offset, Partition, StreamName, StreamPartition
from bobr.log import LogAdmin, PartitionState
from bobr.runtime.report import DeliveryReport

SETTLE_SECONDS = 15.0
"""An event gets its time before it is stored: so long may that take, 10 s of it waiting for another writer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """How far behind a reader is; None: not known. events: that it lacks. seconds: since the oldest of them came.

    watermark: everything that came before this time, the reader has. It is a time of arrival, not of the events' own.
    """

    events: int | None = None
    seconds: float | None = None
    watermark: datetime | None = None


def behind(
    admin: LogAdmin, stream: StreamName, states: States, report: DeliveryReport, now: datetime
) -> Behind:
    """Of a reader with these positions. `now`: before the stream was described."""
    if not states or is_of_another_log(states, report):
        return Behind()
    events = lag(states, report)
    if events is None:
        return Behind()
    lacking = lag_of(states, report.positions)
    times = [
        admin.time_at(StreamPartition(stream, number), _next(state, report, number))
        for number, state in states.items()
        if lacking[number]
    ]
    oldest = min((time for time in times if time), default=None)
    settled = [_settled(state, now) for number, state in states.items() if not lacking[number]]
    return Behind(
        events=events,
        seconds=0.0 if oldest is None else max(0.0, (now - oldest).total_seconds()),
        watermark=min([*settled, *filter(None, times)], default=None),
    )


def _settled(state: PartitionState, now: datetime) -> datetime:
    """What nothing can come before any more, in a partition of which everything is there."""
    sure = now - timedelta(seconds=SETTLE_SECONDS)
    return max(sure, state.last_ingest_time or sure)


def _next(state: PartitionState, report: DeliveryReport, number: Partition) -> Offset:
    return Offset(max(state.first, report.positions.get(str(number), 0)))
