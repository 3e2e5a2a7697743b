"""A message type at one schema id: the one exact reading of its events as columns.

Exact means: as google.protobuf reads the same bytes. It parses every event, a thousand in one call, and nothing passes
that it refuses. ptars then turns the same bytes into columns, or, where the two could differ on what the bytes mean,
google.protobuf's own new spelling of them (`spelling.py` says when). Values that break a rule of their own type show
in the columns; their events are refused too.

    payloads ─► parse (wire.py) ─► spell (spelling.py) ─► ptars (lowering.py) ─► columns (columns/) ─► rows
                     │                                                               │
                     └─ refused: malformed                                           └─ refused: invalid (faults.py)
"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message

from bobr.errors import SchemaError
from bobr.outcome import Rejection
from bobr.schema.decode.decoding import Decoded, Decoder, malformed_in
from bobr.schema.decode.lowering import Reader
from bobr.schema.decode.wire import Wire
from bobr.schema.identity import as_text, without_zeros
from bobr.schema.mapping import struct_of
from bobr.schema.options import Path, roles_of
from bobr.schema.pool import descriptor_of


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """A message type and its table columns. Immutable; all methods may be called from any thread.

    columns: one for each field, in order of declaration, all nullable; no system columns.
    message_class: of google.protobuf, from a pool of its own.
    id_path, time_path, key_path: the field with that role, as names from the outside in; None: the type has none.
    """

    full_name: str
    columns: pa.Schema
    message_class: type[Message]
    id_path: Path | None
    time_path: Path | None
    key_path: Path | None
    _zero_is_no_id: bool
    _all: Decoder
    _rules: Decoder | None

    @classmethod
    def build(cls, files: FileDescriptorSet, message: str) -> "EventType":
        """The type of that full name.

        files: all that it needs, imports included, in any order. RejectedError: the message is not in them, or they do
        not fit together. SchemaError: fields that can not be columns, options that name unfit fields; all of them.
        """
        descriptor, pool = descriptor_of(files, message)
        struct, unfit = struct_of(descriptor, files)
        roles, misnamed = roles_of(descriptor, struct, files)
        if unfit or misnamed:
            raise SchemaError([*unfit, *misnamed])
        wire = Wire.of(descriptor, pool)
        judged = struct.judged()
        return cls(
            full_name=descriptor.full_name,
            columns=pa.schema(list(struct.arrow)),
            message_class=wire.event,
            id_path=roles.id,
            time_path=roles.time,
            key_path=roles.key,
            _zero_is_no_id=roles.zero_is_no_id,
            _all=Decoder(wire=wire, reader=Reader.of(struct)),
            _rules=Decoder(wire=wire, reader=Reader.of(judged)) if judged else None,
        )

    def check(self, payloads: pa.BinaryArray) -> tuple[Rejection, ...]:
        """The rejections of `decode`, for less: only fields with rules of their own become columns."""
        if self._rules is None:
            return malformed_in(payloads, self._all.wire)
        return self._rules.decode(payloads).rejections

    def decode(self, payloads: pa.BinaryArray) -> Decoded:
        """Read the payloads (no nulls); one bad event does not touch the others."""
        return self._all.decode(payloads)

    def event_ids(self, columns: pa.RecordBatch) -> pa.StringArray | None:
        """The id of each row as text, bytes as hex; NULL: it has none. None: the type has no id.

        Not set, an empty string and, where the wire can not tell it from not set, the number 0 are no id.
        """
        if self.id_path is None:
            return None
        ids = _column(columns, self.id_path)
        return as_text(without_zeros(ids) if self._zero_is_no_id else ids)

    def event_times(self, columns: pa.RecordBatch) -> pa.TimestampArray | None:
        """When each event happened, timestamp(µs, UTC); NULL: it does not say. None: the type has no time."""
        return None if self.time_path is None else _column(columns, self.time_path)

    def keys(self, columns: pa.RecordBatch) -> pa.StringArray | None:
        """The partition key of each row, as text like the id; NULL: it has none. None: the type has no key."""
        return None if self.key_path is None else as_text(_column(columns, self.key_path))


def _column(columns: pa.RecordBatch, path: Path) -> pa.Array:
    """The column at a path; NULL where anything above it is."""
    column = columns.column(path[0])
    return pc.struct_field(column, list(path[1:])) if len(path) > 1 else column
