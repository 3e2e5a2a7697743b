"""The contract of sinks as tests: subclass `SinkContract`, give it a `tables` fixture, run pytest.

    class TestMySink(SinkContract):
        @pytest.fixture
        def tables(self, tmp_path: Path) -> Tables:
            return MyTables(tmp_path)

Optional powers are tested where the sink has them. What a kill leaves behind is each sink's own to
test.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import pyarrow as pa
import pytest

from bobr.batch import Positions
from bobr.catalog import PartitionBy
from bobr.errors import FencedError, RejectedError
from bobr.ids import Offset, Partition, StreamName, StreamPartition
from bobr.transmitter.partition import split
from bobr.transmitter.sinks import (
    SYSTEM_COLUMNS,
    Committed,
    Confirms,
    Counts,
    Maintains,
    RemembersIds,
    RemembersRows,
    Sink,
    TableSchema,
    Totals,
)

Row = dict[str, object]

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
ORDERS = StreamPartition(StreamName("orders"), Partition(0))
CLICKS = StreamPartition(StreamName("clicks"), Partition(3))
INNER = pa.struct([("a", pa.int32()), ("b", pa.string())])
COLUMNS = pa.schema([("x", pa.int32()), ("s", INNER), ("l", pa.list_(INNER))])


class Tables(Protocol):
    """One destination under test."""

    def sink(self, table: str) -> Sink:
        """A new writer of that table."""
        ...

    def rows(self, table: str) -> pa.Table:
        """What a reader sees now, in any order."""
        ...


def schema_of(columns: pa.Schema = COLUMNS, by: PartitionBy = PartitionBy.DAY) -> TableSchema:
    """A table of these columns and ours."""
    return TableSchema(columns=pa.schema([*columns, *SYSTEM_COLUMNS]), partition_by=by)


def row(offset: int, **values: object) -> Row:
    """A row at that offset, an hour after the one before."""
    return {
        "_event_id": f"id-{offset}",
        "_event_time": NOON + timedelta(hours=offset),
        "_ingest_time": NOON + timedelta(minutes=offset),
        "_stream": "orders",
        "_partition": 0,
        "_offset": offset,
        "_schema_id": 1,
        **values,
    }


def write(sink: Sink, table: TableSchema, rows: Sequence[Row]) -> None:
    """Stage rows, split by partition as the pipeline does."""
    batch = pa.RecordBatch.from_pylist(list(rows), schema=table.columns)
    for partition, some in split(batch, table.partition_by):
        sink.write(some, partition)


def deliver(
    sink: Sink, start: int, end: int, table: TableSchema | None = None, **values: object
) -> Committed:
    """Write and commit the rows of these offsets."""
    write(sink, table or schema_of(), [row(offset, **values) for offset in range(start, end)])
    return sink.commit(at(end))


def at(offset: int, source: StreamPartition = ORDERS) -> Positions:
    """That position of one partition."""
    return {source: Offset(offset)}


def offsets(tables: Tables, table: str = "t") -> list[int]:
    """The offsets of all rows, sorted."""
    return sorted(tables.rows(table)["_offset"].to_pylist())


def column(tables: Tables, name: str) -> list[object]:
    """A column of all rows, by offset."""
    values: list[object] = tables.rows("t").sort_by("_offset")[name].to_pylist()
    return values


class SinkContract:
    """What every sink must do."""

    @pytest.fixture
    def sink(self, tables: Tables) -> Iterator[Sink]:
        """A writer of the table `t`."""
        sink = tables.sink("t")
        yield sink
        sink.close()

    @pytest.fixture
    def other(self, tables: Tables) -> Iterator[Sink]:
        """A second writer of it."""
        other = tables.sink("t")
        yield other
        other.close()

    def test_a_new_table_is_empty_and_at_no_position(self, tables: Tables, sink: Sink) -> None:
        assert not sink.open(schema_of())
        assert offsets(tables) == []
        assert tables.rows("t").column_names[:3] == ["x", "s", "l"]

    def test_rows_become_visible_with_the_commit_and_not_before(
        self, tables: Tables, sink: Sink
    ) -> None:
        sink.open(schema_of())
        write(sink, schema_of(), [row(0), row(1), row(30)])
        assert offsets(tables) == []
        committed = sink.commit(at(31))
        assert offsets(tables) == [0, 1, 30]
        assert (committed.rows, committed.files) == (3, 2)  # two days
        assert committed.nbytes > 0

    def test_a_new_writer_goes_on_from_the_positions_of_the_commit(
        self, tables: Tables, sink: Sink, other: Sink
    ) -> None:
        sink.open(schema_of())
        deliver(sink, 0, 5)
        assert other.open(schema_of()) == at(5)
        deliver(other, 5, 7)
        assert offsets(tables) == list(range(7))

    def test_a_commit_without_rows_moves_positions(self, sink: Sink, other: Sink) -> None:
        sink.open(schema_of())
        committed = sink.commit(at(9))
        assert (committed.rows, committed.files) == (0, 0)
        assert other.open(schema_of()) == at(9)

    def test_partitions_that_a_commit_leaves_out_keep_their_position(
        self, sink: Sink, other: Sink
    ) -> None:
        sink.open(schema_of())
        sink.commit({**at(3), **at(8, CLICKS)})
        sink.commit(at(4))
        assert other.open(schema_of()) == {**at(4), **at(8, CLICKS)}

    def test_opening_again_drops_what_is_staged(self, tables: Tables, sink: Sink) -> None:
        sink.open(schema_of())
        write(sink, schema_of(), [row(0)])
        assert not sink.open(schema_of())
        deliver(sink, 1, 3)
        assert offsets(tables) == [1, 2]

    def test_closing_drops_what_is_staged(self, tables: Tables, sink: Sink) -> None:
        sink.open(schema_of())
        write(sink, schema_of(), [row(0)])
        sink.close()
        sink.close()
        assert offsets(tables) == []

    def test_the_second_of_two_writers_is_fenced(
        self, tables: Tables, sink: Sink, other: Sink
    ) -> None:
        sink.open(schema_of())
        other.open(schema_of())
        write(sink, schema_of(), [row(0)])
        deliver(other, 0, 2)
        with pytest.raises(FencedError):
            sink.commit(at(1))
        assert offsets(tables) == [0, 1]
        assert sink.open(schema_of()) == at(2)
        deliver(sink, 2, 3)
        assert offsets(tables) == [0, 1, 2]

    def test_a_writer_is_fenced_by_a_commit_without_rows_too(
        self, tables: Tables, sink: Sink, other: Sink
    ) -> None:
        sink.open(schema_of())
        deliver(sink, 0, 1)
        other.open(schema_of())
        other.commit({})
        with pytest.raises(FencedError):
            deliver(sink, 1, 2)
        assert offsets(tables) == [0]

    def test_a_fence_does_not_end(self, tables: Tables, sink: Sink, other: Sink) -> None:
        """Two writers in turn, each fenced by the other: every row once."""
        sink.open(schema_of())
        for number in range(4):
            start = other.open(schema_of()).get(ORDERS, Offset(0))
            deliver(other, start, start + 2)
            with pytest.raises(FencedError):
                deliver(sink, start, start + 1)
            sink, other = other, sink
            assert offsets(tables) == list(range(2 * number + 2))

    def test_the_table_gets_new_columns_at_every_depth(
        self, tables: Tables, sink: Sink, other: Sink
    ) -> None:
        old: Row = {"x": 1, "s": {"a": 1, "b": "b"}, "l": [{"a": 2, "b": None}]}
        inner = pa.struct([*INNER, ("c", pa.struct([("d", pa.float64())]))])
        wide = schema_of(
            pa.schema([("x", pa.int64()), ("s", inner), ("l", pa.list_(inner)), ("n", pa.string())])
        )
        sink.open(schema_of())
        deliver(sink, 0, 1, None, **old)
        assert sink.open(wide) == at(1)
        deep: Row = {"a": 1, "b": "b", "c": {"d": 0.5}}
        deliver(sink, 1, 2, wide, x=2**40, s=deep, l=[deep], n="new")
        assert column(tables, "x") == [1, 2**40]
        assert column(tables, "n") == [None, "new"]
        assert column(tables, "s") == [{"a": 1, "b": "b", "c": None}, deep]
        assert column(tables, "l") == [[{"a": 2, "b": None, "c": None}], [deep]]

    def test_columns_that_a_writer_does_not_know_are_null(
        self, tables: Tables, sink: Sink, other: Sink
    ) -> None:
        wide = schema_of(pa.schema([*COLUMNS, ("n", pa.string())]))
        sink.open(wide)
        deliver(sink, 0, 1, wide, n="new")
        assert other.open(schema_of()) == at(1)
        deliver(other, 1, 2, x=1)
        assert column(tables, "n") == ["new", None]
        assert column(tables, "x") == [None, 1]

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            (pa.field("x", pa.string()), "x"),
            (pa.field("x", INNER), "x"),
            (pa.field("s", pa.struct([("a", pa.bool_())])), "s.a"),
            (pa.field("l", pa.list_(pa.struct([("b", pa.binary())]))), "l"),
        ],
    )
    def test_a_column_that_can_not_follow_is_named(
        self, tables: Tables, sink: Sink, changed: pa.Field, named: str
    ) -> None:
        sink.open(schema_of())
        deliver(sink, 0, 1, x=1)
        with pytest.raises(RejectedError, match=rf"column {named}\b"):
            sink.open(schema_of(pa.schema([changed])))
        assert sink.open(schema_of()) == at(1)
        assert column(tables, "x") == [1]

    def test_every_type_comes_back_as_it_went_in(self, tables: Tables, sink: Sink) -> None:
        table = schema_of(pa.schema([(name, kind) for name, kind, _ in _VALUES]))
        sink.open(table)
        for place in range(2):
            values = {name: pair[place] for name, _, pair in _VALUES}
            deliver(sink, 2 * place, 2 * place + 1, table, **values)
        deliver(sink, 4, 5, table)
        for name, _, (first, second) in _VALUES:
            assert column(tables, name) == [first, second, None], name

    @pytest.mark.parametrize("by", list(PartitionBy))
    def test_every_time_has_a_partition(self, tables: Tables, sink: Sink, by: PartitionBy) -> None:
        times = [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
            NOON,
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ]
        table = schema_of(by=by)
        sink.open(table)
        write(sink, table, [row(n, _event_time=time) for n, time in enumerate(times)])
        committed = sink.commit(at(len(times)))
        assert committed.files == (1 if by is PartitionBy.NONE else 5)
        assert column(tables, "_event_time") == times

    def test_the_partitioning_may_change(self, tables: Tables, sink: Sink) -> None:
        for number, by in enumerate((*PartitionBy, PartitionBy.DAY)):
            table = schema_of(by=by)
            sink.open(table)
            deliver(sink, 10 * number, 10 * number + 10, table)
        assert offsets(tables) == list(range(50))

    def test_one_commit_may_touch_many_partitions(self, tables: Tables, sink: Sink) -> None:
        table = schema_of(by=PartitionBy.HOUR)
        sink.open(table)
        for _ in range(2):  # each partition comes again after all others
            write(sink, table, [row(offset) for offset in range(150)])
        sink.commit(at(150))
        assert offsets(tables) == sorted([*range(150), *range(150)])

    def test_tables_are_strangers(self, tables: Tables, sink: Sink) -> None:
        second = tables.sink("u")
        sink.open(schema_of())
        second.open(schema_of())
        deliver(second, 0, 2)
        deliver(sink, 0, 1)
        assert (offsets(tables, "t"), offsets(tables, "u")) == ([0], [0, 1])
        second.close()

    def test_it_remembers_the_ids_since_a_time(self, sink: Sink) -> None:
        if not isinstance(sink, RemembersIds):
            pytest.skip("it does not remember ids")
        sink.open(schema_of())
        assert sink.ids_since(ORDERS.stream, NOON).read_all().num_rows == 0
        stranger = row(5, _stream=CLICKS.stream)
        write(sink, schema_of(), [row(0), row(1), row(2, _event_id=None), row(3), stranger])
        sink.commit(at(4))
        write(sink, schema_of(), [row(4)])
        ids = sink.ids_since(ORDERS.stream, NOON + timedelta(minutes=1)).read_all()
        assert sorted(ids["_event_id"].to_pylist()) == ["id-1", "id-3"]
        times = [NOON + timedelta(minutes=1), NOON + timedelta(minutes=3)]
        assert sorted(ids["_ingest_time"].to_pylist()) == times

    def test_it_remembers_the_row_before_the_position(self, sink: Sink, other: Sink) -> None:
        if not isinstance(sink, RemembersRows) or not isinstance(other, RemembersRows):
            pytest.skip("it does not remember rows")
        sink.open(schema_of())
        assert sink.last_row(ORDERS) is None
        deliver(sink, 0, 40)
        sink.commit(at(45))  # what came last was no row
        last = (39, NOON + timedelta(minutes=39))
        assert sink.last_row(ORDERS) == last
        other.open(schema_of())
        assert other.last_row(ORDERS) == last
        assert other.last_row(CLICKS) is None

    def test_it_sees_that_another_writer_has_committed(self, sink: Sink, other: Sink) -> None:
        if not isinstance(sink, Confirms):
            pytest.skip("it does not look")
        sink.open(schema_of())
        sink.confirm()
        deliver(sink, 0, 2)
        sink.confirm()
        other.open(schema_of())
        sink.confirm()
        deliver(other, 2, 3)
        with pytest.raises(FencedError):
            sink.confirm()
        assert sink.open(schema_of()) == at(3)
        sink.confirm()

    def test_it_counts_what_is_in_the_table(self, sink: Sink, other: Sink) -> None:
        if not isinstance(sink, Counts) or not isinstance(other, Counts):
            pytest.skip("it does not count")
        sink.open(schema_of())
        assert sink.totals() == Totals(rows=0, files=0, nbytes=0)
        nbytes = deliver(sink, 0, 5).nbytes + deliver(sink, 5, 7).nbytes
        sink.commit(at(9))
        assert sink.totals() == Totals(rows=7, files=2, nbytes=nbytes)
        other.open(schema_of())
        assert other.totals() == sink.totals()

    def test_maintaining_keeps_rows_and_positions(
        self, tables: Tables, sink: Sink, other: Sink
    ) -> None:
        if not isinstance(sink, Maintains):
            pytest.skip("it needs no maintenance")
        sink.open(schema_of())
        for number in range(5):
            deliver(sink, number, number + 1)
            sink.maintain(timedelta(0))
        sink.commit(at(7))
        sink.maintain(timedelta(0))
        assert offsets(tables) == list(range(5))
        assert other.open(schema_of()) == at(7)
        deliver(sink, 7, 8)
        assert offsets(tables) == [*range(5), 7]

    @pytest.mark.parametrize("keep", [timedelta(0), timedelta(days=1)])
    def test_maintaining_does_not_forgive_a_second_writer(
        self, tables: Tables, sink: Sink, other: Sink, keep: timedelta
    ) -> None:
        """What it reads of the table is newer than what it last committed."""
        if not isinstance(sink, Maintains):
            pytest.skip("it needs no maintenance")
        sink.open(schema_of())
        deliver(sink, 0, 2)
        other.open(schema_of())
        write(sink, schema_of(), [row(2)])
        deliver(other, 2, 4)
        sink.maintain(keep)
        with pytest.raises(FencedError):
            sink.commit(at(3))
        assert offsets(tables) == [0, 1, 2, 3]
        assert sink.open(schema_of()) == at(4)


_VALUES: list[tuple[str, pa.DataType, tuple[object, object]]] = [
    ("bool", pa.bool_(), (False, True)),
    ("int", pa.int32(), (-(2**31), 2**31 - 1)),
    ("long", pa.int64(), (-(2**63), 2**63 - 1)),
    ("float", pa.float32(), (-0.5, float("inf"))),
    ("double", pa.float64(), (1e308, float("-inf"))),
    ("decimal", pa.decimal128(20, 0), (Decimal(0), Decimal(2**64 - 1))),
    ("string", pa.string(), ("", "é\u0000🦫")),
    # Whoever shortens an upper bound and adds one to its last character must beware of these.
    ("bounds", pa.string(), ("\ud7ff" * 20, "\U0010ffff" * 20)),
    ("length", pa.string(), ("", "x" * 1_000_000)),
    ("binary", pa.binary(), (b"", b"\xff\x00")),
    ("ones", pa.binary(), (b"\xff" * 20, b"\xff" * 5000)),
    ("time", pa.timestamp("us", "UTC"), (datetime(1, 1, 1, tzinfo=UTC), NOON)),
    ("list", pa.list_(pa.string()), ([], ["a", None])),
    ("map", pa.map_(pa.int64(), pa.bool_()), ([], [(1, True), (2, None)])),
    ("struct", INNER, ({"a": None, "b": None}, {"a": 1, "b": "b"})),
    (
        "deep",
        pa.map_(pa.string(), pa.list_(INNER)),
        ([("k", None)], [("k", [None, {"a": 1, "b": ""}])]),
    ),
]
