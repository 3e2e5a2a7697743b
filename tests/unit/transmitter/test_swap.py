"""A pipeline that is handed another plan while it runs: stepped by hand, between a log and tables in memory."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bobr.batch import Positions, StoredBatch
from bobr.catalog import BUILT_IN, Delivery, Destination, SqlCatalog
from bobr.catalog.references import Text
from bobr.errors import BobrError, BrokenError, UnavailableError
from bobr.ids import Offset, Partition, StreamName, StreamPartition
from bobr.log import Limit, Reader
from bobr.testing.sink import MemorySink, MemoryTable
from bobr.transmitter.pipeline import Pipeline
from bobr.transmitter.plan import Plan
from bobr.transmitter.sinks import Sink, TableSchema
from bobr.transmitter.status import State

World = Any  # the class in conftest.py; test modules import nothing from each other
Deliver = Callable[[Pipeline], None]
SOURCE = StreamPartition(StreamName("orders"), Partition(0))
CLICKS = StreamName("clicks")
FOR_EVER = 3600.0
"""Nothing that waits so long is waited for."""


@dataclass
class Places:
    """Tables by name; fails as it is told, and notes what it was asked for."""

    tables: defaultdict[str, MemoryTable] = field(default_factory=lambda: defaultdict(MemoryTable))
    errors: list[BobrError] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    passwords: list[str | None] = field(default_factory=list)

    def sink(self, delivery: Delivery, destination: Destination) -> Sink:
        catalog = destination.catalog
        self.passwords.append(catalog.password if catalog else None)
        return NotedSink(self, delivery.table)

    def ids(self, table: str) -> list[object]:
        rows = self.tables[table].rows()
        return rows["_event_id"].to_pylist() if rows.num_columns else []


class NotedSink(MemorySink):
    def __init__(self, places: Places, table: str) -> None:
        super().__init__(places.tables[table])
        self._places = places
        self._name = table

    def open(self, table: TableSchema) -> Positions:
        self._places.opened.append(self._name)
        if self._places.errors:
            raise self._places.errors.pop(0)
        return super().open(table)


@pytest.fixture
def places() -> Places:
    return Places()


@pytest.fixture
def pipeline(world: World, places: Places) -> Pipeline:
    wiring = replace(world.wiring(), sink=places.sink)
    return Pipeline(world.plan(flush_seconds=FOR_EVER), wiring, world.limits)


def steps(pipeline: Pipeline, count: int = 3) -> State:
    for _ in range(count):
        pipeline.step()
    return pipeline.status.state


def test_another_age_of_commits_needs_no_new_session(
    world: World, places: Places, pipeline: Pipeline
) -> None:
    world.publish("a")
    steps(pipeline)
    session = pipeline._session
    pipeline.adopt(world.plan(flush_seconds=7.0))
    steps(pipeline)
    assert places.ids("t") == ["a"]  # what was held
    world.publish("b")
    steps(pipeline)
    world.clock.seconds += 6.9
    steps(pipeline)
    assert (places.ids("t"), pipeline.status.held) == (["a"], 1)
    world.clock.seconds += 0.2
    steps(pipeline)
    assert places.ids("t") == ["a", "b"]
    assert pipeline._session is session
    assert places.opened == ["t"]


def test_a_plan_that_comes_back_changes_nothing(
    world: World, places: Places, pipeline: Pipeline
) -> None:
    world.publish("a")
    steps(pipeline)
    session = pipeline._session
    pipeline.adopt(world.plan(flush_seconds=FOR_EVER, table="u"))
    pipeline.adopt(world.plan(flush_seconds=FOR_EVER))
    steps(pipeline)
    assert pipeline._session is session
    assert (places.opened, pipeline.status.held) == (["t"], 1)


@pytest.mark.parametrize(("before", "after"), [(0, 3600), (3600, 0)])
def test_another_dedup_window_holds_from_the_next_batch_on(
    world: World, places: Places, pipeline: Pipeline, before: int, after: int
) -> None:
    pipeline.adopt(world.plan(dedup_seconds=before))
    world.publish("a", "a")
    steps(pipeline)
    pipeline.adopt(world.plan(dedup_seconds=after))
    steps(pipeline)
    first = ["a"] if before else ["a", "a"]
    assert places.ids("t") == first
    world.publish("a", "b", "b")
    pipeline.flush({SOURCE: Offset(5)})
    steps(pipeline)
    assert places.ids("t") == [*first, *(["b"] if after else ["a", "b", "b"])]


def test_another_table_gets_all_that_the_log_has_and_the_old_one_what_was_held(
    world: World, places: Places, pipeline: Pipeline
) -> None:
    world.publish("a")
    steps(pipeline)
    pipeline.flush({SOURCE: Offset(1)})
    steps(pipeline)
    assert pipeline.status.positions == {SOURCE: 1}
    world.publish("b")
    steps(pipeline)
    pipeline.adopt(world.plan(table="shop.u"))
    told = pipeline.status  # before any step
    assert (told.positions, told.table, told.totals) == ({}, "shop.u", None)
    assert told.as_json()["positions"] == {}, "retention would take away what the new table lacks"
    assert steps(pipeline, 2) is State.RUNNING
    assert places.ids("t") == ["a", "b"]
    world.publish("c")
    pipeline.flush({SOURCE: Offset(3)})
    steps(pipeline)
    assert places.ids("t") == ["a", "b"]
    assert places.ids("shop.u") == ["a", "b", "c"]
    assert pipeline.status.positions == {SOURCE: 3}


def test_another_stream_is_at_no_position_of_the_former_and_leaves_its_table_alone(
    world: World, places: Places, pipeline: Pipeline
) -> None:
    world.publish("a", "b")
    pipeline.flush({SOURCE: Offset(2)})
    steps(pipeline)
    world.log.create(CLICKS)
    pipeline.adopt(_of_clicks(world))
    assert (pipeline.status.stream, pipeline.status.as_json()["positions"]) == (CLICKS, {})
    world.publish("click", stream=CLICKS)
    assert steps(pipeline, 5) is State.BROKEN
    assert pipeline.status.reason.startswith("table 't' has the events of stream 'orders'")
    assert places.ids("t") == ["a", "b"]


def test_a_table_that_has_two_streams_already_goes_on(
    world: World, places: Places, pipeline: Pipeline
) -> None:
    """As it came about before that was refused; of the other, equal ids are other events."""
    clicks = StreamPartition(CLICKS, Partition(0))
    world.log.create(CLICKS)
    world.publish("click", "a", stream=CLICKS)
    places.tables["t"].positions = {clicks: Offset(0)}
    pipeline.adopt(_of_clicks(world))
    pipeline.flush({clicks: Offset(2)})
    steps(pipeline)
    places.tables["t"].positions = {SOURCE: Offset(0), **places.tables["t"].positions}
    world.publish("a", "b", "a")
    pipeline.adopt(world.plan())
    pipeline.flush({SOURCE: Offset(3)})
    steps(pipeline)
    assert places.ids("t") == ["click", "a", "a", "b"]
    assert pipeline.status.as_json()["positions"] == {"0": 3}


def _of_clicks(world: World) -> Plan:
    of_orders: Plan = world.plan()
    return replace(
        of_orders,
        delivery=of_orders.delivery.model_copy(update={"stream": CLICKS}),
        stream=of_orders.stream.model_copy(update={"name": CLICKS}),
    )


class InterruptedReader:
    """While it reads, something else happens first."""

    def __init__(self, reader: Reader, happens: list[Callable[[], None]]) -> None:
        self._reader = reader
        self._happens = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def read(self, limit: Limit, timeout_seconds: float) -> list[StoredBatch]:
        for happening in self._happens:
            happening()
        self._happens.clear()
        return self._reader.read(limit, timeout_seconds)


@pytest.mark.parametrize("change", [{"paused": True}, {"table": "u"}, {"dedup_seconds": 0}, {}])
def test_what_comes_after_a_plan_was_handed_over_is_not_delivered_by_the_former(
    world: World, places: Places, pipeline: Pipeline, change: dict[str, Any]
) -> None:
    """Not even if it comes into the read that is under way; and it is not passed over either."""
    new = world.plan(flush_seconds=1.0, **change)
    world.publish("a")
    steps(pipeline)

    def hand_over() -> None:
        pipeline.adopt(new)
        world.publish("a", "b")

    session = pipeline._session
    assert session is not None
    assert session._reader is not None
    session._reader = InterruptedReader(session._reader, [hand_over])
    steps(pipeline, 2)
    assert places.ids("t") == (["a"] if change else ["a", "b"])
    if change.get("paused"):
        assert steps(pipeline) is State.PAUSED
        pipeline.adopt(world.plan(flush_seconds=1.0))
    pipeline.flush({SOURCE: Offset(3)})
    steps(pipeline, 5)
    twice = ["a", "a", "b"]
    wanted = {"table": ["a"], "dedup_seconds": twice}.get(next(iter(change), ""), ["a", "b"])
    assert places.ids("t") == wanted
    assert places.ids("u") == (["a", "b"] if "table" in change else [])


# ---- credentials


def behind(password: Path) -> Destination:
    catalog = SqlCatalog(
        uri=Text("postgresql://u@h/d"), password=Text("${file:" + str(password) + "}")
    )
    return BUILT_IN.model_copy(update={"catalog": catalog, "name": "vault"})


def test_secrets_are_read_again_each_time_that_a_table_is_opened(
    world: World, places: Places, pipeline: Pipeline, tmp_path: Path, deliver: Deliver
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old\n")
    places.errors = [UnavailableError("no such password")]
    pipeline.adopt(world.plan(to=behind(secret)))
    assert steps(pipeline, 1) is State.WAITING
    secret.write_text("new\n")
    world.publish("a")
    deliver(pipeline)
    assert places.passwords == ["old", "new"]
    assert places.ids("t") == ["a"]


def test_a_secret_that_is_gone_breaks_the_delivery_until_it_is_back(
    world: World, pipeline: Pipeline, tmp_path: Path, deliver: Deliver
) -> None:
    secret = tmp_path / "secret"
    pipeline.adopt(world.plan(to=behind(secret)))
    assert steps(pipeline, 1) is State.BROKEN
    reason = pipeline.status.reason
    assert all(word in reason for word in ("delivery 'd'", "destination 'vault'", str(secret)))
    secret.write_text("s")
    world.publish("a")
    deliver(pipeline)


def test_what_failed_is_tried_at_once_as_a_new_plan_says(
    world: World, places: Places, pipeline: Pipeline
) -> None:
    places.errors = [BrokenError("a person must act")]
    assert steps(pipeline) is State.BROKEN
    pipeline.adopt(world.plan(table="u"))
    assert steps(pipeline, 2) is State.RUNNING  # and the clock stood still
    assert places.opened == ["t", "u"]


# ---- paused


def test_a_paused_delivery_commits_what_it_holds_and_reads_nothing(
    world: World, places: Places, pipeline: Pipeline
) -> None:
    world.publish("a")
    steps(pipeline)
    assert pipeline.status.held == 1
    pipeline.adopt(world.plan(paused=True, flush_seconds=FOR_EVER))
    assert steps(pipeline, 1) is State.PAUSED
    assert (places.ids("t"), pipeline.status.reason) == (["a"], "paused")
    world.publish("b")
    world.clock.seconds += 2 * FOR_EVER
    assert steps(pipeline) is State.PAUSED
    assert places.ids("t") == ["a"]
    assert pipeline.status.as_json()["positions"] == {"0": 1}
    pipeline.adopt(world.plan())
    pipeline.flush({SOURCE: Offset(2)})
    assert steps(pipeline, 4) is State.RUNNING
    assert (places.ids("t"), pipeline.status.reason) == (["a", "b"], "")


def test_nobody_waits_for_a_paused_delivery(world: World, pipeline: Pipeline) -> None:
    world.publish("a")
    pipeline.flush({SOURCE: Offset(1)})
    steps(pipeline)
    pipeline.adopt(world.plan(paused=True))
    steps(pipeline)
    world.publish("b")
    for end, is_there in ((1, True), (2, False)):
        pipeline.flush({SOURCE: Offset(end)})
        assert pipeline.wait_for({SOURCE: Offset(end)}, FOR_EVER) == is_there


def test_a_delivery_that_begins_paused_tells_how_far_its_table_is(
    world: World, places: Places, pipeline: Pipeline
) -> None:
    world.publish("a")
    pipeline.flush({SOURCE: Offset(1)})
    steps(pipeline)
    world.publish("b")
    wiring = replace(world.wiring(), sink=places.sink)
    again = Pipeline(world.plan(paused=True), wiring, world.limits)
    assert steps(again) is State.PAUSED
    assert again.status.as_json()["positions"] == {"0": 1}
    assert places.ids("t") == ["a"]


def test_a_paused_delivery_leaves_a_place_alone_that_does_not_answer(
    world: World, places: Places
) -> None:
    places.errors = [UnavailableError("away")]
    wiring = replace(world.wiring(), sink=places.sink)
    pipeline = Pipeline(world.plan(paused=True), wiring, world.limits)
    assert steps(pipeline, 1) is State.PAUSED
    world.clock.seconds += FOR_EVER
    assert steps(pipeline) is State.PAUSED
    assert (pipeline.status.reason, places.opened) == ("paused", ["t"])


@pytest.mark.parametrize("error", [UnavailableError("away"), BrokenError("gone")])
def test_what_failed_can_be_paused(
    world: World, places: Places, pipeline: Pipeline, error: BobrError
) -> None:
    places.errors = [error]
    steps(pipeline)
    pipeline.adopt(world.plan(paused=True))
    assert steps(pipeline, 1) is State.PAUSED
    assert (pipeline.status.reason, places.opened) == ("paused", ["t"])
    pipeline.stop()
    assert steps(pipeline, 1) is State.STOPPED
