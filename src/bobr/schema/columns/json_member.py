"""Messages that have no column type: recursive ones, Any, Struct, Value, ListValue. Their column holds JSON text."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.message import Message

from bobr.schema.columns.json_text import json_text
from bobr.schema.columns.shape import Lowering, Need, Offsets, Read, Shape, nulls, offsets_of
from bobr.schema.faults import is_sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Json:
    """A message as JSON text, one Python call for each value that is there.

    rules: something in it has a definition that a value can break; such a value is unsound.
    """

    of: type[Message]
    rules: bool

    @property
    def arrow(self) -> pa.DataType:
        """Text."""
        return pa.string()

    @property
    def need(self) -> Need:
        """ptars reads it as it was sent."""
        return Need.AS_SENT

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """All its occurrences, as bytes: one after another they are the merged message, as the wire format says."""
        field.type = FieldDescriptorProto.TYPE_BYTES
        field.label = FieldDescriptorProto.LABEL_REPEATED

    def read(self, raw: pa.Array) -> Read:
        """`raw`: the occurrences of a singular field, or the messages of a repeated one."""
        if pa.types.is_list(raw.type):
            raw = _merged(raw)
        texts = pa.array([self._text(each) for each in raw.to_pylist()], pa.string())
        return Read(texts, np.setdiff1d(nulls(texts), nulls(raw), assume_unique=True))

    def _text(self, serialized: bytes | None) -> str | None:
        if serialized is None:
            return None
        message = self.of.FromString(serialized)
        return json_text(message) if not self.rules or is_sound(message) else None

    def judged(self) -> Shape | None:
        """Itself, if there are rules."""
        return self if self.rules else None


def _merged(raw: pa.Array) -> pa.Array:
    """One value for each list; none in it: NULL."""
    offsets = offsets_of(raw)
    if (np.diff(offsets) <= 1).all():
        return raw.values.take(_only(offsets))
    parts = raw.to_pylist()
    return pa.array([b"".join(each) if each else None for each in parts], pa.binary())


def _only(offsets: Offsets) -> pa.Array:
    """Where the one item of each list stands; NULL for an empty list."""
    return pa.array(offsets[:-1].astype(np.int64), mask=np.diff(offsets) == 0)
