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
    FileDescriptorProto,
    FileDescriptorSet,
    MessageOptions,
)
from google.protobuf.message import Message

from bobr.errors import Problem
from bobr.schema.source.breaking import breaking
from bobr.schema.source.places import Place, Written, place_in, types_of
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
    problems += check_event_options(old, new, [message])
    if columns:
        problems += _untold(problems, check_columns(*columns, message=message, files=new))
    return problems


def check_all(
    old: FileDescriptorSet,
    new: FileDescriptorSet,
    messages: Collection[str],
) -> list[Problem]:
    """As `check`, of several messages in one go; those that `old` has not are new and fine.

    Tables are not judged: not every message of a file is an event.
    """
    before, after = types_of(old), types_of(new)
    known = [name for name in messages if f".{name}" in before]
    kept = [name for name in known if f".{name}" in after]
    problems = [_gone(name, new) for name in known if name not in kept]
    problems += breaking(old, new, kept, category=Policy.WIRE_JSON.value)
    return problems + check_event_options(old, new, kept)


def check_reverse(
    old: FileDescriptorSet, new: FileDescriptorSet, messages: Collection[str]
) -> list[Problem]:
    """Why readers of `old` can not read what is written with `new`; files and lines of `old`.

    What `new` has more they pass over, so fields may come, and are not missed.
    """
    types = types_of(old)
    known = [name for name in messages if f".{name}" in types]
    return breaking(new, old, known, category=Policy.WIRE_JSON.value, removals=False)


def messages_in(file: FileDescriptorProto) -> list[str]:
    """Full names of the messages that are not inside of others, in the order of the file."""
    return [f"{file.package}.{each.name}".lstrip(".") for each in file.message_type]


def check_columns(
    old: pa.Schema, new: pa.Schema, *, message: str, files: FileDescriptorSet
) -> list[Problem]:
    """Columns that a table can not take over from `old` to `new`, each at its field in `files`."""
    types = types_of(files)
    return [
        _at(place_in(types, message, change.path), *change.refusal)
        for change in changed_columns(old, new)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChange:
    """A column, or a member of one, that can not follow. path: field names from the message on.

    twin: the name of the old column that a new one differs from only by case; empty: the types are what differs.
    """

    path: tuple[str, ...]
    old: pa.DataType
    new: pa.DataType
    twin: str = ""

    @property
    def column(self) -> str:
        """As people write it: members joined by dots."""
        return ".".join(self.path)

    @property
    def refusal(self) -> tuple[str, str]:
        """Rule and text."""
        if self.twin:
            text = f'Column "{self.column}" differs from "{self.twin}" only by case, which SQL does not see'
            return "COLUMN_NAME", f"{text}; give the field a name of its own"
        text = f'Column "{self.column}" can not change from {self.old} to {self.new}'
        return "COLUMN_TYPE", f"{text}; add a field with a name and number of its own"


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
    older = {field.name: field.type for field in old}
    for name, kind in older.items():
        if name in newer:
            yield from _changed(kind, newer[name], (*path, name))
    spelled = {name.casefold(): name for name in older}
    for name, kind in newer.items():
        if name not in older and (twin := spelled.get(name.casefold())):
            yield ColumnChange(path=(*path, name), old=older[twin], new=kind, twin=twin)


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
    old: FileDescriptorSet, new: FileDescriptorSet, messages: Collection[str]
) -> list[Problem]:
    """An id, time or key that an event type has once stays the same; it may gain one later."""
    before, after = types_of(old), types_of(new)
    problems: list[Problem] = []
    for name in messages:
        was, now = (_fields_of(types.get(f".{name}")) for types in (before, after))
        changes = [(what, path, now.get(what)) for what, path in was.items()]
        problems += [
            _at(place_in(after, name, ()), "EVENT_OPTIONS", _option_text(*change))
            for change in changes
            if change[1] != change[2]
        ]
    return problems


def _fields_of(message: Written | None) -> Mapping[str, str]:
    if message is None or not isinstance(message.type, DescriptorProto):
        return {}
    return event_fields(message.type)


def _option_text(what: str, old: str, new: str | None) -> str:
    now = f'"{new}"' if new else "none"
    keep = f'keep (bobr.v1.event).{what} = "{old}"'
    return f'The event\'s {what} changes from "{old}" to {now}; {keep}, or make a new stream'


def event_fields(message: DescriptorProto) -> Mapping[str, str]:
    """Paths of the fields that are the event's `id`, `time` and `key`, as far as it has them.

    By `option (bobr.v1.event)`, or else by name: `event_id`, and `event_time` for a Timestamp.
    """
    fields = {_what(field): field.name for field in message.field if _what(field)}
    options = MessageOptions.FromString(message.options.SerializeToString())
    event: Message = options.Extensions[options_pb2.event]  # type: ignore[index]  # stubs: no type
    fields.update({what.name: path for what, path in event.ListFields()})
    return fields


_NO_ID = frozenset(
    {
        FieldDescriptorProto.TYPE_DOUBLE,
        FieldDescriptorProto.TYPE_FLOAT,
        FieldDescriptorProto.TYPE_BOOL,
        FieldDescriptorProto.TYPE_GROUP,
        FieldDescriptorProto.TYPE_MESSAGE,
        FieldDescriptorProto.TYPE_ENUM,
    }
)
_ID_WRAPPERS = frozenset(
    f".google.protobuf.{kind}Value"
    for kind in ("String", "Bytes", "Int32", "Int64", "UInt32", "UInt64")
)
_TIME = ".google.protobuf.Timestamp"


def _what(field: FieldDescriptorProto) -> str:
    """What the field is by its name and type, as `options.py` reads it; empty: nothing special."""
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return ""
    if field.name == "event_id":
        fits = field.type not in _NO_ID or field.type_name in _ID_WRAPPERS
        return "id" if fits else ""
    return "time" if field.name == "event_time" and field.type_name == _TIME else ""


def _untold(told: Collection[Problem], found: Collection[Problem]) -> list[Problem]:
    """Without the columns of fields that the wire refuses already."""
    places = {(problem.file, problem.line) for problem in told}
    return [problem for problem in found if (problem.file, problem.line) not in places]


def _gone(message: str, files: FileDescriptorSet) -> Problem:
    text = f'Message "{message}" is gone; keep it under that name, or make a new stream'
    return _at(Place(file=files.file[-1].name, line=0, column=0), "MESSAGE_GONE", text)


def _at(place: Place, rule: str, message: str) -> Problem:
    return Problem(
        file=place.file, line=place.line, column=place.column, rule=rule, message=message
    )
