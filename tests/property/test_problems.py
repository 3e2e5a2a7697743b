"""Every problem at once: what is wrong is told whatever else is, and nothing is told that is not.

Lines of a sound configuration are broken at random. What is told of all is what is told of each alone, but of those
that can not be judged beside another: `Break.rests_on` says of which. Nothing else hides anything.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bobr.catalog import Catalog
from bobr.catalog.config.bundle import Bundle, Proto
from bobr.catalog.config.load import TYPES
from bobr.catalog.config.read import read
from bobr.catalog.model import SettingsDeclaration, Value
from bobr.controller.objects_ask import StreamInCall
from bobr.controller.proposal import Consent, World, propose, registered
from bobr.controller.registry import Registry, Store
from bobr.ids import Revision

IN_FORCE = f"""
owner: shop                                           # owner
settings:                                             # settings
  log_level: info                                     # log_level
destinations:
  wh:
    kind: iceberg                                     # wh.kind
    warehouse: /srv/wh                                # wh.warehouse
    namespace: shop                                   # wh.namespace
    catalog:
      type: sql                                       # wh.type
      uri: postgresql+psycopg://bobr@db/lake          # wh.uri
      password: ${{env:LAKE}}                           # wh.password
streams:                                              # streams
  orders:
    message: s.Order                                  # orders.message
    proto: orders.proto                               # orders.proto
    partitions: 12                                    # orders.partitions
    retention: 7d                                     # orders.retention
    key: customer                                     # orders.key
    event_bytes_max: 1000                             # orders.event_bytes_max
  more:                                               # more
    proto: orders.proto                               # more.proto
  returns:
    proto: returns.proto                              # returns.proto
deliveries:                                           # deliveries
  a:
    from: orders                                      # a.from
    to: wh                                            # a.to
    table: a                                          # a.table
    partition: day                                    # a.partition
    flush: 5s                                         # a.flush
    keep: 90d                                         # a.keep
  b:
    from: returns                                     # b.from
    to: wh                                            # b.to
    table: b                                          # b.table
    dedup: 24h                                        # b.dedup
    keep: 90d                                         # b.keep
principals:                                           # principals
  ops:
    configure:                                        # ops.configure
      - "*"                                           # ops.configure.0
    keys:
      - sha256: {"a" * 64}  # ops.sha256
        created: 2026-11-29T15:04:05Z                 # ops.created
  shop:
    publish:
      - orders                                        # shop.publish.0
      - returns                                       # shop.publish.1
    configure:
      - orders                                        # shop.configure.0
    tables:
      - wh/shop.a                                     # shop.tables.0
      - wh/shop.b*                                    # shop.tables.1
    keys:
      - sha256: {"b" * 64}  # shop.sha256
    events_per_second: 1000                           # shop.events_per_second
"""
SOUND = f"""{IN_FORCE}
routes:                                               # routes
  there:
    from:
      - orders                                        # there.from.0
      - orders-2                                      # there.from.1
    to: more                                          # there.to
    where: "true"                                     # there.where
  back:
    from:
      - more                                          # back.from.0
    to: orders-3                                      # back.to
"""
MORE = """
streams:                                              # streams-2
  orders-2:
    message: s.Order                                  # orders-2.message
    proto: orders.proto                               # orders-2.proto
  orders-3: {proto: orders.proto}
"""
PROTOS = {
    "orders.proto": """syntax = "proto3"; package s;
message Order {
  string customer = 1;  // orders.customer
  int32 total = 2;      // orders.total
  // orders.city
  // orders.town
}
""",
    "returns.proto": 'syntax = "proto3"; package r; message Return { string reason = 1; }  // return\n',
}
LINE = re.compile(r"^(\s*(?:- )?)(.*?)\s*(?:#|//) (\S+)$", re.MULTILINE)
"""What stands before it, what can be broken, and how it is called here."""


@dataclass(frozen=True, kw_only=True)
class Break:
    """at: a line. by: what stands there instead. rests_on: lines that make it wrong, none of which may be, too."""

    at: str
    by: str
    rests_on: tuple[str, ...] = ()


NAMES = ("streams-2",)
OF_A = ("a.to", "a.table", "wh.namespace", "wh.uri")
ORDER = ("orders.message", "orders.proto")
WAY = ("there.from.1", "there.to", "back.from.0")
BREAKS: Sequence[Break] = (
    Break(at="owner", by="owner: Shop"),
    Break(at="owner", by="owner: api"),
    Break(at="settings", by="settings: !text"),
    Break(at="settings", by="setings:"),
    Break(at="log_level", by="log_level: loud"),
    Break(at="log_level", by="log_levle: info"),
    Break(at="wh.kind", by="kind: hive"),
    Break(at="wh.kind", by="knd: iceberg"),
    Break(at="wh.kind", by=""),
    Break(at="wh.warehouse", by="warehouse: srv/wh"),
    Break(at="wh.warehouse", by="warehouse: ${env:WH"),
    Break(at="wh.namespace", by="namespace: A"),
    Break(at="wh.type", by="type: rest"),
    Break(at="wh.uri", by="uri: postgresql://bobr:hunter2@db/lake"),
    Break(at="wh.uri", by="url: postgresql://bobr@db/lake"),
    Break(at="wh.password", by="password: hunter2"),
    Break(at="wh.password", by="password: 7"),
    Break(at="streams", by="strems:"),
    Break(at="streams-2", by="streams: ["),
    Break(
        at="orders-2.message",
        by="message: s.Ordr",
        rests_on=(*NAMES, "orders-2.proto", "orders.customer"),
    ),
    Break(at="orders-2.proto", by="proto: nowhere.proto", rests_on=NAMES),
    Break(at="orders.message", by="message: 7"),
    Break(at="orders.message", by="mesage: s.Order"),
    Break(at="orders.proto", by="proto: nowhere.proto"),
    Break(at="orders.proto", by="proto: ${env:PROTO}"),
    Break(at="orders.partitions", by="partitions: 6"),
    Break(at="orders.partitions", by="partitions: many"),
    Break(at="orders.partitions", by="partitons: 6"),
    Break(at="orders.retention", by="retention: 3x"),
    Break(at="orders.key", by="key: custmer", rests_on=(*ORDER, "orders.customer")),
    Break(at="orders.key", by="key: '!'"),
    Break(at="orders.event_bytes_max", by="event_bytes_max: 0"),
    Break(at="orders.customer", by="strin customer = 1;"),
    Break(at="orders.total", by="string total = 2;", rests_on=("orders.customer",)),
    Break(at="orders.city", by="string _offset = 3;", rests_on=("orders.customer",)),
    Break(at="orders.town", by="string Total = 4;", rests_on=("orders.customer",)),
    Break(
        at="return",
        by='syntax = "proto3"; package r; message Return { strin reason = 1; }',
        rests_on=("returns.proto",),
    ),
    Break(at="returns.proto", by="prto: returns.proto"),
    Break(at="returns.proto", by=""),
    Break(at="deliveries", by="delivries:"),
    Break(at="a.from", by="from: order", rests_on=NAMES),
    Break(at="a.from", by="from: returns", rests_on=OF_A),
    Break(at="a.from", by=""),
    Break(at="a.to", by="to: lakes", rests_on=NAMES),
    Break(at="a.to", by="to: Lake"),
    Break(at="a.table", by="table: shop-a"),
    Break(at="a.table", by="table: b", rests_on=("a.to", "b.to", "b.table")),
    Break(at="a.partition", by="partition: hour", rests_on=OF_A),
    Break(at="a.partition", by="partition: week"),
    Break(at="a.flush", by="flush: 0s"),
    Break(at="a.keep", by="keep: 30d", rests_on=OF_A),
    Break(at="a.keep", by="keep: 90"),
    Break(at="b.table", by=""),
    Break(at="b.dedup", by="dedup: 100d", rests_on=("b.keep",)),
    Break(at="b.dedup", by="dedup: 24"),
    Break(at="b.keep", by="keep: 3x"),
    Break(at="principals", by="principls:"),
    Break(
        at="ops.configure.0",
        by="orders",
        rests_on=("shop.configure.0", *NAMES),
    ),
    Break(at="ops.configure.0", by="'**'"),
    Break(at="ops.sha256", by="sha256: 0123abc"),
    Break(at="ops.sha256", by="sha: x"),
    Break(at="ops.created", by="created: yesterday"),
    Break(at="shop.publish.0", by="order", rests_on=NAMES),
    Break(at="shop.publish.0", by="7"),
    Break(at="shop.publish.1", by="return", rests_on=NAMES),
    Break(at="shop.configure.0", by="'*s'"),
    Break(at="shop.tables.0", by="a"),
    Break(at="shop.tables.1", by="b"),
    Break(at="shop.tables.1", by="w/shop.b*", rests_on=NAMES),
    Break(at="shop.sha256", by=f"sha256: {'a' * 64}", rests_on=("ops.sha256",)),
    Break(at="shop.events_per_second", by="events_per_second: 0"),
    Break(at="there.from.0", by="order", rests_on=NAMES),
    Break(at="there.from.0", by="7"),
    Break(at="there.from.1", by="orders", rests_on=("there.from.0",)),
    Break(at="there.to", by="to: mre", rests_on=NAMES),
    Break(at="there.where", by="where: 7"),
    Break(at="back.to", by="to: orders-2", rests_on=WAY),
    Break(at="back.to", by="To: orders-3"),
)


def broken(text: str, breaks: Mapping[str, str]) -> str:
    return LINE.sub(lambda line: f"{line[1]}{breaks.get(line[3], line[2])}", text)


def bundle(configs: Mapping[str, str], breaks: Iterable[Break]) -> Bundle:
    lines = {each.at: each.by for each in breaks}
    return Bundle(
        files={name: broken(text, lines) for name, text in configs.items()},
        protos={
            **{name: Proto(main=name, files={name: name}) for name in PROTOS},
            "nowhere.proto": Proto(wrong="nowhere.proto can not be read"),
        },
        texts={name: broken(text, lines) for name, text in PROTOS.items()},
    )


@cache
def world() -> World:
    """With a sound configuration in force."""
    registry = Registry(Store(Path(mkdtemp(prefix="bobr-problems-")) / "registry.sqlite"))
    nothing = World(current=Catalog(), registry=registry, hold=lambda _: {}, parts={})
    proposal = propose(bundle({"a.yaml": IN_FORCE}, ()), Consent(), nothing)
    assert not proposal.problems, proposal.problems
    current = registered(proposal, registry).model_copy(update={"revision": Revision(1)})
    return World(current=current, registry=registry, hold=lambda _: {}, parts={})


@cache
def told(breaks: frozenset[Break]) -> frozenset[str]:
    """Of that configuration, without what is told of it when nothing is broken: that routes are not run yet."""
    problems = propose(
        bundle({"a.yaml": SOUND, "b.yaml": MORE}, breaks), Consent(), world()
    ).problems
    return frozenset(str(each) for each in problems if each.rule != "not-run")


def is_judged(one: Break, others: Iterable[Break]) -> bool:
    return not any(each.at in one.rests_on for each in others if each is not one)


SETS = st.lists(st.sampled_from(BREAKS), unique_by=lambda each: each.at, max_size=8).map(frozenset)


@pytest.mark.parametrize("one", BREAKS, ids=[f"{each.at} {each.by}" for each in BREAKS])
def test_what_is_broken_alone_is_told_once(one: Break) -> None:
    assert len(told(frozenset({one}))) == 1
    assert told(frozenset()) == frozenset()


@pytest.mark.slow
@settings(max_examples=40)
@given(SETS)
def test_of_many_at_once_each_is_told_as_if_it_were_alone(breaks: frozenset[Break]) -> None:
    judged = [each for each in breaks if is_judged(each, breaks)]
    assert told(breaks) == frozenset(chain(*(told(frozenset({each})) for each in judged)))


def test_of_all_that_can_be_broken_at_once_each_is_told_in_one_run() -> None:
    """The longest list: one break of each line, those first that rest on nothing."""
    of_line = {each.at: each for each in sorted(BREAKS, key=lambda each: -len(each.rests_on))}
    every = frozenset(of_line.values())
    judged = [each for each in every if is_judged(each, every)]
    assert told(every) == frozenset(chain(*(told(frozenset({each})) for each in judged)))
    assert len(told(every)) > len(every) / 2


MEMBERS = st.sampled_from(
    [
        "from",
        "to",
        "table",
        "keep",
        "kepp",
        "catalog",
        "uri",
        "keys",
        "sha256",
        "kind",
        "files",
        "message",
        "proto",
    ]
)
TEXTS = st.sampled_from(["a", "3x", "*", "7d", "iceberg", ""])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=6),
    max_leaves=12,
)
MODELS = (*TYPES.values(), SettingsDeclaration, StreamInCall)


@given(st.sampled_from(MODELS), PLAIN)
def test_whatever_an_object_is_it_is_understood_as_far_as_it_can_be(
    model: type[Value], members: object
) -> None:
    found = read(model, members, ("it",))
    assert bool(found.faults) or found.declaration is not None
    assert all(each.path[0] == "it" and each.message for each in found.faults)
    assert (found.declaration is None) == (("it",) in found.unread)
