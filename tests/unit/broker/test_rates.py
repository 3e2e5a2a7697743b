"""Limits of principals: buckets under a clock that is moved by hand."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bobr.broker.rates import BURST_SECONDS, Rates
from bobr.catalog import Principal
from bobr.ids import PrincipalName
from bobr.testing.clock import ManualClock

SHOP = PrincipalName("shop")


def rates(clock: ManualClock, events: float | None = None, nbytes: float | None = None) -> Rates:
    made = Rates(clock)
    made.apply({SHOP: principal(events, nbytes)})
    return made


def principal(events: float | None = None, nbytes: float | None = None) -> Principal:
    return Principal(name=SHOP, events_per_second=events, bytes_per_second=nbytes)


def test_a_call_of_any_size_is_let_in_and_the_next_waits_until_it_is_paid_back() -> None:
    clock = ManualClock()
    of = rates(clock, events=100)
    assert of.enter(SHOP, events=1_000, nbytes=0) == 0
    assert of.enter(SHOP, events=1, nbytes=0) == pytest.approx(9.0)
    clock.move(timedelta(seconds=8.9))
    assert of.enter(SHOP, events=1, nbytes=0) == pytest.approx(0.1)
    clock.move(timedelta(seconds=0.11))
    assert of.enter(SHOP, events=1, nbytes=0) == 0


def test_the_longer_wait_of_events_and_bytes_counts() -> None:
    of = rates(ManualClock(), events=10, nbytes=100)
    assert of.enter(SHOP, events=20, nbytes=500) == 0
    assert of.owed_seconds(SHOP) == pytest.approx(4.0)


def test_who_is_refused_takes_nothing() -> None:
    of = rates(ManualClock(), events=10)
    of.take(SHOP, events=20, nbytes=0)
    for _ in range(3):
        assert of.enter(SHOP, events=1_000, nbytes=0) == pytest.approx(1.0)


def test_silence_gives_no_more_than_a_burst() -> None:
    clock = ManualClock()
    of = rates(clock, events=10)
    clock.move(timedelta(seconds=1_000))
    of.take(SHOP, events=int(10 * BURST_SECONDS) + 10, nbytes=0)
    assert of.owed_seconds(SHOP) == pytest.approx(1.0)


def test_others_and_those_without_limits_owe_nothing() -> None:
    of = rates(ManualClock(), events=1)
    of.take(SHOP, events=1_000, nbytes=0)
    assert of.owed_seconds(PrincipalName("other")) == 0
    of.apply({SHOP: principal()})
    assert of.owed_seconds(SHOP) == 0


def test_what_is_owed_stays_owed_when_something_else_changes() -> None:
    of = rates(ManualClock(), events=10)
    of.take(SHOP, events=20, nbytes=0)
    of.apply({SHOP: principal(events=10, nbytes=5)})
    assert of.owed_seconds(SHOP) == pytest.approx(1.0)
    of.apply({SHOP: principal(events=20)})
    assert of.owed_seconds(SHOP) == 0, "another limit begins anew"


@given(
    st.floats(1, 1_000),
    st.lists(st.tuples(st.integers(1, 500), st.integers(0, 3_000)), min_size=1, max_size=40),
)
def test_no_window_passes_more_than_allowed(limit: float, calls: list[tuple[int, int]]) -> None:
    """From the start to any call: what came before it is at most the burst and what the time gave."""
    clock = ManualClock()
    of = rates(clock, events=limit)
    seconds, passed = 0.0, 0
    for events, pause in calls:
        if of.enter(SHOP, events=events, nbytes=0) == 0:
            assert passed <= limit * (BURST_SECONDS + seconds) * (1 + 1e-9) + 1e-6
            passed += events
        clock.move(timedelta(milliseconds=pause))
        seconds += pause / 1000
