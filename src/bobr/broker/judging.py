"""Judging a group's events in steps, so that bad ones, which take far longer than good ones, keep nobody waiting.

A generator's `yield` says: this took its time. Good events are judged without one, many at once, unless they are very
many.
"""

from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from bobr.broker.calls import JsonEvents
from bobr.broker.merge import Group
from bobr.broker.streams import Judges
from bobr.broker.verdict import Verdict, innocent, judged, size_judge
from bobr.outcome import Rejection
from bobr.schema import EventType
from bobr.schema.json.reader import JsonReader

FIRST_EVENTS = 1_024
"""Serialized events that are checked together at first, and after bad ones: some 15 ms if all are bad."""
MORE_EVENTS = 8_192
"""And as long as all are good: a few ms."""
QUICK_EVENTS = 32_768
"""Of a group, if all are good: a round of ordinary events has no more. What comes behind them takes its time."""

Steps = Generator[None, None, Verdict]


def judge(
    group: Group, judges: Judges, event_bytes_max: int, rejections_max: Sequence[int]
) -> Steps:
    """What to think of the group's events, without the rules of `buf.validate`.

    rejections_max: of each call. Events of a call behind one rejection more are not looked at; see `stopped_early`.
    """
    verdict = yield from _read(group, judges.json)
    verdict = judged(verdict, size_judge(event_bytes_max))
    starts = np.searchsorted(verdict.accepted, group.starts).tolist()
    broken = yield from _check(verdict.payloads, judges.event_type, starts, rejections_max)
    if judges.rules.has_rules:
        verdict = judged(verdict, lambda _: broken)
        broken = []
        for fate in judges.rules.fates(verdict.payloads):
            if fate is not None:
                broken.append(fate)
            yield
    return judged(verdict, lambda _: broken)


def _read(group: Group, reader: JsonReader) -> Steps:
    """The group's payloads; JSON documents become payloads here."""
    if group.payloads is not None:
        return innocent(group.payloads)
    payloads, accepted, rejections = yield from reader.steps(list(_documents(group)))
    return Verdict(
        payloads=payloads,
        accepted=pa.array(accepted, pa.int64()).to_numpy(),
        rejections=rejections,
    )


def _documents(group: Group) -> Iterator[bytes]:
    for call in group.calls:
        assert isinstance(call.events, JsonEvents)
        yield from call.events.documents


def _check(
    payloads: pa.BinaryArray,
    event_type: EventType,
    starts: Sequence[int],
    rejections_max: Sequence[int],
) -> Generator[None, None, list[Rejection]]:
    """`starts`: where the events of each call begin, and the end of the last."""
    broken: list[Rejection] = []
    indexes: list[int] = []
    place, size, checked = 0, FIRST_EVENTS, 0
    while place < len(payloads):
        end = min(place + size, len(payloads))
        found = event_type.check(payloads.slice(place, end - place))
        broken += [replace(each, index=each.index + place) for each in found]
        indexes += [each.index + place for each in found]
        call = bisect_left(starts, end) - 1
        is_full = len(indexes) - bisect_left(indexes, starts[call]) > rejections_max[call]
        checked += end - place
        place, size = end, MORE_EVENTS
        if found:
            place, size = starts[call + 1] if is_full else end, FIRST_EVENTS
        if found or checked > QUICK_EVENTS:
            yield
    return broken
