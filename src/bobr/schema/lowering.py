"""Shapes → a plain copy of the message type that ptars reads without surprises, and the reading itself.

ptars 0.0.25 is fast but no judge: the shapes say what it gets wrong. So it never sees the user's
descriptors, only this one proto3 file, made from the shapes: no groups, no oneofs, no enums, no maps, no well-known
types, no recursion, no options. It is also never given bytes that google.protobuf has not accepted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from ptars import HandlerPool

from bobr.schema.columns.nested import Struct
from bobr.schema.columns.shape import Member, Read, offsets_of
from bobr.schema.transcript import transcribed

CHUNK_EVENTS = 1_024
"""Events in one call of a parser: both hold the GIL while they work, about a millisecond for so many."""
CHUNK_BYTES = 256 * 1024
"""Bytes in one call, for the same reason; a larger event goes alone."""


class _File:
    """The file under construction (`columns.shape.Lowering`)."""

    def __init__(self, *, renumber: bool) -> None:
        self.proto = FileDescriptorProto(name="lowered.proto", syntax="proto3")
        self._renumber = renumber

    def message(self, members: Iterable[Member]) -> str:
        name = f"M{len(self.proto.message_type)}"
        message = self.proto.message_type.add(name=name)
        for place, member in enumerate(members):
            number = place + 1 if self._renumber else member.number
            field = message.field.add(name=f"f{member.number}", number=number)
            field.label = FieldDescriptorProto.LABEL_OPTIONAL
            member.shape.declare(field, self)
            if member.optional and _is_singular_scalar(field):
                field.proto3_optional = True
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")
        return f".{name}"


def _is_singular_scalar(field: FieldDescriptorProto) -> bool:
    repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
    return not repeated and field.type != FieldDescriptorProto.TYPE_MESSAGE


class Handler(Protocol):
    """ptars's reader of one message type."""

    def array_to_record_batch(self, array: pa.BinaryArray) -> pa.RecordBatch:
        """One row for each message; ValueError if one does not decode."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads payloads that google.protobuf accepts. Immutable, for any thread.

    original: the message class, if the wire bytes say what ptars can not read (groups, very large field numbers):
    each event is then parsed and written anew as the lowered type. None: the bytes go to ptars as they are.
    """

    shape: Struct
    handler: Handler
    lowered: type[Message]
    original: type[Message] | None

    @classmethod
    def of(cls, shape: Struct, original: type[Message] | None) -> "Reader":
        """Build the lowered type."""
        file = _File(renumber=original is not None)
        name = file.message(shape.members).removeprefix(".")
        pool = DescriptorPool()
        pool.AddSerializedFile(file.proto.SerializeToString())
        descriptor = pool.FindMessageTypeByName(name)
        handler = HandlerPool([descriptor.file]).get_for_message(descriptor)
        lowered = GetMessageClass(descriptor)
        return cls(shape=shape, handler=handler, lowered=lowered, original=original)

    def read(self, payloads: pa.BinaryArray) -> Read:
        """A struct for each payload, and the places of those that need google.protobuf's own reading."""
        chunks = [self._raw(chunk) for chunk in chunks_of(payloads)]
        raw = pa.concat_batches(chunks) if len(chunks) != 1 else chunks[0]
        return self.shape.read(raw.to_struct_array())

    def _raw(self, chunk: pa.BinaryArray) -> pa.RecordBatch:
        if self.original is not None:
            chunk = transcribed(chunk, self.original, self.lowered)
        return self.handler.array_to_record_batch(chunk)


def chunks_of(payloads: pa.BinaryArray) -> Iterator[pa.BinaryArray]:
    """Slices within `CHUNK_EVENTS` and `CHUNK_BYTES`; one empty slice if there are no payloads."""
    offsets = offsets_of(payloads)
    start = 0
    while True:
        full = int(np.searchsorted(offsets, offsets[start] + CHUNK_BYTES, side="right")) - 1
        end = min(start + CHUNK_EVENTS, max(full, start + 1), len(payloads))
        yield payloads.slice(start, end - start)
        if end == len(payloads):
            return
        start = end
