"""Message type → table columns: which shape each field gets, and what no table can hold.

Pure: descriptors in, a tree of shapes (`columns/`) out, and what is wrong, by field. `docs/reference/types.md` is
the same for users.
"""

from collections.abc import Collection, Set
from dataclasses import dataclass, field
from typing import cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

from bobr.errors import Problem, SchemaError
from bobr.schema.columns.json_member import Json
from bobr.schema.columns.nested import List, Map, Struct
from bobr.schema.columns.scalars import Enum, Present, Scalar, Text, Wrapper
from bobr.schema.columns.shape import Member, Need, Shape
from bobr.schema.columns.times import Duration, Timestamp
from bobr.schema.descriptors import is_map, map_key, map_value
from bobr.schema.source.places import refused

SYSTEM_COLUMNS = (
    "_event_id",
    "_event_time",
    "_ingest_time",
    "_stream",
    "_partition",
    "_offset",
    "_schema_id",
)
"""Names that begin like bobr's own columns, which follow the event's in every table."""

DEPTH_MAX = 32
"""Levels of messages inside each other, recursion not counted, as it becomes JSON. Readers of tables give up sooner."""
COLUMNS_MAX = 4_096
"""Columns and struct members together. A type grows without bound when many messages contain many others."""
FIELD_NUMBER_MAX = 65_535
"""What ptars is given: it has a table of 16 bytes for each number up to the highest, 8 GiB for the highest possible."""
NAME_MAX = 127
"""Characters of a column name: what every destination takes."""

_F = FieldDescriptor
_AS_JSON = frozenset(f"google.protobuf.{name}" for name in ("Any", "Struct", "Value", "ListValue"))
_TIMES = ("google.protobuf.Timestamp", "google.protobuf.Duration")
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)


def struct_of(event: Descriptor, files: FileDescriptorSet) -> tuple[Struct, list[Problem]]:
    """The columns of an event type, and which fields can not be one, where and why.

    files: those that the type was made of. SchemaError: it has no end; what else is wrong is told with that.
    """
    proto3 = {each.name for each in files.file if each.syntax == "proto3"}
    mapping = _Mapping(event=event, files=files, proto3_files=proto3)
    struct = mapping.struct(event, (), frozenset())
    mapping.refuse_system_names()
    return struct, list(mapping.problems.values())


@dataclass(slots=True, kw_only=True)
class _Mapping:
    """The tree under construction; it counts columns so that it ends, and remembers which messages have rules.

    proto3_files: the names of the files whose strings every parser checks for UTF-8. problems: by place, so that a type
    which stands in several fields has each once.
    """

    event: Descriptor
    files: FileDescriptorSet
    proto3_files: Set[str]
    columns: int = 0
    rules: dict[str, bool] = field(default_factory=dict)
    problems: dict[tuple[str, int, int], Problem] = field(default_factory=dict)

    def struct(self, of: Descriptor, path: tuple[str, ...], above: frozenset[str]) -> Struct:
        """`path` leads to the message, `above` are the types it stands in."""
        if len(path) >= DEPTH_MAX:
            raise self._endless(path, f"messages are nested deeper than {DEPTH_MAX} levels")
        self._refuse_names(of, path)
        inside = above | {of.full_name}
        members = tuple(self._member(each, (*path, each.name), inside) for each in of.fields)
        return Struct(members)

    def _member(self, of: _F, path: tuple[str, ...], above: frozenset[str]) -> Member:
        self.columns += 1
        if self.columns > COLUMNS_MAX:
            raise self._endless(path, f"the type has more than {COLUMNS_MAX} columns by here")
        return Member(
            name=of.name,
            number=of.number,
            shape=self._shape(of, path, above),
            optional=of.has_presence,
            required=of.is_required,
            own_need=_need(of),
        )

    def _shape(self, of: _F, path: tuple[str, ...], above: frozenset[str]) -> Shape:
        if not of.is_repeated:
            return self._value(of, path, above)
        if not is_map(of):
            return List(self._value(of, path, above))
        key = self._value(map_key(of), path, above)
        return Map(key, self._value(map_value(of), path, above))

    def _value(self, of: _F, path: tuple[str, ...], above: frozenset[str]) -> Shape:
        if of.message_type is not None:
            return self._message(of.message_type, path, above)
        if of.enum_type is not None:
            return _enum(of.enum_type)
        if self._is_unchecked(of):
            return Text()
        return Scalar(wire=_wire(of))

    def _message(self, of: Descriptor, path: tuple[str, ...], above: frozenset[str]) -> Shape:
        if of.full_name in _AS_JSON or of.full_name in above:
            return Json(of=GetMessageClass(of), rules=self._has_rules(of))
        if of.full_name in _WRAPPERS:
            return Wrapper(value=Scalar(wire=_wire(of.fields_by_name["value"])))
        match of.full_name:
            case "google.protobuf.Timestamp":
                return Timestamp()
            case "google.protobuf.Duration":
                return Duration()
        return self.struct(of, path, above) if of.fields else Present()

    def _has_rules(self, of: Descriptor) -> bool:
        """Whether anything in a message, at any depth, can be wrong though it parses (`faults.py`)."""
        if of.full_name not in self.rules:
            fields = (each for message in closure(of) for each in message.fields)
            self.rules[of.full_name] = any(map(self._has_rule, fields))
        return self.rules[of.full_name]

    def _has_rule(self, of: _F) -> bool:
        is_time = of.message_type is not None and of.message_type.full_name in _TIMES
        return of.is_required or is_time or self._is_unchecked(of)

    def _is_unchecked(self, of: _F) -> bool:
        """Whether it is a string that google.protobuf may accept though it is not UTF-8."""
        return of.type == _F.TYPE_STRING and _file(of) not in self.proto3_files

    def _refuse_names(self, of: Descriptor, path: tuple[str, ...]) -> None:
        seen: dict[str, str] = {}
        for name in (each.name for each in of.fields):
            twin = seen.setdefault(name.lower(), name)
            if twin != name:
                why = f"its name differs from {twin!r} only by case, and many engines ignore case"
                self._refuse((*path, name), why)
            if len(name) > NAME_MAX:
                self._refuse((*path, name), f"its name is longer than {NAME_MAX} characters")

    def refuse_system_names(self) -> None:
        """Fields of the event itself that are named like a column of bobr's."""
        for name in (each.name for each in self.event.fields):
            ours = next((each for each in SYSTEM_COLUMNS if name.lower().startswith(each)), None)
            if ours:
                why = f"its name begins like bobr's own column {ours}: rename the field"
                self._refuse((name,), why)

    def _refuse(self, path: tuple[str, ...], why: str) -> None:
        found = refused(self.files, self.event.full_name, path, "column", why)
        self.problems.setdefault((found.file, found.line, found.column), found)

    def _endless(self, path: tuple[str, ...], why: str) -> SchemaError:
        self._refuse(path, why)
        return SchemaError(list(self.problems.values()))


def _need(of: _F) -> Need:
    """Groups have a framing of their own; of the members of a oneof the last wins."""
    if of.type == _F.TYPE_GROUP or of.number > FIELD_NUMBER_MAX:
        return Need.TRANSCRIPT
    oneof = of.containing_oneof
    return Need.CANONICAL if oneof is not None and len(oneof.fields) > 1 else Need.AS_SENT


def _wire(of: _F) -> FieldDescriptorProto.Type.ValueType:
    return cast("FieldDescriptorProto.Type.ValueType", of.type)


def _file(of: _F) -> str:
    return cast("Descriptor", of.containing_type).file.name


def _enum(of: EnumDescriptor) -> Enum:
    return Enum.of([(each.name, each.number) for each in of.values], closed=of.is_closed)


def closure(of: Descriptor) -> Collection[Descriptor]:
    """A message type and all that it contains, each once."""
    found = {of.full_name: of}
    waiting = [of]
    while waiting:
        inner = [each.message_type for each in waiting.pop().fields if each.message_type]
        fresh = [each for each in inner if each.full_name not in found]
        found |= {each.full_name: each for each in fresh}
        waiting += fresh
    return found.values()
