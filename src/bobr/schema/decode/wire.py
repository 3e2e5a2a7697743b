"""What google.protobuf accepts: the judge of every event.

Many events are one message to it, `message Events { repeated T events = 1; }`, so that one call parses a thousand:
four million a second, as against half a million one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from bobr.outcome import Reason, Rejection
from bobr.schema.columns.shape import offsets_of
from bobr.schema.pool import add

CHUNK_EVENTS = 1_024
"""Events in one call of a parser: all of them hold the GIL while they work, about a millisecond for so many."""
CHUNK_BYTES = 256 * 1024
"""Bytes in one call, for the same reason; a larger event goes alone."""

_FRAMING_BYTES = 6
"""Of the Confluent wire format: a zero byte, four of the schema's id, one at least for the message's place."""

_FILE = "bobr/internal/events.proto"
_PACKAGE = "bobr.internal"
_TAG = 0x0A  # field 1, length-delimited
_SHIFTS = np.array([0, 7, 14, 21, 28], np.uint32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Payloads that go through the parsers together. start: the index of the first in the batch."""

    payloads: pa.BinaryArray
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The parser of one message type. Immutable, for any thread."""

    event: type[Message]
    events: type[Message]

    @classmethod
    def of(cls, event: Descriptor, pool: DescriptorPool) -> "Wire":
        """`pool` is the type's own; `Events` is added to it. RejectedError: the user has one of that name."""
        file = FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto3")
        file.dependency.append(event.file.name)
        events = file.message_type.add(name="Events").field.add(name="events", number=1)
        events.label = FieldDescriptorProto.LABEL_REPEATED
        events.type = FieldDescriptorProto.TYPE_MESSAGE
        events.type_name = f".{event.full_name}"
        add(pool, file)
        many = pool.FindMessageTypeByName(f"{_PACKAGE}.Events")
        return cls(event=GetMessageClass(event), events=GetMessageClass(many))

    def parse_all(self, framed: bytes) -> Message | None:
        """All events of a chunk. None: at least one may not parse; one that is 100 levels deep still does alone."""
        try:
            return self.events.FromString(framed)
        except DecodeError:
            return None

    def parse(self, payload: bytes, index: int) -> Message | Rejection:
        """One event, or why it is none."""
        try:
            return self.event.FromString(payload)
        except DecodeError as error:
            name = self.event.DESCRIPTOR.full_name
            reason = _FRAMED if _looks_framed(payload) else why(error)
            text = f"these {len(payload)} bytes are not a {name}: {reason}"
            return Rejection(index=index, reason=Reason.MALFORMED, message=text)


def chunks_of(payloads: pa.BinaryArray) -> Iterator[Chunk]:
    """Slices within `CHUNK_EVENTS` and `CHUNK_BYTES`; one empty slice if there are no payloads."""
    offsets = offsets_of(payloads)
    start = 0
    while True:
        full = int(np.searchsorted(offsets, offsets[start] + CHUNK_BYTES, side="right")) - 1
        end = min(start + CHUNK_EVENTS, max(full, start + 1), len(payloads))
        yield Chunk(payloads=payloads.slice(start, end - start), start=start)
        if end == len(payloads):
            return
        start = end


def framed(payloads: pa.BinaryArray) -> bytes:
    """The payloads as one `Events`: tag, length in five bytes (legal, if not the shortest), payload; and so on."""
    if not len(payloads):
        return b""
    lengths = np.diff(offsets_of(payloads)).astype(np.uint32)
    heads = np.full((len(payloads), 6), _TAG, np.uint8)
    heads[:, 1:] = (lengths[:, np.newaxis] >> _SHIFTS) & 0x7F
    heads[:, 1:5] |= 0x80
    starts = np.arange(0, heads.size + 1, 6, dtype=np.int32)
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(heads)]
    prefixes = pa.Array.from_buffers(pa.binary(), len(payloads), buffers)
    joined: pa.Buffer = pc.binary_join_element_wise(prefixes, payloads, b"").buffers()[2]
    return bytes(joined)


def _looks_framed(payload: bytes) -> bool:
    """Of bytes that are no message: no message begins with a zero byte, but what Kafka's serializers make does."""
    return len(payload) >= _FRAMING_BYTES and payload[0] == 0


def why(error: DecodeError) -> str:
    """In words for the producer: what google.protobuf says of it."""
    said = str(error).rpartition(": ")[2]
    return _WORDS.get(said, said)


_FRAMED = "they begin with a zero byte, as the Confluent wire format does: send the message without that framing"

_WORDS = {
    "Wire format was corrupt": "they break off early, or this is not protobuf's wire format",
    "Exceeded upb_DecodeOptions_MaxDepth": "messages are nested deeper than 100 levels",
    "String field had bad UTF-8": "a string field is not valid UTF-8",
}
