"""Values of a single column: numbers, strings, bytes, enums, wrappers, and messages that have nothing in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from bobr.schema.columns.shape import Lowering, Member, Need, Read, Shape, nulls, validity

_F = FieldDescriptorProto
_UINT64 = pa.decimal128(20, 0)

ARROW: Mapping[int, pa.DataType] = {
    _F.TYPE_DOUBLE: pa.float64(),
    _F.TYPE_FLOAT: pa.float32(),
    _F.TYPE_INT64: pa.int64(),
    _F.TYPE_UINT64: _UINT64,
    _F.TYPE_INT32: pa.int32(),
    _F.TYPE_FIXED64: _UINT64,
    _F.TYPE_FIXED32: pa.int64(),
    _F.TYPE_BOOL: pa.bool_(),
    _F.TYPE_STRING: pa.string(),
    _F.TYPE_BYTES: pa.binary(),
    _F.TYPE_UINT32: pa.int64(),
    _F.TYPE_SFIXED32: pa.int32(),
    _F.TYPE_SFIXED64: pa.int64(),
    _F.TYPE_SINT32: pa.int32(),
    _F.TYPE_SINT64: pa.int64(),
}
"""Column type for each scalar type of protobuf. Tables have no unsigned types: the next wider one, or decimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A number, bool, bytes, or a string that every parser checks for UTF-8 (proto3)."""

    wire: _F.Type.ValueType

    @property
    def arrow(self) -> pa.DataType:
        """As `ARROW` says."""
        return ARROW[self.wire]

    @property
    def need(self) -> Need:
        """ptars reads it as it was sent."""
        return Need.AS_SENT

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """Itself."""
        field.type = self.wire

    def read(self, raw: pa.Array) -> Read:
        """Unsigned numbers are widened; all others are taken as they are."""
        return Read(raw if raw.type == self.arrow else raw.cast(self.arrow))

    def judged(self) -> Shape | None:
        """Any value is valid."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string that parsers may leave unchecked (proto2 and editions); what is not UTF-8 is unsound."""

    @property
    def arrow(self) -> pa.DataType:
        """A string."""
        return pa.string()

    @property
    def need(self) -> Need:
        """ptars reads it as it was sent."""
        return Need.AS_SENT

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """Bytes, so that one bad string does not fail the batch."""
        field.type = _F.TYPE_BYTES

    def read(self, raw: pa.Array) -> Read:
        """A check of the bytes, without a copy."""
        try:
            return Read(raw.cast(self.arrow))
        except pa.ArrowInvalid:
            return _salvaged(raw)

    def judged(self) -> Shape | None:
        """UTF-8 is the rule."""
        return self


def _salvaged(raw: pa.Array) -> Read:
    """Strings from bytes of which some are not UTF-8: those become NULL and are unsound."""
    texts = pa.array([_text(value) for value in raw.to_pylist()], pa.string())
    return Read(texts, np.setdiff1d(nulls(texts), nulls(raw), assume_unique=True))


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum:
    """An enum by the names of its numbers.

    A number without a name is kept, as decimal text. Closed enums (proto2) have none: such a field was never set.
    """

    numbers: pa.Int32Array
    names: pa.StringArray
    closed: bool

    @classmethod
    def of(cls, values: Sequence[tuple[str, int]], *, closed: bool) -> "Enum":
        """Names and numbers in order of declaration. Of aliases the first counts, as in google.protobuf."""
        names: dict[int, str] = {}
        for name, number in values:
            names.setdefault(number, name)
        return cls(
            numbers=pa.array(list(names), pa.int32()),
            names=pa.array(list(names.values()), pa.string()),
            closed=closed,
        )

    @property
    def arrow(self) -> pa.DataType:
        """A string."""
        return pa.string()

    @property
    def need(self) -> Need:
        """The numbers that a closed enum lacks, google.protobuf leaves out."""
        return Need.CANONICAL if self.closed else Need.AS_SENT

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """The number, which is the same on the wire."""
        field.type = _F.TYPE_INT32

    def read(self, raw: pa.Array) -> Read:
        """Number → name."""
        names = self.names.take(pc.index_in(raw, value_set=self.numbers))
        if names.null_count == raw.null_count:
            return Read(names)
        return Read(pc.coalesce(names, raw.cast(pa.string())))

    def judged(self) -> Shape | None:
        """Any number decodes to something."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """`google.protobuf.Int32Value` and its like: the value itself, NULL when the message is absent."""

    value: Scalar

    @property
    def arrow(self) -> pa.DataType:
        """What is wrapped."""
        return self.value.arrow

    @property
    def need(self) -> Need:
        """ptars reads it as it was sent."""
        return Need.AS_SENT

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """An ordinary message of the same content: ptars loses the value of a wrapper that comes in two parts."""
        field.type = _F.TYPE_MESSAGE
        field.type_name = lowering.message([Member(name="value", number=1, shape=self.value)])

    def read(self, raw: pa.Array) -> Read:
        """The inner values, with the presence of the outer."""
        inner = raw.field(0)
        buffers = [validity(raw), *inner.buffers()[1:]]
        return self.value.read(pa.Array.from_buffers(inner.type, len(raw), buffers))

    def judged(self) -> Shape | None:
        """Any value is valid."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A message without fields: TRUE when it is there. No table format can hold a struct without members."""

    @property
    def arrow(self) -> pa.DataType:
        """TRUE or NULL."""
        return pa.bool_()

    @property
    def need(self) -> Need:
        """ptars reads it as it was sent."""
        return Need.AS_SENT

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """Its bytes; only whether they are there counts."""
        field.type = _F.TYPE_BYTES

    def read(self, raw: pa.Array) -> Read:
        """TRUE wherever there are bytes, be it none."""
        true = pa.array(np.ones(len(raw), np.bool_))
        return Read(pa.Array.from_buffers(self.arrow, len(raw), [validity(raw), true.buffers()[1]]))

    def judged(self) -> Shape | None:
        """Nothing in it can be wrong."""
        return None
