"""The types in a descriptor set by name, and where in its file each was written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from bobr.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Line and column count from 1; 0: the file came as a descriptor, without source info."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message or enum in its file. path: of numbers, as `SourceCodeInfo.Location` has it."""

    file: FileDescriptorProto
    path: tuple[int, ...]
    type: DescriptorProto | EnumDescriptorProto


def types_of(files: FileDescriptorSet) -> Mapping[str, Written]:
    """Messages and enums, nested ones too, by `.full.name`, as fields refer to them."""
    return {name: written for file in files.file for name, written in _types_in(file)}


def scope_of(file: FileDescriptorProto) -> str:
    """What the names of its types begin with, up to the next dot."""
    return f".{file.package}" if file.package else ""


def _types_in(file: FileDescriptorProto) -> Iterator[tuple[str, Written]]:
    scope = scope_of(file)
    for index, enum in enumerate(file.enum_type):
        path = (FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER, index)
        yield f"{scope}.{enum.name}", Written(file=file, path=path, type=enum)
    for index, message in enumerate(file.message_type):
        path = (FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER, index)
        yield from _nested(Written(file=file, path=path, type=message), message, scope)


def _nested(at: Written, message: DescriptorProto, scope: str) -> Iterator[tuple[str, Written]]:
    name = f"{scope}.{message.name}"
    yield name, at
    for index, enum in enumerate(message.enum_type):
        path = (*at.path, DescriptorProto.ENUM_TYPE_FIELD_NUMBER, index)
        yield f"{name}.{enum.name}", Written(file=at.file, path=path, type=enum)
    for index, inner in enumerate(message.nested_type):
        path = (*at.path, DescriptorProto.NESTED_TYPE_FIELD_NUMBER, index)
        yield from _nested(Written(file=at.file, path=path, type=inner), inner, name)


def place_of(files: FileDescriptorSet, message: str, fields: Sequence[str]) -> Place:
    """Of the field that `fields` lead to from `message` (its full name); of itself when empty.

    As near as the way can be followed; a map is passed without a name of its own.
    """
    return place_in(types_of(files), message, fields)


def place_in(types: Mapping[str, Written], message: str, fields: Sequence[str]) -> Place:
    """As `place_of`, for who asks often: types are those of all files, by `types_of`."""
    at: Written | None = types[f".{message}"]
    place = _place(types[f".{message}"].file, types[f".{message}"].path)
    for name in fields:
        step = _step(types, at, name)
        if step is None:
            break
        place, at = step
    return place


def refused(
    files: FileDescriptorSet, message: str, fields: Sequence[str], rule: str, why: str
) -> Problem:
    """A problem of a message, or of the field that `fields` lead to, with its place."""
    at = place_of(files, message, fields)
    about = f"{message}: field {'.'.join(fields)}" if fields else message
    return Problem(
        file=at.file, line=at.line, column=at.column, rule=rule, message=f"{about}: {why}"
    )


def _step(
    types: Mapping[str, Written], at: Written | None, name: str
) -> tuple[Place, Written | None] | None:
    if at is None or not isinstance(at.type, DescriptorProto):
        return None
    for index, field in enumerate(at.type.field):
        if field.name == name:
            path = (*at.path, DescriptorProto.FIELD_FIELD_NUMBER, index)
            return _place(at.file, path), _through_map(types, types.get(field.type_name))
    return None


def _through_map(types: Mapping[str, Written], at: Written | None) -> Written | None:
    if at and isinstance(at.type, DescriptorProto) and at.type.options.map_entry:
        return types.get(at.type.field[1].type_name)
    return at


def _place(file: FileDescriptorProto, path: tuple[int, ...]) -> Place:
    for location in file.source_code_info.location:
        if tuple(location.path) == path:
            line, column = location.span[:2]
            return Place(file=file.name, line=line + 1, column=column + 1)
    return Place(file=file.name, line=0, column=0)
