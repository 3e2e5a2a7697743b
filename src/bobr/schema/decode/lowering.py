"""Shapes → a plain copy of the message type that ptars reads without surprises, and the reading itself.

ptars 0.0.25 is fast but no judge. So it never sees the user's descriptors, only this one proto3 file, made from the
shapes: no groups, oneofs, enums, maps, well-known types, recursion or options. And it is only given bytes that
google.protobuf has accepted, spelled as `spelling.py` says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import pyarrow as pa
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from ptars import HandlerPool

from bobr.schema.columns.nested import List, Struct
from bobr.schema.columns.shape import Member, Need, Read
from bobr.schema.decode.spelling import Spelling, spellings_of


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


class UnreadableError(Exception):
    """ptars refuses bytes that google.protobuf accepts: an unknown group may hold tags that only it takes."""


class Handler(Protocol):
    """ptars's reader of one message type."""

    def array_to_record_batch(self, array: pa.BinaryArray) -> pa.RecordBatch:
        """One row for each message; ValueError if one does not decode."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Reads accepted events, many in one message (`wire.py`). Immutable, for any thread.

    spellings: what to give it, best first; the next one when it can not read the one before.
    """

    shape: Struct
    handler: Handler
    spellings: tuple[Spelling, ...]

    @classmethod
    def of(cls, shape: Struct) -> "Reader":
        """Build the lowered type."""
        file = _File(renumber=shape.need is Need.TRANSCRIPT)
        events = file.message([Member(name="events", number=1, shape=List(shape))])
        pool = DescriptorPool()
        pool.AddSerializedFile(file.proto.SerializeToString())
        descriptor = pool.FindMessageTypeByName(events.removeprefix("."))
        handler = HandlerPool([descriptor.file]).get_for_message(descriptor)
        event = cast("Descriptor", descriptor.fields_by_name["f1"].message_type)
        spellings = spellings_of(shape.need, GetMessageClass(event))
        return cls(shape=shape, handler=handler, spellings=spellings)

    def read(self, chunks: Sequence[bytes]) -> Read:
        """A struct for each event of all chunks; at least one chunk. UnreadableError: not in this spelling."""
        events = [self._events(each) for each in chunks]
        return self.shape.read(pa.concat_arrays(events) if len(events) > 1 else events[0])

    def _events(self, chunk: bytes) -> pa.StructArray:
        try:
            parsed = self.handler.array_to_record_batch(pa.array([chunk], pa.binary()))
        except ValueError as error:
            raise UnreadableError(str(error)) from error
        return parsed.column(0).values
