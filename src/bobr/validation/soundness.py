"""Refuses rules that can not work, when the schema is registered and not when the first event comes.

protovalidate compiles the rules of a type when it first meets a message of it, and CEL has no types before it runs.
So each type of the schema is tried with small messages: empty, and with one field set, in turn. What fails then is
looked for by trying each rule alone.
"""

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import CompilationError, EvaluationError, Validator

from bobr.errors import Problem, SchemaError
from bobr.schema.mapping import closure
from bobr.schema.pool import descriptor_of
from bobr.schema.source.places import place_of
from bobr.validation.sites import has_rules, rule_sites, with_only, without_required

NEVER_RIGHT = (
    "No matching overloads",
    "No value with name",
    "no_such_field",
    "outputs an unexpected type",
    "Applying SELECT to non-message type",
    "Invalid container type",
)
"""What CEL says when types do not fit: that is so for every event. Other failures depend on the event's values."""
DYNAMIC = frozenset(f"google/protobuf/{name}.proto" for name in ("any", "struct", "wrappers"))
"""The files of messages that are of any type in CEL, or null: for them each event can be different."""
TEXT_CHARACTERS_MAX = 300


def refuse_unsound(files: FileDescriptorSet, message: str) -> None:
    """Raises SchemaError with every rule of the message type, and of the types in it, that can not work."""
    files = without_required(files)
    descriptor, _ = descriptor_of(files, message)
    ruled = [each for each in closure(descriptor) if has_rules(each)]
    failures = {each.full_name: text for each in ruled if (text := _failure(each))}
    problems = [problem for name in failures for problem in _problems(files, name)]
    # Rules that fail only together are told of at their type.
    problems += [_problem(files, name, "", text) for name, text in failures.items() if not problems]
    if problems:
        raise SchemaError(sorted(set(problems), key=lambda each: (each.file, each.line)))


def _failure(descriptor: Descriptor) -> str:
    """Why the rules of a type can not work; empty: they can."""
    validator = Validator()
    is_typed = all(each.file.name not in DYNAMIC for each in closure(descriptor))
    for probe in _probes(descriptor):
        try:
            validator.collect_violations(probe)
        except CompilationError as error:
            return str(error)
        except EvaluationError as error:
            if is_typed and any(each in str(error) for each in NEVER_RIGHT):
                return str(error)
    return ""


def _probes(descriptor: Descriptor) -> Iterator[Message]:
    message_class = GetMessageClass(descriptor)
    yield message_class()
    for field in descriptor.fields:
        yield message_class(**{field.name: _argument(field)})


def _argument(field: FieldDescriptor) -> object:
    """The least with which the field is set: its zero, or one element of that."""
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        key, value = entry.fields
        return {_zero(key): _zero(value)}
    return [_zero(field)] if field.is_repeated else _zero(field)


def _zero(field: FieldDescriptor) -> object:
    if field.message_type is not None:
        return {}
    if field.enum_type is not None:
        return field.enum_type.values[0].number
    return b"" if field.type == FieldDescriptor.TYPE_BYTES else _ZEROS[field.cpp_type]


_ZEROS: dict[int, object] = {
    FieldDescriptor.CPPTYPE_INT32: 0,
    FieldDescriptor.CPPTYPE_INT64: 0,
    FieldDescriptor.CPPTYPE_UINT32: 0,
    FieldDescriptor.CPPTYPE_UINT64: 0,
    FieldDescriptor.CPPTYPE_DOUBLE: 0.0,
    FieldDescriptor.CPPTYPE_FLOAT: 0.0,
    FieldDescriptor.CPPTYPE_BOOL: False,
    FieldDescriptor.CPPTYPE_STRING: "",
}


def _problems(files: FileDescriptorSet, message: str) -> Iterator[Problem]:
    """Of each rule site of one type that fails alone."""
    for site, name in rule_sites(files, message):
        alone, _ = descriptor_of(with_only(files, message, site), message)
        if text := _failure(alone):
            yield _problem(files, message, name, text)


def _problem(files: FileDescriptorSet, message: str, field: str, text: str) -> Problem:
    place = place_of(files, message, [field] if field else [])
    said = text.splitlines()[0][:TEXT_CHARACTERS_MAX]
    return Problem(
        file=place.file,
        line=place.line,
        column=place.column,
        rule="buf.validate",
        message=f"{message}.{field}: {said}" if field else f"{message}: {said}",
    )
