"""The fast way from parsed JSON to a message: readers compiled once from the descriptor.

A reader turns a JSON value into what the message class takes as an argument (a dict for a message, proto names as
keys); upb then checks ranges and UTF-8 and builds the message in C. A reader takes only what it is sure that
`google.protobuf.json_format` takes, with the same result. Everything else (wrong, or rare and right) raises one of
`UNSURE`, and json_format judges that event. So a reader can be too strict, which costs time, but never too lenient.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import EncodeError
from google.protobuf.message_factory import GetMessageClass

from bobr.schema.json.times import read_duration, read_timestamp
from bobr.schema.json.values import Json, UnsureError, ValueReaders

UNSURE = (KeyError, TypeError, ValueError, OverflowError, RecursionError, EncodeError)
"""What readers, and upb building a message of what they return, raise for values that json_format must judge."""

Reader = Callable[[Json], object]
ObjectReader = Callable[[Json], dict[str, object]]
"""Of a message: proto names → arguments, in the order of the JSON."""

FLOAT_MAX = float.fromhex("0x1.fffffep+127")
DOUBLE_MAX = float.fromhex("0x1.fffffffffffffp+1023")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """How one value is read: values of exactly the type `as_is` need no reading."""

    read: Reader
    as_is: type | None = None
    null: object = None
    """What JSON's null stands for as the value of a singular field; None: the field is absent."""


_Entry = tuple[str, type | None, object, Reader]
"""A field in a message's table: proto name, `as_is`, `null`, `read`. A tuple, since it is unpacked for each field."""


def message_reader(descriptor: Descriptor) -> ObjectReader:
    """The reader of a whole event. It is never sure of one that is a well-known type itself: nobody has such."""
    if descriptor.file.package == "google.protobuf":
        return _refuse
    return _Compiler().compile(descriptor)


class _Compiler:
    """Compiles each message type once, one after the other: types may be recursive, or nested too deep to recurse."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, _Entry]] = {}
        self._pending: list[Descriptor] = []

    def compile(self, descriptor: Descriptor) -> ObjectReader:
        read = self._object(descriptor)
        while self._pending:
            pending = self._pending.pop()
            self._tables[pending.full_name].update(self._entries(pending))
        return read

    def _object(self, descriptor: Descriptor) -> ObjectReader:
        """Reads by a table that is filled when the type's turn comes."""
        name = descriptor.full_name
        if name not in self._tables:
            self._tables[name] = {}
            self._pending.append(descriptor)
        read = partial(_read_object, self._tables[name])
        oneofs = _real_oneofs(descriptor)
        return partial(_read_exclusive, read, oneofs) if oneofs else read

    def _message(self, descriptor: Descriptor) -> _Member:
        if special := _WELL_KNOWN.get(descriptor.full_name):
            return special
        if descriptor.file.name == "google/protobuf/struct.proto":
            return _free_json(descriptor)
        if descriptor.file.name == "google/protobuf/wrappers.proto":
            return self._wrapper(descriptor)
        return _Member(read=self._object(descriptor))

    def _wrapper(self, descriptor: Descriptor) -> _Member:
        value = self._value(descriptor.fields_by_name["value"])
        return _Member(read=partial(_read_wrapper, value.as_is, value.read))

    def _entries(self, descriptor: Descriptor) -> dict[str, _Entry]:
        """By each name that JSON may use; json_format looks for JSON names first, so they are put last."""
        entries = {field.name: self._entry(field) for field in descriptor.fields}
        by_json_name = {field.json_name: entries[field.name] for field in descriptor.fields}
        # json_format keeps field and oneof names in one list: a key that is named as a oneof may be refused there.
        oneofs = descriptor.oneofs_by_name
        return {key: entry for key, entry in (entries | by_json_name).items() if key not in oneofs}

    def _entry(self, field: FieldDescriptor) -> _Entry:
        member = self._field(field)
        return field.name, member.as_is, member.null, member.read

    def _field(self, field: FieldDescriptor) -> _Member:
        if not field.is_repeated:
            return self._value(field)
        if field.message_type is None or not field.message_type.GetOptions().map_entry:
            value = self._value(field)
            null = None if value.null is None else _REFUSED
            return _Member(read=partial(_read_list, value.as_is, value.read), null=null)
        key_field, value_field = field.message_type.fields
        key = _KEYS[key_field.cpp_type]
        value = self._value(value_field)
        return _Member(read=partial(_read_map, key, value.as_is, value.read))

    def _value(self, field: FieldDescriptor) -> _Member:
        if field.message_type is not None:
            return self._message(field.message_type)
        if field.enum_type is not None:
            return _enum(field.enum_type)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return _BYTES
        return _SCALARS[field.cpp_type]


def _real_oneofs(descriptor: Descriptor) -> tuple[frozenset[str], ...]:
    """The names of fields that exclude each other. Oneofs of one field (`optional`) exclude nothing."""
    groups = (frozenset(field.name for field in oneof.fields) for oneof in descriptor.oneofs)
    return tuple(group for group in groups if len(group) > 1)


def _read_object(table: Mapping[str, _Entry], value: Json) -> dict[str, object]:
    if type(value) is not dict:
        raise UnsureError
    fields: dict[str, object] = {}
    for key, item in value.items():
        name, as_is, null, read = table[key]
        if type(item) is as_is:
            fields[name] = item
        else:
            fields[name] = null if item is None else read(item)
    if len(fields) != len(value):  # a field came under both of its names
        raise UnsureError
    return fields


def _read_exclusive(
    read: ObjectReader, oneofs: Iterable[frozenset[str]], value: Json
) -> dict[str, object]:
    fields = read(value)
    for group in oneofs:
        named = fields.keys() & group
        if len(named) > 1 and sum(fields[name] is not None for name in named) > 1:
            raise UnsureError
    return fields


def _read_list(as_is: type | None, read: Reader, value: Json) -> list[object]:
    if type(value) is not list:
        raise UnsureError
    return [item if type(item) is as_is else read(item) for item in value]


def _read_map(
    key_of: Callable[[str], object], as_is: type | None, read: Reader, value: Json
) -> dict[object, object]:
    if type(value) is not dict:
        raise UnsureError
    items = {
        key_of(key): item if type(item) is as_is else read(item) for key, item in value.items()
    }
    if len(items) != len(value):  # one key, written in two ways
        raise UnsureError
    return items


def _read_wrapper(as_is: type | None, read: Reader, value: Json) -> dict[str, object]:
    return {"value": value if type(value) is as_is else read(value)}


def _read_int(value: Json) -> int:
    """Of a string or a whole float, as JavaScript sends them; ints are taken as they are."""
    if type(value) is str and " " not in value:
        return int(value)
    if type(value) is float and value.is_integer():
        return int(value)
    raise UnsureError


def _read_key(value: str) -> int:
    if " " in value:
        raise UnsureError
    return int(value)


def _read_float(limit: float, value: Json) -> float:
    if (type(value) is float or type(value) is int) and -limit <= value <= limit:
        return value
    if type(value) is str:
        return _NOT_FINITE[value]
    raise UnsureError


def _read_bytes(value: Json) -> bytes:
    """Both alphabets, padded or not: what json_format does."""
    if type(value) is not str:
        raise UnsureError
    return base64.urlsafe_b64decode(value.encode("ascii") + b"=" * (4 - len(value) % 4))


def _read_open_enum(numbers: Mapping[str, int], value: Json) -> int:
    if type(value) is str:
        return numbers[value]
    if type(value) is int:
        return value
    raise UnsureError


def _read_closed_enum(numbers: Mapping[str, int], known: frozenset[int], value: Json) -> int:
    number = _read_open_enum(numbers, value)
    if number not in known:
        raise UnsureError
    return number


def _enum(descriptor: EnumDescriptor) -> _Member:
    numbers = {value.name: value.number for value in descriptor.values}
    null = 0 if descriptor.full_name == "google.protobuf.NullValue" else None
    if not descriptor.is_closed:
        return _Member(read=partial(_read_open_enum, numbers), null=null)
    known = frozenset(numbers.values())
    return _Member(read=partial(_read_closed_enum, numbers, known), null=null)


def _free_json(descriptor: Descriptor) -> _Member:
    struct = descriptor.file.message_types_by_name["Struct"]
    readers = ValueReaders(GetMessageClass(struct))
    if descriptor.name == "Value":
        return _Member(read=readers.value, null={"null_value": 0})
    return _Member(read=readers.struct if descriptor is struct else readers.list_value)


def _refuse(_: Json) -> NoReturn:
    raise UnsureError


_REFUSED = object()
"""No message takes this as an argument. json_format refuses null for lists of what null has a meaning for."""
_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_INT = _Member(read=_read_int, as_is=int)
_BYTES = _Member(read=_read_bytes)
_SCALARS = {
    FieldDescriptor.CPPTYPE_INT32: _INT,
    FieldDescriptor.CPPTYPE_INT64: _INT,
    FieldDescriptor.CPPTYPE_UINT32: _INT,
    FieldDescriptor.CPPTYPE_UINT64: _INT,
    FieldDescriptor.CPPTYPE_DOUBLE: _Member(read=partial(_read_float, DOUBLE_MAX)),
    FieldDescriptor.CPPTYPE_FLOAT: _Member(read=partial(_read_float, FLOAT_MAX)),
    FieldDescriptor.CPPTYPE_BOOL: _Member(read=_refuse, as_is=bool),
    FieldDescriptor.CPPTYPE_STRING: _Member(read=_refuse, as_is=str),
}
_KEYS: Mapping[int, Callable[[str], object]] = {
    FieldDescriptor.CPPTYPE_INT32: _read_key,
    FieldDescriptor.CPPTYPE_INT64: _read_key,
    FieldDescriptor.CPPTYPE_UINT32: _read_key,
    FieldDescriptor.CPPTYPE_UINT64: _read_key,
    FieldDescriptor.CPPTYPE_BOOL: {"true": True, "false": False}.__getitem__,
    FieldDescriptor.CPPTYPE_STRING: str,
}
_WELL_KNOWN = {
    "google.protobuf.Timestamp": _Member(read=read_timestamp),
    "google.protobuf.Duration": _Member(read=read_duration),
    "google.protobuf.Any": _Member(read=_refuse),
    "google.protobuf.FieldMask": _Member(read=_refuse),
}
