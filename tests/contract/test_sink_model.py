"""Writers of one Iceberg table do anything in any order: each offset is in it once, and nobody's stale commit lands."""

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bobr.errors import FencedError
from bobr.ids import Offset
from bobr.testing.sink_contract import COLUMNS, NOON, ORDERS, at, row, schema_of, write
from bobr.transmitter.sinks import TableSchema
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
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
    """Writers of one table against a counter."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="bobr-test-")
        self.config = IcebergConfig.in_folder(Path(self.folder.name))
        self.writers = [Writer(IcebergSink(self.config, "t")) for _ in range(WRITERS)]
        self.commits = 0
        self.end = 0
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
            self.commits += 1
            writer.seen, self.end = self.commits, writer.end
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
            ids = set(writer.sink.ids_since(NOON).read_all()["_event_id"].to_pylist())
            assert ids == {f"id-{offset}" for offset in range(self.end)}
        else:
            with pytest.raises(FencedError):
                writer.sink.ids_since(NOON)
            writer.table = None

    @precondition(are_opened)
    @rule(number=numbers)
    def close(self, number: int) -> None:
        writer = self.opened(number)
        writer.sink.close()
        writer.table = None

    @invariant()
    def each_offset_is_there_once(self) -> None:
        with connect(self.config) as connection:
            offsets = connection.sql("SELECT _offset FROM t ORDER BY 1").to_arrow_table()
        assert offsets["_offset"].to_pylist() == list(range(self.end))

    def teardown(self) -> None:
        for writer in self.writers:
            writer.sink.close()
        self.folder.cleanup()


@pytest.mark.slow
class TestWriters(Writers.TestCase):  # type: ignore[misc,valid-type]  # hypothesis makes it
    settings = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        # What fails has thirty steps at most, and is read as it is.
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )
