"""JSON columns: as google.protobuf.json_format where it has an answer, ours where it has none."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from bobr.schema import EventType
from bobr.schema.columns.json_text import ANY_DEPTH_MAX, json_text

Build = Callable[..., EventType]
ALL = """
message M {
  double d = 1; float f = 2; int64 i = 3; uint64 u = 4; int32 small = 5; bool b = 6; string s = 7; bytes raw = 8;
  Kind kind = 9; M m = 10; repeated M many = 11; map<string, M> named = 12; map<bool, int64> flags = 13;
  map<uint64, double> numbers = 14; google.protobuf.Timestamp at = 15; google.protobuf.Duration span = 16;
  google.protobuf.Int64Value wide = 17; google.protobuf.BytesValue wrapped = 18; google.protobuf.Struct extra = 19;
  google.protobuf.Value value = 20; google.protobuf.ListValue list = 21; google.protobuf.Empty empty = 22;
  google.protobuf.Any any = 23; optional int32 maybe = 24; google.protobuf.FieldMask mask = 25;
}
enum Kind { KIND_A = 0; KIND_B = 1; }
"""


def message(build: Build, **fields: Any) -> Message:
    return build(ALL).message_class(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {
            "d": 0.1,
            "f": 0.1,
            "i": -(2**63),
            "u": 2**64 - 1,
            "small": -1,
            "b": True,
            "s": 'ключ"\\',
            "raw": b"\xfb\xff",
        },
        {
            "d": float("nan"),
            "f": float("-inf"),
            "many": [{"d": float("inf")}, {"d": 1e16}, {"f": 1e16}],
        },
        {"kind": 1, "m": {"kind": 7, "maybe": 0, "m": {"empty": {}}}},
        {
            "named": {"a": {}, "": {"i": 1}},
            "flags": {True: 1, False: 2},
            "numbers": {2**64 - 1: 0.5},
        },
        {
            "at": {"seconds": -1, "nanos": 1},
            "span": {"seconds": -1, "nanos": -500_000_000},
            "wide": {"value": 5},
        },
        {
            "wrapped": {"value": b"a"},
            "extra": {"fields": {"a": {"number_value": 1.0}, "b": {"null_value": 0}}},
        },
        {
            "list": {"values": [{"bool_value": True}, {"string_value": ""}, {"list_value": {}}]},
            "value": {},
        },
    ],
)
def test_it_is_what_json_format_says(build: Build, fields: dict[str, Any]) -> None:
    event = message(build, **fields)
    assert json.loads(json_text(event)) == json_format.MessageToDict(
        event, preserving_proto_field_name=True
    )


def test_an_any_of_a_known_type_is_opened(build: Build) -> None:
    event = message(
        build, any={"type_url": "x/t.M", "value": message(build, i=5).SerializeToString()}
    )
    assert json.loads(json_text(event)) == {"any": {"@type": "x/t.M", "i": "5"}}
    event = message(build, any={"type_url": "x/google.protobuf.Duration", "value": b"\x08\x01"})
    assert json.loads(json_text(event)) == {
        "any": {"@type": "x/google.protobuf.Duration", "value": "1s"}
    }


@pytest.mark.parametrize(
    ("url", "value"),
    [
        ("x/t.Unknown", b"\x08\x01"),
        ("", b"a"),
        ("x/t.M", b"\xff"),
        ("x/google.protobuf.Duration", b"\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    ],
)
def test_any_other_any_keeps_its_bytes(build: Build, url: str, value: bytes) -> None:
    text = json.loads(json_text(message(build, any={"type_url": url, "value": value})))
    assert text["any"]["@type"] == url
    assert set(text["any"]) == {"@type", "value"}


def test_an_any_in_an_any_is_opened_so_far_and_no_further(build: Build) -> None:
    """However deep they are packed, the stack of the one who prints them stays small."""
    event = message(build, i=1)
    for _ in range(300):
        event = message(build, any={"type_url": "x/t.M", "value": event.SerializeToString()})
    text = json_text(event)
    assert text.count('"@type"') == ANY_DEPTH_MAX // 2 + 1
    assert text.count('"value"') == 1


def test_what_json_lacks_inside_a_value_is_a_string(build: Build) -> None:
    event = message(build, value={"number_value": float("nan")}, mask={"paths": ["a_b.c"]})
    assert json.loads(json_text(event)) == {"value": "NaN", "mask": {"paths": ["a_b.c"]}}


def test_a_bad_time_inside_is_refused_with_its_path(build: Build) -> None:
    event = build(ALL)
    payload = message(build, many=[{}, {"named": {"k": {"at": {"nanos": -1}}}}]).SerializeToString()
    (rejection,) = event.decode(pa.array([payload], pa.binary())).rejections
    assert rejection.field == 'many[1].named["k"].at'
    assert event.check(pa.array([payload], pa.binary())) == (rejection,)
