"""The contract of sinks that drop old partitions, as tests: beside `SinkContract`, whose fixtures they use."""

from datetime import timedelta

import pytest

from bobr.catalog import PartitionBy
from bobr.errors import FencedError
from bobr.testing.sink_contract import NOON, Tables, at, deliver, offsets, row, schema_of, write
from bobr.transmitter.sinks import Retains, Sink

MIDNIGHT = NOON.replace(hour=0) + timedelta(days=1)
"""Rows 0 to 11 are before it, an hour each."""


class RetainsContract:
    """What every sink must do that `Retains`."""

    def test_whole_partitions_go_and_positions_stay(
        self, tables: Tables, sink: Sink, other: Sink
    ) -> None:
        assert isinstance(sink, Retains)
        sink.open(schema_of())
        deliver(sink, 0, 20)
        assert sink.drop_before(MIDNIGHT) == 12
        assert offsets(tables) == list(range(12, 20))
        assert sink.drop_before(MIDNIGHT) == 0
        deliver(sink, 20, 21)
        assert offsets(tables) == list(range(12, 21))
        assert other.open(schema_of()) == at(21)

    def test_a_partition_that_has_not_ended_stays_whole(self, tables: Tables, sink: Sink) -> None:
        assert isinstance(sink, Retains)
        sink.open(schema_of())
        deliver(sink, 0, 20)
        assert sink.drop_before(NOON - timedelta(hours=12)) == 0
        assert sink.drop_before(MIDNIGHT - timedelta(hours=1)) == 0
        assert offsets(tables) == list(range(20))

    def test_a_table_can_be_emptied_and_goes_on(self, tables: Tables, sink: Sink) -> None:
        assert isinstance(sink, Retains)
        sink.open(schema_of(by=PartitionBy.HOUR))
        write(sink, schema_of(by=PartitionBy.HOUR), [row(0)])
        sink.commit(at(1))
        assert sink.drop_before(MIDNIGHT) == 1
        assert offsets(tables) == []
        assert sink.open(schema_of(by=PartitionBy.HOUR)) == at(1)

    def test_who_was_fenced_drops_nothing(self, tables: Tables, sink: Sink, other: Sink) -> None:
        assert isinstance(sink, Retains)
        sink.open(schema_of())
        deliver(sink, 0, 2)
        other.open(schema_of())
        deliver(other, 2, 4)
        with pytest.raises(FencedError):
            sink.drop_before(MIDNIGHT)
        assert offsets(tables) == [0, 1, 2, 3]

    def test_dropping_does_not_fence_the_writer_nor_forgive_another(
        self, tables: Tables, sink: Sink, other: Sink
    ) -> None:
        assert isinstance(sink, Retains)
        sink.open(schema_of())
        deliver(sink, 0, 20)
        other.open(schema_of())
        sink.drop_before(MIDNIGHT)
        deliver(sink, 20, 22)
        write(other, schema_of(), [row(20)])
        with pytest.raises(FencedError):
            other.commit(at(21))
        assert offsets(tables) == list(range(12, 22))
