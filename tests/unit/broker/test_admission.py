"""How much may wait: bounds in calls and bytes, and who is woken when there is room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bobr.broker.admission import Admission
from bobr.broker.limits import Limits
from bobr.errors import OverloadedError
from bobr.ids import StreamName

LIMITS = Limits(pending_bytes_max=100, pending_calls_max=3)
S, OTHER = StreamName("s"), StreamName("other")


@pytest.mark.parametrize("sizes", [[60, 41], [1, 1, 1, 0], [100, 1]])
def test_a_call_too_many_is_refused_and_takes_nothing(sizes: list[int]) -> None:
    admission = Admission(LIMITS)
    for number, size in enumerate(sizes[:-1]):
        admission.enter(StreamName(f"{number}"), size)
    before = admission.pending
    with pytest.raises(OverloadedError, match="takes no more"):
        admission.enter(S, sizes[-1])
    assert admission.pending == before == (len(sizes) - 1, sum(sizes[:-1]))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 10)), min_size=200))
def test_a_stream_takes_no_more_than_it_leaves(calls: list[tuple[str, int]]) -> None:
    admission = Admission(Limits(pending_bytes_max=200, pending_calls_max=1000))
    taken = dict.fromkeys("abc", 0)
    for name, size in calls:
        free = 200 - sum(taken.values())
        try:
            admission.enter(StreamName(name), size)
        except OverloadedError:
            assert taken[name] + size > free
        else:
            assert not taken[name] or taken[name] + size <= free
            taken[name] += size
    admission.enter(OTHER, 1)  # who comes new finds room


def test_who_is_over_its_share_keeps_nobody_else_waiting() -> None:
    admission = Admission(Limits(pending_bytes_max=1000))
    woken: list[str] = []
    for _ in range(5):
        admission.enter(S, 100)
    for _ in range(9):
        admission.when_room(S, lambda: woken.append("s"))
    admission.when_room(OTHER, lambda: woken.append("other"))
    assert admission.is_full(S)
    admission.leave(S, 1, 100)
    assert "other" in woken


def test_who_can_wait_leaves_room_to_those_who_are_refused() -> None:
    """A stream that is never read too late fills the broker as far as it may; single calls go on being taken."""
    admission = Admission(Limits(pending_bytes_max=1000, pending_calls_max=1000))
    while not admission.is_full(S):
        admission.take(S, 10)
    for _ in range(5):
        admission.enter(S, 10)
        admission.enter(OTHER, 10)


def test_what_is_in_memory_already_is_taken_and_counts() -> None:
    admission = Admission(LIMITS)
    for _ in range(3):
        admission.take(S, 60)
    assert admission.pending == (3, 180)
    assert admission.is_full(S)
    assert admission.is_full(OTHER)
    admission.leave(S, 3, 180)
    assert admission.pending == (0, 0)


def test_a_reservation_shrinks_and_wakes() -> None:
    admission = Admission(LIMITS)
    woken: list[str] = []
    admission.take(OTHER, 0)
    with admission.reserve() as room:
        room.grow(150, ask=False)
        admission.when_room(S, lambda: woken.append("s"))
        assert admission.is_full(S)
        room.keep(10)
        assert (admission.pending, woken) == ((2, 10), ["s"])
    assert admission.pending == (1, 0)
    room.keep(0)  # a timer may be late
    assert admission.pending == (1, 0)


def test_one_call_above_the_limit_fits_an_idle_broker() -> None:
    admission = Admission(LIMITS)
    admission.enter(S, 1000)
    with pytest.raises(OverloadedError):
        admission.enter(S, 0)
    admission.leave(S, 1, 1000)
    admission.enter(S, 0)
    assert admission.pending == (1, 0)


def test_who_waits_for_room_is_woken_once() -> None:
    admission = Admission(LIMITS)
    woken: list[str] = []
    admission.when_room(S, lambda: woken.append("at once"))
    admission.enter(S, 100)
    admission.when_room(S, lambda: woken.append("later"))
    assert woken == ["at once"]
    admission.leave(S, 1, 100)
    admission.enter(S, 1)
    admission.leave(S, 1, 1)
    assert woken == ["at once", "later"]


def test_an_idle_reservation_keeps_nobody_waiting() -> None:
    admission = Admission(Limits(pending_bytes_max=1000, pending_calls_max=8))
    woken: list[int] = []
    with admission.reserve() as idle:
        idle.grow(1)
        for _ in range(6):
            admission.take(S, 1)
        for waiting in range(20):
            admission.when_room(S, lambda waiting=waiting: woken.append(waiting))  # type: ignore[misc]
        admission.leave(S, 6, 6)
    assert woken == list(range(20))


def test_who_waits_no_more_takes_no_wake_from_others() -> None:
    admission = Admission(LIMITS)
    woken: list[str] = []
    admission.take(S, 100)
    admission.take(OTHER, 100)

    def gone() -> None:
        woken.append("gone")

    admission.when_room(S, gone)
    admission.when_room(S, lambda: woken.append("stays"))
    admission.forget(S, gone)
    admission.forget(OTHER, gone)
    admission.leave(S, 1, 100)
    assert woken == ["stays"]


def test_as_many_are_woken_as_there_is_room_for() -> None:
    """Or each answer would have all that wait look for room, and read their next calls, for nothing."""
    admission = Admission(Limits(pending_bytes_max=20))
    for _ in range(1000):  # the mean size is 10 now
        admission.enter(S, 10)
        admission.leave(S, 1, 10)
    woken: list[int] = []
    admission.take(S, 10)
    admission.take(S, 10)
    for waiting in range(5):
        admission.when_room(S, lambda waiting=waiting: woken.append(waiting))  # type: ignore[misc]
    admission.leave(S, 1, 10)
    assert woken == [0]
    admission.leave(S, 1, 10)
    assert woken == [0, 1, 2, 3, 4], "nothing is pending any more, so nobody may be left waiting"


def test_what_is_received_counts_until_it_is_taken_in() -> None:
    admission = Admission(LIMITS)
    admission.enter(S, 10)
    with admission.reserve() as room:
        assert admission.pending == (1, 10)
        room.grow(40)
        room.grow(50)
        assert admission.pending == (2, 100)
        assert admission.is_full(S)
        with pytest.raises(OverloadedError):
            room.grow(1)
        with pytest.raises(OverloadedError):
            admission.enter(S, 1)
    assert admission.pending == (1, 10)


def test_a_single_call_may_be_received_whatever_its_size() -> None:
    admission = Admission(LIMITS)
    with admission.reserve() as room:
        room.grow(90)
        room.grow(90)
    assert admission.pending == (0, 0)


def test_the_typical_size_follows_what_comes() -> None:
    admission = Admission(Limits())
    for _ in range(500):
        admission.enter(S, 5_000_000)
        admission.leave(S, 1, 5_000_000)
    assert 4_900_000 < admission.typical_bytes <= 5_000_000
