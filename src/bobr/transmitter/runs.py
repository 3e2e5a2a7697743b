"""Sorted runs of 128-bit keys, merged as they grow (a log-structured merge tree in numpy arrays).

A key is two uint64: `hi`, then `lo` whose upper half continues the hash and whose lower half is a
time in seconds, so that all keys of one id lie side by side in the order of time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bobr.transmitter.idhash import U64, Hashes

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_TIME = np.uint64((1 << 32) - 1)
_TAG = ~_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Keys in order. `newest`: no key's time is later."""

    hi: U64
    lo: U64
    newest: int

    def __len__(self) -> int:
        """Keys."""
        return len(self.hi)

    def seconds(self) -> U64:
        """The time of each key."""
        return self.lo & _TIME

    def filter(self, mask: Mask) -> "Run":
        """The keys where `mask` is true."""
        return Run(hi=self.hi[mask], lo=self.lo[mask], newest=self.newest)

    def merged(self, other: "Run") -> "Run":
        """Both in one."""
        hi = np.concatenate([self.hi, other.hi])
        return _sorted(hi, np.concatenate([self.lo, other.lo])).run

    def near(self, rows: "Run", window: int) -> Mask:
        """Which of `rows` have a key of the same id here, at most `window` seconds away."""
        found = np.zeros(len(rows), dtype=bool)
        first = np.searchsorted(self.hi, rows.hi)
        maybe = np.flatnonzero(self.hi[np.minimum(first, len(self) - 1)] == rows.hi)
        if len(maybe):
            earliest, latest = _around(rows.lo[maybe], window)
            end = np.searchsorted(self.hi, rows.hi[maybe], "right")
            place = _first_at_least(self.lo, first[maybe], end, earliest)
            hit = place < end
            hit &= self.lo[np.minimum(place, len(self) - 1)] <= latest
            found[maybe] = hit
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """The keys of some events, sorted; `order` says for each at which place it came."""

    run: Run
    order: Indices

    @classmethod
    def of(cls, hashes: Hashes, seconds: U64) -> "Arrivals":
        """Sort the keys of events that came in this order; of equal keys the first comes first."""
        hi, tag = hashes
        return _sorted(hi, tag | seconds)

    def __len__(self) -> int:
        """Events."""
        return len(self.order)

    def filter(self, mask: Mask) -> "Arrivals":
        """The events where `mask` is true."""
        if mask.all():
            return self
        return Arrivals(run=self.run.filter(mask), order=self.order[mask])

    def first_of_equals(self, window: int) -> Mask:
        """Which stay when each removes those of its id that come after it, at most `window` seconds
        away.
        """
        hi, lo = self.run.hi, self.run.lo
        same = np.zeros(len(self) + 1, dtype=bool)
        same[1:-1] = (hi[1:] == hi[:-1]) & ((lo[1:] ^ lo[:-1]) & _TAG == 0)
        stay = np.ones(len(self), dtype=bool)
        repeated = np.flatnonzero(same[1:] | same[:-1])
        if len(repeated):
            stay[repeated] = self._first_of(repeated, window)
        return stay

    def _first_of(self, repeated: Indices, window: int) -> Mask:
        """The same for the events whose id came more than once."""
        hi, lo, order = self.run.hi[repeated], self.run.lo[repeated], self.order[repeated]
        by_arrival = np.lexsort((order, lo & _TAG, hi))
        hi, lo = hi[by_arrival], lo[by_arrival]
        stay = np.ones(len(repeated), dtype=bool)
        stay[1:] = (hi[1:] != hi[:-1]) | ((lo[1:] ^ lo[:-1]) & _TAG != 0)
        group = np.cumsum(stay) - 1
        time = (lo & _TIME).astype(np.int64)
        beyond = np.abs(time - time[stay][group]) > window
        _stay_in_turn(stay, np.flatnonzero(beyond), group, time, window)
        result = np.empty(len(repeated), dtype=bool)
        result[by_arrival] = stay
        return result


def _sorted(hi: U64, lo: U64) -> Arrivals:
    order = np.argsort(hi, kind="stable")
    hi, lo = hi[order], lo[order]
    ties = np.flatnonzero(hi[1:] == hi[:-1])
    if len(ties):  # `hi` alone tells nearly all ids apart: only its ties are sorted by both
        tied = np.union1d(ties, ties + 1)
        inner = tied[np.lexsort((lo[tied], hi[tied]))]
        lo[tied], order[tied] = lo[inner], order[inner]
    newest = int((lo & _TIME).max()) if len(lo) else 0
    return Arrivals(run=Run(hi=hi, lo=lo, newest=newest), order=order)


def _stay_in_turn(stay: Mask, rows: Indices, group: Indices, time: Indices, window: int) -> None:
    """Judge one by one the rare rows whose id came again in the same batch, but beyond the window
    of its first.
    """
    stayed: dict[int, list[int]] = {}
    for row in rows.tolist():
        times = stayed.setdefault(int(group[row]), [])
        if all(abs(int(time[row]) - earlier) > window for earlier in times):
            times.append(int(time[row]))
            stay[row] = True


def _around(lo: U64, window: int) -> tuple[U64, U64]:
    """The smallest and the largest `lo` of the same id within the window."""
    tag, time = lo & _TAG, (lo & _TIME).astype(np.int64)
    earliest = np.maximum(time - window, 0).astype(np.uint64)
    latest = np.minimum(time + window, int(_TIME)).astype(np.uint64)
    return tag | earliest, tag | latest


def _first_at_least(values: U64, start: Indices, end: Indices, targets: U64) -> Indices:
    """For each target a binary search in its own slice `values[start:end]`, all at once."""
    start, stop = start.copy(), end.copy()
    while (active := start < stop).any():
        middle = (start + stop) // 2
        below = active & (values[np.minimum(middle, len(values) - 1)] < targets)
        start = np.where(below, middle + 1, start)
        stop = np.where(active & ~below, middle, stop)
    return start


@dataclass(slots=True, kw_only=True)
class Runs:
    """Runs in the order of arrival, each larger than the sum of what follows or at its limit. One
    owner thread.
    """

    run_keys_max: int
    """A run that large is merged no more, and is forgotten as a whole."""
    _runs: list[Run] = field(default_factory=list)
    _oldest: int = 0

    def __len__(self) -> int:
        """Keys."""
        return sum(map(len, self._runs))

    def add(self, run: Run) -> None:
        """Add keys; runs of about one size become one."""
        if not len(run):
            return
        self._runs.append(run)
        while self._may_merge():
            last = self._runs.pop()
            self._runs[-1] = self._alive(self._runs[-1]).merged(last)

    def _may_merge(self) -> bool:
        *_, before, last = [0, 0, *map(len, self._runs)]
        return 0 < before <= 2 * last and before + last <= self.run_keys_max

    def _alive(self, run: Run) -> Run:
        alive = run.seconds() >= np.uint64(self._oldest)
        return run if alive.all() else run.filter(alive)

    def extend(self, other: "Runs") -> None:
        """Add all of the other's keys."""
        for run in other._runs:  # noqa: SLF001 — its own kind
            self.add(run)

    def near(self, rows: Run, window: int) -> Mask:
        """Which rows have a key of the same id, at most `window` seconds away."""
        found = np.zeros(len(rows), dtype=bool)
        for run in self._runs:
            found |= run.near(rows, window)
        return found

    def forget_before(self, second: int) -> None:
        """Keys of earlier seconds are not needed: their runs go as a whole, others lose them at the
        next merge.
        """
        self._oldest = max(self._oldest, second)
        self._drop(lambda run: run.newest < self._oldest)

    def drop_oldest(self) -> int:
        """Forget the run whose newest key is the oldest of all, unless it is the only one; keys
        forgotten.
        """
        if len(self._runs) < 2:
            return 0
        oldest = min(self._runs, key=lambda run: run.newest)
        self._drop(lambda run: run is oldest)
        return len(oldest)

    def _drop(self, unwanted: Callable[[Run], bool]) -> None:
        self._runs = [run for run in self._runs if not unwanted(run)]
