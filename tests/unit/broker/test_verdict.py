"""The verdict on a group: who is refused, who stays, and what each call is told."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bobr.broker.verdict import (
    Integers,
    Judge,
    Verdict,
    answers,
    innocent,
    judged,
    size_judge,
    stopped_early,
)
from bobr.outcome import Reason, Rejection

calls_of_events = st.lists(st.lists(st.sampled_from("abcd"), max_size=6), min_size=1, max_size=8)


def judge_of(letter: str) -> Judge:
    def judge(payloads: pa.BinaryArray) -> list[Rejection]:
        return [
            Rejection(index=index, reason=Reason.INVALID, message=letter)
            for index, payload in enumerate(payloads.to_pylist())
            if payload == letter.encode()
        ]

    return judge


def grouped(calls: list[list[str]]) -> tuple[pa.BinaryArray, Integers]:
    events = [event.encode() for call in calls for event in call]
    starts = np.cumsum([0, *map(len, calls)], dtype=np.int64)
    return pa.array(events, pa.binary()), starts


@given(calls_of_events)
def test_each_call_is_told_of_its_own_events(calls: list[list[str]]) -> None:
    payloads, starts = grouped(calls)
    verdict = judged(judged(innocent(payloads), judge_of("a")), judge_of("b"))
    assert verdict.payloads.to_pylist() == [
        event.encode() for call in calls for event in call if event in "cd"
    ]
    for call, answer in zip(calls, answers(verdict, starts), strict=True):
        assert answer.accepted == sum(event in "cd" for event in call)
        assert [(each.index, each.message) for each in answer.rejections] == [
            (index, event) for index, event in enumerate(call) if event in "ab"
        ]
        assert answer.stopped_at is None


@given(calls_of_events, st.integers(min_value=1, max_value=3))
def test_a_call_with_too_many_rejections_is_cut_there(calls: list[list[str]], least: int) -> None:
    payloads, starts = grouped(calls)
    most = [least + number % 3 for number in range(len(calls))]
    verdict = stopped_early(judged(innocent(payloads), judge_of("a")), starts, most)
    expected: list[bytes] = []
    for call, answer, rejections_max in zip(calls, answers(verdict, starts), most, strict=True):
        bad = [index for index, event in enumerate(call) if event == "a"]
        stop = bad[rejections_max] if len(bad) > rejections_max else None
        looked_at = call[:stop]
        assert answer.stopped_at == stop
        assert [each.index for each in answer.rejections] == bad[:rejections_max]
        assert answer.accepted == sum(event != "a" for event in looked_at)
        expected += [event.encode() for event in looked_at if event != "a"]
    assert verdict.payloads.to_pylist() == expected


def test_events_above_the_limit_are_too_large_and_those_at_it_are_not() -> None:
    payloads = pa.array([b"12345", b"123456", b""], pa.binary())
    (rejection,) = size_judge(5)(payloads)
    assert (rejection.index, rejection.reason) == (1, Reason.TOO_LARGE)
    assert size_judge(6)(payloads) == ()
    assert size_judge(5)(pa.array([], pa.binary())) == ()


def test_an_empty_group_has_empty_answers() -> None:
    verdict = Verdict(payloads=pa.array([], pa.binary()), accepted=np.empty(0, np.int64))
    assert [answer.accepted for answer in answers(verdict, np.array([0, 0, 0]))] == [0, 0]
