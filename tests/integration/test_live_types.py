"""Every protobuf shape, published to a running system and read by SQL, as docs/reference/types.md says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.testing.system import System
from bobr.testing.ways import unary
from bobr.v1 import broker_pb2 as wire

PROTO3 = """
syntax = "proto3";
package live.v1;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message Shapes {
  double d = 1; float f = 2; int32 i32 = 3; int64 i64 = 4; uint32 u32 = 5; uint64 u64 = 6;
  sint32 s32 = 7; fixed64 x64 = 8; bool b = 9; string s = 10; bytes raw = 11;
  Kind kind = 12; optional int32 maybe = 13;
  Inner inner = 14; repeated Inner inners = 15; repeated int32 numbers = 16;
  map<string, int32> by_name = 17; map<int64, Inner> by_number = 18; map<bool, string> by_flag = 19;
  oneof choice { string text = 20; Inner message = 21; }
  google.protobuf.Timestamp at = 22; google.protobuf.Duration took = 23;
  google.protobuf.Int64Value wrapped = 24; google.protobuf.StringValue unwrapped = 25;
  google.protobuf.Struct free = 26; google.protobuf.Any any = 27;
  Tree tree = 28; google.protobuf.Empty empty = 29; Nothing nothing = 30;
  enum Kind { KIND_UNSPECIFIED = 0; KIND_GOOD = 1; }
  message Inner { string name = 1; repeated string tags = 2; }
  message Tree { int32 value = 1; repeated Tree children = 2; }
  message Nothing {}
}
"""
PROTO2 = """
syntax = "proto2";
package live.v1;
message Old {
  required string name = 1;
  optional int32 number = 2 [default = 5];
  optional Kind kind = 3;
  repeated group Part = 4 { optional string sku = 5; }
  enum Kind { GOOD = 1; BAD = 2; }
}
"""
EDITION = """
edition = "2023";
package live.v1;
message New {
  string name = 1;
  int32 implicit = 2 [features.field_presence = IMPLICIT];
  Part part = 3 [features.message_encoding = DELIMITED];
  message Part { string sku = 1; }
}
"""
EMPTY = 'syntax = "proto3"; package live.v1; message Nothing {}'


@pytest.fixture
def rows(
    system: System, tmp_path: Path
) -> Callable[[str, str, Callable[[type[Message]], list[Message]], str], list[dict[str, Any]]]:
    """Deliver a message type, publish events, and query the table `{table}`."""

    def run(
        proto: str, name: str, make: Callable[[type[Message]], list[Message]], query: str
    ) -> list[dict[str, Any]]:
        file = tmp_path / "live.proto"
        file.write_text(proto)
        stream = f"live-{name.lower()}"
        system.ok("deliver", str(file), "--message", f"live.v1.{name}", "--stream", stream)
        files = compile_files({"live.proto": proto}, "live.proto")
        events = make(EventType.build(files, f"live.v1.{name}").message_class)
        payloads = [event.SerializePartialToString() for event in events]
        with unary(system.addresses) as publish:
            (response,) = publish(iter([wire.PublishRequest(stream=stream, events=payloads)]))
        assert response.accepted == len(payloads), response
        system.flush()
        return system.sql(query.format(table=stream.replace("-", "_")))

    return run


def test_every_shape_of_proto3(rows: Callable[..., list[dict[str, Any]]]) -> None:
    def make(shapes: Callable[..., Message]) -> list[Message]:
        free = {"a": [1, {"b": None}]}
        packed = {"type_url": "type.googleapis.com/live.v1.Shapes.Inner", "value": b"\x0a\x01n"}
        full = shapes(
            d=1.5, f=0.5, i32=-3, i64=-4, u32=2**32 - 1, u64=2**64 - 1, s32=-7, x64=8, b=True,
            s="é", raw=b"\x00\xff", kind=1, maybe=0, inner={"name": "n", "tags": ["x", "y"]},
            inners=[{"name": "1"}, {}], numbers=[1, 2], by_name={"a": 1}, by_number={-5: {"name": "m"}},
            by_flag={True: "yes"}, message={"name": "o"}, at={"seconds": 1_790_000_000, "nanos": 123_456_789},
            took={"seconds": 1, "nanos": 5000}, wrapped={"value": 0}, free=free,
            any=packed, tree={"value": 1, "children": [{"value": 2}]}, empty={}, nothing={},
        )  # fmt: skip
        return [full, shapes(kind=99), shapes()]

    full, odd, empty = rows(PROTO3, "Shapes", make, "select * from {table} order by _offset")
    own = {name: value for name, value in full.items() if not name.startswith("_")}
    assert own == {
        "d": 1.5, "f": 0.5, "i32": -3, "i64": -4, "u32": 2**32 - 1, "u64": 2**64 - 1, "s32": -7,
        "x64": 8, "b": True, "s": "é", "raw": "AP8=", "kind": "KIND_GOOD", "maybe": 0,
        "inner": {"name": "n", "tags": ["x", "y"]},
        "inners": [{"name": "1", "tags": []}, {"name": "", "tags": []}], "numbers": [1, 2],
        "by_name": {"a": 1}, "by_number": {"-5": {"name": "m", "tags": []}}, "by_flag": {"True": "yes"},
        "text": None, "message": {"name": "o", "tags": []},
        "at": "2026-09-21T14:13:20.123456+00:00", "took": 1_000_005, "wrapped": 0, "unwrapped": None,
        "free": '{"a":[1.0,{"b":null}]}', "any": '{"@type":"type.googleapis.com/live.v1.Shapes.Inner","name":"n"}',
        "tree": {"value": 1, "children": ['{"value":2}']}, "empty": True, "nothing": True,
    }  # fmt: skip
    assert odd["kind"] == "99"
    own = {name: value for name, value in empty.items() if not name.startswith("_")}
    nulls = {name for name, value in own.items() if value is None}
    assert nulls == {
        *("maybe", "inner", "text", "message", "at", "took", "wrapped", "unwrapped"),
        *("free", "any", "tree", "empty", "nothing"),
    }
    assert (own["s"], own["numbers"], own["by_name"], own["kind"]) == (
        "",
        [],
        {},
        "KIND_UNSPECIFIED",
    )
    assert (full["_stream"], full["_partition"], full["_event_id"]) == ("live-shapes", 0, None)


def test_nested_members_are_reached_by_sql(rows: Callable[..., list[dict[str, Any]]]) -> None:
    def make(shapes: Callable[..., Message]) -> list[Message]:
        return [
            shapes(s="nested", inner={"name": "n"}, inners=[{"tags": ["a", "b"]}], by_name={"k": 7})
        ]

    query = (
        "select inner.name as name, inners[1].tags[2] as tag, by_name['k'] as k, json(free) as free"
        " from {table} where s = 'nested'"
    )
    found = rows(PROTO3, "Shapes", make, query.replace("inner.name", '"inner".name'))
    assert found == [{"name": "n", "tag": "b", "k": 7, "free": None}]


def test_proto2_with_groups_required_and_closed_enums(
    rows: Callable[..., list[dict[str, Any]]],
) -> None:
    def make(old: type[Message]) -> list[Message]:
        whole = old(name="a", number=1, kind=2, part=[{"sku": "x"}])
        return [whole, old.FromString(b"\x0a\x01b\x18\x63")]  # kind 99: unknown to a closed enum

    query = "select name, number, kind, part from {table} order by _offset"
    assert rows(PROTO2, "Old", make, query) == [
        {"name": "a", "number": 1, "kind": "BAD", "part": [{"sku": "x"}]},
        {"name": "b", "number": None, "kind": None, "part": []},
    ]


def test_editions(rows: Callable[..., list[dict[str, Any]]]) -> None:
    def make(new: Callable[..., Message]) -> list[Message]:
        return [new(name="a", part={"sku": "x"}), new()]

    query = "select name, implicit, part from {table} order by _offset"
    assert rows(EDITION, "New", make, query) == [
        {"name": "a", "implicit": 0, "part": {"sku": "x"}},
        {"name": None, "implicit": 0, "part": None},
    ]


def test_messages_without_fields(rows: Callable[..., list[dict[str, Any]]]) -> None:
    query = "select count(*) as n, max(_offset) as last from {table}"
    assert rows(EMPTY, "Nothing", lambda nothing: [nothing()] * 3, query) == [{"n": 3, "last": 2}]


def test_a_missing_required_field_is_refused(system: System, tmp_path: Path) -> None:
    (tmp_path / "old.proto").write_text(PROTO2)
    system.ok("deliver", str(tmp_path / "old.proto"), "--stream", "live-required")
    with unary(system.addresses) as publish:
        request = wire.PublishRequest(stream="live-required", events=[b"", b"\x0a\x01a"])
        (response,) = publish(iter([request]))
    assert (response.accepted, len(response.rejected)) == (1, 1)
    assert (response.rejected[0].field, response.rejected[0].rule) == ("name", "required")
