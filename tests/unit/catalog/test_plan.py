"""Plans: what is told of a change before it is made."""

from collections.abc import Sequence

from bobr.catalog import Catalog, Delivery, Destination, Principal, Route, Stream
from bobr.catalog.keys import new_key
from bobr.catalog.model import Key
from bobr.catalog.plan import CLOSES, OPENS, Facts, plan
from bobr.controller.retention import REMOVED_SECONDS
from bobr.ids import DeliveryName, DestinationName, PrincipalName, SchemaId, StreamName

NOTHING = Facts(columns={}, holdings={}, parts={}, partitions_max=None)


def of(*names: str) -> Catalog:
    some = map(PrincipalName, names)
    return Catalog(principals={name: Principal(name=name) for name in some})


def broken(before: Catalog, after: Catalog) -> Sequence[tuple[str, ...]]:
    return [step.breaks for step in plan(before, after, NOTHING).steps]


def test_that_a_system_closes_and_opens_is_said_once() -> None:
    assert broken(of(), of("ops", "shop")) == [(CLOSES,), ()]
    assert broken(of("ops"), of("ops", "shop")) == [()]
    assert broken(of("ops", "shop"), of("ops")) == [("who calls with its keys is refused",)]
    assert broken(of("ops"), of()) == [(OPENS,)]


def test_events_of_a_removed_stream_stay_for_a_week() -> None:
    assert REMOVED_SECONDS == 7 * 24 * 3600
    orders = StreamName("orders")
    stream = Stream(name=orders, message="s.Order", schema_ids=(SchemaId(1),))
    told = "producers of it are refused, and its 0 events leave the log after a week"
    assert broken(Catalog(streams={orders: stream}), Catalog()) == [(told,)]


def test_tables_of_one_name_are_told_apart_by_their_destinations() -> None:
    orders = StreamName("orders")
    deliveries = {
        DeliveryName(to): Delivery.model_validate(
            {"name": to, "from": orders, "to": to, "table": "shop.orders"}
        )
        for to in ("lake", "archive")
    }

    def carrying(*schema_ids: int) -> Catalog:
        ids = tuple(map(SchemaId, schema_ids))
        stream = Stream(name=orders, message="s.Order", schema_ids=ids)
        return Catalog(streams={orders: stream}, deliveries=deliveries)

    facts = Facts(columns={orders: ["city string"]}, holdings={}, parts={}, partitions_max=None)
    (step,) = plan(carrying(1), carrying(1, 2), facts).steps
    assert "new columns city string in shop.orders of lake, shop.orders of archive" in step.touches


def test_a_change_of_what_is_paused_says_so() -> None:
    def kept(days: int, *, paused: bool) -> Catalog:
        said = {"from": "orders", "table": "orders", "keep": f"{days}d", "paused": paused}
        delivery = Delivery.model_validate({"name": "lake", **said})
        return Catalog(deliveries={delivery.name: delivery})

    told = "paused: nothing is delivered until `bobr delivery resume lake`"
    for paused in (True, False):
        (step,) = plan(kept(1, paused=paused), kept(2, paused=paused), NOTHING).steps
        assert (told in step.touches) == paused


def test_a_destination_that_moves_tells_whose_tables_stay_behind() -> None:
    def lying_in(namespace: str, table: str = "orders") -> Catalog:
        name = DestinationName("lake")
        destination = Destination(name=name, kind="iceberg", namespace=namespace)
        tables = {"a": table, "b": "shop.orders"}
        return Catalog(
            destinations={name: destination},
            deliveries={
                DeliveryName(each): Delivery.model_validate(
                    {"name": each, "from": "orders", "table": its}
                )
                for each, its in tables.items()
            },
        )

    ((told,),) = broken(lying_in("bobr"), lying_in("web"))
    assert told.startswith("delivery a leaves its table as it is; the one of that name")
    moved, said = broken(lying_in("bobr"), lying_in("web", "bobr.orders"))
    assert (moved, said) == ((), ())


def test_a_secret_that_is_refused_is_not_shown_either() -> None:
    def lake(**catalog: str) -> Catalog:
        name = DestinationName("lake")
        said = {"name": name, "kind": "iceberg", "catalog": catalog}
        return Catalog(destinations={name: Destination.model_validate(said)})

    sound = {"uri": "postgresql://u:${env:PW}@h/d", "password": "${file:/run/pw}"}
    wrong = {"uri": "postgresql://u:hunter2@h/d2", "password": "hunter2"}
    (step,) = plan(lake(**sound), lake(**wrong), NOTHING).steps
    (member,) = step.members
    assert member.before == {"type": "sql", **sound}
    assert member.after == {"type": "sql", "uri": "…", "password": "…"}


def test_a_filter_that_speaks_of_secrets_is_shown() -> None:
    def passing(where: str) -> Catalog:
        route = Route.model_validate({"name": "r", "from": ["a"], "to": "b", "where": where})
        return Catalog(routes={route.name: route})

    for where in ("event.token == 'a'", "event.password_set == true", "event.secret_level: 3"):
        (step,) = plan(passing("true"), passing(where), NOTHING).steps
        assert step.members[0].after == where
    (step,) = plan(passing("true"), passing(f"event.key == '{new_key('ops')}'"), NOTHING).steps
    assert step.members[0].after == "…"


def test_a_key_that_is_refused_is_not_shown_either() -> None:
    def ops(*keys: str) -> Catalog:
        name = PrincipalName("ops")
        said = [Key(sha256=each) for each in keys]
        return Catalog(principals={name: Principal(name=name, keys=tuple(said))})

    key = new_key("ops")
    (step,) = plan(ops("1" * 64), ops("1" * 64, key), NOTHING).steps
    assert "1" * 64 in str(step.members)
    assert key not in str(step.members)


def test_tables_that_a_principal_loses_are_told() -> None:
    def with_tables(*patterns: str) -> Catalog:
        name = PrincipalName("shop")
        return Catalog(principals={name: Principal(name=name, tables=patterns)})

    assert broken(with_tables("lake/shop.*", "lake/web.a"), with_tables("lake/shop.a")) == [
        ("it may have no streams delivered any more to lake/shop.*, lake/web.a",)
    ]
    assert broken(with_tables("lake/shop.a"), with_tables("lake/shop.*")) == [()]


def test_limits_that_a_principal_gets_are_told() -> None:
    def limited(events: float | None, bytes_: float | None) -> Catalog:
        name = PrincipalName("shop")
        made = Principal(name=name, events_per_second=events, bytes_per_second=bytes_)
        return Catalog(principals={name: made})

    assert broken(limited(None, 1e6), limited(1234567.5, 1e12)) == [
        ("it may publish no more than 1,234,567.5 events a second",)
    ]
    assert broken(limited(10, 1e12), limited(None, 1e6)) == [
        ("it may publish no more than 1,000,000 bytes a second",)
    ]


def test_a_place_is_the_same_however_its_folder_is_written() -> None:
    def place(**members: object) -> object:
        named = {"name": "d", "kind": "iceberg", **members}
        return Destination.model_validate(named).place_of("orders")

    sql = {"uri": "postgresql+psycopg://u@h/lake"}
    folders = ("/srv/lake", "/srv/lake/", "/srv/./lake", "/srv//lake")
    assert len({place(warehouse=each) for each in folders}) == 1
    assert place(warehouse="/srv/lake") != place(warehouse="/srv/lake2")
    assert place(warehouse="/a", catalog=sql) == place(warehouse="/b", catalog=sql)
