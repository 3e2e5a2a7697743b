"""Which tables a change claims for a stream, and who may claim them."""

import pytest
from pydantic import ValidationError

from bobr.catalog import Catalog, Delivery, Destination, Principal, Settings, Stream
from bobr.catalog.access import barred, claimed, forbidden, without_missing
from bobr.catalog.model import LogLevel
from bobr.catalog.request import UNKNOWN, UNREGISTERED
from bobr.ids import DestinationName, PrincipalName, SchemaId, StreamName

WAREHOUSE = Destination(name=DestinationName("wh"), kind="iceberg", namespace="dwh")


def delivery(name: str, **said: object) -> Delivery:
    return Delivery.model_validate({"name": name, "from": "orders", "table": name, **said})


def catalog(*deliveries: Delivery) -> Catalog:
    return Catalog(
        deliveries={each.name: each for each in deliveries},
        destinations={WAREHOUSE.name: WAREHOUSE},
    )


LAKE = delivery("orders")


@pytest.mark.parametrize(
    ("after", "tables"),
    [
        ([LAKE, delivery("payments")], ["lake/bobr.payments"]),
        ([LAKE, delivery("p", table="shop.payments")], ["lake/shop.payments"]),
        ([LAKE, delivery("p", to="wh")], ["wh/dwh.p"]),
        ([delivery("orders", table="payments")], ["lake/bobr.payments"]),
        ([delivery("orders", to="wh")], ["wh/dwh.orders"]),
        ([delivery("clicks", **{"from": "clicks", "table": "orders"})], ["lake/bobr.orders"]),
        ([LAKE, delivery("b"), delivery("a")], ["lake/bobr.a", "lake/bobr.b"]),
    ],
)
def test_a_table_that_the_stream_had_not_is_claimed(
    after: list[Delivery], tables: list[str]
) -> None:
    assert claimed(catalog(LAKE), catalog(*after)) == tables


@pytest.mark.parametrize(
    "after",
    [
        [LAKE],
        [],
        [delivery("orders", flush="7s")],
        [delivery("renamed", table="orders")],
        [delivery("renamed", table="bobr.orders", keep="90d")],
        [LAKE, delivery("p", to="nowhere")],  # which is a fault, and told as one
    ],
)
def test_what_the_stream_had_is_not(after: list[Delivery]) -> None:
    assert claimed(catalog(LAKE), catalog(*after)) == []


def test_everything_that_is_forbidden_is_told_where_it_is() -> None:
    before, after = catalog(LAKE), catalog(delivery("p"), delivery("c", **{"from": "clicks"}))
    ci = Principal(name=PrincipalName("ci"), configure=("orders",), tables=("lake/bobr.c",))
    told = [
        (fault.path, fault.message)
        for fault in forbidden(ci, before, after.model_copy(update={"destinations": {}}))
    ]
    assert told == [
        (
            ("destinations", "wh"),
            "'ci' may not configure a destination: that needs `configure` '*'",
        ),
        (("deliveries", "c"), "'ci' may not configure 'clicks': it has not `configure` 'clicks'"),
        (
            ("deliveries", "p"),
            "'ci' may not deliver to 'lake/bobr.p': it has not `tables` 'lake/bobr.p'",
        ),
    ]


def principal(*tables: str, configure: tuple[str, ...] = ("orders",)) -> Principal:
    return Principal(name=PrincipalName("shop"), configure=configure, tables=tables)


@pytest.mark.parametrize(
    ("patterns", "tables"),
    [
        ((), []),
        (("lake/shop.orders",), ["lake/shop.orders"]),
        (("lake/shop.*",), ["lake/shop.orders", "lake/shop.payments"]),
        (("lake/shop.o*", "wh/*"), ["lake/shop.orders", "wh/shop.orders"]),
        (("lake/shop*",), ["lake/shop.orders", "lake/shop.payments", "lake/shop_eu.orders"]),
        (("*",), None),
    ],
)
def test_only_who_has_a_table_may_claim_it(
    patterns: tuple[str, ...], tables: list[str] | None
) -> None:
    every = ["lake/shop.orders", "lake/shop.payments", "lake/shop_eu.orders", "wh/shop.orders"]
    left = [each for each in every if each not in (every if tables is None else tables)]
    assert list(barred(principal(*patterns), every)) == left


def test_what_is_not_known_to_change_is_not_forbidden() -> None:
    """A schema that does not compile leaves a stream without a message, and is told by itself."""
    name = StreamName("clicks")
    clicks = Stream(name=name, message="s.Click", schema_ids=(SchemaId(1),))
    unknown = clicks.model_copy(
        update={"message": UNKNOWN, "schema_ids": (SchemaId(1), UNREGISTERED)}
    )
    before = Catalog(streams={name: clicks})
    assert not list(forbidden(principal(), before, Catalog(streams={name: unknown})))
    other = unknown.model_copy(update={"partitions": 2})
    assert list(forbidden(principal(), before, Catalog(streams={name: other})))
    assert list(forbidden(principal(), Catalog(), Catalog(streams={name: unknown})))


def test_settings_are_where_files_have_them() -> None:
    loud = Catalog(settings=Settings(log_level=LogLevel.DEBUG))
    (fault,) = forbidden(principal(), Catalog(), loud)
    assert fault.path == ("settings",)
    assert "may not configure the settings: that needs `configure` '*'" in fault.message


def test_all_streams_are_no_tables_but_everything_is() -> None:
    assert barred(principal(configure=("o*", "p*")), ["lake/shop.orders"]) == ["lake/shop.orders"]
    assert barred(principal(configure=("*",)), ["lake/shop.orders"]) == ()


NO_PATTERNS = [
    *("shop.*", "orders", "lake/orders", "*/shop.orders", "la*", "lake/", "/shop.*", "lake/*.x"),
    *("lake/shop.o*s", "lake/shop.**", "lake/a.b.c", "lake/Shop.*", "lake/shop.orders\n", ""),
]


@pytest.mark.parametrize("pattern", NO_PATTERNS)
def test_a_pattern_tells_destination_and_namespace(pattern: str) -> None:
    with pytest.raises(ValidationError, match="with their destination and namespace"):
        principal(pattern)


def test_a_right_on_a_destination_that_goes_goes_with_it() -> None:
    shop = principal("lake/shop.*", "wh/shop.*", "gone/shop.*", "*", configure=())
    before = Catalog(principals={shop.name: shop}, destinations={WAREHOUSE.name: WAREHOUSE})
    (after,) = without_missing(before).principals.values()
    assert after.tables == ("lake/shop.*", "wh/shop.*", "*")
