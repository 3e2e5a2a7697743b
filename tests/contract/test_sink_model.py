"""Writers of one Iceberg table and another engine do anything in any order.

Each offset is in it once, as far as the table was not rolled back, and nobody's stale commit lands.
"""

import tempfile
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pyiceberg.table import Table

from bobr.errors import FencedError
from bobr.ids import Offset
from bobr.testing.sink_contract import COLUMNS, NOON, ORDERS, at, row, schema_of, write
from bobr.transmitter.sinks import TableSchema
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.sinks.iceberg.client import open_catalog
from bobr.transmitter.sinks.iceberg.query import connect

WIDE = pa.schema([*COLUMNS, ("more", pa.int64())])

WRITERS = 2

numbers = st.integers(0, WRITERS - 1)


@dataclass
class Writer:
    """What a writer was told last."""

    sink: IcebergSink
    table: TableSchema | None = None
    seen: int = 0
    end: int = 0


class Writers(RuleBasedStateMachine):
    """Writers of one table against a counter. `commits`: the number of the one that the table stands on."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="bobr-test-")
        self.config = IcebergConfig.in_folder(Path(self.folder.name))
        self.writers = [Writer(IcebergSink(self.config, "t")) for _ in range(WRITERS)]
        self.commits = self.made = 0
        self.end = 0
        self.strangers = 0
        self.states: dict[int, tuple[int, int, int]] = {}
        for number in range(WRITERS):
            self.open(number, COLUMNS)

    def opened(self, number: int) -> Writer:
        """That one, or another if it is closed."""
        known = [writer for writer in self.writers if writer.table is not None]
        return known[number % len(known)]

    def are_opened(self) -> bool:
        return any(writer.table is not None for writer in self.writers)

    @rule(number=numbers, columns=st.sampled_from([COLUMNS, WIDE]))
    def open(self, number: int, columns: pa.Schema) -> None:
        writer = self.writers[number]
        writer.table = schema_of(columns)
        assert writer.sink.open(writer.table).get(ORDERS, Offset(0)) == self.end
        writer.seen, writer.end = self.commits, self.end

    @precondition(are_opened)
    @rule(number=numbers, rows=st.integers(0, 2))
    def write(self, number: int, rows: int) -> None:
        writer = self.opened(number)
        assert writer.table is not None
        offsets = range(writer.end, writer.end + rows)
        write(writer.sink, writer.table, [row(offset) for offset in offsets])
        writer.end += rows

    @precondition(are_opened)
    @rule(number=numbers)
    def commit(self, number: int) -> None:
        writer = self.opened(number)
        if writer.seen == self.commits:
            writer.sink.commit(at(writer.end))
            self.made += 1
            self.commits = writer.seen = self.made
            self.end = writer.end
            self.remember()
        else:
            with pytest.raises(FencedError):
                writer.sink.commit(at(writer.end))
            writer.table = None

    @precondition(are_opened)
    @rule(number=numbers, keep=st.sampled_from([timedelta(0), timedelta(days=1)]))
    def maintain(self, number: int, keep: timedelta) -> None:
        self.opened(number).sink.maintain(keep)

    @precondition(are_opened)
    @rule(number=numbers)
    def read_ids(self, number: int) -> None:
        """A writer knows the ids of all that it goes on from, or that it can not go on."""
        writer = self.opened(number)
        if writer.seen == self.commits:
            ids = set(
                writer.sink.ids_since(ORDERS.stream, NOON).read_all()["_event_id"].to_pylist()
            )
            assert ids == {f"id-{offset}" for offset in range(self.end)}
        else:
            with pytest.raises(FencedError):
                writer.sink.ids_since(ORDERS.stream, NOON)
            writer.table = None

    def theirs(self) -> Table:
        """The table as another engine sees it."""
        with open_catalog(self.config) as catalog:
            return catalog.load_table("bobr.t")

    def remember(self) -> None:
        """What the current snapshot has: commits, offsets, rows of others."""
        now = self.theirs().current_snapshot()
        assert now is not None
        self.states[now.snapshot_id] = (self.commits, self.end, self.strangers)

    @rule()
    def another_appends(self) -> None:
        rows = [row(0, _event_id=None, _stream="elsewhere")]
        self.theirs().append(pa.Table.from_pylist(rows, schema=schema_of().columns))
        self.strangers += 1
        self.remember()

    @rule(place=st.integers(0, 9))
    def another_rolls_back(self, place: int) -> None:
        table = self.theirs()
        if table.metadata.snapshots:
            snapshot = table.metadata.snapshots[-1 - place % len(table.metadata.snapshots)]
            table.manage_snapshots().set_current_snapshot(snapshot.snapshot_id).commit()
            self.commits, self.end, self.strangers = self.states[snapshot.snapshot_id]

    @rule()
    def another_names_what_is_current(self) -> None:
        table = self.theirs()
        if (now := table.current_snapshot()) is not None:
            table.manage_snapshots().create_tag(now.snapshot_id, uuid.uuid4().hex).commit()

    @rule()
    def another_asks_for_retries(self) -> None:
        with self.theirs().transaction() as change:
            change.set_properties({"commit.retry.num-retries": "2"})

    @precondition(are_opened)
    @rule(number=numbers)
    def close(self, number: int) -> None:
        writer = self.opened(number)
        writer.sink.close()
        writer.table = None

    @invariant()
    def each_offset_is_there_once(self) -> None:
        with connect(self.config) as connection:
            rows = connection.sql("SELECT _stream, _offset FROM t ORDER BY 1, 2").fetchall()
        ours = [("orders", offset) for offset in range(self.end)]
        assert rows == [("elsewhere", 0)] * self.strangers + ours

    def teardown(self) -> None:
        for writer in self.writers:
            writer.sink.close()
        self.folder.cleanup()


@pytest.mark.slow
class TestWriters(Writers.TestCase):  # type: ignore[misc,valid-type]  # hypothesis makes it
    settings = settings(
        max_examples=15,
        stateful_step_count=30,
        deadline=None,
        # What fails has thirty steps at most, and is read as it is.
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
