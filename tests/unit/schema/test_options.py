"""Id, time and key: which field has the role, and how its values read."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from bobr.errors import RejectedError
from bobr.schema import EventType

Build = Callable[..., EventType]


def rows(event: EventType, *messages: dict[str, Any]) -> pa.RecordBatch:
    payloads = [event.message_class(**each).SerializeToString() for each in messages]
    return event.decode(pa.array(payloads, pa.binary())).columns


def texts(array: pa.Array | None) -> list[str | None]:
    assert array is not None
    assert array.type == pa.string()
    return list(array.to_pylist())


def test_by_convention(build: Build) -> None:
    event = build("message M { google.protobuf.Timestamp event_time = 1; string event_id = 2; }")
    assert (event.id_path, event.time_path, event.key_path) == (
        ("event_id",),
        ("event_time",),
        None,
    )
    columns = rows(event, {"event_id": "a", "event_time": {"seconds": 5}}, {})
    assert texts(event.event_ids(columns)) == ["a", None]
    times = event.event_times(columns)
    assert times is not None
    assert times.cast(pa.int64()).to_pylist() == [5_000_000, None]
    assert event.keys(columns) is None


def test_no_role_without_field_or_option(build: Build) -> None:
    event = build("message M { int64 event_time = 1; double event_id = 2; }")
    assert (event.id_path, event.time_path) == (None, None)
    assert event.event_ids(rows(event, {})) is None
    assert event.event_times(rows(event, {})) is None


def test_by_option_through_messages(build: Build) -> None:
    event = build("""
    message M {
      option (bobr.v1.event) = {id: "head.id", time: "head.at", key: "head.user.number"};
      Head head = 1;
      string event_id = 2;
    }
    message Head { string id = 1; google.protobuf.Timestamp at = 2; User user = 3; }
    message User { int64 number = 1; }
    """)
    assert (event.id_path, event.time_path) == (("head", "id"), ("head", "at"))
    assert event.key_path == ("head", "user", "number")
    columns = rows(
        event,
        {"head": {"id": "x", "user": {"number": 7}}},
        {"event_id": "y"},
        {"head": {"user": {}}},
    )
    assert texts(event.event_ids(columns)) == ["x", None, None]
    assert texts(event.keys(columns)) == ["7", None, "0"]


@pytest.mark.parametrize(
    ("declared", "values", "ids"),
    [
        ("string", ["a", "", "ключ"], ["a", None, "ключ"]),
        ("bytes", [b"\x00\xff", b"", b"a"], ["00ff", None, "61"]),
        ("int32", [-5, 0, 7], ["-5", None, "7"]),
        ("uint32", [2**32 - 1, 0], ["4294967295", None]),
        ("uint64", [2**64 - 1, 0, 1], ["18446744073709551615", None, "1"]),
        ("optional int64", [-(2**63), 0, None], ["-9223372036854775808", "0", None]),
        ("google.protobuf.StringValue", [{"value": "a"}, {}, None], ["a", None, None]),
        ("google.protobuf.UInt64Value", [{"value": 1}, {}, None], ["1", "0", None]),
    ],
)
def test_ids_of_every_type(
    build: Build, declared: str, values: list[Any], ids: list[str | None]
) -> None:
    event = build(f"message M {{ {declared} event_id = 1; }}")
    columns = rows(event, *({} if value is None else {"event_id": value} for value in values))
    assert texts(event.event_ids(columns)) == ids
    assert texts(event.event_ids(columns.slice(1))) == ids[1:]


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ('id: "nothing"', "no such field"),
        ('id: "many"', "does not fit"),
        ('id: "ratio"', "does not fit"),
        ('id: "kind"', "does not fit"),
        ('id: "parts.x"', "no such field"),
        ('key: "at"', "does not fit"),
        ('key: "extra"', "does not fit"),
        ('time: "name"', "does not fit"),
        ('time: "at.seconds"', "no such field"),
    ],
)
def test_an_option_that_names_an_unfit_field_is_refused(
    build: Build, option: str, why: str
) -> None:
    text = f"""
    message M {{
      option (bobr.v1.event) = {{{option}}};
      string name = 1; repeated string many = 2; double ratio = 3; repeated Part parts = 4;
      google.protobuf.Timestamp at = 5; google.protobuf.Struct extra = 6; Kind kind = 7;
    }}
    message Part {{ string x = 1; }}
    enum Kind {{ KIND_UNSPECIFIED = 0; }}
    """
    with pytest.raises(RejectedError, match=why) as refusal:
        build(text)
    assert option.replace(": ", ' = "', 0).partition(":")[0] in str(refusal.value)
