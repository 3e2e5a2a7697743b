"""What a single JSON value should have been, in words, and whether it is at least of the right kind."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from bobr.schema.json.values import Json

SHOWN_CHARACTERS_MAX = 60
COMPARED_CHARACTERS_MAX = 64
"""Longer names are not compared with known ones: that takes time with the square of the length."""
CHOICES_MAX = 20

_RANGES: Mapping[int, range] = {
    FieldDescriptor.CPPTYPE_INT32: range(-(2**31), 2**31),
    FieldDescriptor.CPPTYPE_UINT32: range(2**32),
    FieldDescriptor.CPPTYPE_INT64: range(-(2**63), 2**63),
    FieldDescriptor.CPPTYPE_UINT64: range(2**64),
}
_SCALARS: Mapping[int, str] = {
    **{kind: f"an integer from {each[0]} to {each[-1]}" for kind, each in _RANGES.items()},
    FieldDescriptor.CPPTYPE_FLOAT: 'a number up to 3.4e38, or "NaN", "Infinity", "-Infinity"',
    FieldDescriptor.CPPTYPE_DOUBLE: 'a number up to 1.8e308, or "NaN", "Infinity", "-Infinity"',
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
    FieldDescriptor.CPPTYPE_STRING: "a string",
}
_WHOLE = "a string without half of a surrogate pair"
"""Of the strings that JSON has the only ones that no field can hold."""
_WELL_KNOWN: Mapping[str, str] = {
    "google.protobuf.Timestamp": 'a time of the years 1 to 9999, with its zone, such as "2026-11-24T08:14:32Z"',
    "google.protobuf.Duration": 'seconds, such as "1.5s", up to 10,000 years',
    "google.protobuf.FieldMask": 'field names in lower camel case, such as "id,shipTo.city"',
    "google.protobuf.Any": 'an object with "@type" and the members of a type in the schema',
    "google.protobuf.Struct": "an object",
    "google.protobuf.ListValue": "an array",
    "google.protobuf.Value": "JSON",
}


def is_single_value(descriptor: Descriptor) -> bool:
    """Whether JSON has a form of its own for messages of this type, so that they have no members to look into."""
    return descriptor.full_name in _WELL_KNOWN or _is_wrapper(descriptor)


def phrase(field: FieldDescriptor, value: Json) -> str:
    """What was expected of one value of the field, and what came."""
    field = _unwrapped(field)
    if field.enum_type is not None:
        return _enum_phrase(field.enum_type, value)
    if field.message_type is not None:
        expected = _WELL_KNOWN[field.message_type.full_name]
    elif field.type == FieldDescriptor.TYPE_BYTES:
        expected = "a string in base64"
    elif field.cpp_type == FieldDescriptor.CPPTYPE_STRING and isinstance(value, str):
        expected = _WHOLE
    else:
        expected = _SCALARS[field.cpp_type]
    return f"expected {expected}, got {shown(value)}"


def fits(field: FieldDescriptor, value: Json) -> bool:
    """Whether the value is of the right kind, and just not one of those that the field can hold."""
    field = _unwrapped(field)
    if field.message_type is not None:
        return isinstance(value, str) and field.message_type.full_name not in _OPEN
    if field.enum_type is not None:
        return type(value) in (int, str)
    if field.cpp_type in _NUMBERS:
        return not isinstance(value, bool) and _is_number(value)
    return field.cpp_type == FieldDescriptor.CPPTYPE_STRING and isinstance(value, str)


def is_open(field: FieldDescriptor, value: Json) -> bool:
    """Whether the value is of the right kind for free JSON or an Any, which can hold anything."""
    kinds = _OPEN.get(field.message_type.full_name, ()) if field.message_type else ()
    return type(value) in kinds


def is_plainly_right(field: FieldDescriptor, value: Json) -> bool:
    """Whether nobody can refuse the value; most values are like this."""
    match value:
        case bool():
            return field.cpp_type == FieldDescriptor.CPPTYPE_BOOL
        case int():
            return field.cpp_type in _RANGES and 0 <= value < 2**31
        case float():
            return field.cpp_type in _FLOATS and -3e38 < value < 3e38
        case str():
            if field.enum_type is not None:
                return value in _names(field.enum_type)
            return field.type == FieldDescriptor.TYPE_STRING and value.isascii()
    return False


def is_right_key(field: FieldDescriptor, key: str) -> bool:
    """Whether a map with keys of this field can have it."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return key in ("true", "false")
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return not any("\ud800" <= character <= "\udfff" for character in key)
    try:
        return " " not in key and int(key) in _RANGES[field.cpp_type]
    except ValueError:
        return _is_number(key)


def means_null(field: FieldDescriptor) -> bool:
    """Whether null is a value for it, and not its absence; a list of such can not be null."""
    inner = field.message_type or field.enum_type
    return inner is not None and inner.full_name in (
        "google.protobuf.Value",
        "google.protobuf.NullValue",
    )


def nearest(name: str, names: tuple[str, ...]) -> str:
    """The known name that was probably meant, as the end of a sentence; empty: none is near."""
    return _nearest(name, names) if len(name) <= COMPARED_CHARACTERS_MAX else ""


@lru_cache(1024)
def _nearest(name: str, names: tuple[str, ...]) -> str:
    """Remembered, since a producer makes the same mistake in each of its events."""
    found = get_close_matches(name, names, n=1)
    return f'; did you mean "{found[0]}"?' if found else ""


def shown(value: Json) -> str:
    """The value as JSON, or the start of it."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, str):
        value = value[: SHOWN_CHARACTERS_MAX + 1]
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"


def _enum_phrase(enum: EnumDescriptor, value: Json) -> str:
    names = _names(enum)
    choices = ", ".join(names[:CHOICES_MAX]) + (", …" if len(names) > CHOICES_MAX else "")
    near = nearest(value, names) if isinstance(value, str) else ""
    return f"expected one of {choices} ({enum.full_name}), got {shown(value)}{near}"


def _names(enum: EnumDescriptor) -> tuple[str, ...]:
    """Not `values_by_name`: that takes no lone surrogates, not even to say that they are not there."""
    return tuple(each.name for each in enum.values)


def _is_wrapper(descriptor: Descriptor) -> bool:
    return descriptor.file.name == "google/protobuf/wrappers.proto"


def _unwrapped(field: FieldDescriptor) -> FieldDescriptor:
    if field.message_type is not None and _is_wrapper(field.message_type):
        return field.message_type.fields_by_name["value"]
    return field


def _is_number(value: Json) -> bool:
    try:
        float(value)  # type: ignore[arg-type]  # what is not a number raises
    except (TypeError, ValueError):
        return False
    except OverflowError:
        return True
    return True


_FLOATS = frozenset({FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE})
_NUMBERS = frozenset(_RANGES) | _FLOATS
_OPEN: Mapping[str, tuple[type, ...]] = {
    "google.protobuf.Any": (dict,),
    "google.protobuf.Struct": (dict,),
    "google.protobuf.ListValue": (list,),
    "google.protobuf.Value": (dict, list, str, int, float, bool),
}
