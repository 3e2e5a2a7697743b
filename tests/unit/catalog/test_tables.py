"""Tables that go on under deliveries of other names: what is told of them, and what stays paused."""

import sys
from collections.abc import Mapping
from typing import Any

from bobr.catalog import Catalog, Delivery, Destination
from bobr.catalog.config.load import load
from bobr.catalog.plan import Facts, plan
from bobr.catalog.request import fulfilled, of_files
from bobr.catalog.tables import Between, check_rows

NOTHING = Facts(columns={}, holdings={}, parts={}, partitions_max=None)


def of(destinations: Mapping[str, Any] | None = None, **deliveries: Mapping[str, Any]) -> Catalog:
    values = [
        Delivery.model_validate(
            {"name": name, "from": "orders", "table": name, "owner": "files", **said}
        )
        for name, said in deliveries.items()
    ]
    places = [
        Destination.model_validate({"name": name, "kind": "iceberg", **said})
        for name, said in (destinations or {}).items()
    ]
    return Catalog(
        deliveries={each.name: each for each in values},
        destinations={each.name: each for each in places},
    )


def told(before: Catalog, after: Catalog, facts: Facts = NOTHING) -> Mapping[str, tuple[str, ...]]:
    """Of each object, what it breaks and what becomes of its tables."""
    return {
        each.name: (*each.breaks, *_of_tables(each.touches))
        for each in plan(before, after, facts).steps
    }


def _of_tables(touches: tuple[str, ...]) -> list[str]:
    return [each for each in touches if "goes on" in each]


def test_a_renamed_delivery_goes_on_with_its_table() -> None:
    before, after = of(c={"table": "t"}), of(cc={"table": "bobr.t", "keep": "24h"})
    assert told(before, after) == {
        "c": ("its table t in lake goes on as that of delivery cc",),
        "cc": (
            "partitions of table bobr.t that ended more than 24h ago are dropped",
            "goes on with table bobr.t in lake, which was that of delivery c",
        ),
    }
    assert Between(before, after).handed_on() == {"c"}


def test_a_table_that_nobody_goes_on_with_stays_as_it_is() -> None:
    gone = told(of(c={"table": "t"}), of(d={"table": "u", "keep": "24h"}))
    assert gone == {"c": ("no more rows come to table t, which stays as it is",), "d": ()}
    (moved,) = told(of(c={"table": "t"}), of(c={"table": "u"})).values()
    filled = "u in lake is filled from the oldest event that the log holds"
    assert moved == (f"table t in lake stays as it is; {filled}",)


def test_of_swapped_tables_none_stays_as_it_is() -> None:
    before = of(a={"table": "t", "keep": "9d"}, b={"table": "u"})
    after = of(a={"table": "u", "keep": "9d"}, b={"table": "t"})
    assert told(before, after)["a"] == (
        "partitions of table u that ended more than 9d ago are dropped",
        "its table t in lake goes on as that of delivery b",
        "goes on with table u in lake, which was that of delivery b",
    )
    (fault,) = check_rows(Between(before, after))
    assert fault.path == ("deliveries", "a", "keep")


def test_a_destination_that_moves_onto_tables_says_what_they_lose() -> None:
    deliveries = {"a": {"to": "one", "table": "t", "keep": "1d"}, "b": {"to": "two", "table": "t"}}
    before = of({"one": {"warehouse": "/1"}, "two": {"warehouse": "/2"}}, **deliveries)
    after = of({"one": {"warehouse": "/2"}, "two": {"warehouse": "/3"}}, **deliveries)
    said = told(before, after)
    assert said["one"][0] == (
        "delivery a leaves its table as it is; goes on with the table of delivery b; partitions of table t that ended "
        "more than 24h ago are dropped"
    )
    assert said["two"][0].startswith("delivery b leaves its table to delivery a; the one of that")
    (fault,) = check_rows(Between(before, after))
    assert fault.path == ("deliveries", "a", "keep")


def test_the_catalog_that_a_warehouse_has_can_be_said_and_nothing_moves() -> None:
    deliveries = {"a": {"to": "wh", "table": "t"}}
    before = of({"wh": {"warehouse": "/srv/w"}}, **deliveries)
    uri = {"uri": "sqlite:////srv/w/catalog.db"}
    after = of({"wh": {"warehouse": "/srv/w/", "catalog": uri}}, **deliveries)
    assert told(before, after) == {"wh": ()}


def test_what_nobody_delivers_to_any_more_is_judged_by_who_did_last() -> None:
    before, after = of(), of(cc={"table": "t", "keep": "24h"}, new={"table": "u", "keep": "24h"})
    (last,) = of(c={"table": "t", "keep": "7d"}).deliveries.values()
    between = Between(before, after, {before.place_of(last): last})
    assert [fault.path[1] for fault in check_rows(between)] == ["cc"]
    facts = Facts(columns={}, holdings={}, parts={}, partitions_max=None, earlier=between.earlier)
    drops = "partitions of table t that ended more than 24h ago are dropped"
    assert told(before, after, facts)["cc"][0] == drops
    assert told(before, after, facts)["new"] == ()
    # It is told where nothing is asked, too: what was left there has grown old meanwhile.
    same = of(cc={"table": "t", "keep": "7d"})
    assert not list(check_rows(Between(before, same, between.earlier)))
    assert told(before, same, facts)["cc"][0].startswith("partitions of table t that ended")


def wanted(text: str, current: Catalog) -> Catalog:
    declared, problems = load({"bobr.yaml": f"deliveries:\n{text}"})
    assert not problems
    return fulfilled(of_files(declared, current), current, {})


def paused(text: str, current: Catalog) -> set[str]:
    deliveries = wanted(text, current).deliveries
    return {name for name, each in deliveries.items() if each.paused}


def test_what_is_paused_stays_so_under_another_name_and_with_another_table() -> None:
    current = of(a={"paused": True}, b={})
    assert paused("  a: {from: orders, table: a}\n  b: {from: orders, table: b}", current) == {"a"}
    assert paused("  z: {from: orders, table: bobr.a}\n  b: {from: orders, table: b}", current) == {
        "z"
    }
    assert paused("  a: {from: orders, table: new}\n  z: {from: orders, table: z}", current) == {
        "a"
    }
    assert paused("  z: {from: orders, table: z}", current) == set()


def test_what_destinations_break_takes_steps_in_proportion() -> None:
    def catalog(number: int, folder: str) -> Catalog:
        names = [f"n{each}" for each in range(number)]
        return of(
            {name: {"warehouse": f"/{folder}/{name}"} for name in names},
            **{name: {"to": name} for name in names},
        )

    def steps(number: int) -> int:
        before, after = catalog(number, "a"), catalog(number, "b")
        count = 0

        def step(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(step)
        try:
            plan(before, after, NOTHING)
        finally:
            sys.setprofile(None)
        return count

    assert steps(200) < 3 * steps(100)
