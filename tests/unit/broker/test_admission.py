"""How much may wait: bounds in calls and bytes, and who is woken when there is room."""

import pytest

from bobr.broker.admission import Admission
from bobr.broker.limits import Limits
from bobr.errors import OverloadedError

LIMITS = Limits(pending_bytes_max=100, pending_calls_max=3)


@pytest.mark.parametrize("sizes", [[60, 41], [1, 1, 1, 0], [100, 1]])
def test_a_call_too_many_is_refused_and_takes_nothing(sizes: list[int]) -> None:
    admission = Admission(LIMITS)
    for size in sizes[:-1]:
        admission.enter(size)
    before = admission.pending
    with pytest.raises(OverloadedError, match="takes no more"):
        admission.enter(sizes[-1])
    assert admission.pending == before == (len(sizes) - 1, sum(sizes[:-1]))


def test_one_call_above_the_limit_fits_an_idle_broker() -> None:
    admission = Admission(LIMITS)
    admission.enter(1000)
    with pytest.raises(OverloadedError):
        admission.enter(0)
    admission.leave(1, 1000)
    admission.enter(0)
    assert admission.pending == (1, 0)


def test_who_waits_for_room_is_woken_once() -> None:
    admission = Admission(LIMITS)
    woken: list[str] = []
    admission.when_room(lambda: woken.append("at once"))
    admission.enter(100)
    admission.when_room(lambda: woken.append("later"))
    assert woken == ["at once"]
    admission.leave(1, 100)
    admission.enter(1)
    admission.leave(1, 1)
    assert woken == ["at once", "later"]


def test_as_many_are_woken_as_there_is_room_for() -> None:
    """Or each answer would have all that wait look for room, and read their next calls, for nothing."""
    admission = Admission(Limits(pending_bytes_max=1000))
    for _ in range(1000):  # the mean size is 10 now
        admission.enter(10)
        admission.leave(1, 10)
    woken: list[int] = []
    admission.enter(10)
    admission.enter(10)
    for waiting in range(5):
        admission.when_room(lambda waiting=waiting: woken.append(waiting))  # type: ignore[misc]
    admission.leave(1, 10)
    assert woken == [0]
    admission.leave(1, 10)
    assert woken == [0, 1, 2, 3, 4], "nothing is pending any more, so nobody may be left waiting"


def test_what_is_received_counts_until_it_is_taken_in() -> None:
    admission = Admission(LIMITS)
    admission.enter(10)
    with admission.reserve() as room:
        assert admission.pending == (1, 10)
        room.grow(40)
        room.grow(50)
        assert admission.pending == (2, 100)
        assert admission.is_full
        with pytest.raises(OverloadedError):
            room.grow(1)
        with pytest.raises(OverloadedError):
            admission.enter(1)
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
        admission.enter(5_000_000)
        admission.leave(1, 5_000_000)
    assert 4_900_000 < admission.typical_bytes <= 5_000_000
