"""Wishes: carried out whole or refused whole."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.catalog import Catalog, Delivery, PartitionBy
from bobr.controller.deliver import Deliverer, Fulfilled
from bobr.controller.holdings import Holder
from bobr.controller.registry import Registry, Store
from bobr.controller.wish import Wish
from bobr.errors import ForbiddenError, ProblemsError, RejectedError, SchemaError
from bobr.ids import DeliveryName, SchemaId, StreamName
from bobr.testing.clock import ManualClock
from bobr.testing.log import MemoryLog

ORDER = (
    'syntax = "proto3";\npackage s;\nmessage Order {\n  string event_id = 1;\n  int32 n = 2;\n}\n'
)
MORE = ORDER.replace("int32 n = 2;", "int32 n = 2;\n  string more = 3;")


class Desk:
    """A deliverer and the catalog that it has made so far."""

    def __init__(self, folder: Path) -> None:
        self.registry = Registry(Store(folder / "registry.sqlite"))
        self.clock = ManualClock()
        self.log = MemoryLog(clock=self.clock)
        self.deliverer = Deliverer(self.registry, Holder(self.log, self.clock, dict).held)
        self.catalog = Catalog()
        self.refuses = False

    def permit(self, _: Catalog, __: Catalog) -> None:
        if self.refuses:
            raise ForbiddenError("not yours")

    def wish(self, proto: str = ORDER, stream: str = "orders", **others: str | int) -> Fulfilled:
        wish = Wish(files={"o.proto": proto}, main="o.proto", stream=stream, **others)  # type: ignore[arg-type]  # as JSON gives them
        fulfilled = self.deliverer.fulfil(self.deliverer.agree(wish, self.catalog, self.permit))
        self.catalog = fulfilled.catalog
        return fulfilled

    def declare(self, *names: str, owner: str = "shop") -> None:
        """Files say what these deliveries and streams are."""
        changes = {
            member: {
                name: each.model_copy(update={"owner": owner}) if name in names else each
                for name, each in getattr(self.catalog, member).items()
            }
            for member in ("streams", "deliveries")
        }
        self.catalog = self.catalog.model_copy(update=changes)

    def deliver(self, name: str, table: str) -> None:
        """From stream orders, as no wish names it."""
        made = Delivery.model_validate({"name": name, "from": "orders", "table": table})
        deliveries = {**self.catalog.deliveries, made.name: made}
        self.catalog = self.catalog.model_copy(update={"deliveries": deliveries})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_first_wish_makes_everything(desk: Desk) -> None:
    done = desk.wish(partition_by="month", dedup="2h", retention="30d", event_bytes_max=100)
    stream, delivery = (
        desk.catalog.streams[StreamName("orders")],
        desk.catalog.deliveries[DeliveryName("orders")],
    )
    assert (stream.message, stream.retention_seconds, stream.event_bytes_max) == (
        "s.Order",
        30 * 86400,
        100,
    )
    assert (delivery.table, delivery.partition_by, delivery.dedup_seconds) == (
        "orders",
        PartitionBy.MONTH,
        7200,
    )
    made, registered, table, its_id, time = done.changes
    assert "made, carries s.Order" in made
    assert "registered as orders-value" in registered
    assert "by month" in table
    assert its_id == "an event's id is event_id"
    assert "no field has it" in time


def test_the_message_of_a_stream_need_not_be_said_again(desk: Desk) -> None:
    desk.wish(message="s.Order")
    two = f"{MORE}\nmessage Other {{ int32 x = 1; }}"
    assert desk.wish(two, message="").catalog.streams[StreamName("orders")].message == "s.Order"


def test_the_same_wish_again_changes_nothing(desk: Desk) -> None:
    desk.wish()
    before = desk.catalog
    assert desk.wish().changes == ()
    assert desk.catalog == before


def test_a_new_field_is_a_new_schema_of_the_same_stream(desk: Desk) -> None:
    desk.wish(dedup="1h", retention="3d")
    desk.wish(MORE)
    stream = desk.catalog.streams[StreamName("orders")]
    assert len(stream.schema_ids) == 2
    assert stream.retention_seconds == 3 * 86400
    assert desk.catalog.deliveries[DeliveryName("orders")].dedup_seconds == 3600


@pytest.mark.parametrize(
    ("wished", "change"),
    [
        ({"retention": "30d"}, "stream orders: retention is 30d now"),
        ({"retention": "36h"}, "stream orders: retention is 36h now"),
        ({"retention": "90s"}, "stream orders: retention is 90s now"),
        ({"event_bytes_max": 2048}, "stream orders: an event has up to 2,048 bytes now"),
        ({"dedup": "120m"}, "delivery orders: dedup is 2h now"),
        ({"dedup": "0"}, "delivery orders: dedup is 0s now"),
        ({"retention": "7d", "dedup": "24h"}, ""),
    ],
)
def test_only_what_changed_is_told_in_the_units_of_the_options(
    desk: Desk, wished: dict[str, str | int], change: str
) -> None:
    desk.wish()
    assert desk.wish(**wished).changes == ((change,) if change else ())  # type: ignore[arg-type]  # as JSON gives them


REFUSED = [
    ({"proto": "syntax = "}, SchemaError, "o.proto:1"),
    ({"proto": ORDER + "message Other {}\n"}, RejectedError, "say with `message` which"),
    ({"message": "s.Ordr"}, SchemaError, "o.proto: there is no message 's.Ordr'; it has s.Order "),
    ({"message": "s"}, SchemaError, "there is no message 's'; it has s.Order "),
    ({"partition_by": "week"}, RejectedError, "none, hour, day, month"),
    ({"dedup": "soon"}, RejectedError, "`dedup` is a time like 24h"),
    ({"dedup": ""}, RejectedError, "`dedup` is a time like 24h, 30m or 7d, not ''$"),
    ({"dedup": "24"}, RejectedError, "^`dedup` 24 has no unit: write 24s, 24m, 24h or 24d$"),
    ({"retention": "7"}, RejectedError, "^`retention` 7 has no unit: write 7s, 7m, 7h or 7d$"),
    ({"retention": "0"}, RejectedError, "^`retention` '0': it is 60 s at least$"),
    ({"event_bytes_max": 0}, RejectedError, "^`event_bytes_max` '0': it is 1 at least$"),
    ({"partition_by": ""}, RejectedError, "is partitioned by none, hour, day, month, not by ''$"),
    ({"table": ""}, RejectedError, "^`table` '': a table's name has"),
    ({"retention": "-1d"}, RejectedError, "`retention` is a time like"),
    ({"dedup": "999999d"}, RejectedError, "^`dedup` '999999d': it is 315,360,000 s at most$"),
    (
        {"retention": "999999d"},
        RejectedError,
        "^`retention` '999999d': it is 315,360,000 s at most$",
    ),
    ({"retention": "3s"}, RejectedError, "^`retention` '3s': it is 60 s at least$"),
    ({"stream": ""}, RejectedError, "^`stream` '': a name has small letters"),
    ({"stream": "Bad Name"}, RejectedError, "^`stream` 'Bad Name': a name has small letters"),
    ({"table": "No-dash"}, RejectedError, "^`table` 'No-dash': a table's name has small [^;]*$"),
    ({"stream": "7up"}, RejectedError, "^`table` '7up': a table's name .* begin with a digit$"),
    (
        {"event_bytes_max": 1 << 40},
        RejectedError,
        "^`event_bytes_max` '1099511627776': it is 3,145,728 at m",
    ),
    ({"proto": ORDER.replace("int32 n", "Missing n")}, SchemaError, "Missing"),
]


@pytest.mark.parametrize(("changes", "kind", "word"), REFUSED)
def test_what_is_refused_leaves_nothing(
    desk: Desk, changes: dict[str, str], kind: type[Exception], word: str
) -> None:
    with pytest.raises(kind, match=word):
        desk.wish(**changes)
    assert desk.catalog == Catalog()
    assert desk.registry.subjects() == []


def test_of_many_messages_the_likely_ones_are_named(desk: Desk) -> None:
    others = "".join(f"message M{number:02} {{}}\n" for number in range(20))
    with pytest.raises(SchemaError, match=r"it has s.Order, s.M.., ([^,]*, ){8}…") as caught:
        desk.wish(ORDER.replace("message", f"{others}message"), message="order")
    assert (caught.value.problems[0].file, caught.value.problems[0].rule) == ("o.proto", "message")
    with pytest.raises(SchemaError, match=r"say with `message` .* it has s.M00, s.M01"):
        desk.wish(ORDER.replace("message", f"{others}message"))


@pytest.mark.parametrize(
    ("main", "message"),
    [
        ("google/protobuf/timestamp.proto", ""),
        ("google/protobuf/timestamp.proto", "google.protobuf.Timestamp"),
        ("bobr/v1/options.proto", ""),
        ("bobr/v1/options.proto", "bobr.v1.EventOptions"),
        ("buf/validate/validate.proto", "buf.validate.Rule"),
    ],
)
def test_a_file_that_comes_with_bobr_is_no_schema_of_a_stream(
    desk: Desk, main: str, message: str
) -> None:
    wish = Wish(files={main: ORDER}, main=main, stream="orders", message=message)
    with pytest.raises(SchemaError, match=f"{main}: comes with bobr; put .* your own"):
        desk.deliverer.agree(wish, desk.catalog, desk.permit)
    with pytest.raises(SchemaError, match="comes with bobr"):
        desk.registry.register_files("orders-value", {main: ORDER}, main)
    assert desk.registry.subjects() == []


def test_who_may_not_registers_no_schema(desk: Desk) -> None:
    desk.refuses = True
    with pytest.raises(ForbiddenError, match="not yours"):
        desk.wish()
    assert desk.registry.subjects() == []


REFUSED_LATER = [
    ({"proto": ORDER.replace("int32 n = 2", "string n = 2")}, SchemaError, r"o.proto:5"),
    ({"proto": ORDER.replace("  int32 n = 2;\n", "")}, SchemaError, "o.proto"),
    ({"proto": ORDER.replace("Order", "Other")}, RejectedError, "carries s.Order, not s.Other"),
    ({"partition_by": "hour"}, RejectedError, "partitioned by day already"),
    ({"dedup": "999999d"}, RejectedError, "^`dedup` '999999d': "),
    (
        {"stream": "others", "table": "orders"},
        RejectedError,
        "delivered from stream 'orders' already",
    ),
]


@pytest.mark.parametrize(("changes", "kind", "word"), REFUSED_LATER)
def test_what_does_not_fit_what_is_there(
    desk: Desk, changes: dict[str, str], kind: type[Exception], word: str
) -> None:
    desk.wish()
    before, versions = desk.catalog, desk.registry.versions("orders-value")
    with pytest.raises(kind, match=word):
        desk.wish(**changes)
    assert desk.catalog == before
    assert desk.registry.versions("orders-value") == versions
    assert "others-value" not in desk.registry.subjects()


def test_a_field_that_was_removed_can_not_come_back_as_another_type(desk: Desk) -> None:
    desk.wish()
    desk.wish(ORDER.replace("  int32 n = 2;", '  reserved 2;\n  reserved "n";'))
    with pytest.raises(SchemaError, match='Column "n"'):
        desk.wish(ORDER.replace("  int32 n = 2;", "  reserved 2;\n  string n = 3;"))


def test_a_table_of_another_delivery_is_refused_by_whatever_name(desk: Desk) -> None:
    desk.wish(stream="clicks")
    with pytest.raises(RejectedError, match="is delivered from stream 'clicks' already"):
        desk.wish(stream="orders", table="bobr.clicks")
    assert desk.registry.subjects() == ["clicks-value"], "nothing is registered for it"


@pytest.mark.parametrize("table", ["t2", "bobr.t2"])
def test_a_delivery_is_known_by_its_table_whatever_its_name(desk: Desk, table: str) -> None:
    desk.wish()
    desk.deliver("b", "t2")
    assert desk.wish(table=table).changes == ()
    assert desk.wish(table=table, dedup="1h").changes == ("delivery b: dedup is 1h now",)
    made = desk.wish(table="b").changes
    assert made[:2] == ("table b: made from orders, by day", "its delivery is b-2")
    assert [(name, each.table) for name, each in desk.catalog.deliveries.items()] == [
        ("orders", "orders"),
        ("b", "t2"),
        ("b-2", "b"),
    ]


@pytest.mark.parametrize("table", ["_t", "_", f"{'n' * 100}.{'t' * 100}"])
def test_a_table_whose_name_no_delivery_can_have(desk: Desk, table: str) -> None:
    desk.wish(table=table)
    desk.wish(table=table)
    assert [(name, each.table) for name, each in desk.catalog.deliveries.items()] == [
        ("orders", table)
    ]
    desk.wish(table="_other")
    assert list(desk.catalog.deliveries) == ["orders", "orders-2"]


def test_what_files_declare_changes_there(desk: Desk) -> None:
    desk.wish()
    desk.declare("orders")
    before, versions = desk.catalog, desk.registry.versions("orders-value")
    with pytest.raises(ProblemsError) as caught:
        desk.wish(MORE, retention="1d", dedup="1h")
    delivery, stream = caught.value.problems
    assert (stream.path, delivery.path) == ("streams.orders", "deliveries.orders")
    assert (stream.rule, stream.message) == (
        "owner",
        "'shop' has it, not 'api': change it there, or take it with `take_over` of `PUT /v1/streams/orders`",
    )
    assert (desk.catalog, desk.registry.versions("orders-value")) == (before, versions)


def test_what_files_declare_is_no_obstacle_where_it_stays_as_it_is(desk: Desk) -> None:
    desk.wish()
    desk.declare("orders")
    assert desk.wish(retention="7d", dedup="24h").changes == ()
    desk.wish(table="more")
    assert desk.catalog.deliveries[DeliveryName("more")].owner == "api"
    registered, told = desk.wish(MORE).changes
    assert "registered as orders-value" in registered
    assert told.startswith("'shop' declares stream orders: where its files have a schema of it")
    assert desk.catalog.streams[StreamName("orders")].owner == "shop"
    assert desk.catalog.deliveries[DeliveryName("orders")].owner == "shop"


def test_no_wish_makes_retention_shorter_than_a_table_is_behind(desk: Desk) -> None:
    desk.wish()
    desk.log.create(StreamName("orders"))
    event = pa.array([b""], pa.binary())
    batch = Batch(stream=StreamName("orders"), schema_id=SchemaId(1), payloads=event)
    desk.log.appender().append(batch).result()
    desk.clock.move(timedelta(seconds=66))
    versions = desk.registry.versions("orders-value")
    with pytest.raises(ProblemsError, match=r"delivery 'orders' is 66s behind, more than 1m"):
        desk.wish(MORE, retention="60s")
    assert desk.registry.versions("orders-value") == versions
    assert desk.wish(retention="2m").changes == ("stream orders: retention is 2m now",)
