"""The answers to `GET /v1/streams` and `/v1/deliveries`, and to those of one name."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bobr.ids import DeliveryName, Offset, Partition, StreamName


class Told(BaseModel):
    """An answer. Times: ISO 8601, UTC. None: not known."""

    model_config = ConfigDict(frozen=True)


class StreamRow(Told):
    """A stream in a list. events, MB: that the log holds. largest_lag: of the reader that is furthest behind."""

    stream: StreamName
    partitions: int
    events: int
    MB: float
    events_per_second: float | None
    last_event: str | None
    readers: int
    largest_lag: int | None
    largest_lag_seconds: float | None


class Streams(Told):
    """By name."""

    streams: Sequence[StreamRow]


class PartitionTold(Told):
    """first: offset of the oldest event that is there; end: that of the next to come. share: of all events, 0 to 1."""

    partition: Partition
    first: Offset
    end: Offset
    events: int
    MB: float
    last_event: str | None
    share: float | None


class Reading(Told):
    """Who reads a stream. kind: a delivery, whose place is in its table, or a group, whose place is in the log.

    lag: events that it lacks; lag_seconds: since the oldest of them came. ingest_watermark: all before it is there.
    """

    name: str
    kind: Literal["delivery", "group"]
    state: str
    positions: Mapping[str, int]
    lag: int | None
    lag_seconds: float | None
    ingest_watermark: str | None


class StreamTold(Told):
    """A stream. skew: events of the largest partition over the mean, 1: even. ingest_watermark: the oldest reader's.

    measured_seconds: over how long its rate was measured.
    """

    stream: StreamName
    message: str
    owner: str
    events: int
    MB: float
    events_per_second: float | None
    measured_seconds: float | None
    last_event: str | None
    skew: float | None
    ingest_watermark: str | None
    schemas: Sequence[int]
    partitions: Sequence[PartitionTold]
    readers: Sequence[Reading]


class DeliveryRow(Told):
    """A delivery in a list. rows: in its table, whoever wrote them. paused: as it was said to be."""

    delivery: DeliveryName
    stream: StreamName
    destination: str
    table: str
    paused: bool
    state: str
    reason: str
    rows: int | None
    lag: int | None
    lag_seconds: float | None
    last_commit: str | None


class Deliveries(Told):
    """By name."""

    deliveries: Sequence[DeliveryRow]


class DeliveryTold(DeliveryRow):
    """A delivery. partition, dedup, flush, keep: as declared; keep none: for ever.

    positions: by partition the next offset that its table lacks; files, bytes: of the table. All others count since
    its pipeline started. undecodable: skipped, since their schema does not fit them. rows_retired: that `keep` removed,
    the last of them at last_retired, which moves no last_commit: that says how fresh the table is.
    """

    partition: str
    dedup: str
    flush: str
    keep: str | None
    positions: Mapping[str, int]
    ingest_watermark: str | None
    files: int | None
    bytes: int | None
    rows_committed: int | None
    commits: int | None
    held: int | None
    duplicates: int | None
    undecodable: int | None
    lost: int | None
    fenced: int | None
    retries: int | None
    rows_retired: int | None
    last_retired: str | None
