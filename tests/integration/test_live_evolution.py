"""A schema changes while events flow: no restart, nothing lost, old rows NULL; or the change is refused whole."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.testing.producer import LedgerProducer
from bobr.testing.system import Done, System
from bobr.testing.ways import unary
from bobr.v1 import broker_pb2 as wire

FIRST = """syntax = "proto3";
package evo.v1;
message Order {
  string event_id = 1;
  int64 number = 2;
  Inner inner = 3;
  repeated Item items = 4;
  message Inner {
    string name = 1;
  }
  message Item {
    string sku = 1;
  }
}
"""
SECOND = (
    FIRST.replace(
        "  repeated Item items = 4;\n", "  repeated Item items = 4;\n  string city = 5;\n"
    )
    .replace("    string name = 1;\n", "    string name = 1;\n    int32 level = 2;\n")
    .replace("    string sku = 1;\n", "    string sku = 1;\n    int32 count = 2;\n")
)


class Shop:
    """One stream and its table, of a name of its own."""

    def __init__(self, system: System, folder: Path, name: str) -> None:
        self.system = system
        self.name = name
        self._folder = folder

    def deliver(self, proto: str, file: str = "evo.proto") -> Done:
        path = self._folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(proto)
        return self.system.run("deliver", str(path), "--stream", self.name)

    def ok(self, proto: str) -> None:
        done = self.deliver(proto)
        assert done.status == 0, done.err

    def schema_ids(self) -> list[int]:
        streams = self.system.ok("status", "--json").json()["streams"]
        ids: list[int] = next(each["schemas"] for each in streams if each["stream"] == self.name)
        return ids

    def producer(self, encode: Callable[[int], bytes]) -> LedgerProducer:
        return LedgerProducer(self.name, encode, lambda: self.system.addresses, per_call=20)

    def publish(self, *events: bytes, schema_id: int = 0) -> None:
        request = wire.PublishRequest(stream=self.name, events=events, schema_id=schema_id)
        with unary(self.system.addresses) as publish:
            (response,) = publish(iter([request]))
        assert response.accepted == len(events), response

    def sql(self, query: str) -> list[dict[str, Any]]:
        self.system.flush()
        return self.system.sql(query.format(table=self.name))

    def state(self) -> Mapping[str, object]:
        """All that a refused change must leave as it is."""
        control = f"http://{self.system.addresses['control']}"
        with httpx2.Client(base_url=control, trust_env=False) as client:
            versions = client.get(f"/subjects/{self.name}-value/versions").json()
            catalog = client.get("/v1/catalog").json()
        columns = [row["column_name"] for row in self.sql("describe {table}")]
        return {"versions": versions, "catalog": catalog, "columns": columns}


@pytest.fixture
def shop(system: System, tmp_path: Path, request: pytest.FixtureRequest) -> Shop:
    shop = Shop(system, tmp_path, request.node.originalname.removeprefix("test_"))
    shop.ok(FIRST)
    return shop


def encoder(proto: str, who: str, **more: Any) -> Callable[[int], bytes]:
    files = compile_files({"evo.proto": proto}, "evo.proto")
    order: Callable[..., Any] = EventType.build(files, "evo.v1.Order").message_class

    def encode(number: int) -> bytes:
        payload: bytes = order(
            event_id=f"{who}-{number}", number=number, **more
        ).SerializeToString()
        return payload

    return encode


OLD = {"inner": {"name": "n"}, "items": [{"sku": "s"}]}
NEW = {"inner": {"name": "n", "level": 7}, "items": [{"sku": "s", "count": 3}], "city": "Tver"}


def test_fields_are_added_while_old_and_new_producers_write(shop: Shop) -> None:
    pids = shop.system.pids()
    with shop.producer(encoder(FIRST, "old", **OLD)) as old:
        old.wait_for(200)
        shop.ok(SECOND)
        old.wait_for(old.acknowledged + 200)
        with shop.producer(encoder(SECOND, "new", **NEW)) as new:
            new.wait_for(200)
            old.wait_for(old.acknowledged + 200)
    first, second = shop.schema_ids()
    shop.publish(encoder(FIRST, "named", **OLD)(0), schema_id=first)
    (found,) = shop.sql(
        "select count(*) as n, count(distinct event_id) as ids,"
        " count(*) filter (event_id like 'old-%') as old, count(*) filter (event_id like 'new-%') as new,"
        f" count(*) filter (_schema_id = {first}) as by_first,"
        ' count(*) filter (city is null and "inner".level is null and items[1].count is null) as nulls,'
        " count(*) filter (city = 'Tver' and \"inner\".level = 7 and items[1].count = 3) as full,"
        " count(*) filter (event_id = 'named-0' and city is null) as named,"
        " count(*) filter (items[1].sku = 's' and \"inner\".name = 'n') as kept"
        " from {table}"
    )
    assert found["n"] == found["ids"] == found["kept"]
    assert (found["old"], found["new"]) == (old.acknowledged, new.acknowledged)
    assert found["full"] == found["new"]
    assert found["by_first"] == found["nulls"] > 200
    assert found["named"] == 1
    assert shop.system.pids() == pids
    assert [first, second] == sorted({first, second})


INCOMPATIBLE = [
    ("type changed", "int64 number = 2", "string number = 2", "evo.proto:5:"),
    ("number reused", "int64 number = 2", "int64 number = 9", "evo.proto:"),
    ("removed without reserved", "  int64 number = 2;\n", "", "evo.proto:"),
    (
        "removed in a nested message",
        "    string sku = 1;\n",
        "    string other = 2;\n",
        "evo.proto:",
    ),
    ("list made of one", "Inner inner = 3", "repeated Inner inner = 3", "evo.proto:6:"),
    ("message made a number", "Inner inner = 3", "int32 inner = 3", "evo.proto:6:"),
]


@pytest.mark.parametrize(
    ("what", "old", "new", "place"), INCOMPATIBLE, ids=[row[0] for row in INCOMPATIBLE]
)
def test_refused_changes_change_nothing(
    system: System, tmp_path: Path, what: str, old: str, new: str, place: str
) -> None:
    shop = Shop(system, tmp_path, f"refused_{what.replace(' ', '_')}")
    shop.ok(FIRST)
    shop.publish(encoder(FIRST, "old", **OLD)(0))
    before = shop.state()
    refused = shop.deliver(FIRST.replace(old, new))
    assert refused.status == 2
    assert refused.err.startswith("bobr: ")
    assert place in refused.err
    assert refused.err.rstrip().endswith("]"), "the rule stands at the end"
    assert shop.state() == before


def test_two_at_once_who_want_the_same_both_have_it(shop: Shop) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(shop.deliver, [SECOND, SECOND], ["a/evo.proto", "b/evo.proto"]))
    assert [each.status for each in done] == [0, 0], [each.err for each in done]
    assert len(shop.schema_ids()) == 2


def test_of_two_at_once_who_contradict_each_other_one_is_refused(shop: Shop) -> None:
    wishes = [
        FIRST.replace("repeated", f"{kind} other = 9;\n  repeated") for kind in ("int64", "bool")
    ]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(shop.deliver, wishes, ["a/evo.proto", "b/evo.proto"]))
    assert sorted(each.status for each in done) == [0, 2], [each.err for each in done]
    assert len(shop.schema_ids()) == 2
