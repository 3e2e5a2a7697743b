"""How accepted events are spelled for ptars, decided once for each message type.

`Original`: as they were sent. ptars agrees with google.protobuf on those, unless the type has a map, a oneof or a
closed enum, or needs `Transcript`. Measured on mutated bytes: fields in any order, twice, split and merged, packed or
not, unknown fields and groups between them.

`Canonical`: as google.protobuf itself would have written them. On the wire the last member of a oneof and the last of
equal map keys win, and a map entry with anything unknown in it, or a number that a closed enum lacks, counts as an
unknown field; ptars does not know. Written anew these questions are settled. A third slower.

`Transcript`: as the lowered type, field by field in Python. Groups (`DELIMITED` in editions) have a framing that ptars
drops, and a field number costs it 16 bytes of table. Thirty times slower.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bobr.schema.descriptors import is_map
from bobr.schema.transcript import transcribed
from bobr.schema.wire import framed

FIELD_NUMBER_MAX = 65_535
"""Above it ptars would spend more than a megabyte for each message type and call; at the highest number, 8 GiB."""


class Spelling(Protocol):
    """Accepted events → what ptars is given. Called from any thread."""

    def of_all(self, sent: bytes, events: Message) -> bytes:
        """A chunk: `sent`, which was parsed into `events` (a `wire.Wire.events`, consumed), as one such message."""
        ...

    def of_one(self, sent: bytes, event: Message) -> bytes:
        """One event: `sent`, which was parsed into `event` (consumed)."""
        ...


class Original:
    """As sent."""

    def of_all(self, sent: bytes, events: Message) -> bytes:
        """Untouched."""
        return sent

    def of_one(self, sent: bytes, event: Message) -> bytes:
        """Untouched."""
        return sent


class Canonical:
    """As google.protobuf writes it, without unknown fields; equal maps in equal order."""

    def of_all(self, sent: bytes, events: Message) -> bytes:
        """In one call."""
        return self.of_one(sent, events)

    def of_one(self, sent: bytes, event: Message) -> bytes:
        """Required fields may be missing; that is judged later."""
        event.DiscardUnknownFields()
        return event.SerializePartialToString(deterministic=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """As the lowered type, which is numbered anew."""

    lowered: type[Message]

    def of_all(self, sent: bytes, events: Message) -> bytes:
        """Event by event."""
        ((_, each),) = events.ListFields() or ((None, ()),)
        return framed(pa.array([self.of_one(b"", event) for event in each], pa.binary()))

    def of_one(self, sent: bytes, event: Message) -> bytes:
        """A copy of its known fields."""
        return transcribed(event, self.lowered).SerializeToString()


def spellings_of(types: Collection[Descriptor]) -> tuple[Spelling, ...]:
    """How to spell an event made of these, the best first. None: only a transcript will do."""
    if needs_transcript(types):
        return ()
    return (Canonical(),) if _needs_canonical(types) else (Original(), Canonical())


def needs_transcript(types: Iterable[Descriptor]) -> bool:
    """Whether ptars can not read the bytes of an event made of these, whoever writes them."""
    return any(
        field.type == FieldDescriptor.TYPE_GROUP or field.number > FIELD_NUMBER_MAX
        for field in _fields(types)
    )


def _needs_canonical(types: Iterable[Descriptor]) -> bool:
    """Whether the bytes of an event made of these can mean something else to ptars than to google.protobuf."""
    oneofs = (oneof for each in types for oneof in each.oneofs)
    return any(len(oneof.fields) > 1 for oneof in oneofs) or any(
        is_map(field) or (field.enum_type is not None and field.enum_type.is_closed)
        for field in _fields(types)
    )


def _fields(types: Iterable[Descriptor]) -> Iterator[FieldDescriptor]:
    return (field for each in types for field in each.fields)
