"""Where a tail begins."""

import pytest

from bobr.controller.tail import offsets
from bobr.errors import RejectedError
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
