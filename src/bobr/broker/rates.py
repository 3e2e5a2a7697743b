"""How much each principal may publish a second: buckets that fill with time. Over both edges of one broker process.

A call is let in when nothing is owed, and takes what it has, be it more than there is: the next is let in when that is
paid back. So a call of any size passes, no event is counted twice, and over time no more passes than was allowed.
"""

import threading
from collections.abc import Mapping

from bobr.catalog import Principal
from bobr.clock import Clock
from bobr.ids import PrincipalName

BURST_SECONDS = 1.0
"""Who was silent may send as much at once as this time gives."""


class Bucket:
    """Fills with `per_second`, up to what `BURST_SECONDS` give. Below zero: so much is owed."""

    def __init__(self, per_second: float, now: float) -> None:
        """It is full."""
        self.per_second = per_second
        self._level = per_second * BURST_SECONDS
        self._at = now

    def owed_seconds(self, now: float) -> float:
        """How long until nothing is owed; 0: now."""
        self._fill(now)
        return max(0.0, -self._level / self.per_second)

    def take(self, amount: float, now: float) -> None:
        """Whatever is left."""
        self._fill(now)
        self._level -= amount

    def _fill(self, now: float) -> None:
        full = self.per_second * BURST_SECONDS
        self._level = min(full, self._level + max(0.0, now - self._at) * self.per_second)
        self._at = max(self._at, now)


class Rates:
    """Buckets of those principals that have limits. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        """Nobody has one yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[PrincipalName, str], Bucket] = {}

    def apply(self, principals: Mapping[PrincipalName, Principal]) -> None:
        """The limits from now on. What is owed stays owed where the limit stays."""
        with self._lock:
            now, old = self._clock.monotonic(), self._buckets
            self._buckets = {}
            for name, principal in principals.items():
                for what in ("events", "bytes"):
                    limit: float | None = getattr(principal, f"{what}_per_second")
                    if limit is not None:
                        bucket = old.get((name, what))
                        is_same = bucket is not None and bucket.per_second == limit
                        kept = bucket if is_same and bucket is not None else Bucket(limit, now)
                        self._buckets[name, what] = kept

    def owed_seconds(self, name: PrincipalName) -> float:
        """How long the principal has to wait until its next call; 0: it has not."""
        with self._lock:
            return self._owed_seconds(name)

    def _owed_seconds(self, name: PrincipalName) -> float:
        if not self._buckets:
            return 0.0
        now = self._clock.monotonic()
        found = (self._buckets.get((name, what)) for what in ("events", "bytes"))
        return max((bucket.owed_seconds(now) for bucket in found if bucket), default=0.0)

    def enter(self, name: PrincipalName, *, events: int, nbytes: int) -> float:
        """Let a call in that has so much, if nothing is owed; else how long it has to wait, and nothing is taken."""
        with self._lock:
            owed = self._owed_seconds(name)
            if not owed:
                self._take(name, events, nbytes)
            return owed

    def take(self, name: PrincipalName, *, events: int, nbytes: int) -> None:
        """A call is in that has so much: its sender has waited before."""
        with self._lock:
            self._take(name, events, nbytes)

    def _take(self, name: PrincipalName, events: int, nbytes: int) -> None:
        now = self._clock.monotonic() if self._buckets else 0.0
        for what, amount in (("events", events), ("bytes", nbytes)):
            if bucket := self._buckets.get((name, what)):
                bucket.take(amount, now)
