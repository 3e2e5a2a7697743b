"""The verdict on a group of events: pure functions over arrays. Which are good, and what is wrong with the others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bobr.broker.calls import Answer
from bobr.outcome import Reason, Rejection

Integers = npt.NDArray[np.int64]
Judge = Callable[[pa.BinaryArray], Sequence[Rejection]]
"""Says what is wrong with which of the payloads, by their index among those it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of a group's events: the good payloads, and which events these are; the rest is in `rejections`.

    accepted and the rejections' indexes count the group's events, rising. stopped: call (its
    number) → its first event not looked at, for calls that had too many rejections.
    """

    payloads: pa.BinaryArray
    accepted: Integers
    rejections: Sequence[Rejection] = ()
    stopped: dict[int, int] = field(default_factory=dict)


def innocent(payloads: pa.BinaryArray) -> Verdict:
    """Nothing is known against any of them yet."""
    return Verdict(payloads=payloads, accepted=np.arange(len(payloads), dtype=np.int64))


def judged(verdict: Verdict, judge: Judge) -> Verdict:
    """The verdict after one more judge, who sees only what was good so far."""
    rejections = judge(verdict.payloads)
    if not rejections:
        return verdict
    guilty = np.fromiter((rejection.index for rejection in rejections), np.int64, len(rejections))
    found = [
        replace(rejection, index=int(verdict.accepted[rejection.index])) for rejection in rejections
    ]
    good = np.ones(len(verdict.payloads), np.bool_)
    good[guilty] = False
    return replace(
        verdict,
        payloads=verdict.payloads.filter(pa.array(good)),
        accepted=verdict.accepted[good],
        rejections=sorted([*verdict.rejections, *found], key=_index),
    )


def size_judge(event_bytes_max: int) -> Judge:
    """Refuses events above the stream's limit."""

    def judge(payloads: pa.BinaryArray) -> Sequence[Rejection]:
        if not len(payloads) or pc.max(pc.binary_length(payloads)).as_py() <= event_bytes_max:
            return ()
        lengths = np.asarray(pc.binary_length(payloads))
        return [
            Rejection(
                index=int(index),
                reason=Reason.TOO_LARGE,
                message=f"the event has {lengths[index]:,} bytes; the stream takes {event_bytes_max:,}",
            )
            for index in np.flatnonzero(lengths > event_bytes_max)
        ]

    return judge


def stopped_early(verdict: Verdict, starts: Integers, rejections_max: Sequence[int]) -> Verdict:
    """The verdict with each call cut at its first rejection too many: later events of that call are not looked at.

    rejections_max: of each call.
    """
    if len(verdict.rejections) <= min(rejections_max):
        return verdict
    indexes = _indexes(verdict.rejections)
    places = pairwise(np.searchsorted(indexes, starts).tolist())
    stopped = {
        call: int(indexes[first + most])
        for call, ((first, last), most) in enumerate(zip(places, rejections_max, strict=True))
        if last - first > most
    }
    return _cut(verdict, starts, stopped)


def _cut(verdict: Verdict, starts: Integers, stopped: dict[int, int]) -> Verdict:
    ends = [int(starts[call + 1]) for call in stopped]
    keep = _outside(verdict.accepted, list(stopped.values()), ends)
    listed = _outside(_indexes(verdict.rejections), list(stopped.values()), ends)
    return replace(
        verdict,
        payloads=verdict.payloads.filter(pa.array(keep)),
        accepted=verdict.accepted[keep],
        rejections=[verdict.rejections[place] for place in np.flatnonzero(listed).tolist()],
        stopped=stopped,
    )


def answers(verdict: Verdict, starts: Integers) -> Iterator[Answer]:
    """One answer for each call, with indexes that count the call's own events. `starts`: see `merge.Group`."""
    counts = np.diff(np.searchsorted(verdict.accepted, starts)).tolist()
    if not verdict.rejections:
        yield from map(_all_accepted, counts)
        return
    places = pairwise(np.searchsorted(_indexes(verdict.rejections), starts).tolist())
    for call, (count, (first, last)) in enumerate(zip(counts, places, strict=True)):
        start, stop = int(starts[call]), verdict.stopped.get(call)
        yield Answer(
            accepted=count,
            rejections=tuple(
                replace(rejection, index=rejection.index - start)
                for rejection in verdict.rejections[first:last]
            ),
            stopped_at=None if stop is None else stop - start,
        )


@lru_cache(maxsize=4096)
def _all_accepted(count: int) -> Answer:
    return Answer(accepted=count)


def _indexes(rejections: Sequence[Rejection]) -> Integers:
    return np.fromiter((rejection.index for rejection in rejections), np.int64, len(rejections))


def _outside(values: Integers, lows: Sequence[int], highs: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Which of the rising values are in none of the ranges."""
    outside = np.ones(len(values), np.bool_)
    froms, tos = np.searchsorted(values, lows).tolist(), np.searchsorted(values, highs).tolist()
    for low, high in zip(froms, tos, strict=True):
        outside[low:high] = False
    return outside


def _index(rejection: Rejection) -> int:
    return rejection.index
