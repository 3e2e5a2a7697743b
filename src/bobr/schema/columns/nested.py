"""Values that hold others: messages as structs, repeated fields as lists, maps as maps."""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from bobr.schema.columns.scalars import Present
from bobr.schema.columns.shape import (
    Lowering,
    Member,
    Need,
    Places,
    Read,
    Shape,
    nulls,
    offsets_of,
    owners,
    union,
    validity,
)


@dataclass(frozen=True, slots=True)
class Struct:
    """A message with fields."""

    members: tuple[Member, ...]
    arrow: pa.DataType = field(init=False)

    def __post_init__(self) -> None:
        """Derive the type of the column."""
        columns = [pa.field(each.name, each.shape.arrow) for each in self.members]
        object.__setattr__(self, "arrow", pa.struct(columns))

    @property
    def need(self) -> Need:
        """That of the member which needs most."""
        return max((each.need for each in self.members), default=Need.AS_SENT)

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """A message of its own for each place it is used in: what recursion cuts off differs by place."""
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = lowering.message(self.members)

    def read(self, raw: pa.Array) -> Read:
        """Member by member; the presence of the whole is kept, not copied."""
        columns = [each.shape.read(raw.field(f"f{each.number}")) for each in self.members]
        arrays = [column.array for column in columns]
        unsound = [column.unsound for column in columns]
        unsound += [
            _missing(a, raw) for m, a in zip(self.members, arrays, strict=True) if m.required
        ]
        array = pa.Array.from_buffers(self.arrow, len(raw), [validity(raw)], children=arrays)
        return Read(array, union(unsound))

    def judged(self) -> "Struct | None":
        """The members with rules."""
        members = []
        for each in self.members:
            shape = each.shape.judged() or (_thin(each.shape) if each.required else None)
            if shape is not None:
                members.append(replace(each, shape=shape))
        return Struct(tuple(members)) if members else None


def _thin(shape: Shape) -> Shape:
    """Enough of a shape to see whether the value is there."""
    return Present() if isinstance(shape, Struct) else shape


def _missing(member: pa.Array, message: pa.Array) -> Places:
    """Where the message is there and its required member is not."""
    return np.setdiff1d(nulls(member), nulls(message), assume_unique=True)


@dataclass(frozen=True, slots=True)
class List:
    """A repeated field; empty when absent, never NULL."""

    item: Shape

    @property
    def arrow(self) -> pa.DataType:
        """A list."""
        return pa.list_(self.item.arrow)

    @property
    def need(self) -> Need:
        """That of its items."""
        return self.item.need

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """A repeated field."""
        self.item.declare(field, lowering)
        field.label = FieldDescriptorProto.LABEL_REPEATED

    def read(self, raw: pa.Array) -> Read:
        """All items at once."""
        items = self.item.read(raw.values)
        buffers = [None, raw.buffers()[1]]
        array = pa.Array.from_buffers(self.arrow, len(raw), buffers, children=[items.array])
        return Read(array, owners(items.unsound, offsets_of(raw)))

    def judged(self) -> Shape | None:
        """What is in it."""
        item = self.item.judged()
        return None if item is None else List(item)


@dataclass(frozen=True, slots=True)
class Map:
    """A map; empty when absent, never NULL. ptars reads it right only in canonical spelling (`spelling.py`)."""

    key: Shape
    value: Shape

    @property
    def arrow(self) -> pa.DataType:
        """A map."""
        return pa.map_(self.key.arrow, self.value.arrow)

    @property
    def need(self) -> Need:
        """Of two equal keys the last wins, and an entry with anything unknown in it is left out."""
        return max(Need.CANONICAL, self.key.need, self.value.need)

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """A repeated message of key and value, which is the same on the wire."""
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.label = FieldDescriptorProto.LABEL_REPEATED
        key = Member(name="key", number=1, shape=self.key)
        value = Member(name="value", number=2, shape=self.value)
        field.type_name = lowering.message([key, value])

    def read(self, raw: pa.Array) -> Read:
        """All entries at once."""
        keys = self.key.read(raw.values.field("f1"))
        values = self.value.read(raw.values.field("f2"))
        unsound = owners(union([keys.unsound, values.unsound]), offsets_of(raw))
        # An unsound key is NULL by now, which no map may hold.
        sound = keys.array.fill_null("") if len(keys.unsound) else keys.array
        return Read(self._array(raw, sound, values.array), unsound)

    def _array(self, raw: pa.Array, keys: pa.Array, values: pa.Array) -> pa.Array:
        of = pa.struct([self.arrow.key_field, self.arrow.item_field])
        entries = pa.Array.from_buffers(of, len(keys), [None], children=[keys, values])
        buffers = [None, raw.buffers()[1]]
        return pa.Array.from_buffers(self.arrow, len(raw), buffers, children=[entries])

    def judged(self) -> Shape | None:
        """Key or value."""
        key, value = self.key.judged(), self.value.judged()
        if key is None and value is None:
            return None
        return Map(self.key, value or _thin(self.value))
