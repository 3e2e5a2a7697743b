"""Payloads → rows and rejections: the way of one batch through parser, spelling, ptars and columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bobr.outcome import Rejection
from bobr.schema.columns.shape import Places
from bobr.schema.decode.lowering import Reader, UnreadableError
from bobr.schema.decode.spelling import Spelling
from bobr.schema.decode.wire import Chunk, Wire, chunks_of, framed
from bobr.schema.faults import Fault, first_fault


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
class Decoder:
    """Decodes the columns that its reader knows. Immutable, for any thread."""

    wire: Wire
    reader: Reader

    def decode(self, payloads: pa.BinaryArray) -> Decoded:
        """No payload is NULL. One bad event does not touch the others."""
        *better, last = self.reader.spellings
        for spelling in better:
            try:
                return self._decoded(payloads, spelling)
            except UnreadableError:
                continue
        return self._decoded(payloads, last)

    def _decoded(self, payloads: pa.BinaryArray, spelling: Spelling) -> Decoded:
        malformed: list[Rejection] = []
        chunks = [self._spelled(chunk, spelling, malformed) for chunk in chunks_of(payloads)]
        rows = self.reader.read(chunks)
        if not malformed and not len(rows.unsound):
            return Decoded(columns=_batch(rows.array), accepted=None, rejections=())
        places = np.delete(np.arange(len(payloads)), [each.index for each in malformed])
        invalid = self._refused(payloads, places[rows.unsound])
        kept = np.delete(np.arange(len(places)), rows.unsound)
        return Decoded(
            columns=_batch(rows.array.take(pa.array(kept))),
            accepted=pa.array(places[kept]),
            rejections=tuple(sorted([*malformed, *invalid], key=lambda each: each.index)),
        )

    def _spelled(self, chunk: Chunk, spelling: Spelling, malformed: list[Rejection]) -> bytes:
        """The events of the chunk that parse, for ptars; the others are added to `malformed`."""
        sent = framed(chunk.payloads)
        events = self.wire.parse_all(sent)
        if events is not None:
            return spelling.of_all(sent, events)
        spelled = []
        for index, payload in enumerate(chunk.payloads.to_pylist(), chunk.start):
            event = self.wire.parse(payload, index)
            if isinstance(event, Rejection):
                malformed.append(event)
            else:
                spelled.append(spelling.of_one(payload, event))
        return framed(pa.array(spelled, pa.binary()))

    def _refused(self, payloads: pa.BinaryArray, places: Places) -> Sequence[Rejection]:
        return [self._refusal(index, payloads[index].as_py()) for index in places.tolist()]

    def _refusal(self, index: int, payload: bytes) -> Rejection:
        fault = first_fault(self.wire.event.FromString(payload)) or _UNREADABLE
        return Rejection(
            index=index,
            reason=fault.reason,
            message=fault.message,
            field=fault.field,
            rule=fault.rule,
        )


def malformed_in(payloads: pa.BinaryArray, wire: Wire) -> tuple[Rejection, ...]:
    """Only whether each parses: all there is to say of a type without rules."""
    found: list[Rejection] = []
    for chunk in chunks_of(payloads):
        if wire.parse_all(framed(chunk.payloads)) is None:
            each = enumerate(chunk.payloads.to_pylist(), chunk.start)
            parsed = [wire.parse(payload, index) for index, payload in each]
            found += [event for event in parsed if isinstance(event, Rejection)]
    return tuple(found)


def _batch(rows: pa.StructArray) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(rows)


_UNREADABLE = Fault(
    field="",
    rule="",
    message="this event parses, but bobr can not bring it into columns; please report it, with the schema",
)
