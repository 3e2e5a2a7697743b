"""Values that hold others: messages as structs, repeated fields as lists, maps as maps."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from bobr.schema.columns.scalars import Present
from bobr.schema.columns.shape import (
    NOWHERE,
    Lowering,
    Member,
    Offsets,
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
    """A message with fields.

    oneofs: the members of each, as indices. On the wire the last one set wins; ptars keeps them all, so two are odd.
    """

    members: tuple[Member, ...]
    oneofs: tuple[tuple[int, ...], ...] = ()
    arrow: pa.DataType = field(init=False)

    def __post_init__(self) -> None:
        """Derive the type of the column."""
        columns = [pa.field(each.name, each.shape.arrow) for each in self.members]
        object.__setattr__(self, "arrow", pa.struct(columns))

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """A message of its own for each place it is used in: what recursion cuts off differs by place."""
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = lowering.message(self.members)

    def read(self, raw: pa.Array) -> Read:
        """Member by member; the presence of the whole is kept, not copied."""
        columns = [each.shape.read(raw.field(f"f{each.number}")) for each in self.members]
        arrays = [column.array for column in columns]
        odd = [column.odd for column in columns]
        odd += [_crowded([arrays[i] for i in oneof]) for oneof in self.oneofs]
        odd += [_missing(a, raw) for m, a in zip(self.members, arrays, strict=True) if m.required]
        array = pa.Array.from_buffers(self.arrow, len(raw), [validity(raw)], children=arrays)
        return Read(array, union(odd))

    def judged(self) -> "Struct | None":
        """The members with rules; those that share a oneof with one stay too, as they can push it out."""
        shapes = [each.shape.judged() for each in self.members]
        kept = {i for i, each in enumerate(self.members) if shapes[i] or each.required}
        kept |= {i for oneof in self.oneofs if kept.intersection(oneof) for i in oneof}
        if not kept:
            return None
        places = sorted(kept)
        members = tuple(
            replace(self.members[i], shape=shapes[i] or _thin(self.members[i].shape))
            for i in places
        )
        oneofs = tuple(
            tuple(places.index(i) for i in oneof) for oneof in self.oneofs if kept.issuperset(oneof)
        )
        return Struct(members, oneofs)


def _thin(shape: Shape) -> Shape:
    """Enough of a shape to see whether the value is there."""
    return Present() if isinstance(shape, Struct) else shape


def _crowded(members: Sequence[pa.Array]) -> Places:
    """Where more than one member of a oneof is set."""
    present = [each.is_valid().to_numpy(zero_copy_only=False) for each in members]
    return np.flatnonzero(np.sum(present, axis=0) > 1)


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

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """A repeated field."""
        self.item.declare(field, lowering)
        field.label = FieldDescriptorProto.LABEL_REPEATED

    def read(self, raw: pa.Array) -> Read:
        """All items at once."""
        items = self.item.read(raw.values)
        buffers = [None, raw.buffers()[1]]
        array = pa.Array.from_buffers(self.arrow, len(raw), buffers, children=[items.array])
        return Read(array, owners(items.odd, offsets_of(raw)))

    def judged(self) -> Shape | None:
        """What is in it."""
        item = self.item.judged()
        return None if item is None else List(item)


@dataclass(frozen=True, slots=True)
class Map:
    """A map; empty when absent, never NULL; entries in the order of the wire, no value NULL.

    Odd: a key that comes twice (the last wins), and an entry whose message value is missing (an empty message).
    """

    key: Shape
    value: Shape

    @property
    def arrow(self) -> pa.DataType:
        """A map."""
        return pa.map_(self.key.arrow, self.value.arrow)

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """A repeated message of key and value, which is the same on the wire."""
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.label = FieldDescriptorProto.LABEL_REPEATED
        key = Member(name="key", number=1, shape=self.key)
        value = Member(name="value", number=2, shape=self.value)
        field.type_name = lowering.message([key, value])

    def read(self, raw: pa.Array) -> Read:
        """All entries at once."""
        offsets = offsets_of(raw)
        keys = self.key.read(raw.values.field("f1"))
        values = self.value.read(raw.values.field("f2"))
        entries = union([keys.odd, values.odd, nulls(values.array)])
        # An odd key is NULL by now, which no map may hold.
        sound = keys.array.fill_null("") if len(keys.odd) else keys.array
        odd = union([owners(entries, offsets), _repeating(sound, offsets)])
        return Read(self._array(raw, sound, values.array), odd)

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


def _repeating(keys: pa.Array, offsets: Offsets) -> Places:
    """The maps in which a key comes more than once."""
    sizes = np.diff(offsets)
    if not len(keys) or sizes.max() < 2:
        return NOWHERE
    codes = keys.dictionary_encode().indices.to_numpy().astype(np.int64)
    of = np.repeat(np.arange(len(sizes)), sizes)
    marks = np.sort(of * len(keys) + codes)
    return np.unique(marks[1:][marks[1:] == marks[:-1]] // len(keys))
