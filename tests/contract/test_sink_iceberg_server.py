"""What is the Iceberg sink's own where its catalog is in PostgreSQL: races, locks, passwords, a server that is down."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import URL, make_url

from bobr.batch import Batch
from bobr.catalog import BUILT_IN, Delivery, Destination, SqlCatalog, Stream
from bobr.catalog.references import Text
from bobr.errors import (
    BrokenError,
    FencedError,
    MisconfiguredError,
    UnavailableError,
)
from bobr.ids import DeliveryName, Partition, SchemaId, StreamName, StreamPartition
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.testing.clock import ManualClock
from bobr.testing.log import MemoryLog
from bobr.testing.postgres import Postgres
from bobr.testing.sink_contract import at, deliver, row, schema_of, write
from bobr.testing.waiting import wait_until
from bobr.transmitter.pipeline import Pipeline
from bobr.transmitter.plan import Plan
from bobr.transmitter.sinks.iceberg import IcebergConfig, IcebergSink
from bobr.transmitter.sinks.iceberg.query import connect
from bobr.transmitter.status import State
from bobr.transmitter.wiring import Limits, Wiring

PASSWORD = "geheim-7b1f"
PATIENCE = 60.0
"""For what must happen: long enough for any machine, never waited for when all is well."""
KILLED_WRITER = Path(__file__).with_name("killed_writer.py")


def destination(url: URL, password: str | None = PASSWORD, **query: str) -> Destination:
    uri = url.update_query_dict(query).render_as_string()
    catalog = SqlCatalog(uri=Text(uri), password=None if password is None else Text(password))
    return BUILT_IN.model_copy(update={"catalog": catalog})


@pytest.fixture
def url(postgres: Postgres) -> URL:
    return postgres.new_database_of_user(PASSWORD)


@pytest.fixture
def sinks(tmp_path: Path) -> Iterator[Callable[..., IcebergSink]]:
    made: list[IcebergSink] = []

    def sink(of: Destination, table: str = "t") -> IcebergSink:
        made.append(IcebergSink(IcebergConfig.of(of, tmp_path), table))
        return made[-1]

    yield sink
    for each in made:
        each.close()


def offsets(config: IcebergConfig, table: str = "t") -> list[object]:
    with connect(config) as connection:
        return [
            offset
            for (offset,) in connection.sql(f"SELECT _offset FROM {table} ORDER BY 1").fetchall()
        ]


def test_many_that_find_no_catalog_make_it_together(
    sinks: Callable[..., IcebergSink], url: URL, tmp_path: Path
) -> None:
    """As when a new destination gets many deliveries at once."""
    count = 8
    together = threading.Barrier(count)
    some = [sinks(destination(url), f"shop.t{number}") for number in range(count)]

    def begin(sink: IcebergSink) -> None:
        together.wait(PATIENCE)
        sink.open(schema_of())
        deliver(sink, 0, 3)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(begin, some))
    config = IcebergConfig.of(destination(url), tmp_path)
    for number in range(count):
        assert offsets(config, f"shop.t{number}") == [0, 1, 2]


def test_of_two_that_commit_at_the_same_moment_one_is_fenced(
    sinks: Callable[..., IcebergSink], url: URL, tmp_path: Path
) -> None:
    together = threading.Barrier(2)
    pair = [sinks(destination(url)) for _ in range(2)]

    def commit(sink: IcebergSink, start: int) -> bool:
        write(sink, schema_of(), [row(start)])
        together.wait(PATIENCE)
        try:
            sink.commit(at(start + 1))
        except FencedError:
            return False
        return True

    for start in range(5):
        for sink in pair:
            assert sink.open(schema_of()) == (at(start) if start else {})
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(commit, pair, [start, start])) == [False, True]
    assert offsets(IcebergConfig.of(destination(url), tmp_path)) == list(range(5))


def test_who_holds_a_lock_on_the_catalog_holds_up_nobody_for_ever(
    sinks: Callable[..., IcebergSink], url: URL
) -> None:
    of = destination(url, options="-c statement_timeout=200")
    sink = sinks(of)
    sink.open(schema_of())
    write(sink, schema_of(), [row(0)])
    with psycopg.connect(url.set(password=PASSWORD).render_as_string(False)) as other:
        other.execute("SELECT * FROM iceberg_tables FOR UPDATE")
        with pytest.raises(UnavailableError, match=r"does not answer: .*statement timeout"):
            sink.commit(at(1))
    assert not sink.open(schema_of())
    deliver(sink, 0, 1)


def test_statements_and_connections_are_bounded_unless_the_uri_says_otherwise(url: URL) -> None:
    made = IcebergConfig.of(destination(url), Path("/lake")).url.query
    assert (made["connect_timeout"], made["options"]) == ("10", "-c statement_timeout=30s")
    of = destination(url, connect_timeout="3", host="/run/postgresql")
    said = IcebergConfig.of(of, Path("/lake")).url.query
    assert (said["connect_timeout"], said["host"]) == ("3", "/run/postgresql")


@pytest.mark.parametrize("password", [None, "wr0ng-9a", "wr%40ng:9a@/x"])
def test_a_wrong_password_is_waited_for_and_not_shown(
    sinks: Callable[..., IcebergSink], url: URL, password: str | None
) -> None:
    sink = sinks(destination(url, password))
    with pytest.raises(UnavailableError) as caught:
        sink.open(schema_of())
    told = shown(caught.value)
    assert "password" in told
    assert PASSWORD not in told
    assert password is None or password not in told


def shown(error: BaseException | None) -> str:
    """All that a log line could say of it, its causes too."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error)]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts)


def test_a_server_that_is_down_is_waited_for_and_nothing_is_lost(
    sinks: Callable[..., IcebergSink], url: URL, postgres: Postgres, tmp_path: Path
) -> None:
    sink = sinks(destination(url))
    sink.open(schema_of())
    deliver(sink, 0, 2)
    write(sink, schema_of(), [row(2)])
    postgres.kill()
    try:
        with pytest.raises(UnavailableError, match="does not answer") as caught:
            sink.commit(at(3))
        assert "\n" not in str(caught.value)
        with pytest.raises(UnavailableError, match="does not answer"):
            sinks(destination(url)).open(schema_of())
    finally:
        postgres.start()
    assert sink.open(schema_of()) == at(2)
    deliver(sink, 2, 3)
    assert offsets(IcebergConfig.of(destination(url), tmp_path)) == [0, 1, 2]


HANGS_AT_COMMIT = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER waits AFTER UPDATE ON iceberg_tables
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait();
"""
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def test_a_commit_that_the_server_makes_after_its_writer_died_has_its_files(
    url: URL, postgres: Postgres, tmp_path: Path, sinks: Callable[..., IcebergSink]
) -> None:
    """As while its standby is away: it has heard COMMIT, and the next writer comes before it has done that."""
    sink = sinks(destination(url))
    sink.open(schema_of())
    deliver(sink, 0, 2)
    config = IcebergConfig.of(destination(url), tmp_path)
    postgres.execute(HANGS_AT_COMMIT, str(url.database))
    administrator = postgres.url_of(str(url.database))
    with psycopg.connect(administrator, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(1)")
        uri = url.set(password=PASSWORD).render_as_string(hide_password=False)
        arguments = (str(config.warehouse), uri, "2", "4", "the commit is known")
        command = (sys.executable, str(KILLED_WRITER), *arguments)
        with subprocess.Popen(command) as writer:
            wait_until(lambda: other.execute(WAITING).fetchone() == (1,))
            writer.kill()
        impatient = sinks(destination(url, options="-c statement_timeout=200"))
        with suppress(UnavailableError):
            impatient.open(schema_of())
    wait_until(lambda: sinks(destination(url)).open(schema_of()) == at(4))
    assert offsets(config) == [0, 1, 2, 3]


def test_a_connection_that_was_cut_while_it_was_idle_is_no_failure(
    sinks: Callable[..., IcebergSink], url: URL, postgres: Postgres
) -> None:
    sink = sinks(destination(url))
    sink.open(schema_of())
    postgres.kill()
    postgres.start()
    deliver(sink, 0, 2)


def test_what_the_server_does_not_let_us_is_no_damage(
    sinks: Callable[..., IcebergSink], url: URL, postgres: Postgres
) -> None:
    sink = sinks(destination(url))
    sink.open(schema_of())
    postgres.execute("ALTER TABLE iceberg_tables OWNER TO bobr", str(url.database))
    with pytest.raises(BrokenError, match="does not let us: permission denied"):
        deliver(sink, 0, 1)


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("no uri at all", "the uri is none"),
        ("postgresql://user@host:hidden/d", "the uri is none"),
        ("mysql://root@host/d", "mysql is not supported"),
        ("postgresql+pg8000://user:hidden@host/d", "pg8000, which is not installed"),
        ("postgresql+nonsense://user:hidden@host/d", "the uri is none"),
        ("sqlite:///relative.db", "absolute path"),
        ("sqlite://", "absolute path"),
    ],
)
def test_a_uri_that_can_never_be_used_is_refused_before_anything_is_tried(
    uri: str, told: str
) -> None:
    of = BUILT_IN.model_copy(update={"catalog": SqlCatalog(uri=Text(uri))})
    with pytest.raises(MisconfiguredError, match=told) as caught:
        IcebergConfig.of(of, Path("/lake"))
    assert "hidden" not in shown(caught.value)


@pytest.mark.parametrize("warehouse", ["relative/path", ""])
def test_a_warehouse_is_an_absolute_path(warehouse: str) -> None:
    of = BUILT_IN.model_copy(update={"warehouse": Text(warehouse)})
    with pytest.raises(MisconfiguredError, match="no absolute path"):
        IcebergConfig.of(of, Path("/lake"))


def test_where_a_destination_says_nothing_all_lies_in_the_lake(tmp_path: Path) -> None:
    assert IcebergConfig.of(BUILT_IN, tmp_path) == IcebergConfig.in_folder(tmp_path)
    said = BUILT_IN.model_copy(update={"warehouse": Text("/srv/shop"), "namespace": "shop"})
    config = IcebergConfig.of(said, tmp_path)
    assert (config.catalog, config.qualified("t")) == (Path("/srv/shop/catalog.db"), "shop.t")
    assert config.qualified("web.t") == "web.t"


def test_a_config_does_not_show_its_password(url: URL) -> None:
    config = IcebergConfig.of(destination(url), Path("/lake"))
    assert PASSWORD not in f"{config!r} {config.url}"
    assert make_url(config.properties()["uri"]).password == PASSWORD
    assert PASSWORD not in repr(destination(url))


ORDERS = StreamName("orders")
SOURCE = StreamPartition(ORDERS, Partition(0))
PROTO = 'syntax = "proto3"; message Order { string event_id = 1; }'


def test_a_secret_that_was_changed_is_taken_up_by_a_delivery_that_waits(
    url: URL, postgres: Postgres, tmp_path: Path
) -> None:
    """It says why without the secret, and goes on when the file has the new one, without a change of the catalog."""
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    of = destination(url, "${file:" + str(secret) + "}")
    order = EventType.build(compile_files({"o.proto": PROTO}, "o.proto"), "Order")
    log, clock = MemoryLog(), ManualClock()
    log.create(ORDERS)

    def publish(event_id: str) -> None:
        payload = order.message_class(event_id=event_id).SerializeToString()
        payloads = pa.array([payload], pa.binary())
        log.appender().append(
            Batch(stream=ORDERS, schema_id=SchemaId(1), payloads=payloads)
        ).result()

    pipeline = Pipeline(
        Plan(
            delivery=Delivery(name=DeliveryName("d"), stream=ORDERS, table="shop.orders"),
            stream=Stream(name=ORDERS, message="Order", schema_ids=(SchemaId(1),)),
            destination=of,
        ),
        Wiring(
            sink=lambda delivery, place: IcebergSink(
                IcebergConfig.of(place, tmp_path), delivery.table
            ),
            log=log,
            types=lambda _message, _schema_id: order,
            clock=clock,
        ),
        Limits(poll_seconds=0.0),
    )

    def step_until(holds: Callable[[], bool]) -> None:
        for _ in range(100):
            pipeline.step()
            clock.move(timedelta(seconds=1))
            if holds():
                return
        raise AssertionError(pipeline.status)

    publish("a")
    step_until(lambda: pipeline.status.positions == {SOURCE: 1})
    postgres.execute(f"ALTER ROLE {url.username} PASSWORD 'second'")
    postgres.kill()
    postgres.start()
    publish("b")
    step_until(lambda: pipeline.status.state is State.WAITING)
    assert "password authentication failed" in pipeline.status.reason
    assert PASSWORD not in pipeline.status.reason
    step_until(lambda: pipeline.status.state is State.OPENING)
    step_until(lambda: pipeline.status.state is State.WAITING)
    secret.write_text("second\n")
    step_until(lambda: pipeline.status.positions == {SOURCE: 2})
    pipeline.stop()
    pipeline.run()
    with connect(IcebergConfig.of(of.resolved(), tmp_path)) as connection:
        rows = connection.sql("SELECT event_id FROM shop.orders ORDER BY 1").fetchall()
    assert rows == [("a",), ("b",)]
