"""How accepted events are spelled for ptars, decided once for each set of columns (`columns.shape.Need`).

`Original`: as they were sent. ptars agrees with google.protobuf on those, unless a map, a oneof or a closed enum is
among the columns, or one that needs `Transcript`. Measured on mutated bytes: fields in any order, twice, split and
merged, packed or not, unknown fields and groups between them.

`Canonical`: as google.protobuf itself would have written them. On the wire the last member of a oneof and the last of
equal map keys win, and a map entry with anything unknown in it, or a number that a closed enum lacks, counts as an
unknown field; ptars does not know. Written anew these questions are settled. A third to a half slower.

`Transcript`: as the lowered type, field by field in Python. Groups (`DELIMITED` in editions) have a framing that ptars
drops, and a field number costs it 16 bytes of table. Forty times slower.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, cast

import pyarrow as pa
from google.protobuf.message import Message

from bobr.schema.columns.shape import Need
from bobr.schema.decode.transcript import transcribed
from bobr.schema.decode.wire import framed


class _Events(Protocol):
    events: Iterable[Message]


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
        each = cast("_Events", events).events
        return framed(pa.array([self.of_one(b"", event) for event in each], pa.binary()))

    def of_one(self, sent: bytes, event: Message) -> bytes:
        """A copy of its known fields."""
        return transcribed(event, self.lowered).SerializeToString()


def spellings_of(need: Need, lowered: type[Message]) -> tuple[Spelling, ...]:
    """What to give ptars, the best first; the next one when it can not read the one before."""
    match need:
        case Need.AS_SENT:
            return (Original(), Canonical())
        case Need.CANONICAL:
            return (Canonical(),)
        case Need.TRANSCRIPT:
            return (Transcript(lowered=lowered),)
