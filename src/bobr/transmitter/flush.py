"""When to commit: pure decisions over what a pipeline holds."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushPolicy:
    """Commit at the first bound that is reached. The first three also bound what one commit can
    cost.
    """

    events: int = 2_000_000
    nbytes: int = 256 * 1024 * 1024
    """Bytes of payloads."""
    partitions: int = 500
    """Table partitions with staged rows, never more: each is a file and an fdatasync, some 3 ms. So a
    commit takes about 2 s at most, whatever times the events say. Fewer would make commits of a few
    hundred rows where events of a year come mixed.
    """
    age_seconds: float = 5.0
    """Since the oldest event that is held was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What was read since the last commit."""

    events: int = 0
    nbytes: int = 0
    partitions: int = 0
    since: float = 0.0
    """Monotonic seconds at which the oldest was read; no meaning without events."""


def is_due(held: Held, policy: FlushPolicy, now: float) -> bool:
    """Whether to commit now (monotonic seconds). Nothing held: never."""
    return held.events > 0 and (
        held.events >= policy.events
        or held.nbytes >= policy.nbytes
        or held.partitions >= policy.partitions
        or now - held.since >= policy.age_seconds
    )


def wait_seconds(held: Held, policy: FlushPolicy, now: float) -> float:
    """How long to wait for more events at most, before a commit is due by age. Nothing held: for ever."""
    if not held.events:
        return inf
    return max(0.0, held.since + policy.age_seconds - now)
