"""What a stream's partitions hold together. Pure."""

from collections.abc import Mapping
from datetime import datetime

from bobr.controller.status import MB
from bobr.ids import Partition
from bobr.log import PartitionState

States = Mapping[Partition, PartitionState]


def skew(states: States) -> float | None:
    """Events of the largest partition over the mean of all; None: there are none."""
    counts = [state.end - state.first for state in states.values()]
    return round(max(counts) * len(counts) / sum(counts), 3) if sum(counts) else None


def last_event(states: States) -> datetime | None:
    """When the newest came, be it gone since."""
    return max(
        (state.last_ingest_time for state in states.values() if state.last_ingest_time),
        default=None,
    )


def events(states: States) -> int:
    """That are there."""
    return sum(state.end - state.first for state in states.values())


def end(states: States) -> int:
    """How many were ever stored."""
    return sum(state.end for state in states.values())


def nbytes(states: States) -> int:
    """Of those that are there, uncompressed."""
    return sum(state.nbytes for state in states.values())


def megabytes(size: int) -> float:
    """To three places."""
    return round(size / MB, 3)
