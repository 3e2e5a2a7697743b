"""How rows fall into table partitions."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from bobr.catalog import PartitionBy
from bobr.transmitter.partition import fitting, period, split

START = datetime(1969, 12, 1, tzinfo=UTC)


def rows_at(hours: list[int]) -> pa.RecordBatch:
    times = [START + timedelta(hours=hour) for hour in hours]
    return pa.RecordBatch.from_pydict({"_event_time": pa.array(times, pa.timestamp("us", "UTC"))})


@given(
    hours=st.lists(st.integers(0, 2000), max_size=60),
    held=st.sets(st.integers(-31, 60), max_size=5),
    most=st.integers(1, 8),
    by=st.sampled_from(PartitionBy),
)
def test_as_many_rows_fit_as_make_no_more_partitions(
    hours: list[int], held: set[int], most: int, by: PartitionBy
) -> None:
    rows = rows_at(hours)
    partitions = set() if by is PartitionBy.NONE else {period(number, by) for number in held}
    fits = fitting(rows, by, partitions, most)

    def count(length: int) -> int:
        return len({key for key, _ in split(rows.slice(0, length), by)} | partitions)

    assert fits == 0 or count(fits) <= max(most, len(partitions))
    assert fits == len(hours) or count(fits + 1) > most
