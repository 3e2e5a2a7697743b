"""What google.protobuf accepts: the judge of every event, and the one canonical spelling of those that are odd.

A thousand events are one message to it: `message Events { repeated T events = 1; }`, so that it parses them all in
one call, four million a second.
"""

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
from bobr.schema.lowering import chunks_of

_FILE = "bobr/internal/events.proto"
_PACKAGE = "bobr.internal"
_TAG = 0x0A  # field 1, length-delimited


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The wire format of one message type, as google.protobuf has it. Immutable, for any thread."""

    message: type[Message]
    events: type[Message]

    @classmethod
    def of(cls, message: Descriptor, pool: DescriptorPool) -> "Wire":
        """`pool` is the message's own; `Events` is added to it."""
        file = FileDescriptorProto(name=_FILE, package=_PACKAGE, syntax="proto3")
        file.dependency.append(message.file.name)
        events = file.message_type.add(name="Events").field.add(name="events", number=1)
        events.label = FieldDescriptorProto.LABEL_REPEATED
        events.type = FieldDescriptorProto.TYPE_MESSAGE
        events.type_name = f".{message.full_name}"
        pool.AddSerializedFile(file.SerializeToString())
        many = pool.FindMessageTypeByName(f"{_PACKAGE}.Events")
        return cls(message=GetMessageClass(message), events=GetMessageClass(many))

    def malformed(self, payloads: pa.BinaryArray) -> tuple[Rejection, ...]:
        """Those that do not parse, in order. Not yet: those that parse and break a rule."""
        found: list[Rejection] = []
        start = 0
        for chunk in chunks_of(payloads):
            if not self._all_parse(chunk):
                found += self._culprits(chunk, start)
            start += len(chunk)
        return tuple(found)

    def canonical(self, payloads: pa.BinaryArray) -> pa.BinaryArray:
        """The same events as google.protobuf would have written them, without unknown fields. Every one parses."""
        return pa.array([self._canonical(each) for each in payloads.to_pylist()], pa.binary())

    def _canonical(self, payload: bytes) -> bytes:
        message = self.message.FromString(payload)
        message.DiscardUnknownFields()
        return message.SerializePartialToString()

    def _all_parse(self, chunk: pa.BinaryArray) -> bool:
        """Sure when True. False: perhaps not, as an event is one level deeper here."""
        try:
            self.events.FromString(_framed(chunk))
        except DecodeError:
            return False
        return True

    def _culprits(self, chunk: pa.BinaryArray, start: int) -> list[Rejection]:
        payloads = enumerate(chunk.to_pylist(), start)
        refused = [self._refusal(index, payload) for index, payload in payloads]
        return [each for each in refused if each is not None]

    def _refusal(self, index: int, payload: bytes) -> Rejection | None:
        try:
            self.message.FromString(payload)
        except DecodeError as error:
            name = self.message.DESCRIPTOR.full_name
            text = f"these {len(payload)} bytes are not a {name}: {_why(error)}"
            return Rejection(index=index, reason=Reason.MALFORMED, message=text)
        return None


def _framed(chunk: pa.BinaryArray) -> bytes:
    """The payloads as one `Events`: tag, length in five bytes (legal, if not the shortest), payload; and so on."""
    lengths = np.diff(offsets_of(chunk)).astype(np.uint64)
    heads = np.full((len(chunk), 6), _TAG, np.uint8)
    for place in range(5):
        heads[:, place + 1] = (lengths >> np.uint64(7 * place)) & np.uint64(0x7F)
    heads[:, 1:5] |= 0x80
    prefixes = pa.Array.from_buffers(pa.binary(6), len(chunk), [None, pa.py_buffer(heads)])
    framed = pc.binary_join_element_wise(prefixes.cast(pa.binary()), chunk, b"")
    return framed.buffers()[2].to_pybytes() if len(chunk) else b""


def _why(error: DecodeError) -> str:
    """In words for the producer, as far as google.protobuf knows."""
    said = str(error).rpartition(": ")[2]
    return _WORDS.get(said, said)


_WORDS = {
    "Wire format was corrupt": "they break off early, or this is not protobuf's wire format",
    "Exceeded upb_DecodeOptions_MaxDepth": "messages are nested deeper than 100 levels",
    "String field had bad UTF-8": "a string field is not valid UTF-8",
}
