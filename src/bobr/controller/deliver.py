"""The wish of `bobr deliver`, carried out whole or not at all: schema, stream and delivery."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from bobr.catalog import Catalog, Delivery, Stream
from bobr.catalog.durations import in_units
from bobr.controller.registry import Registry
from bobr.controller.wish import Wish, delivery_of, stream_of
from bobr.errors import Problem, RejectedError, SchemaError
from bobr.ids import SchemaId, StreamName
from bobr.schema import EventType
from bobr.schema.json.reader import JsonReader
from bobr.schema.source.compile import compile_files
from bobr.schema.source.evolution import check, check_columns
from bobr.schema.source.places import types_of
from bobr.schema.source.sources import check_own
from bobr.validation import Rules

CHOICES_MAX = 10
"""Messages of a file that are named, when the one that is wanted is not in it."""

NO_ID = "in no field: one that is sent twice is two rows; name a field event_id, or set option (bobr.v1.event).id"
NO_TIME = (
    "when it is published, no field has it; name a google.protobuf.Timestamp event_time, "
    "or set option (bobr.v1.event).time"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A schema that compiled and can be a stream's."""

    message: str
    files: FileDescriptorSet
    event_type: EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilled:
    """The catalog as wished, not yet stored, and what is new in it, a line for a person each."""

    catalog: Catalog
    changes: tuple[str, ...]


class Deliverer:
    """Turns wishes into catalogs. Blocking; one at a time."""

    def __init__(self, registry: Registry) -> None:
        """`registry`: also holds the schemas registered before."""
        self._registry = registry

    def fulfil(self, wish: Wish, catalog: Catalog) -> Fulfilled:
        """Judge everything first, then register the schema. SchemaError, RejectedError: nothing was changed."""
        old = catalog.streams.get(StreamName(wish.stream))
        candidate = _candidate(wish, "" if old is None else old.message)
        if old is not None:
            self._judge(old, candidate)
        # What can not be is refused before anything is registered.
        stream_of(wish, candidate.message, old, SchemaId(0))
        delivery = delivery_of(wish, catalog)
        schema_id = self._registry.register_files(
            f"{wish.stream}-value", wish.files, wish.main, candidate.message
        )
        stream = stream_of(wish, candidate.message, old, schema_id)
        return Fulfilled(
            catalog=catalog.model_copy(
                update={
                    "streams": {**catalog.streams, stream.name: stream},
                    "deliveries": {**catalog.deliveries, delivery.name: delivery},
                }
            ),
            changes=tuple(_changes(catalog, stream, delivery, schema_id, candidate.event_type)),
        )

    def _judge(self, stream: Stream, candidate: Candidate) -> None:
        """Against the newest schema by all rules, against older ones by their columns: the table has them all."""
        if stream.message != candidate.message:
            message = (
                f"stream {stream.name!r} carries {stream.message}, not {candidate.message}: "
                "deliver another message to a stream of its own"
            )
            raise RejectedError(message)
        problems: list[Problem] = []
        newest, *older = (self._event_type(stream, each) for each in reversed(stream.schema_ids))
        problems += check(
            self._registry.descriptors(stream.schema_id),
            candidate.files,
            candidate.message,
            columns=(newest.columns, candidate.event_type.columns),
        )
        for event_type in older:
            problems += _column_problems(event_type, candidate)
        if problems:
            raise SchemaError(list(dict.fromkeys(problems)))

    def _event_type(self, stream: Stream, schema_id: SchemaId) -> EventType:
        return EventType.build(self._registry.descriptors(schema_id), stream.message)


def _candidate(wish: Wish, known: str) -> Candidate:
    """`known`: the message that the stream has already, or nothing."""
    check_own(wish.main)
    files = compile_files(wish.files, wish.main)
    message = _message(files, wish, known)
    event_type = EventType.build(files, message)
    Rules.build(files, message)
    JsonReader.build(files, message)
    return Candidate(message=message, files=files, event_type=event_type)


def _message(files: FileDescriptorSet, wish: Wish, known: str) -> str:
    """The event's full name. SchemaError: it is not there, or was left out where there is a choice."""
    own = _messages_of(files.file[-1])
    if not wish.message and known in own:
        return known
    if not wish.message and len(own) == 1:
        return own[0]
    if not wish.message:
        raise _no_message(wish, "say with --message which message is the event", own)
    found = types_of(files).get(f".{wish.message}")
    if found is None or not isinstance(found.type, DescriptorProto):
        nearest = sorted(own, key=lambda name: _likeness(name, wish.message), reverse=True)
        raise _no_message(wish, f"there is no message {wish.message[:200]!r}", nearest)
    return wish.message


def _messages_of(file: FileDescriptorProto) -> list[str]:
    return [f"{file.package}.{message.name}".lstrip(".") for message in file.message_type]


def _likeness(name: str, wanted: str) -> float:
    """Between 0 and 1; a package that was left out takes nothing away."""
    names = (name, name.rpartition(".")[2])
    return max(SequenceMatcher(None, each.lower(), wanted.lower()).ratio() for each in names)


def _no_message(wish: Wish, what: str, choices: Sequence[str]) -> SchemaError:
    more = ", …" if len(choices) > CHOICES_MAX else ""
    has = f"it has {', '.join(choices[:CHOICES_MAX])}{more}" if choices else "it has none"
    problem = Problem(file=wish.main, line=0, column=0, rule="message", message=f"{what}; {has}")
    return SchemaError([problem])


def _column_problems(old: EventType, candidate: Candidate) -> list[Problem]:
    return check_columns(
        old.columns,
        candidate.event_type.columns,
        message=candidate.message,
        files=candidate.files,
    )


def _path(path: tuple[str, ...] | None, none: str) -> str:
    return none if path is None else ".".join(path)


def _altered(old: Stream, new: Stream) -> Iterator[str]:
    if old.retention_seconds != new.retention_seconds:
        yield f"retention is {in_units(new.retention_seconds)} now"
    if old.event_bytes_max != new.event_bytes_max:
        yield f"an event has up to {new.event_bytes_max:,} bytes now"


def _changes(
    catalog: Catalog,
    stream: Stream,
    delivery: Delivery,
    schema_id: SchemaId,
    event_type: EventType,
) -> list[str]:
    old_stream = catalog.streams.get(stream.name)
    old_delivery = catalog.deliveries.get(delivery.name)
    lines = []
    if old_stream is None:
        lines.append(f"stream {stream.name}: made, carries {stream.message}")
    else:
        lines += [f"stream {stream.name}: {change}" for change in _altered(old_stream, stream)]
    if old_stream is None or old_stream.schema_id != schema_id:
        lines.append(f"schema {schema_id}: registered as {stream.subject}")
    if old_delivery is None:
        lines.append(f"table {delivery.table}: made from {stream.name}, by {delivery.partition_by}")
        lines.append(f"an event's id is {_path(event_type.id_path, NO_ID)}")
        lines.append(f"an event's time is {_path(event_type.time_path, NO_TIME)}")
    elif old_delivery != delivery:
        dedup = in_units(delivery.dedup_seconds)
        lines.append(f"delivery {delivery.name}: dedup is {dedup} now")
    return lines
