"""The part: as many pipelines as the catalog says, in threads of their own."""

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import is_
from pathlib import Path
from typing import Any

import pytest

from bobr.batch import Positions
from bobr.catalog import Catalog, Delivery, Destination
from bobr.catalog.references import Text
from bobr.clock import SystemClock
from bobr.errors import MisconfiguredError, RejectedError, UnavailableError
from bobr.ids import DeliveryName, DestinationName, Revision, SchemaId, StreamName
from bobr.testing.log import MemoryLog
from bobr.testing.sink import MemorySink, MemoryTable
from bobr.transmitter import part
from bobr.transmitter.part import Transmitter
from bobr.transmitter.sinks import Committed, Sink, TableSchema
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.status import PipelineStatus, State
from bobr.transmitter.wiring import Limits, Wiring

World = Any  # the class in conftest.py; test modules import nothing from each other
OLD, NEW = SchemaId(1), SchemaId(2)
PATIENCE = 60.0
"""For what must happen: long enough for any machine, never waited for when all is well."""


class Tables(dict[str, MemoryTable]):
    """By name. The sinks of `held` do not commit before `release` is set. commits: of the table `a`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.held: set[str] = set()
        self.committing = threading.Event()
        self.release = threading.Event()
        self.commits = threading.Semaphore()
        self.watched: threading.Thread | None = None
        self.opened_while_watched: list[bool] = []

    def sink(self, delivery: Delivery, destination: Destination) -> Sink:
        self.asked.append(delivery.table)
        if delivery.table == "broken":
            raise UnavailableError("no such place")
        if destination.warehouse == "nonsense":
            raise MisconfiguredError("no absolute path")
        return HeldSink(self, delivery.table)


class HeldSink(MemorySink):
    def __init__(self, tables: Tables, name: str) -> None:
        super().__init__(tables.setdefault(name, MemoryTable()))
        self._tables = tables
        self._name = name

    def open(self, table: TableSchema) -> Positions:
        if (watched := self._tables.watched) is not None:
            self._tables.opened_while_watched.append(watched.is_alive())
        return super().open(table)

    def commit(self, upto: Positions) -> Committed:
        if self._name in self._tables.held:
            self._tables.committing.set()
            assert self._tables.release.wait(PATIENCE)
        committed = super().commit(upto)
        if self._name == "a":
            self._tables.commits.release()
        return committed


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def transmitter(world: World, tables: Tables) -> Iterator[Transmitter]:
    wiring: Wiring = replace(world.wiring(), sink=tables.sink, clock=SystemClock())
    transmitter = Transmitter(wiring, Limits(poll_seconds=0.01))
    yield transmitter
    transmitter.close()


def catalog(
    world: World,
    *deliveries: Delivery,
    schemas: tuple[SchemaId, ...] = (OLD,),
    places: Sequence[Destination] = (),
) -> Catalog:
    return Catalog(
        revision=Revision(1),
        streams={StreamName("orders"): world.stream(*schemas)},
        deliveries={delivery.name: delivery for delivery in deliveries},
        destinations={place.name: place for place in places},
    )


def delivery(table: str, **options: Any) -> Delivery:
    words = {"name": f"to-{table}", "flush_seconds": 3600.0, "stream": "orders", **options}
    return Delivery.model_validate({"table": table, **words})


def place(name: str, warehouse: str) -> Destination:
    return Destination(name=DestinationName(name), kind="iceberg", warehouse=Text(warehouse))


def parts_of(transmitter: Transmitter) -> dict[str, tuple[object, ...]]:
    """What an apply must leave as it is, by delivery."""
    return {
        name: (
            each.pipeline,
            each.thread,
            session := each.pipeline._session,
            session and session.sink,
            session and session._reader,
            session and session._index,
        )
        for name, each in transmitter._running.items()
    }


def wait_until(transmitter: Transmitter, name: str, state: State) -> PipelineStatus:
    """Until the delivery says it is in that state."""
    pipeline = transmitter._running[DeliveryName(name)].pipeline
    with pipeline._changed:
        assert pipeline._changed.wait_for(lambda: pipeline.status.state is state, PATIENCE)
    return pipeline.status


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
    assert status["to-b"].counts.rows == 2  # its table was opened anew, by the same pipeline
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
    transmitter.apply(catalog(world, delivery("a"), delivery("broken")), settled=True)
    world.publish("1")
    assert not transmitter.flush(0.2)
    assert ids(tables, "a") == ["1"]
    assert wait_until(transmitter, "to-broken", State.WAITING).reason == "no such place"
    assert transmitter.report()["deliveries"]


def test_closing_commits_and_counts(world: World, tables: Tables, transmitter: Transmitter) -> None:
    transmitter.apply(catalog(world, delivery("a")))
    world.publish("1")
    assert transmitter.flush(PATIENCE)
    (last,) = transmitter.close(PATIENCE)
    assert (last.state, last.held, last.counts.rows) == (State.STOPPED, 0, 1)
    assert transmitter.status() == []


# ---- changes while it runs


def test_what_did_not_change_is_the_same_under_load_and_loses_nothing(
    world: World, tables: Tables, transmitter: Transmitter
) -> None:
    """A producer appends as fast as `a` is filled, while another delivery changes in every way that there is."""
    same = [delivery(table, flush_seconds=0.02, dedup_seconds=60) for table in ("a", "b")]
    changes: list[dict[str, Any]] = [
        {},
        {"flush_seconds": 0.01},
        {"dedup_seconds": 0},
        {"dedup_seconds": 60},
        {"partition_by": "hour"},
        {"table": "d"},
        {"paused": True},
        {"table": "c", "to": "elsewhere"},
    ]
    there = [place("elsewhere", "/elsewhere")]
    published: list[str] = []
    ended = threading.Event()

    def produce() -> None:
        while not ended.is_set():
            assert tables.commits.acquire(timeout=PATIENCE)
            for _ in range(5):
                world.publish(name := f"{len(published)}")
                published.append(name)

    producer = threading.Thread(target=produce)
    producer.start()
    transmitter.apply(catalog(world, *same, delivery("c"), places=there))
    assert transmitter.flush(PATIENCE)
    before = parts_of(transmitter)
    for round_ in range(3):
        for change in changes:
            changed = Delivery.model_validate(
                {"name": "to-c", "table": "c", "stream": "orders", "flush_seconds": 0.02, **change}
            )
            extra = [delivery(f"extra{round_}")] if change else []
            transmitter.apply(catalog(world, *same, changed, *extra, places=there))
            transmitter.flush(PATIENCE)
            after = parts_of(transmitter)
            for name in ("to-a", "to-b"):
                assert all(map(is_, before[name], after[name])), (name, change)
            assert all(map(is_, before["to-c"][:2], after["to-c"][:2])), change
    ended.set()
    producer.join()
    transmitter.apply(catalog(world, *same, delivery("c", flush_seconds=0.02)))
    assert transmitter.flush(PATIENCE)
    for table in ("a", "b", "c"):
        assert ids(tables, table) == published, table


def test_a_new_schema_opens_no_table_anew(
    world: World, tables: Tables, transmitter: Transmitter
) -> None:
    transmitter.apply(catalog(world, delivery("a")))
    world.publish("1")
    assert transmitter.flush(PATIENCE)
    before = parts_of(transmitter)
    transmitter.apply(catalog(world, delivery("a"), schemas=(OLD, NEW)))
    world.publish("2", schema=NEW, city="Riga")
    assert transmitter.flush(PATIENCE)
    assert all(map(is_, before["to-a"], parts_of(transmitter)["to-a"]))


def test_only_what_changed_is_built(world: World, tables: Tables, transmitter: Transmitter) -> None:
    """Among many, by equality: the catalog is made anew each time, as it comes from the controller."""
    types: list[SchemaId] = []
    get = transmitter._wiring.types

    def noted(message: str, schema_id: SchemaId) -> Any:
        types.append(schema_id)
        return get(message, schema_id)

    transmitter._wiring = replace(transmitter._wiring, types=noted)
    many = [delivery(f"t{number}", paused=number > 1) for number in range(200)]
    transmitter.apply(catalog(world, *many))
    for each in many:
        wait_until(transmitter, each.name, State.PAUSED if each.paused else State.RUNNING)
    before = parts_of(transmitter)
    plans = {name: each.plan for name, each in transmitter._running.items()}
    tables.asked.clear()
    types.clear()
    many[0] = delivery("t0", flush_seconds=1.0)
    again = Catalog.model_validate_json(catalog(world, *many).model_dump_json())
    transmitter.apply(again)
    transmitter.apply(again)
    assert (tables.asked, types) == (["t0"], [])  # its stream is the same
    handed = [name for name, each in transmitter._running.items() if each.plan is not plans[name]]
    assert handed == ["to-t0"]
    assert parts_of(transmitter) == before


@pytest.mark.parametrize(
    ("to", "wrong", "named"),
    [
        ("vault", "${env:BOBR_TEST_UNSET}/x", "BOBR_TEST_UNSET"),
        ("vault", "${file:/nowhere/secret}", "/nowhere/secret"),
        ("vault", "${file:/dev/null}", "/dev/null"),
        ("vault", "nonsense", "no absolute path"),
        ("missing", "/x", "no destination 'missing'"),
    ],
)
def test_what_can_not_be_run_is_refused_whole_and_named(
    world: World, tables: Tables, transmitter: Transmitter, to: str, wrong: str, named: str
) -> None:
    good = catalog(world, delivery("a"), delivery("b"))
    transmitter.apply(good)
    world.publish("1")
    assert transmitter.flush(PATIENCE)
    before = parts_of(transmitter)
    bad = catalog(
        world,
        delivery("a", dedup_seconds=0),
        delivery("c"),
        delivery("d", to=to),
        places=[place("vault", wrong)],
    )
    with pytest.raises((MisconfiguredError, RejectedError)) as caught:
        transmitter.apply(bad)
    assert all(word in str(caught.value) for word in ("'to-d'", to, named))
    assert parts_of(transmitter) == before
    assert sorted(by_name(transmitter)) == ["to-a", "to-b"]
    world.publish("1")
    assert transmitter.flush(PATIENCE)
    assert ids(tables, "a") == ids(tables, "b") == ["1"]  # dedup as before
    transmitter.apply(good)  # back to it, there is nothing to do
    assert parts_of(transmitter) == before


def test_a_pipe_that_nobody_writes_into_holds_up_nothing(
    world: World, transmitter: Transmitter, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    places = [place("vault", f"${{file:{tmp_path / 'pipe'}}}")]
    with pytest.raises(MisconfiguredError, match="it is no file, but a pipe"):
        transmitter.apply(catalog(world, delivery("a", to="vault"), places=places))


def test_a_schema_that_is_not_there_refuses_the_catalog_too(
    world: World, transmitter: Transmitter
) -> None:
    transmitter.apply(catalog(world, delivery("a")))
    before = transmitter._running["to-a"].plan  # type: ignore[index]  # a name
    with pytest.raises(RejectedError, match=r"'to-a'.*no schema 9"):
        transmitter.apply(catalog(world, delivery("a"), schemas=(OLD, SchemaId(9))))
    assert transmitter._running["to-a"].plan is before  # type: ignore[index]  # a name


def test_what_is_settled_is_refused_for_no_single_delivery(
    world: World, tables: Tables, transmitter: Transmitter, tmp_path: Path
) -> None:
    """As what was run before a restart: that a secret is gone since is no reason to deliver nothing at all."""
    vault = place("vault", f"${{file:{tmp_path}/secret}}")
    transmitter.apply(
        catalog(world, delivery("a"), delivery("b", to="vault"), places=[vault]), settled=True
    )
    world.publish("1")
    assert not transmitter.flush(PATIENCE)
    assert ids(tables, "a") == ["1"]
    assert "destination 'vault'" in wait_until(transmitter, "to-b", State.BROKEN).reason
    (tmp_path / "secret").write_text("/srv")
    again = vault.model_copy(update={"namespace": "other"})
    transmitter.apply(catalog(world, delivery("a"), delivery("b", to="vault"), places=[again]))
    assert transmitter.flush(PATIENCE)
    assert ids(tables, "b") == ["1"]


@pytest.fixture
def lakes(world: World, tmp_path: Path) -> Iterator[Transmitter]:
    """Over Iceberg, as it is plugged in; the data folder's own lake is `own`."""
    (tmp_path / "own").mkdir()
    (tmp_path / "link").symlink_to("own")

    def sink(delivery: Delivery, destination: Destination) -> Sink:
        return IcebergSink(IcebergConfig.of(destination, tmp_path / "own"), delivery.table)

    wiring: Wiring = replace(world.wiring(), sink=sink, clock=SystemClock())
    transmitter = Transmitter(wiring, Limits(poll_seconds=0.01))
    yield transmitter
    transmitter.close()


@pytest.mark.parametrize("to", ["{here}/own", "{here}/link", "${{file:{here}/name}}"])
def test_one_table_under_two_names_is_refused_to_the_second(
    world: World, lakes: Transmitter, tmp_path: Path, to: str
) -> None:
    """By a link, a reference, or the data folder's own name: names in the catalog do not tell."""
    (tmp_path / "name").write_text(f"{tmp_path}/./link/")
    places = [place("other", to.format(here=tmp_path))]
    first, second = delivery("t"), delivery("t", name="second", to="other")
    apart = delivery("bobr.u", name="second", to="other")
    lakes.apply(catalog(world, second, places=places))
    with pytest.raises(RejectedError, match=r"'to-t'.*its table is that of delivery 'second'"):
        lakes.apply(catalog(world, first, second, places=places))
    # It can be had beside it while one is paused, and under another name.
    lakes.apply(
        catalog(world, first, delivery("t", name="second", to="other", paused=True), places=places)
    )
    wait_until(lakes, DeliveryName("second"), State.PAUSED)
    lakes.apply(catalog(world, first, apart, places=places))
    world.publish("1")
    assert lakes.flush(PATIENCE)


def test_one_table_under_two_names_breaks_the_second_where_it_is_settled(
    world: World, lakes: Transmitter, tmp_path: Path
) -> None:
    places = [place("other", f"{tmp_path}/link")]
    both = delivery("t"), delivery("t", name="second", to="other")
    lakes.apply(catalog(world, *both, places=places), settled=True)
    assert (
        "table is that of delivery 'to-t'"
        in wait_until(lakes, DeliveryName("second"), State.BROKEN).reason
    )
    world.publish("1")
    # What was is no obstacle to other changes, and ends with its cause.
    lakes.apply(catalog(world, *both, delivery("v"), places=places))
    assert not lakes.flush(PATIENCE)
    assert by_name(lakes)["second"].state is State.BROKEN
    assert by_name(lakes)["to-v"].counts.rows == 1
    lakes.apply(catalog(world, both[1], places=places))
    assert lakes.flush(PATIENCE)
    wait_until(lakes, DeliveryName("second"), State.RUNNING)


def test_where_a_table_is_is_looked_at_when_it_matters(
    world: World, lakes: Transmitter, tmp_path: Path
) -> None:
    """A file that a reference names is read with each connection, so what was found at the last change may be past."""
    (tmp_path / "name").write_text(f"{tmp_path}/own")
    places = [place("other", f"${{file:{tmp_path}/name}}")]
    second = delivery("t", name="second", to="other")
    lakes.apply(catalog(world, second, places=places))
    (tmp_path / "name").write_text(f"{tmp_path}/elsewhere")
    lakes.apply(catalog(world, delivery("t"), second, places=places))
    # And what two had in common at the start is theirs alone as soon as that is mended.
    (tmp_path / "name").write_text(f"{tmp_path}/own")
    both = delivery("u"), delivery("u", name="third", to="other")
    lakes.apply(catalog(world, *both, places=places), settled=True)
    wait_until(lakes, DeliveryName("third"), State.BROKEN)
    (tmp_path / "name").write_text(f"{tmp_path}/elsewhere")
    lakes.apply(catalog(world, *both, delivery("v"), places=places))
    wait_until(lakes, DeliveryName("third"), State.RUNNING)


@pytest.mark.parametrize("settled", [True, False], ids=["settled", "new"])
def test_a_file_with_nul_breaks_what_refers_to_it_and_nothing_else(
    world: World, lakes: Transmitter, tmp_path: Path, settled: bool
) -> None:
    (tmp_path / "name").write_text("/srv", encoding="utf-16")
    (tmp_path / "name").write_bytes((tmp_path / "name").read_bytes()[2:])
    places = [place("other", f"${{file:{tmp_path}/name}}")]
    some = delivery("t"), delivery("u", name="second", to="other")
    if settled:
        lakes.apply(catalog(world, *some, places=places), settled=True)
        reason = wait_until(lakes, DeliveryName("second"), State.BROKEN).reason
        assert "NUL character: save it as UTF-8" in reason
        world.publish("1")
        wait_until(lakes, DeliveryName("to-t"), State.RUNNING)
        return
    with pytest.raises(MisconfiguredError, match="NUL character"):
        lakes.apply(catalog(world, *some, places=places))


def test_a_delivery_that_can_not_be_run_can_be_paused(
    world: World, transmitter: Transmitter
) -> None:
    vault = [place("vault", "${env:BOBR_TEST_UNSET}")]
    transmitter.apply(catalog(world, delivery("a", to="vault"), places=vault), settled=True)
    wait_until(transmitter, "to-a", State.BROKEN)
    transmitter.apply(catalog(world, delivery("a", to="vault", paused=True), places=vault))
    wait_until(transmitter, "to-a", State.PAUSED)
    with pytest.raises(MisconfiguredError, match="BOBR_TEST_UNSET"):
        transmitter.apply(catalog(world, delivery("a", to="vault"), places=vault))


def test_a_flush_passes_over_what_is_paused(
    world: World, tables: Tables, transmitter: Transmitter
) -> None:
    transmitter.apply(catalog(world, delivery("a"), delivery("b")))
    world.publish("1")
    assert transmitter.flush(PATIENCE)
    transmitter.apply(catalog(world, delivery("a"), delivery("b", paused=True)))
    assert transmitter.flush(PATIENCE)  # it lacks nothing
    world.publish("2")  # though it may not have gone to rest yet
    assert not transmitter.flush(PATIENCE)
    assert (ids(tables, "a"), ids(tables, "b")) == (["1", "2"], ["1"])
    told: Any = transmitter.report()["deliveries"]
    assert (told["to-b"]["state"], told["to-b"]["reason"]) == ("paused", "paused")
    assert told["to-b"]["positions"] == {"0": 1}  # what retention goes by
    transmitter.apply(catalog(world, delivery("a"), delivery("b")))
    assert transmitter.flush(PATIENCE)
    assert ids(tables, "b") == ["1", "2"]


@pytest.mark.parametrize("successor", [{}, {"name": "other"}, {"table": "b", "name": "to-a"}])
def test_who_follows_a_delivery_that_ends_begins_after_it(
    world: World,
    tables: Tables,
    transmitter: Transmitter,
    successor: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the same name, or of another for the same table. Nobody else waits for it, least of all `apply`."""
    monkeypatch.setattr(part, "STOP_SECONDS", 3600.0)  # who waited would do so for ever
    tables.held = {"a"}
    transmitter.apply(catalog(world, delivery("a", flush_seconds=0.001), delivery("z")))
    world.publish("1")
    assert tables.committing.wait(PATIENCE)
    tables.watched = transmitter._running[DeliveryName("to-a")].thread
    transmitter.apply(catalog(world, delivery("z")))
    assert sorted(by_name(transmitter)) == ["to-z"]
    assert tables.watched.is_alive()
    new = delivery(successor.get("table", "a"), name=successor.get("name", "to-a"))
    transmitter.apply(catalog(world, delivery("z"), new, delivery("stranger")))
    wait_until(transmitter, "to-stranger", State.RUNNING)
    assert tables.opened_while_watched == [True]  # that of the stranger
    assert by_name(transmitter)[new.name].state is State.OPENING
    tables.release.set()
    assert transmitter.flush(PATIENCE)
    assert tables.opened_while_watched == [True, False]
    assert ids(tables, "a") == ["1"]
    assert ids(tables, new.table) == ["1"]
