"""Judging in steps: what bad events cost is bounded, and good ones are judged at once."""

import numpy as np
import pyarrow as pa
import pytest

from bobr.broker.calls import Call, JsonEvents
from bobr.broker.judging import FIRST_EVENTS, MORE_EVENTS, QUICK_EVENTS, judge
from bobr.broker.merge import Group
from bobr.broker.streams import Judges
from bobr.broker.verdict import Verdict, answers, stopped_early
from bobr.ids import SchemaId, StreamName
from bobr.schema.source.compile import compile_files

FILES = compile_files({"e.proto": 'syntax = "proto3"; message E { string s = 1; }'}, "e.proto")
GOOD, BAD = b"\x0a\x01x", b"\x0a\xff"
MANY = 100_000


@pytest.fixture(scope="module")
def judges() -> Judges:
    return Judges.build(FILES, "E")


def group(*calls: list[bytes]) -> Group:
    lengths = [0, *map(len, calls)]
    return Group(
        stream=StreamName("s"),
        schema_id=SchemaId(0),
        calls=(),
        starts=np.cumsum(lengths, dtype=np.int64),
        payloads=pa.array([event for call in calls for event in call], pa.binary()),
    )


def judged_in(group: Group, judges: Judges, most: int) -> tuple[int, Verdict]:
    """How many steps took their time, and the outcome. most: rejections of a call."""
    steps = judge(group, judges, 1_000_000, [most] * (len(group.starts) - 1))
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            verdict: Verdict = end.value
            return count, verdict
        count += 1


def test_good_events_take_no_steps(judges: Judges) -> None:
    many = QUICK_EVENTS - 1
    steps, verdict = judged_in(group([GOOD] * many, [], [GOOD]), judges, 10)
    assert (steps, len(verdict.accepted)) == (0, QUICK_EVENTS)


def test_very_many_good_events_take_steps(judges: Judges) -> None:
    """Millions of empty ones fit into a call, and nobody shall wait for all of them."""
    steps, verdict = judged_in(group([b""] * MANY), judges, 10)
    assert steps >= (MANY - QUICK_EVENTS) // MORE_EVENTS
    assert len(verdict.accepted) == MANY


def test_of_a_call_of_bad_events_few_are_looked_at(judges: Judges) -> None:
    of = group([GOOD], [BAD] * MANY, [GOOD] * 3)
    steps, verdict = judged_in(of, judges, 16)
    assert steps == 1
    assert len(verdict.rejections) < FIRST_EVENTS
    first, bad, last = answers(stopped_early(verdict, of.starts, [16] * 3), of.starts)
    assert (first.accepted, last.accepted) == (1, 3)
    assert (bad.accepted, len(bad.rejections), bad.stopped_at) == (0, 16, 16)


def test_steps_find_what_one_look_finds(judges: Judges) -> None:
    calls = [
        [BAD if (number * 7 + call) % 5 == 0 else GOOD for number in range(call * 300)]
        for call in range(12)
    ]
    of = group(*calls)
    _, verdict = judged_in(of, judges, 10_000)
    assert of.payloads is not None
    wanted = [number for number, event in enumerate(of.payloads.to_pylist()) if event == BAD]
    assert [each.index for each in verdict.rejections] == wanted
    assert verdict.payloads.to_pylist() == [GOOD] * (len(of.payloads) - len(wanted))


def test_each_bad_document_is_a_step(judges: Judges) -> None:
    documents = [b'{"s": "x"}', b'{"s": 1}', b"{", b"{}"]
    events = JsonEvents(
        stream=StreamName("s"), documents=documents, schema_id=SchemaId(0), indexes=range(4)
    )
    call = Call(events=events, nbytes=1, future=None)  # type: ignore[arg-type]  # no loop here
    of = Group(
        stream=StreamName("s"),
        schema_id=SchemaId(0),
        calls=[call],
        starts=np.array([0, 4]),
        payloads=None,
    )
    steps, verdict = judged_in(of, judges, 10)
    assert steps == 2
    assert [each.index for each in verdict.rejections] == [1, 2]
