"""What a pipeline tells of itself: frozen values, made by its thread, read by any."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bobr.batch import Positions
from bobr.ids import DeliveryName, DestinationName, StreamName
from bobr.runtime.metrics import Sample
from bobr.transmitter.sinks import Totals


class State(StrEnum):
    """What a pipeline is doing."""

    OPENING = "opening"
    RUNNING = "running"
    WAITING = "waiting"
    """Something does not answer; it is tried again, less and less often."""
    BROKEN = "broken"
    """A person must act; it is tried again once a minute all the same."""
    PAUSED = "paused"
    """What was held is committed, nothing is read until it is resumed."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Since the pipeline started. Rows, files and bytes: committed by it."""

    rows: int = 0
    files: int = 0
    nbytes: int = 0
    commits: int = 0
    duplicates: int = 0
    """Events that were not delivered since a row with their id is there."""
    undecodable: int = 0
    """Events that were not delivered since their schema does not fit them; each has a log line."""
    fenced: int = 0
    """Times that another writer's commit came first: more than a few, and a second one runs."""
    retries: int = 0
    """Times that it stopped at an error, to be tried again; those that were fenced, too."""
    retired: int = 0
    """Rows that the table lost with partitions that the delivery keeps no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStatus:
    """One delivery. `reason`: why it does not run; `positions`: what the table has."""

    delivery: DeliveryName
    stream: StreamName
    to: DestinationName
    table: str
    state: State = State.OPENING
    reason: str = ""
    positions: Positions = field(default_factory=dict)
    counts: Counts = Counts()
    held: int = 0
    """Events read and not committed yet."""
    ids: int = 0
    """Ids in the dedup index; 16 bytes each."""
    ids_forgotten: int = 0
    """Ids that it forgot within their window, since it was full."""
    lost: int = 0
    """Events that the log's retention removed before they were read."""
    totals: Totals | None = None
    """What the table holds; None: not known."""
    last_commit: datetime | None = None
    """Of events: how fresh the table is."""
    last_retired: datetime | None = None
    """When partitions were removed, which makes no table fresher."""

    def as_json(self) -> dict[str, object]:
        """As the controller shows it."""
        return {
            "state": str(self.state),
            "reason": self.reason,
            "stream": self.stream,
            "to": self.to,
            "table": self.table,
            "positions": {
                str(key.partition): int(to)
                for key, to in self.positions.items()
                if key.stream
                == self.stream  # the table may hold those of another, from former times
            },
            "rows": self.totals.rows if self.totals else None,
            "files": self.totals.files if self.totals else None,
            "bytes": self.totals.nbytes if self.totals else None,
            "rows_committed": self.counts.rows,
            "files_committed": self.counts.files,
            "bytes_committed": self.counts.nbytes,
            "commits": self.counts.commits,
            "duplicates": self.counts.duplicates,
            "undecodable": self.counts.undecodable,
            "fenced": self.counts.fenced,
            "retries": self.counts.retries,
            "ids_forgotten": self.ids_forgotten,
            "ids": self.ids,
            "held": self.held,
            "lost": self.lost,
            "rows_retired": self.counts.retired,
            "last_commit": _text(self.last_commit),
            "last_retired": _text(self.last_retired),
        }

    def samples(self) -> Iterator[Sample]:
        """For Prometheus."""
        counts = self.counts
        values: dict[str, float] = {
            "rows_committed_total": counts.rows,
            "files_committed_total": counts.files,
            "committed_bytes_total": counts.nbytes,
            "commits_total": counts.commits,
            "duplicates_total": counts.duplicates,
            "undecodable_total": counts.undecodable,
            "fenced_total": counts.fenced,
            "retries_total": counts.retries,
            "rows_retired_total": counts.retired,
            "lost_events": self.lost,
            "held_events": self.held,
            "dedup_ids": self.ids,
            "dedup_ids_forgotten": self.ids_forgotten,
        }
        if self.last_commit is not None:
            values["last_commit_timestamp_seconds"] = self.last_commit.timestamp()
        for name, value in values.items():
            yield Sample(f"bobr_transmitter_{name}", value, (self.delivery,))
        for state in State:
            labels = self.delivery, state
            yield Sample("bobr_transmitter_delivery_state", state is self.state, labels)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")
