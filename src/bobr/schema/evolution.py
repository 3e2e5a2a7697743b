"""May this schema follow that one? The wire (`breaking.py`), the table, and what makes an event.

A producer and a reader may be of different versions, and one table holds the events of all. So a
new version must keep what old bytes mean, must fit into the columns that are there, and must not
change which field is the event's id, time or key.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    MessageOptions,
)
from google.protobuf.message import Message

from bobr.errors import Problem
from bobr.schema.breaking import breaking
from bobr.schema.places import Place, place_of, types_of
from bobr.v1 import options_pb2


class Policy(StrEnum):
    """What the wire must keep. buf's categories of that name."""

    WIRE_JSON = "WIRE_JSON"
    """Bytes and JSON; field names too, which are the names of columns."""
    WIRE = "WIRE"
    """Bytes only: a field may be renamed, and becomes a new column."""


def check(
    old: FileDescriptorSet,
    new: FileDescriptorSet,
    message: str,
    *,
    policy: Policy = Policy.WIRE_JSON,
    columns: tuple[pa.Schema, pa.Schema] | None = None,
) -> list[Problem]:
    """Why a stream of `message` (its full name) can not go from `old` to `new`; empty: it can.

    columns: the table's columns (`EventType.columns`) of `message` in old and new; without them
    the table is not judged. Files and lines are those of `new`.
    """
    if f".{message}" not in types_of(new):
        return [_gone(message, new)]
    problems = breaking(old, new, [message], category=policy.value)
    problems += check_event_options(old, new, message)
    if columns:
        told = {(problem.file, problem.line) for problem in problems}
        found = check_columns(*columns, message=message, files=new)
        problems += [problem for problem in found if (problem.file, problem.line) not in told]
    return problems


def check_columns(
    old: pa.Schema, new: pa.Schema, *, message: str, files: FileDescriptorSet
) -> list[Problem]:
    """Columns that a table can not take over from `old` to `new`, each at its field in `files`."""
    return [
        _at(
            place_of(files, message, change.path),
            "COLUMN_TYPE",
            f'Column "{change.column}" can not change from {change.old} to {change.new}; '
            "add a field with a name and number of its own",
        )
        for change in changed_columns(old, new)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """A column, or a member of one, that can not follow. path: field names from the message on."""

    path: tuple[str, ...]
    old: pa.DataType
    new: pa.DataType

    @property
    def column(self) -> str:
        """As people write it: members joined by dots."""
        return ".".join(self.path)


WIDER: Mapping[pa.DataType, frozenset[pa.DataType]] = {
    pa.int32(): frozenset({pa.int64()}),
    pa.float32(): frozenset({pa.float64()}),
}
"""What every table format takes over without rewriting files."""


def changed_columns(old: pa.Schema, new: pa.Schema) -> list[ColumnChange]:
    """Pure. New columns and members are fine anywhere; so are missing ones: they stay, and NULL."""
    return list(_changed_members(list(old), list(new), ()))


def _changed_members(
    old: Collection[pa.Field], new: Collection[pa.Field], path: tuple[str, ...]
) -> Iterator[ColumnChange]:
    newer = {field.name: field.type for field in new}
    for field in old:
        if field.name in newer:
            yield from _changed(field.type, newer[field.name], (*path, field.name))


def _changed(old: pa.DataType, new: pa.DataType, path: tuple[str, ...]) -> Iterator[ColumnChange]:
    """Lists and maps do not lengthen the path: their field is the one to point at."""
    if old == new or new in WIDER.get(old, ()):
        return
    if pa.types.is_struct(old) and pa.types.is_struct(new):
        yield from _changed_members(list(old), list(new), path)
    elif pa.types.is_list(old) and pa.types.is_list(new):
        yield from _changed(old.value_type, new.value_type, path)
    elif pa.types.is_map(old) and pa.types.is_map(new) and old.key_type == new.key_type:
        yield from _changed(old.item_type, new.item_type, path)
    else:
        yield ColumnChange(path=path, old=old, new=new)


def check_event_options(
    old: FileDescriptorSet, new: FileDescriptorSet, message: str
) -> list[Problem]:
    """An id, time or key that an event type has once stays the same; it may gain one later."""
    before, after = (event_fields(_message(files, message)) for files in (old, new))
    return [
        _at(
            place_of(new, message, ()),
            "EVENT_OPTIONS",
            f'The event\'s {what} changes from "{field}" to '
            f'{_quoted(after.get(what))}; keep (bobr.v1.event).{what} = "{field}", '
            "or make a new stream",
        )
        for what, field in before.items()
        if after.get(what) != field
    ]


def event_fields(message: DescriptorProto) -> Mapping[str, str]:
    """Paths of the fields that are the event's `id`, `time` and `key`, as far as it has them.

    By `option (bobr.v1.event)`, or else by name: `event_id`, and `event_time` for a Timestamp.
    """
    fields = {_what(field): field.name for field in message.field if _what(field)}
    options = MessageOptions.FromString(message.options.SerializeToString())
    event: Message = options.Extensions[options_pb2.event]  # type: ignore[index]  # stubs: no type
    fields.update({what.name: path for what, path in event.ListFields()})
    return fields


_ID_TYPES = frozenset(FieldDescriptorProto.Type.values()) - {
    FieldDescriptorProto.TYPE_DOUBLE,
    FieldDescriptorProto.TYPE_FLOAT,
    FieldDescriptorProto.TYPE_BOOL,
    FieldDescriptorProto.TYPE_GROUP,
    FieldDescriptorProto.TYPE_MESSAGE,
    FieldDescriptorProto.TYPE_ENUM,
}


def _what(field: FieldDescriptorProto) -> str:
    """What the field is by its name and type; empty: nothing special."""
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return ""
    if field.name == "event_id" and field.type in _ID_TYPES:
        return "id"
    is_time = field.name == "event_time" and field.type_name == ".google.protobuf.Timestamp"
    return "time" if is_time else ""


def _message(files: FileDescriptorSet, name: str) -> DescriptorProto:
    written = types_of(files).get(f".{name}")
    found = written.type if written else None
    return found if isinstance(found, DescriptorProto) else DescriptorProto()


def _gone(message: str, files: FileDescriptorSet) -> Problem:
    text = f'Message "{message}" is gone; keep it under that name, or make a new stream'
    return _at(Place(file=files.file[-1].name, line=0, column=0), "MESSAGE_GONE", text)


def _at(place: Place, rule: str, message: str) -> Problem:
    return Problem(
        file=place.file, line=place.line, column=place.column, rule=rule, message=message
    )


def _quoted(field: str | None) -> str:
    return f'"{field}"' if field else "none"
