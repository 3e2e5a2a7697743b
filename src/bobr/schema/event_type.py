"""A message type at one schema id: the one exact reading of its events as columns.

Exact means: as google.protobuf reads the same bytes. It parses every event, a thousand in one call, so that nothing
passes that it would refuse. ptars turns the same bytes into columns. The few rows in which those columns show
something that the two read differently (`columns/` says what) are written anew by google.protobuf in its canonical
form, on which they agree, and read again. What is odd even then breaks a rule of its own type, and is refused.

    payloads ── parse (wire.py) ──► accepted ── ptars (lowering.py) ──► columns ──► odd rows?
                      │                              ▲                                 │
                   refused                           └──── canonical bytes ◄───────────┤ the first time
                                                              refused (faults.py) ◄────┘ the second
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message

from bobr.outcome import Rejection
from bobr.schema.columns.shape import Places, Read
from bobr.schema.faults import Fault, first_fault
from bobr.schema.identity import as_text, without_zeros
from bobr.schema.lowering import Reader
from bobr.schema.mapping import closure, struct_of
from bobr.schema.options import Path, roles_of
from bobr.schema.pool import descriptor_of
from bobr.schema.transcript import needs_transcript
from bobr.schema.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What became of a batch of payloads.

    columns: one row for each accepted payload, in order; the schema is `EventType.columns`.
    accepted: which payloads these rows are; None: all of them.
    rejections: the others, by index in the payloads, in order.
    """

    columns: pa.RecordBatch
    accepted: pa.Int64Array | None
    rejections: tuple[Rejection, ...]


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
    _wire: Wire
    _reader: Reader
    _rules: Reader | None

    @classmethod
    def build(cls, files: FileDescriptorSet, message: str) -> "EventType":
        """The type of that full name.

        files: all that it needs, imports included, in any order. RejectedError: the message is not in them, they do
        not fit together, some field can not be a column, or an option names an unfit field; the text says which.
        """
        descriptor, pool = descriptor_of(files, message)
        struct = struct_of(descriptor, {f.name for f in files.file if f.syntax == "proto3"})
        roles = roles_of(descriptor, struct)
        wire = Wire.of(descriptor, pool)
        original = wire.message if needs_transcript(closure(descriptor)) else None
        judged = struct.judged()
        return cls(
            full_name=descriptor.full_name,
            columns=pa.schema(list(struct.arrow)),
            message_class=wire.message,
            id_path=roles.id,
            time_path=roles.time,
            key_path=roles.key,
            _zero_is_no_id=roles.zero_is_no_id,
            _wire=wire,
            _reader=Reader.of(struct, original),
            _rules=Reader.of(judged, original) if judged else None,
        )

    def check(self, payloads: pa.BinaryArray) -> tuple[Rejection, ...]:
        """The rejections of `decode`, for less: only fields with rules of their own become columns."""
        if self._rules is None:
            return self._wire.malformed(payloads)
        return self._settled(self._rules, payloads).rejections

    def decode(self, payloads: pa.BinaryArray) -> Decoded:
        """Read the payloads (no nulls); one bad event does not touch the others."""
        return self._settled(self._reader, payloads)

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

    def _settled(self, reader: Reader, payloads: pa.BinaryArray) -> Decoded:
        malformed = self._wire.malformed(payloads)
        if not malformed:
            return self._ruled(reader, payloads, np.arange(len(payloads)))
        places = _others(malformed, np.arange(len(payloads)))
        ruled = self._ruled(reader, payloads.take(pa.array(places)), places)
        accepted = pa.array(places) if ruled.accepted is None else ruled.accepted
        rejections = sorted((*malformed, *ruled.rejections), key=lambda each: each.index)
        return Decoded(columns=ruled.columns, accepted=accepted, rejections=tuple(rejections))

    def _ruled(self, reader: Reader, payloads: pa.BinaryArray, places: Places) -> Decoded:
        """`payloads` all parse; `places` are their indices in the batch."""
        first = reader.read(payloads)
        if not len(first.odd):
            return Decoded(columns=_batch(first.array), accepted=None, rejections=())
        again = reader.read(self._wire.canonical(payloads.take(pa.array(first.odd))))
        rows = _spliced(first, again)
        if not len(again.odd):
            return Decoded(columns=_batch(rows), accepted=None, rejections=())
        odd = first.odd[again.odd]
        refused = [self._refusal(int(places[i]), payloads[int(i)].as_py()) for i in odd]
        kept = pa.array(np.delete(np.arange(len(rows)), odd))
        return Decoded(
            columns=_batch(rows.take(kept)),
            accepted=pa.array(np.delete(places, odd)),
            rejections=tuple(refused),
        )

    def _refusal(self, index: int, payload: bytes) -> Rejection:
        fault = first_fault(self.message_class.FromString(payload)) or _UNREADABLE
        return Rejection(
            index=index,
            reason=fault.reason,
            message=fault.message,
            field=fault.field,
            rule=fault.rule,
        )


_UNREADABLE = Fault(
    field="",
    rule="",
    message="this event parses, but bobr can not bring it into columns; please report it, with the schema",
)


def _column(columns: pa.RecordBatch, path: Path) -> pa.Array:
    """The column at a path; NULL where anything above it is."""
    column = columns.column(path[0])
    return pc.struct_field(column, list(path[1:])) if len(path) > 1 else column


def _batch(rows: pa.StructArray) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(rows)


def _spliced(first: Read, again: Read) -> pa.StructArray:
    """The rows of `first`, the odd ones replaced by those of `again`."""
    rows = np.arange(len(first.array))
    rows[first.odd] = len(first.array) + np.arange(len(again.array))
    return pa.concat_arrays([first.array, again.array]).take(pa.array(rows))


def _others(refused: Sequence[Rejection], places: Places) -> Places:
    return np.delete(places, [each.index for each in refused])
