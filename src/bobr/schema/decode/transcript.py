"""A message written anew as its lowered type, for the few types whose own bytes ptars can not read.

One field at a time in Python: correct, and some forty times slower.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from bobr.schema.descriptors import all_fields, is_map, set_fields


class _Repeated(Protocol):
    """A repeated field of a lowered message."""

    def add(self) -> Message: ...

    def append(self, item: object) -> None: ...


def transcribed(event: Message, lowered: type[Message]) -> Message:
    """The same content; extensions and unknown fields, which have no columns, are left out."""
    target = lowered()
    _copy(event, target)
    return target


def _copy(source: Message, target: Message) -> None:
    lowered = {each.name: each for each in all_fields(target)}
    for field, value in set_fields(source):
        to = lowered.get(f"f{field.number}")
        if to is None or field.is_extension:
            continue
        if not field.is_repeated:
            _set(target, to, value)
        elif is_map(field):
            _add_entries(getattr(target, to.name), cast("Mapping[str, object]", value))
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


def _add_entries(entries: _Repeated, values: Mapping[str, object]) -> None:
    try:
        items = sorted(values.items(), key=lambda entry: entry[0])
    except UnicodeDecodeError:
        # google.protobuf can not show a key that is not UTF-8. Such a key alone stands for the map, to be refused.
        entry = entries.add()
        _set(entry, all_fields(entry)[0], b"\xff")
        return
    for key, value in items:
        entry = entries.add()
        of_key, of_value = all_fields(entry)
        _set(entry, of_key, key)
        _set(entry, of_value, value)
