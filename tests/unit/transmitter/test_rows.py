"""Rows, columns, partitions and the decision to flush: pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bobr.batch import StoredBatch
from bobr.catalog import PartitionBy
from bobr.errors import RejectedError
from bobr.ids import Partition, SchemaId, StreamName, StreamPartition
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.transmitter.columns import conform, union
from bobr.transmitter.flush import FlushPolicy, Held, is_due, wait_seconds
from bobr.transmitter.partition import WHOLE, period, period_number, split
from bobr.transmitter.rows import merged, table_rows
from bobr.transmitter.sinks import SYSTEM_COLUMNS

EARLIEST, LATEST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001
times = st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC))


# ---- columns


def types(depth: int = 2) -> st.SearchStrategy[pa.DataType]:
    """Types that may widen: each draw of the same shape can be joined with any other."""
    number = st.sampled_from([pa.int32(), pa.int64()])
    if not depth:
        return number
    inner = types(depth - 1)
    members = st.dictionaries(st.sampled_from("abc"), inner, min_size=1)
    return members.map(lambda names: pa.struct(list(names.items())))


schemas = st.dictionaries(st.sampled_from("xyz"), types(), min_size=1).map(pa.schema)


@given(first=schemas, second=schemas, third=schemas)
def test_union_holds_both_and_does_not_depend_on_the_grouping(
    first: pa.Schema, second: pa.Schema, third: pa.Schema
) -> None:
    both = union(first, second)
    assert both.names[: len(first)] == first.names
    assert union(both, second) == union(both, first) == both
    assert union(both, third) == union(first, union(second, third))


@given(first=schemas, second=schemas, data=st.data())
def test_conform_keeps_every_value_and_adds_nulls(
    first: pa.Schema, second: pa.Schema, data: st.DataObject
) -> None:
    values = st.fixed_dictionaries({field.name: value_of(field.type) for field in first})
    filled = data.draw(st.lists(values, max_size=3))
    batch = pa.RecordBatch.from_pylist(filled, schema=first)
    columns = union(second, first)
    conformed = conform(batch, columns)
    assert conformed.schema == columns
    assert [pruned(row) for row in conformed.to_pylist()] == [pruned(row) for row in filled]


def value_of(kind: pa.DataType) -> st.SearchStrategy[object]:
    if pa.types.is_struct(kind):
        members = {member.name: value_of(member.type) for member in kind}
        return st.none() | st.fixed_dictionaries(members)
    return st.none() | st.integers(-5, 5)


def pruned(value: object) -> object:
    """Without nulls, so that an absent member equals one that is NULL."""
    if isinstance(value, dict):
        return {name: pruned(member) for name, member in value.items() if member is not None}
    return value


@pytest.mark.parametrize(
    ("mine", "theirs", "path"),
    [
        (pa.int64(), pa.string(), "c"),
        (pa.list_(pa.int32()), pa.int32(), "c"),
        (pa.list_(pa.int32()), pa.list_(pa.bool_()), r"c\[\]"),
        (pa.map_(pa.string(), pa.int32()), pa.map_(pa.int64(), pa.int32()), "c"),
        (pa.struct([("m", pa.int32())]), pa.struct([("m", pa.float64())]), "c.m"),
        (
            pa.list_(pa.struct([("m", pa.int32())])),
            pa.list_(pa.struct([("m", pa.binary())])),
            r"c\[\]\.m",
        ),
    ],
)
def test_union_names_the_column_that_can_not_follow(
    mine: pa.DataType, theirs: pa.DataType, path: str
) -> None:
    with pytest.raises(RejectedError, match=rf"column {path}: a table column of type"):
        union(pa.schema([("c", mine)]), pa.schema([("c", theirs)]))


def test_an_empty_message_is_a_row_too() -> None:
    texts = {1: "message M {}", 2: "message M { int32 x = 1; }"}
    types = {
        SchemaId(schema_id): EventType.build(
            compile_files({"m.proto": f'syntax = "proto3"; {text}'}, "m.proto"), "M"
        )
        for schema_id, text in texts.items()
    }
    stored = [stored_batch(1, 0, b"", b""), stored_batch(2, 2, b"\x08\x05")]
    columns = merged(pa.schema([]), types.values())
    rows = table_rows(stored, types.__getitem__, columns).rows
    assert rows.column("x").to_pylist() == [None, None, 5]
    assert rows.column("_offset").to_pylist() == [0, 1, 2]


def stored_batch(schema_id: int, first: int, *payloads: bytes) -> StoredBatch:
    return StoredBatch(
        source=StreamPartition(StreamName("s"), Partition(0)),
        schema_id=SchemaId(schema_id),
        payloads=pa.array(payloads, pa.binary()),
        offsets=pa.array(range(first, first + len(payloads)), pa.int64()),
        ingest_times=pa.array([0] * len(payloads), pa.timestamp("us", "UTC")),
    )


# ---- partitions


@given(
    stamps=st.lists(times, max_size=20),
    by=st.sampled_from([PartitionBy.HOUR, PartitionBy.DAY, PartitionBy.MONTH]),
)
def test_split_puts_each_row_into_the_period_of_its_time(
    stamps: list[datetime], by: PartitionBy
) -> None:
    rows = rows_at(stamps)
    parts = list(split(rows, by))
    assert sorted(place for _, some in parts for place in places(some)) == list(range(len(stamps)))
    assert len({partition for partition, _ in parts}) == len(parts)
    for partition, some in parts:
        assert partition.start is not None
        assert partition.end is not None
        assert places(some) == sorted(places(some))
        assert period(period_number(partition, by), by) == partition
        for stamp in some.column("_event_time").to_pylist():
            assert partition.start <= stamp <= partition.end


def rows_at(stamps: list[datetime]) -> pa.RecordBatch:
    columns = [pa.array(stamps, SYSTEM_COLUMNS.field("_event_time").type), range(len(stamps))]
    return pa.RecordBatch.from_pydict(dict(zip(["_event_time", "place"], columns, strict=True)))


def places(rows: pa.RecordBatch) -> list[int]:
    found: list[int] = rows.column("place").to_pylist()
    return found


@pytest.mark.parametrize(
    ("by", "start", "length"),
    [
        (PartitionBy.HOUR, datetime(1969, 12, 31, 23, tzinfo=UTC), timedelta(hours=1)),
        (PartitionBy.DAY, datetime(1969, 12, 31, tzinfo=UTC), timedelta(days=1)),
        (PartitionBy.MONTH, datetime(1969, 12, 1, tzinfo=UTC), timedelta(days=31)),
    ],
)
def test_periods_before_1970_are_whole(by: PartitionBy, start: datetime, length: timedelta) -> None:
    ((partition, _),) = split(rows_at([datetime(1969, 12, 31, 23, 30, tzinfo=UTC)]), by)
    assert (partition.start, partition.end) == (start, start + length)


def test_a_table_that_is_not_partitioned_has_one() -> None:
    rows = rows_at([EARLIEST.replace(tzinfo=UTC), LATEST.replace(tzinfo=UTC)])
    assert [partition for partition, _ in split(rows, PartitionBy.NONE)] == [WHOLE]
    assert list(split(rows.slice(0, 0), PartitionBy.NONE)) == []


# ---- flush

POLICY = FlushPolicy(events=10, nbytes=100, partitions=3, age_seconds=5.0)


@pytest.mark.parametrize(
    ("held", "due"),
    [
        ({"events": 0, "nbytes": 100, "since": -100.0}, False),
        ({"events": 9, "nbytes": 99, "partitions": 2, "since": 0.1}, False),
        ({"events": 10}, True),
        ({"events": 1, "nbytes": 100}, True),
        ({"events": 1, "partitions": 3}, True),
        ({"events": 1, "since": 0.0}, True),
    ],
)
def test_flush_is_due_at_the_first_bound(held: dict[str, Any], due: bool) -> None:
    assert is_due(Held(**{"since": 1.0, **held}), POLICY, now=5.0) is due


@given(since=st.floats(0, 100), now=st.floats(0, 200), events=st.integers(0, 2))
def test_after_the_wait_a_flush_is_due(since: float, now: float, events: int) -> None:
    held = Held(events=events, since=since)
    later = now + wait_seconds(held, POLICY, now) + 1e-9
    assert is_due(held, POLICY, later) is (events > 0)
