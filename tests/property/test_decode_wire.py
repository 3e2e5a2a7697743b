"""Decoding agrees with google.protobuf on every byte string, for every message type: the guard of `bobr.schema`.

`BOBR_DECODE_EXAMPLES` sets how many types are tried (400 if not set); each gets a dozen payloads.
"""

import json
import math
import os
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

import pyarrow as pa
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from bobr.outcome import Reason
from bobr.schema import EventType
from bobr.schema.columns.shape import Need
from bobr.testing.events import event_type, payload

EXAMPLES = int(os.environ.get("BOBR_DECODE_EXAMPLES", "400"))
PAYLOADS = 12
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WRAPPERS = {
    f"google.protobuf.{kind}Value"
    for kind in ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"]
}
AS_JSON = {f"google.protobuf.{name}" for name in ("Any", "Struct", "Value", "ListValue")}

Row = dict[str, object]


class Unsound(Exception):
    """google.protobuf parses it, but it breaks a rule of its own type."""


class AnyJson:
    """Equal to any text that is JSON: what json_format can not say."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and json.loads(other) is not self

    __hash__ = None  # type: ignore[assignment]  # never a key


class Json:
    """Equal to a text that means this value."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and same(json.loads(other), self.value, equal=single)

    __hash__ = None  # type: ignore[assignment]  # never a key

    def __repr__(self) -> str:
        return f"Json({self.value!r})"


def expected_row(message: Message, above: frozenset[str]) -> Row:
    """The row of a parsed message. Unsound: there must not be one."""
    of = message.DESCRIPTOR
    inside = above | {of.full_name}
    fields = cast("list[FieldDescriptor]", of.fields)
    return {each.name: expected_field(message, each, inside) for each in fields}


def expected_field(message: Message, field: FieldDescriptor, above: frozenset[str]) -> object:
    if field.is_repeated:
        return expected_many(getattr(message, field.name), field, above)
    if field.has_presence and not message.HasField(field.name):
        if field.is_required:
            raise Unsound(field.name)
        return None
    return expected_value(getattr(message, field.name), field, above)


def expected_many(values: Any, field: FieldDescriptor, above: frozenset[str]) -> object:
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return [expected_value(each, field, above) for each in values]
    of = entry.fields_by_name["value"]
    try:
        return {key: expected_value(each, of, above) for key, each in values.items()}
    except UnicodeDecodeError as error:
        raise Unsound("key") from error


def expected_value(value: object, field: FieldDescriptor, above: frozenset[str]) -> object:
    if field.message_type is not None:
        return expected_message(cast("Message", value), above)
    if field.enum_type is not None:
        return next((v.name for v in field.enum_type.values if v.number == value), str(value))
    if field.type == FieldDescriptor.TYPE_STRING and isinstance(value, bytes):
        raise Unsound("utf8")
    return value


def expected_message(message: Message, above: frozenset[str]) -> object:
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp":
        return expected_time(cast("Timestamp", message))
    if name == "google.protobuf.Duration":
        return expected_duration(cast("Duration", message))
    if name in WRAPPERS:
        return cast("Any", message).value
    if name in AS_JSON or name in above:
        return expected_json(message, above)
    return expected_row(message, above) if message.DESCRIPTOR.fields else True


def expected_time(time: Timestamp) -> datetime:
    if not (-62135596800 <= time.seconds <= 253402300799 and 0 <= time.nanos < 10**9):
        raise Unsound("timestamp")
    return EPOCH + timedelta(seconds=time.seconds, microseconds=time.nanos // 1000)


def expected_duration(span: Duration) -> int:
    if (
        abs(span.seconds) > 315576000000
        or abs(span.nanos) >= 10**9
        or span.seconds * span.nanos < 0
    ):
        raise Unsound("duration")
    return (span.seconds * 10**9 + span.nanos) // 1000


def expected_json(message: Message, above: frozenset[str]) -> object:
    """What json_format says; whether it is sound, the rules for rows say just as well."""
    if message.DESCRIPTOR.full_name not in AS_JSON:
        expected_row(message, frozenset())
    try:
        pool = cast("DescriptorPool", message.DESCRIPTOR.file.pool)
        return Json(
            json_format.MessageToDict(
                message, preserving_proto_field_name=True, descriptor_pool=pool
            )
        )
    except (json_format.Error, TypeError, ValueError, DecodeError):
        return AnyJson()


def double(left: float, right: float) -> bool:
    """Equal in every bit that counts: NaN is NaN, 0.0 is not -0.0."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return left == right and math.copysign(1, left) == math.copysign(1, right)


def single(left: float, right: float) -> bool:
    """As `double`, or the same float32: json_format prints too many digits of very small ones."""
    return double(left, right) or double(
        *(struct.unpack("<f", struct.pack("<f", x))[0] for x in (left, right))
    )


def same(left: object, right: object, equal: Callable[[float, float], bool] = double) -> bool:
    """Equal with types: True is not 1."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(
            same(left[key], right[key], equal) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            same(*pair, equal) for pair in zip(left, right, strict=True)
        )
    if isinstance(left, float) and isinstance(right, float):
        return equal(left, right)
    if isinstance(right, Json | AnyJson):
        return right == left
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def plain(value: Any, arrow: pa.DataType) -> object:
    """As pyarrow gives it, but maps as dicts and decimals as ints."""
    if value is None:
        return None
    if pa.types.is_struct(arrow):
        return {each.name: plain(value[each.name], each.type) for each in arrow}
    if pa.types.is_map(arrow):
        entries = [(plain(k, arrow.key_type), plain(v, arrow.item_type)) for k, v in value]
        assert len(dict(entries)) == len(entries), "a key that comes twice"
        return dict(entries)
    if pa.types.is_list(arrow):
        return [plain(each, arrow.value_type) for each in value]
    return int(value) if pa.types.is_decimal(arrow) else value


def oracle(event: EventType, data: bytes) -> Row | Reason:
    try:
        message = event.message_class.FromString(data)
    except DecodeError:
        return Reason.MALFORMED
    try:
        return expected_row(message, frozenset())
    except Unsound as error:
        return Reason.MALFORMED if str(error) in ("key", "utf8") else Reason.INVALID


def compare(event: EventType, payloads: list[bytes]) -> None:
    """Each payload is one row as google.protobuf reads it, or one refusal; `check` says the same as `decode`."""
    batch = pa.array(payloads, pa.binary())
    decoded = event.decode(batch)
    decoded.columns.validate(full=True)
    assert decoded.columns.schema == event.columns
    assert event.check(batch) == decoded.rejections
    accepted = range(len(payloads)) if decoded.accepted is None else decoded.accepted.to_pylist()
    rows = dict(zip(accepted, decoded.columns.to_pylist(), strict=True))
    refused = {each.index: each for each in decoded.rejections}
    assert sorted([*rows, *refused]) == list(range(len(payloads)))
    for index, data in enumerate(payloads):
        wanted = oracle(event, data)
        if isinstance(wanted, Reason):
            assert index in refused, f"{data.hex()} is accepted as {rows[index]}"
            assert refused[index].message
            assert refused[index].reason == wanted or {refused[index].reason, wanted} == {
                Reason.MALFORMED,
                Reason.INVALID,
            }
        else:
            assert index in rows, f"{data.hex()} is refused: {refused[index]}"
            row = {each.name: plain(rows[index][each.name], each.type) for each in event.columns}
            assert same(row, wanted), f"{data.hex()}:\n{row}\n{wanted}"


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(
    shape=st.randoms(use_true_random=False),
    seeds=st.lists(st.integers(0, 2**32), min_size=1, max_size=PAYLOADS),
)
def test_every_payload_is_read_as_google_protobuf_reads_it(shape: Random, seeds: list[int]) -> None:
    files, name = event_type(shape)
    event = EventType.build(files, name)
    note(str(files.file[6:]))
    of = cast("Descriptor", event.message_class.DESCRIPTOR)
    compare(event, [payload(Random(seed), of) for seed in seeds])


def test_the_guard_above_meets_every_spelling_and_every_rule() -> None:
    """Or it would be quiet for nothing."""
    needs, rules, accepted, count = set(), set(), 0, 0
    for seed in range(300):
        event = EventType.build(*event_type(Random(seed)))
        of = cast("Descriptor", event.message_class.DESCRIPTOR)
        payloads = [payload(Random(seed * PAYLOADS + i), of) for i in range(PAYLOADS)]
        decoded = event.decode(pa.array(payloads, pa.binary()))
        needs.add(event._all.reader.shape.need)
        rules |= {(each.reason, each.rule) for each in decoded.rejections}
        accepted, count = accepted + decoded.columns.num_rows, count + len(payloads)
    assert needs == set(Need)
    assert {rule for _, rule in rules} == {
        "",
        "string.utf8",
        "timestamp.range",
        "duration.range",
        "required",
    }
    assert count / 2 < accepted < count
