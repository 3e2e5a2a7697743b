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
