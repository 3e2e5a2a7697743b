"""A message as JSON text, for values that have no column type of their own.

protobuf's JSON mapping with the names of the .proto file, made total: where `google.protobuf.json_format` gives up
(an Any of a type that the schema does not have, a number that JSON lacks inside a Value), there is an answer here.
"""

import json
import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar, cast

import numpy as np
from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.wrappers_pb2 import Int64Value

from bobr.schema.descriptors import all_fields, is_map, map_value, set_fields
from bobr.schema.faults import is_sound

_Json = dict[str, "_Json"] | list["_Json"] | str | float | bool | None

_Key = TypeVar("_Key", bound=str | int)
_Item = TypeVar("_Item")

ANY_DEPTH_MAX = 10
"""Levels of messages. An Any that lies deeper is not opened: each may bring 100 levels more, stacks are finite."""


def json_text(message: Message) -> str:
    """Compact JSON of a message without faults (`faults.is_sound`)."""
    return json.dumps(_message(message, 0), ensure_ascii=False, separators=(",", ":"))


def _message(message: Message, depth: int) -> _Json:
    special = _SPECIAL.get(message.DESCRIPTOR.full_name)
    return special(message, depth) if special else _fields(message, depth)


def _fields(message: Message, depth: int) -> dict[str, _Json]:
    members: dict[str, _Json] = {}
    for field, value in set_fields(message):
        name = f"[{field.full_name}]" if field.is_extension else field.name
        members[name] = _field(field, value, depth)
    return members


def _field(field: FieldDescriptor, value: object, depth: int) -> _Json:
    if not field.is_repeated:
        return _value(field, value, depth)
    if is_map(field):
        of = map_value(field)
        entries = cast("Mapping[str | int, object]", value)
        return {_key(key): _value(of, item, depth) for key, item in _sorted(entries)}
    return [_value(field, item, depth) for item in cast("Iterable[object]", value)]


def _sorted(entries: Mapping[_Key, _Item]) -> list[tuple[_Key, _Item]]:
    """Entries by key (all of one type): google.protobuf has them in whatever order their hashes are."""
    return sorted(entries.items(), key=lambda entry: cast("int", entry[0]))


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(key).lower()


def _value(field: FieldDescriptor, value: object, depth: int) -> _Json:
    if field.message_type is not None:
        return _message(cast("Message", value), depth + 1)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(cast("int", value))
        return known.name if known else cast("int", value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, float):
        return _number(value, single=field.type == FieldDescriptor.TYPE_FLOAT)
    wide = field.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
    return str(value) if wide else cast("_Json", value)


def _number(value: float, *, single: bool = False) -> _Json:
    """The shortest digits that mean this number; JSON has no NaN and no infinity, so they are strings."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(str(np.float32(value))) if single else value


def _any(message: Message, depth: int) -> _Json:
    """What is packed, if the schema has its type; otherwise its bytes."""
    packed = cast("Any", message)
    if not packed.type_url and not packed.value:
        return {}
    opened = _unpacked(packed) if depth < ANY_DEPTH_MAX else None
    if opened is None:
        return {"@type": packed.type_url, "value": b64encode(packed.value).decode()}
    if opened.DESCRIPTOR.full_name in _SPECIAL:
        return {"@type": packed.type_url, "value": _message(opened, depth + 1)}
    return {"@type": packed.type_url, **_fields(opened, depth + 1)}


def _unpacked(packed: Any) -> Message | None:
    """The packed message; None: its type is not in the schema, or it is not a sound message of that type."""
    pool = packed.DESCRIPTOR.file.pool
    try:
        descriptor = pool.FindMessageTypeByName(packed.type_url.rpartition("/")[2])
        message = GetMessageClass(descriptor).FromString(packed.value)
    except (KeyError, DecodeError):
        return None
    return message if is_sound(message) else None


def _dynamic(message: Message, depth: int) -> _Json:
    """A google.protobuf.Value; one that says nothing is null."""
    value = cast("Value", message)
    match value.WhichOneof("kind"):
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _object(value.struct_value, depth + 1)
        case "list_value":
            return _list(value.list_value, depth + 1)
        case _:
            return None


def _object(message: Message, depth: int) -> _Json:
    fields = cast("Struct", message).fields
    return {key: _dynamic(value, depth + 1) for key, value in _sorted(fields)}


def _list(message: Message, depth: int) -> _Json:
    return [_dynamic(value, depth + 1) for value in cast("ListValue", message).values]


def _wrapped(message: Message, depth: int) -> _Json:
    (field,) = all_fields(message)
    return _value(field, cast("Int64Value", message).value, depth)


def _time(message: Message, _depth: int) -> _Json:
    """RFC 3339 for a Timestamp, seconds with an `s` for a Duration; all digits."""
    return cast("str", message.ToJsonString())  # type: ignore[attr-defined]  # of both types


_SPECIAL: Mapping[str, Callable[[Message, int], _Json]] = {
    "google.protobuf.Any": _any,
    "google.protobuf.Value": _dynamic,
    "google.protobuf.Struct": _object,
    "google.protobuf.ListValue": _list,
    "google.protobuf.Timestamp": _time,
    "google.protobuf.Duration": _time,
} | {
    f"google.protobuf.{kind}Value": _wrapped
    for kind in (
        *("Double", "Float", "Int64", "UInt64", "Int32", "UInt32"),
        *("Bool", "String", "Bytes"),
    )
}
