"""What a pipeline tells of itself: frozen values, made by its thread, read by any."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bobr.batch import Positions
from bobr.ids import DeliveryName, DestinationName, StreamName
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
            "ids_forgotten": self.ids_forgotten,
            "ids": self.ids,
            "held": self.held,
            "lost": self.lost,
            "last_commit": self.last_commit.isoformat(timespec="milliseconds")
            if self.last_commit
            else None,
        }
