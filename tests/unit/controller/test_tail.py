"""Where a tail begins, and how many there may be."""

from contextlib import ExitStack

import pytest

from bobr.controller.seats import Seats
from bobr.controller.tail import offsets
from bobr.errors import OverloadedError, RejectedError
from bobr.ids import Offset, Partition, StreamName
from bobr.log import PartitionState

ORDERS = StreamName("orders")


def partitions(*ranges: tuple[int, int]) -> dict[Partition, PartitionState]:
    return {
        Partition(number): PartitionState(
            first=Offset(first), end=Offset(end), nbytes=0, last_ingest_time=None
        )
        for number, (first, end) in enumerate(ranges)
    }


@pytest.mark.parametrize(
    ("start", "found"),
    [
        ("beginning", [5, 0]),
        ("end", [9, 3]),
        ("7", [7, 3]),
        ("9", [9, 3]),
        ("0", [0, 0]),
        ("0000000000000000008", [8, 3]),
    ],
)
def test_it_begins_where_it_is_told(start: str, found: list[int]) -> None:
    assert list(offsets(ORDERS, partitions((5, 9), (0, 3)), start).values()) == found


@pytest.mark.parametrize("start", ["10", str(1 << 62), str(1 << 63), str(1 << 64), "9" * 5000])
def test_an_offset_past_the_end_is_refused_with_those_that_are_there(start: str) -> None:
    with pytest.raises(RejectedError, match=r"has the offsets 5 to 8; the next event gets 9") as e:
        offsets(ORDERS, partitions((5, 9)), start)
    assert len(str(e.value)) < 200
    with pytest.raises(RejectedError, match="has no events; the next event gets 0"):
        offsets(ORDERS, partitions((0, 0)), start)


@pytest.mark.parametrize("start", ["", "-1", "1.5", "yesterday", "٣", "²", "x" * 5000])
def test_what_is_no_place_is_refused(start: str) -> None:
    with pytest.raises(RejectedError, match="from beginning, end or an offset"):
        offsets(ORDERS, partitions((5, 9)), start)


def test_one_caller_has_not_all_seats_and_all_have_no_more() -> None:
    seats = Seats(4, 2, "tails open", "end one")
    with ExitStack() as taken:
        for name in ("shop", "shop", "ops"):
            taken.enter_context(seats.one(name))
        with pytest.raises(OverloadedError, match="'shop' has 2 tails open"), seats.one("shop"):
            pass
        with seats.one("clicks"), pytest.raises(OverloadedError, match="there are 4 tails open"):
            taken.enter_context(seats.one("ops"))
        taken.enter_context(seats.one("ops"))
    with ExitStack() as taken:
        for _ in range(4):
            taken.enter_context(seats.one(None))  # nobody is declared, so nobody has a share
        with pytest.raises(OverloadedError, match="there are 4 tails open"), seats.one(None):
            pass


def test_a_seat_is_free_again_when_its_tail_fails() -> None:
    seats = Seats(1, 1, "tails open", "end one")
    with pytest.raises(RejectedError), seats.one("shop"):
        raise RejectedError("no such offset")
    with seats.one("shop"):
        pass
