"""The part: as many pipelines as the catalog says, in threads of their own."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bobr.catalog import Catalog, Delivery
from bobr.errors import UnavailableError
from bobr.ids import DeliveryName, Revision, SchemaId, StreamName
from bobr.testing.log import MemoryLog
from bobr.testing.sink import MemorySink, MemoryTable
from bobr.transmitter.part import Transmitter
from bobr.transmitter.sinks import Sink
from bobr.transmitter.status import PipelineStatus, State
from bobr.transmitter.wiring import Limits, Wiring

World = Any  # the class in conftest.py; test modules import nothing from each other
OLD, NEW = SchemaId(1), SchemaId(2)
PATIENCE = 60.0
"""For what must happen: long enough for any machine, never waited for when all is well."""


class Tables(dict[str, MemoryTable]):
    def sink(self, delivery: Delivery) -> Sink:
        if delivery.table == "broken":
            raise UnavailableError("no such place")
        return MemorySink(self.setdefault(delivery.table, MemoryTable()))


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def transmitter(world: World, tables: Tables) -> Iterator[Transmitter]:
    wiring: Wiring = replace(world.wiring(), sink=tables.sink)
    transmitter = Transmitter(wiring, Limits(poll_seconds=0.01))
    yield transmitter
    transmitter.close()


def catalog(world: World, *deliveries: Delivery, schemas: tuple[SchemaId, ...] = (OLD,)) -> Catalog:
    return Catalog(
        revision=Revision(1),
        streams={StreamName("orders"): world.stream(*schemas)},
        deliveries={delivery.name: delivery for delivery in deliveries},
    )


def delivery(table: str, **options: Any) -> Delivery:
    name = DeliveryName(f"to-{table}")
    options = {"flush_seconds": 3600.0, **options}
    return Delivery(name=name, stream=StreamName("orders"), table=table, **options)


def ids(tables: Tables, table: str) -> list[object]:
    found: list[object] = tables[table].rows()["_event_id"].to_pylist()
    return found


def by_name(transmitter: Transmitter) -> dict[str, PipelineStatus]:
    return {status.delivery: status for status in transmitter.status()}


def test_flush_brings_all_that_the_log_holds(
    world: World, tables: Tables, transmitter: Transmitter
) -> None:
    transmitter.apply(catalog(world, delivery("a"), delivery("b")))
    world.publish("1", "2")
    assert transmitter.flush(PATIENCE)
    assert ids(tables, "a") == ids(tables, "b") == ["1", "2"]
    assert transmitter.flush(PATIENCE)


def test_a_flush_is_not_done_if_the_log_does_not_say_what_it_holds(
    world: World, tables: Tables
) -> None:
    wiring: Wiring = replace(world.wiring(), sink=tables.sink, log=MemoryLog())
    transmitter = Transmitter(wiring, Limits(poll_seconds=0.01))
    transmitter.apply(catalog(world, delivery("a")))
    assert not transmitter.flush(PATIENCE)
    transmitter.close()


def test_apply_leaves_alone_what_did_not_change(
    world: World, tables: Tables, transmitter: Transmitter
) -> None:
    transmitter.apply(catalog(world, delivery("a"), delivery("b"), delivery("c")))
    world.publish("1")
    assert transmitter.flush(PATIENCE)
    transmitter.apply(catalog(world, delivery("a"), delivery("b", dedup_seconds=0), delivery("d")))
    world.publish("2")
    assert transmitter.flush(PATIENCE)
    status = by_name(transmitter)
    assert sorted(status) == ["to-a", "to-b", "to-d"]
    assert status["to-a"].counts.rows == 2  # counted since it started: the same pipeline
    assert status["to-b"].counts.rows == 1
    assert ids(tables, "b") == ids(tables, "d") == ["1", "2"]
    assert ids(tables, "c") == ["1"]


def test_a_delivery_that_ends_commits_what_it_holds(
    world: World, tables: Tables, transmitter: Transmitter
) -> None:
    transmitter.apply(catalog(world, delivery("a")))
    world.publish("1")
    assert transmitter.flush(PATIENCE)
    world.publish("2")
    transmitter.apply(catalog(world))
    assert transmitter.status() == []
    transmitter.apply(catalog(world, delivery("a")))
    assert transmitter.flush(PATIENCE)
    assert ids(tables, "a") == ["1", "2"]


def test_a_new_schema_reaches_a_running_pipeline(
    world: World, tables: Tables, transmitter: Transmitter
) -> None:
    transmitter.apply(catalog(world, delivery("a")))
    world.publish("1")
    assert transmitter.flush(PATIENCE)
    transmitter.apply(catalog(world, delivery("a"), schemas=(OLD, NEW)))
    world.publish("2", schema=NEW, city="Riga")
    assert transmitter.flush(PATIENCE)
    assert tables["a"].rows()["city"].to_pylist() == [None, "Riga"]
    assert by_name(transmitter)["to-a"].counts.rows == 2


def test_a_dead_destination_delays_only_itself(
    world: World, tables: Tables, transmitter: Transmitter
) -> None:
    transmitter.apply(catalog(world, delivery("a"), delivery("broken")))
    world.publish("1")
    assert not transmitter.flush(0.2)
    assert ids(tables, "a") == ["1"]
    status = by_name(transmitter)["to-broken"]
    assert (status.state, status.reason) == (State.WAITING, "no such place")
    assert transmitter.report()["deliveries"]


def test_closing_commits_and_counts(world: World, tables: Tables, transmitter: Transmitter) -> None:
    transmitter.apply(catalog(world, delivery("a")))
    world.publish("1")
    assert transmitter.flush(PATIENCE)
    (last,) = transmitter.close(PATIENCE)
    assert (last.state, last.held, last.counts.rows) == (State.STOPPED, 0, 1)
    assert transmitter.status() == []
