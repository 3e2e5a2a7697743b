"""Decoding: what an accepted event looks like, what a refused one says, and that neighbours never notice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from bobr.outcome import Reason, Rejection
from bobr.schema import EventType
from bobr.schema.decode.wire import CHUNK_EVENTS

Build = Callable[..., EventType]
ORDER = """
message M { string event_id = 1; google.protobuf.Timestamp at = 2; repeated Item items = 3; }
message Item { string sku = 1; google.protobuf.Duration age = 2; }
"""


def batch(*payloads: bytes) -> pa.BinaryArray:
    return pa.array(payloads, pa.binary())


def written(event: EventType, **fields: Any) -> bytes:
    return event.message_class(**fields).SerializePartialToString()


def refused(event: EventType, *payloads: bytes) -> Rejection:
    """The one rejection; `check` says the same."""
    decoded = event.decode(batch(*payloads))
    (rejection,) = decoded.rejections
    assert event.check(batch(*payloads)) == decoded.rejections
    assert decoded.columns.num_rows == len(payloads) - 1
    return rejection


def test_an_empty_batch_is_an_empty_table(build: Build) -> None:
    event = build(ORDER)
    decoded = event.decode(batch())
    assert (decoded.columns.num_rows, decoded.columns.schema) == (0, event.columns)
    assert (decoded.accepted, decoded.rejections) == (None, ())
    assert event.check(batch()) == ()


def test_an_empty_payload_is_an_event_with_defaults(build: Build) -> None:
    decoded = build(ORDER).decode(batch(b""))
    assert decoded.columns.to_pylist() == [{"event_id": "", "at": None, "items": []}]


def test_a_type_without_fields_has_rows_without_columns(build: Build) -> None:
    decoded = build("message M {}").decode(batch(b"", b"\x08\x01", b"\xff"))
    assert (decoded.columns.num_rows, decoded.columns.num_columns) == (2, 0)
    assert decoded.accepted is not None
    assert decoded.accepted.to_pylist() == [0, 1]


def test_many_chunks_of_a_type_without_fields_are_counted(build: Build) -> None:
    decoded = build("message M {}").decode(batch(*[b""] * (2 * CHUNK_EVENTS + 1), b"\xff"))
    assert decoded.columns.num_rows == 2 * CHUNK_EVENTS + 1


def test_bad_events_do_not_touch_their_neighbours_in_any_chunk(build: Build) -> None:
    event = build(ORDER)
    count = 3 * CHUNK_EVENTS + 5
    payloads = [written(event, event_id=str(i)) for i in range(count)]
    bad = {0: b"\xff", 1: b"\x0a\x01\xff", CHUNK_EVENTS: b"\x0a\x05a", count - 1: b"\x0a"}
    late = {
        CHUNK_EVENTS - 1: written(event, at={"seconds": 10**12}),
        2 * CHUNK_EVENTS: written(event, at={"nanos": -1}),
    }
    for index, payload in (bad | late).items():
        payloads[index] = payload
    decoded = event.decode(batch(*payloads))
    assert [each.index for each in decoded.rejections] == sorted(bad | late)
    assert {each.index for each in decoded.rejections if each.reason == Reason.INVALID} == set(late)
    assert decoded.accepted is not None
    assert decoded.columns["event_id"].to_pylist() == list(map(str, decoded.accepted.to_pylist()))
    assert sorted({*decoded.accepted.to_pylist(), *bad, *late}) == list(range(count))


def test_a_slice_of_a_batch_is_read_from_its_own_start(build: Build) -> None:
    event = build(ORDER)
    whole = batch(b"\xff", *(written(event, event_id=str(i)) for i in range(5)), b"\xff")
    decoded = event.decode(whole.slice(2, 3))
    assert decoded.columns["event_id"].to_pylist() == ["1", "2", "3"]
    assert decoded.accepted is None


def test_an_event_larger_than_a_chunk_is_read_alone(build: Build) -> None:
    event = build(ORDER)
    large = written(event, event_id="x" * 1_000_000)
    decoded = event.decode(batch(b"", large, b""))
    assert [len(each) for each in decoded.columns["event_id"].to_pylist()] == [0, 1_000_000, 0]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"\x0a\x05a", "break off early"),
        (b"\x0a\x01\xff", "not valid UTF-8"),
        (b"\x00\x00", "not protobuf's wire format"),
        (
            b"\x00\x00\x00\x00\x07\x00\x0a\x011",
            "as the Confluent wire format does: send the message without",
        ),
        (b"\x0a\x81\x80\x80\x80\x80\x80\x00a", "not protobuf's wire format"),
        (b"\x88\x80\x80\x80\x80\x80\x00\x05", "not protobuf's wire format"),
    ],
)
def test_malformed_says_what_is_wrong(build: Build, payload: bytes, why: str) -> None:
    rejection = refused(build(ORDER), b"", payload, b"")
    assert (rejection.index, rejection.reason) == (1, Reason.MALFORMED)
    assert why in rejection.message
    assert f"{len(payload)} bytes" in rejection.message


@pytest.mark.parametrize("levels", [99, 100])
def test_depth_counts_from_the_event_whatever_way_it_is_parsed(build: Build, levels: int) -> None:
    """The last level is one too many for a whole chunk, but not for the event by itself."""
    event = build("message M { M next = 1; int32 value = 2; }")
    decoded = event.decode(batch(b"\x10\x01", nested(levels)))
    assert decoded.rejections == ()
    assert decoded.columns["next"].to_pylist()[1].count("next") == levels - 1


def test_one_level_more_is_refused(build: Build) -> None:
    event = build("message M { M next = 1; int32 value = 2; }")
    rejection = refused(event, b"", nested(101), b"")
    assert (rejection.index, rejection.reason) == (1, Reason.MALFORMED)
    assert "nested deeper than 100 levels" in rejection.message


def nested(levels: int) -> bytes:
    """A message in a message, so many times."""
    data = b"\x10\x07"
    for _ in range(levels):
        data = b"\x0a" + _varint(len(data)) + data
    return data


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])


@pytest.mark.parametrize(
    ("payload", "field", "rule"),
    [
        ({"at": {"seconds": 253_402_300_800}}, "at", "timestamp.range"),
        ({"at": {"seconds": -62_135_596_801}}, "at", "timestamp.range"),
        ({"at": {"nanos": 1_000_000_000}}, "at", "timestamp.range"),
        ({"items": [{}, {"age": {"seconds": 1, "nanos": -1}}]}, "items[1].age", "duration.range"),
        ({"items": [{"age": {"seconds": -315_576_000_001}}]}, "items[0].age", "duration.range"),
        ({"items": [{"age": {"nanos": -1_000_000_000}}]}, "items[0].age", "duration.range"),
    ],
)
def test_times_that_are_none_are_refused(
    build: Build, payload: dict[str, Any], field: str, rule: str
) -> None:
    event = build(ORDER)
    rejection = refused(event, b"", written(event, **payload))
    assert (rejection.index, rejection.reason) == (1, Reason.INVALID)
    assert (rejection.field, rejection.rule) == (field, rule)
    assert field in rejection.message


@pytest.mark.parametrize(
    ("seconds", "nanos", "micros"),
    [
        (0, 1_999, 1),
        (-1, 999_999_999, -1),
        (-1, 1, -1_000_000),
        (253_402_300_799, 999_999_999, 253402300799999999),
    ],
)
def test_a_timestamp_loses_its_last_digits_towards_the_past(
    build: Build, seconds: int, nanos: int, micros: int
) -> None:
    event = build(ORDER)
    decoded = event.decode(batch(written(event, at={"seconds": seconds, "nanos": nanos})))
    assert decoded.columns["at"].cast(pa.int64()).to_pylist() == [micros]


@pytest.mark.parametrize(
    ("seconds", "nanos", "micros"), [(0, -1, -1), (0, 1, 0), (-1, -500_000_100, -1_500_001)]
)
def test_a_duration_loses_its_last_digits_towards_the_past(
    build: Build, seconds: int, nanos: int, micros: int
) -> None:
    event = build(ORDER)
    decoded = event.decode(
        batch(written(event, items=[{"age": {"seconds": seconds, "nanos": nanos}}]))
    )
    assert decoded.columns["items"].to_pylist() == [[{"sku": "", "age": micros}]]


def test_required_fields_are_required_where_their_message_is(build: Build) -> None:
    text = """
    message M { optional string a = 1; map<int32, Part> parts = 2; }
    message Part { required int32 x = 1; optional int32 y = 2; }
    """
    event = build(text, 'syntax = "proto2"')
    assert event.check(batch(b"", written(event, parts={1: {"x": 0}}))) == ()
    rejection = refused(event, b"", written(event, parts={1: {"x": 1}, 2: {"y": 1}}))
    assert (rejection.index, rejection.reason) == (1, Reason.INVALID)
    assert (rejection.field, rejection.rule) == ("parts[2].x", "required")


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"\x0a\x01\xff", "s"),
        (b"\x12\x01\xff", "many[0]"),
        (b"\x1a\x03\x0a\x01\xff", "map"),
        (b"\x1a\x03\x12\x01\xff", 'map[""]'),
    ],
)
@pytest.mark.parametrize("more", ["", "optional group G = 9 {}"])
def test_proto2_strings_that_are_not_utf8_are_refused(
    build: Build, payload: bytes, field: str, more: str
) -> None:
    """Groups bring the slow way (`transcript.py`), with the same answer."""
    text = f"message M {{ optional string s = 1; repeated string many = 2; map<string, string> map = 3; {more} }}"
    rejection = refused(build(text, 'syntax = "proto2"'), payload, b"")
    assert (rejection.index, rejection.reason) == (0, Reason.MALFORMED)
    assert (rejection.field, rejection.rule) == (field, "string.utf8")


def test_an_unknown_group_may_hold_what_only_google_protobuf_takes(build: Build) -> None:
    """Field number 0 inside an unknown group: ptars refuses these bytes, and is then given others."""
    decoded = build(ORDER).decode(batch(b"\x0a\x01a\x53\x00\x00\x54", b"\x0a\x01b"))
    assert decoded.rejections == ()
    assert decoded.columns["event_id"].to_pylist() == ["a", "b"]


def test_fields_split_over_the_event_are_merged(build: Build) -> None:
    event = build(
        "message M { google.protobuf.Timestamp at = 1; google.protobuf.StringValue w = 2; M m = 3; }"
    )
    parts: list[dict[str, Any]] = [
        {"at": {"seconds": 5}},
        {"w": {"value": "x"}},
        {"m": {"w": {}}},
        {"at": {"nanos": 7_000}},
    ]
    parts += [{"w": {}}, {"m": {"at": {"seconds": 1}}}]
    decoded = event.decode(batch(b"".join(written(event, **part) for part in parts)))
    (row,) = decoded.columns.to_pylist()
    assert (row["at"].timestamp(), row["w"]) == (5.000007, "x")
    assert row["m"] == '{"at":"1970-01-01T00:00:01Z","w":""}'


def test_the_last_of_a_oneof_and_of_equal_map_keys_wins(build: Build) -> None:
    event = build("message M { oneof o { int32 a = 1; string b = 2; } map<int32, string> m = 3; }")
    parts: list[dict[str, Any]] = [
        {"a": 1},
        {"m": {1: "old", 2: "other"}},
        {"b": "x"},
        {"m": {1: "new"}},
    ]
    decoded = event.decode(batch(b"".join(written(event, **part) for part in parts)))
    assert decoded.columns.to_pylist() == [{"a": None, "b": "x", "m": [(2, "other"), (1, "new")]}]


def test_a_closed_enum_leaves_out_numbers_that_it_lacks(build: Build) -> None:
    text = "enum E { A = 0; B = 1; } message M { optional E one = 1; repeated E many = 2; map<int32, E> map = 3; }"
    payload = (
        b"\x08\x01\x08\x63\x12\x03\x01\x63\x00\x1a\x04\x08\x01\x10\x63\x1a\x04\x08\x02\x10\x01"
    )
    decoded = build(text, 'syntax = "proto2"').decode(batch(payload))
    assert decoded.columns.to_pylist() == [{"one": "B", "many": ["B", "A"], "map": [(2, "B")]}]


def test_an_open_enum_keeps_them_as_text(build: Build) -> None:
    event = build(
        "enum E { A = 0; B = 1; } message M { E one = 1; repeated E many = 2; map<int32, E> map = 3; }"
    )
    decoded = event.decode(batch(b"\x08\x63\x12\x03\x01\x63\x00\x1a\x04\x08\x01\x10\x63"))
    assert decoded.columns.to_pylist() == [
        {"one": "99", "many": ["B", "99", "A"], "map": [(1, "99")]}
    ]


def test_a_field_number_as_high_as_it_can_be_costs_no_memory(build: Build) -> None:
    """ptars alone would ask for 8 GiB, and the process would be gone."""
    event = build("message M { int32 low = 1; string high = 536870911; repeated M more = 70000; }")
    decoded = event.decode(batch(written(event, low=1, high="x", more=[{"low": 2}])))
    assert decoded.columns.to_pylist() == [{"low": 1, "high": "x", "more": ['{"low":2}']}]


def test_groups_and_delimited_fields_are_messages(build: Build) -> None:
    text = """
    message M {
      optional group Part = 1 { optional int32 x = 2; }
      repeated group Many = 3 { optional bytes y = 4; }
    }
    """
    event = build(text, 'syntax = "proto2"')
    payload = written(event, part={"x": 5}, many=[{"y": b"1"}, {}])
    assert event.decode(batch(payload)).columns.to_pylist() == [
        {"part": {"x": 5}, "many": [{"y": b"1"}, {"y": None}]}
    ]


def test_editions_are_read_as_their_features_say(build: Build) -> None:
    text = """
    message M {
      int32 there = 1;
      int32 plain = 2 [features.field_presence = IMPLICIT];
      Part part = 3 [features.message_encoding = DELIMITED];
      string raw = 4 [features.utf8_validation = NONE];
      Shut shut = 5;
    }
    message Part { int32 x = 1; }
    enum Shut { option features.enum_type = CLOSED; A = 0; }
    """
    event = build(text, 'edition = "2023"')
    payload = written(event, part={"x": 5}) + b"\x28\x63"
    row = {"there": None, "plain": 0, "part": {"x": 5}, "raw": None, "shut": None}
    assert event.decode(batch(payload)).columns.to_pylist() == [row]
    assert refused(event, b"\x22\x01\xff").field == "raw"


def test_one_type_serves_many_threads(build: Build) -> None:
    event = build(ORDER)
    payloads = batch(
        *(written(event, event_id=str(i), items=[{"sku": str(i)}]) for i in range(5_000)), b"\xff"
    )
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(event.decode, [payloads] * 8)
    assert len(first.rejections) == 1
    for each in others:
        assert each.columns.equals(first.columns)
        assert each.rejections == first.rejections
