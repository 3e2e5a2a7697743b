"""Catalogs and what lies between them: random ones, there and back, through JSON, files and checks."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bobr.catalog import (
    Catalog,
    Delivery,
    Destination,
    LogLevel,
    PartitionBy,
    Principal,
    Route,
    Settings,
    Stream,
    apply,
    diff,
    flip,
    moved,
)
from bobr.catalog.change import delta_json, delta_of, objects, with_changes
from bobr.catalog.config.load import load
from bobr.catalog.config.render import as_yaml, owners
from bobr.catalog.model import Key, SqlCatalog
from bobr.catalog.references import Text
from bobr.catalog.request import Typed, fulfilled, of_files
from bobr.catalog.tables import Between
from bobr.catalog.validate import check_catalog, check_change, check_request
from bobr.controller.back import untried
from bobr.errors import RejectedError
from bobr.ids import (
    DeliveryName,
    DestinationName,
    PrincipalName,
    Revision,
    RouteName,
    SchemaId,
    StreamName,
)

NAMES = st.sampled_from(["a", "b", "orders", "clicks-web", "x.1"])
OWNERS = st.sampled_from(["api", "files", "shop"])
SECONDS = st.integers(60, 10_000_000)


@st.composite
def streams(draw: st.DrawFn, name: str) -> Stream:
    return Stream(
        name=StreamName(name),
        message=draw(st.sampled_from(["s.Order", "s.Click", "Event"])),
        schema_ids=tuple(
            map(SchemaId, draw(st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True)))
        ),
        partitions=draw(st.integers(1, 12)),
        retention_seconds=draw(SECONDS),
        key=draw(st.sampled_from([None, "customer_id", "customer.id"])),
        event_bytes_max=draw(st.integers(1, 3 * 1024 * 1024)),
        owner=draw(OWNERS),
    )


@st.composite
def deliveries(draw: st.DrawFn, name: str) -> Delivery:
    return Delivery(
        name=DeliveryName(name),
        stream=StreamName(draw(NAMES)),
        to=DestinationName(draw(st.sampled_from(["lake", "wh"]))),
        table=draw(st.sampled_from(["orders", "shop.orders", "clicks"])),
        partition_by=draw(st.sampled_from(PartitionBy)),
        dedup_seconds=draw(st.integers(0, 10_000_000)),
        flush_seconds=draw(st.integers(1, 86_400_000)) / 1000,
        owner=draw(OWNERS),
        paused=draw(st.booleans()),
    )


@st.composite
def routes(draw: st.DrawFn, name: str) -> Route:
    return Route(
        name=RouteName(name),
        sources=tuple(map(StreamName, draw(st.lists(NAMES, min_size=1, max_size=3)))),
        where=draw(st.sampled_from([None, "event.total > 1.0", "event.name == 'ü: [x]'"])),
        to=StreamName(draw(NAMES)),
        owner=draw(OWNERS),
    )


@st.composite
def destinations(draw: st.DrawFn, name: str) -> Destination:
    uri = Text("postgresql+psycopg://bobr@db/lake")
    password = draw(st.sampled_from([None, Text("${file:/run/secrets/lake}")]))
    return Destination(
        name=DestinationName(name),
        kind="iceberg",
        warehouse=draw(st.sampled_from([None, Text("/srv/lake"), Text("${env:WAREHOUSE}")])),
        catalog=draw(st.sampled_from([None, SqlCatalog(uri=uri, password=password)])),
        namespace=draw(st.sampled_from(["bobr", "shop"])),
        owner=draw(OWNERS),
    )


KEYS = st.builds(
    Key,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    created=st.sampled_from([None, "2026-11-29T15:04:05Z"]),
)
PATTERNS = st.lists(st.sampled_from(["a", "orders", "orders-*", "*", "x.1"]), max_size=3).map(tuple)
RATES = st.none() | st.integers(1, 10**9).map(float)


@st.composite
def principals(draw: st.DrawFn, name: str) -> Principal:
    return Principal(
        name=PrincipalName(name),
        keys=tuple(draw(st.lists(KEYS, max_size=2))),
        publish=draw(PATTERNS),
        read=draw(PATTERNS),
        configure=draw(PATTERNS),
        events_per_second=draw(RATES),
        bytes_per_second=draw(RATES),
        owner=draw(OWNERS),
    )


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    def some(of: Any, names: Any = NAMES) -> Mapping[Any, Any]:
        return {name: draw(of(name)) for name in draw(st.lists(names, unique=True, max_size=4))}

    level = draw(st.sampled_from(LogLevel))
    return Catalog(
        revision=Revision(draw(st.integers(0, 1000))),
        streams=some(streams),
        routes=some(routes),
        deliveries=some(deliveries),
        destinations=some(destinations, st.sampled_from(["lake", "wh"])),
        principals=some(principals),
        settings=draw(st.sampled_from([Settings(), Settings(log_level=level, owner="files")])),
    )


@given(catalogs(), catalogs())
def test_the_changes_lead_there_and_back(a: Catalog, b: Catalog) -> None:
    assert apply(diff(a, b), a) == b
    assert apply(flip(diff(a, b)), b) == a
    assert flip(flip(diff(a, b))) == diff(a, b)
    assert flip(diff(a, b)) == diff(b, a)
    assert with_changes(diff(a, b), a) == b


@given(catalogs(), catalogs())
def test_there_are_no_more_changes_than_differences(a: Catalog, b: Catalog) -> None:
    changes = diff(a, b).changes
    assert diff(a, a).changes == ()
    assert all(change.before != change.after for change in changes)
    assert {(change.kind, change.name) for change in changes} <= objects(a).keys() | objects(
        b
    ).keys()


@given(catalogs(), catalogs(), catalogs())
def test_a_change_is_for_the_catalog_that_it_was_made_for(
    a: Catalog, b: Catalog, other: Catalog
) -> None:
    delta = moved(diff(a, b), other.revision)
    fits = all(objects(other).get((each.kind, each.name)) == each.before for each in delta.changes)
    if fits:
        applied = apply(delta, other)
        assert applied.revision == other.revision + 1
        assert diff(applied, other).changes == flip(delta).changes
    else:
        with pytest.raises(RejectedError, match="changed meanwhile"):
            apply(delta, other)
    with pytest.raises(RejectedError, match="is made for revision"):
        apply(moved(delta, Revision(other.revision + 1)), other)


@given(catalogs(), catalogs())
def test_json_keeps_all(a: Catalog, b: Catalog) -> None:
    assert Catalog.model_validate_json(a.model_dump_json()) == a
    assert delta_of(delta_json(diff(a, b))) == diff(a, b)


@given(catalogs(), catalogs())
def test_checks_change_nothing_and_say_the_same_again(a: Catalog, b: Catalog) -> None:
    before = copy.deepcopy((a, b))
    assert list(check_catalog(a)) == list(check_catalog(a))
    assert list(check_change(Between(a, b), {})) == list(check_change(Between(a, b), {}))
    assert list(check_change(Between(a, a), {})) == []
    assert (a, b) == before


@given(catalogs(), catalogs())
def test_what_ends_a_trial_has_no_fault_that_there_was_not_before_it(
    a: Catalog, b: Catalog
) -> None:
    """It is not judged when it is put in force: a trial has to end."""
    assert set(check_catalog(untried(a, b))) <= set(check_catalog(a))


@given(catalogs())
def test_what_is_shown_as_files_declares_the_same(catalog: Catalog) -> None:
    """Each owner's file, applied to what the others have, changes nothing."""
    typed = {
        name: Typed(message=each.message, schema_id=each.schema_id)
        for name, each in catalog.streams.items()
    }
    for owner in owners(catalog):
        if owner == "api":
            continue
        text = as_yaml(catalog, owner)
        declared, problems = load({"shown.yaml": text})
        assert not problems, text
        request = of_files(declared, catalog)
        assert list(check_request(request, catalog, take_over=False, allow_delete=False)) == []
        assert diff(catalog, fulfilled(request, catalog, typed)).changes == ()


@given(st.dictionaries(st.sampled_from(["a.yaml", "b.yaml"]), st.text(max_size=200)))
def test_any_text_is_read_or_is_faulty(files: Mapping[str, str]) -> None:
    _, problems = load(files)
    assert all(problem.message and problem.file in files for problem in problems)
