"""What google.protobuf accepts and bobr refuses: values that break the definition of their own type.

This looks at one parsed message, slowly; it is asked only for events in which the columns show that something is odd.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from bobr.outcome import Reason
from bobr.schema.columns.times import DURATION_SECONDS_MAX, NANOS_MAX, SECONDS_MAX, SECONDS_MIN
from bobr.schema.descriptors import all_fields, is_map, map_value, set_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong, and where: a path such as `items[2].price` or `tags["a"].at`."""

    field: str
    rule: str
    message: str
    reason: Reason = Reason.INVALID


def first_fault(message: Message) -> Fault | None:
    """The first of an event, in order of declaration; None: it is sound. Extensions are not looked at."""
    return next(_in_fields(message, ""), None)


def is_sound(message: Message) -> bool:
    """Whether a message that is no event has no fault; a Timestamp or Duration may be meant."""
    return next(_in_message(message, ""), None) is None


def _in_fields(message: Message, prefix: str) -> Iterator[Fault]:
    present = {field.number: value for field, value in set_fields(message)}
    for field in all_fields(message):
        path = f"{prefix}{field.name}"
        if field.number in present:
            yield from _in_field(field, present[field.number], path)
        elif field.is_required:
            yield Fault(field=path, rule="required", message=f"{path} is required, but not set")


def _in_field(field: FieldDescriptor, value: object, path: str) -> Iterator[Fault]:
    if not field.is_repeated:
        yield from _in_value(field, value, path)
    elif is_map(field):
        yield from _in_map(field, cast("Mapping[object, object]", value), path)
    else:
        for index, item in enumerate(cast("Iterable[object]", value)):
            yield from _in_value(field, item, f"{path}[{index}]")


def _in_map(field: FieldDescriptor, entries: Mapping[object, object], path: str) -> Iterator[Fault]:
    value = map_value(field)
    try:
        items = list(entries.items())
    except UnicodeDecodeError:
        yield _not_utf8(path, "has a key that")
        return
    for key, item in items:
        quoted = f'"{key}"' if isinstance(key, str) else str(key).lower()
        yield from _in_value(value, item, f"{path}[{quoted}]")


def _in_value(field: FieldDescriptor, value: object, path: str) -> Iterator[Fault]:
    if field.type == FieldDescriptor.TYPE_STRING and isinstance(value, bytes):
        yield _not_utf8(path, "")
    if field.message_type is not None:
        yield from _in_message(cast("Message", value), path)


def _in_message(message: Message, path: str) -> Iterator[Fault]:
    match message.DESCRIPTOR.full_name:
        case "google.protobuf.Timestamp":
            yield from _in_timestamp(cast("Timestamp", message), path)
        case "google.protobuf.Duration":
            yield from _in_duration(cast("Duration", message), path)
        case _:
            yield from _in_fields(message, f"{path}.")


def _not_utf8(path: str, what: str) -> Fault:
    text = " ".join(
        filter(None, [path, what, "is not valid UTF-8: use a bytes field for raw bytes"])
    )
    return Fault(field=path, rule="string.utf8", message=text, reason=Reason.MALFORMED)


def _in_timestamp(time: Timestamp, path: str) -> Iterator[Fault]:
    if SECONDS_MIN <= time.seconds <= SECONDS_MAX and 0 <= time.nanos <= NANOS_MAX:
        return
    text = (
        f"{path} has {time.seconds} seconds and {time.nanos} nanos: a Timestamp lies in the years 0001 to 9999, "
        f"its nanos in 0 to {NANOS_MAX}; the seconds count from 1970"
    )
    yield Fault(field=path, rule="timestamp.range", message=text)


def _in_duration(span: Duration, path: str) -> Iterator[Fault]:
    in_range = abs(span.seconds) <= DURATION_SECONDS_MAX and abs(span.nanos) <= NANOS_MAX
    if in_range and span.seconds * span.nanos >= 0:
        return
    text = (
        f"{path} has {span.seconds} seconds and {span.nanos} nanos: a Duration is at most {DURATION_SECONDS_MAX} "
        f"seconds either way, its nanos at most {NANOS_MAX} with the same sign"
    )
    yield Fault(field=path, rule="duration.range", message=text)
