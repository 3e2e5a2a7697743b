"""Looking at messages through their descriptors, with the types that google.protobuf's stubs leave open."""

from collections.abc import Iterator, Sequence
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message


def set_fields(message: Message) -> Iterator[tuple[FieldDescriptor, object]]:
    """The fields that are set, known extensions included, by number."""
    return cast("Iterator[tuple[FieldDescriptor, object]]", iter(message.ListFields()))


def all_fields(message: Message) -> Sequence[FieldDescriptor]:
    """The fields of its type, in order of declaration."""
    return cast("Sequence[FieldDescriptor]", message.DESCRIPTOR.fields)


def is_map(field: FieldDescriptor) -> bool:
    """Whether it is written as a map; on the wire, a repeated message of key and value."""
    entry = field.message_type
    return entry is not None and field.is_repeated and entry.GetOptions().map_entry


def map_key(field: FieldDescriptor) -> FieldDescriptor:
    """The key of a map field."""
    return cast("Descriptor", field.message_type).fields_by_name["key"]


def map_value(field: FieldDescriptor) -> FieldDescriptor:
    """The value of a map field."""
    return cast("Descriptor", field.message_type).fields_by_name["value"]
