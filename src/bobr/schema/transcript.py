"""Messages written anew as their lowered type, for the few types whose own wire bytes ptars can not read.

Groups and fields in `DELIMITED` encoding have another framing, and a field number costs ptars 16 bytes of table each.
One event at a time in Python: correct, and some thirty times slower.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, cast

import pyarrow as pa
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bobr.schema.descriptors import all_fields, is_map, set_fields

FIELD_NUMBER_MAX = 65_535
"""Above it ptars would spend more than a megabyte for each message type and call; at the highest number, 8 GiB."""


class _Repeated(Protocol):
    """A repeated field of a lowered message."""

    def add(self) -> Message: ...

    def append(self, item: object) -> None: ...


def needs_transcript(types: Iterable[Descriptor]) -> bool:
    """Whether ptars can not read the bytes of a type that contains these."""
    fields = [field for each in types for field in each.fields]
    return any(f.type == FieldDescriptor.TYPE_GROUP or f.number > FIELD_NUMBER_MAX for f in fields)


def transcribed(
    payloads: pa.BinaryArray, original: type[Message], lowered: type[Message]
) -> pa.BinaryArray:
    """The same events as bytes of the lowered type. Every payload parses."""
    written = []
    for payload in payloads.to_pylist():
        target = lowered()
        _copy(original.FromString(payload), target)
        written.append(target.SerializeToString())
    return pa.array(written, pa.binary())


def _copy(source: Message, target: Message) -> None:
    lowered = {each.name: each for each in all_fields(target)}
    for field, value in set_fields(source):
        to = lowered.get(f"f{field.number}")
        if to is None or field.is_extension:
            continue
        if not field.is_repeated:
            _set(target, to, value)
        elif is_map(field):
            _add_entries(getattr(target, to.name), cast("Mapping[object, object]", value))
        else:
            _add_items(getattr(target, to.name), to, cast("Iterable[object]", value))


def _set(target: Message, to: FieldDescriptor, value: object) -> None:
    if to.message_type is not None:
        inner = getattr(target, to.name)
        inner.SetInParent()
        _copy(cast("Message", value), inner)
    elif to.is_repeated:
        getattr(target, to.name).append(_plain(to, value))
    else:
        setattr(target, to.name, _plain(to, value))


def _plain(to: FieldDescriptor, value: object) -> object:
    """A scalar as the lowered field takes it: messages without columns and unchecked strings are bytes there."""
    if isinstance(value, Message):
        return value.SerializePartialToString()
    return value.encode() if isinstance(value, str) and to.type == to.TYPE_BYTES else value


def _add_items(items: _Repeated, to: FieldDescriptor, values: Iterable[object]) -> None:
    for value in values:
        if to.message_type is not None:
            _copy(cast("Message", value), items.add())
        else:
            items.append(_plain(to, value))


def _add_entries(entries: _Repeated, values: Mapping[object, object]) -> None:
    for key, value in _items(values):
        entry = entries.add()
        of_key, of_value = all_fields(entry)
        _set(entry, of_key, key)
        _set(entry, of_value, value)


def _items(values: Mapping[object, object]) -> Iterable[tuple[object, object]]:
    """Its entries. google.protobuf can not show a key that is not UTF-8: one such key then stands for all."""
    try:
        return list(values.items())
    except UnicodeDecodeError:
        return [(b"\xff", next(iter(values.values())))]
