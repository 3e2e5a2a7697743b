"""Table partitions: which period of `_event_time` a row belongs to."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bobr.catalog import PartitionBy
from bobr.transmitter.sinks import TablePartition

WHOLE = TablePartition()
"""The one partition of a table that is not partitioned."""

_LAST = datetime.max.replace(tzinfo=UTC)
_UNITS = {PartitionBy.HOUR: "h", PartitionBy.DAY: "D", PartitionBy.MONTH: "M"}


def split(rows: pa.RecordBatch, by: PartitionBy) -> Iterator[tuple[TablePartition, pa.RecordBatch]]:
    """The rows of each table partition, in the order of time; within one in their own order.

    `_event_time` has no nulls and lies in years 1 to 9999. Without a copy where the rows come
    grouped already.
    """
    if by is PartitionBy.NONE or not rows.num_rows:
        yield from [(WHOLE, rows)] if rows.num_rows else []
        return
    numbers = period_numbers(rows.column("_event_time"), by)
    if (numbers[1:] < numbers[:-1]).any():
        order = np.argsort(numbers, kind="stable")
        numbers, rows = numbers[order], rows.take(pa.array(order))
    starts = np.flatnonzero(np.concatenate([[True], numbers[1:] != numbers[:-1]]))
    ends = np.append(starts[1:], len(numbers))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield period(int(numbers[start]), by), rows.slice(start, end - start)


def fitting(
    rows: pa.RecordBatch, by: PartitionBy, held: Collection[TablePartition], most: int
) -> int:
    """How many rows, from the start, make no more than `most` partitions together with those held."""
    if by is PartitionBy.NONE:
        return int(rows.num_rows)
    periods, firsts = np.unique(period_numbers(rows.column("_event_time"), by), return_index=True)
    known = [period_number(partition, by) for partition in held]
    new: list[int] = np.sort(firsts[~np.isin(periods, known)]).tolist()
    room = max(0, most - len(held))
    return int(rows.num_rows) if len(new) <= room else new[room]


def period_numbers(times: pa.TimestampArray, by: PartitionBy) -> npt.NDArray[np.int64]:
    """For each time the number of its period: hours, days or months since 1970 (as Iceberg)."""
    micros: npt.NDArray[np.int64] = times.cast(pa.int64()).to_numpy()
    return micros.view("datetime64[us]").astype(f"datetime64[{_UNITS[by]}]").astype(np.int64)


def period_number(partition: TablePartition, by: PartitionBy) -> int:
    """The number of a period; the inverse of `period`."""
    assert partition.start is not None, "not partitioned"
    start = np.datetime64(partition.start.replace(tzinfo=None), "us")
    return int(start.astype(f"datetime64[{_UNITS[by]}]").astype(np.int64))


def period_start(time: datetime, by: PartitionBy) -> datetime | None:
    """Where the period of that time begins: those before it have ended by then. None: there are no periods."""
    if by is PartitionBy.NONE:
        return None
    times = pa.array([time], pa.timestamp("us", "UTC"))
    return period(int(period_numbers(times, by)[0]), by).start


def period(number: int, by: PartitionBy) -> TablePartition:
    """The period with that number. The last of year 9999 ends where datetime does."""
    return TablePartition(start=_time(number, by), end=_time(number + 1, by))


def _time(number: int, by: PartitionBy) -> datetime:
    start = np.array(number).astype(f"datetime64[{_UNITS[by]}]").astype("datetime64[us]").item()
    # Beyond year 9999 numpy has no datetime to give and returns the integer.
    return start.replace(tzinfo=UTC) if isinstance(start, datetime) else _LAST
