"""A schema that a stream may carry: its message, all that the parts make of it, and whether the stream can follow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cached_property
from typing import TypeVar

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from bobr.catalog import Stream
from bobr.controller.registry import Registry, digest_of
from bobr.errors import Problem, RejectedError, SchemaError
from bobr.schema import EventType
from bobr.schema.json.reader import JsonReader
from bobr.schema.source.compile import compile_files
from bobr.schema.source.evolution import check, check_columns
from bobr.schema.source.places import Written, types_of
from bobr.schema.source.sources import check_own
from bobr.validation import Rules

CHOICES_MAX = 10
"""Messages of a file that are named, when the one that is wanted is not in it."""

Built = TypeVar("Built")


class Files:
    """A compiled schema, and what is asked of it again and again: for many streams of one file it is found out once."""

    def __init__(self, descriptors: FileDescriptorSet) -> None:
        """`descriptors`: the schema itself last."""
        self.descriptors = descriptors

    @cached_property
    def types(self) -> Mapping[str, Written]:
        """By `.full.name`."""
        return types_of(self.descriptors)

    @cached_property
    def digest(self) -> bytes:
        """By which the registry knows it."""
        return digest_of(self.descriptors)

    @cached_property
    def own(self) -> Sequence[str]:
        """Full names of the messages of the file itself, not of its imports."""
        file = self.descriptors.file[-1]
        return [f"{file.package}.{message.name}".lstrip(".") for message in file.message_type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A schema that compiled and can be a stream's."""

    message: str
    files: FileDescriptorSet
    event_type: EventType

    @classmethod
    def of(cls, files: FileDescriptorSet, message: str) -> "Candidate":
        """Everything that the parts will make of it. SchemaError, with every reason, RejectedError: that can not be."""
        event_type, problems = _tried(EventType.build, files, message)
        _, unsound = _tried(Rules.build, files, message)
        if event_type is None or unsound:
            raise SchemaError([*problems, *unsound])
        JsonReader.build(files, message)
        return cls(message=message, files=files, event_type=event_type)


def _tried(
    build: Callable[[FileDescriptorSet, str], Built], files: FileDescriptorSet, message: str
) -> tuple[Built | None, Sequence[Problem]]:
    try:
        return build(files, message), ()
    except SchemaError as error:
        return None, error.problems


def candidate_of(files: Mapping[str, str], main: str, message: str, known: str = "") -> Candidate:
    """Of one file. message: empty, the only one of the file, or `known`, which the stream has already.

    SchemaError: it does not compile, or has no such message.
    """
    check_own(main)
    compiled = Files(compile_files(files, main))
    found = message_of(compiled, message, known)
    if isinstance(found, Missing):
        raise SchemaError([found.problem(main)])
    return Candidate.of(compiled.descriptors, found)


def judge(registry: Registry, stream: Stream, candidate: Candidate) -> None:
    """Against the newest schema by all rules, against older ones by their columns: the table has them all.

    SchemaError: it can not follow, with every reason; RejectedError: it is another message.
    """
    if stream.message != candidate.message:
        message = (
            f"stream {stream.name!r} carries {stream.message}, not {candidate.message}: "
            "deliver another message to a stream of its own"
        )
        raise RejectedError(message)
    newest, *older = (
        EventType.build(registry.descriptors(each), stream.message)
        for each in reversed(stream.schema_ids)
    )
    problems = check(
        registry.descriptors(stream.schema_id),
        candidate.files,
        candidate.message,
        columns=(newest.columns, candidate.event_type.columns),
    )
    for event_type in older:
        problems += check_columns(
            event_type.columns,
            candidate.event_type.columns,
            message=candidate.message,
            files=candidate.files,
        )
    if problems:
        raise SchemaError(list(dict.fromkeys(problems)))


def successor(
    registry: Registry, stream: Stream, files: Files, build: Callable[[], Candidate]
) -> Candidate:
    """SchemaError: what the wire or the table can not follow, and what is wrong with it by itself."""
    try:
        candidate = build()
    except SchemaError as error:
        # Which columns it would have is not known; what old bytes mean is.
        before = registry.descriptors(stream.schema_id)
        breaches = check(before, files.descriptors, stream.message)
        raise SchemaError(list(dict.fromkeys([*error.problems, *breaches]))) from error
    judge(registry, stream, candidate)
    return candidate


def check_registrable(registry: Registry, subject: str, candidate: Candidate) -> None:
    """SchemaError: the registry would not take it, which has newer schemas than the stream carries.

    Such as one that was rolled back: its events are in the log and in tables, so its fields stay taken.
    """
    if problems := registry.refusals(subject, candidate.files, candidate.message):
        newest = registry.newest(subject)
        why = f"compared with schema {newest}, the newest of subject {subject!r}"
        raise SchemaError([replace(each, message=f"{each.message} ({why})") for each in problems])


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A message that is not in a file. choices: those that are, the most like first."""

    what: str
    choices: Sequence[str]

    def __str__(self) -> str:
        """In words."""
        more = ", …" if len(self.choices) > CHOICES_MAX else ""
        names = ", ".join(self.choices[:CHOICES_MAX])
        return f"{self.what}; {f'it has {names}{more}' if names else 'it has none'}"

    def problem(self, file: str) -> Problem:
        """Of that file as a whole."""
        return Problem(file=file, line=0, column=0, rule="message", message=str(self))


def message_of(files: Files, wanted: str, known: str) -> str | Missing:
    """The event's full name. wanted: empty, `known` or the only one."""
    if not wanted and known in files.own:
        return known
    if not wanted and len(files.own) == 1:
        return files.own[0]
    if not wanted:
        return Missing(what="say with `message` which message is the event", choices=files.own)
    found = files.types.get(f".{wanted}")
    if found is None or not isinstance(found.type, DescriptorProto):
        nearest = sorted(files.own, key=lambda name: _likeness(name, wanted), reverse=True)
        return Missing(what=f"there is no message {wanted[:200]!r}", choices=nearest)
    return wanted


def _likeness(name: str, wanted: str) -> float:
    """Between 0 and 1; a package that was left out takes nothing away."""
    names = (name, name.rpartition(".")[2])
    return max(SequenceMatcher(None, each.lower(), wanted.lower()).ratio() for each in names)
