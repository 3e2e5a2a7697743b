"""The contract of a shape: how one kind of protobuf value is declared to ptars, and how ptars's array becomes ours.

ptars never sees the user's descriptors. It is given plain messages (`lowering.py`) that it reads without surprises,
and each shape turns what comes out into the column that users see. On the way a shape names the values that break a
rule of their own definition, such as a Timestamp in the year 12000: the *unsound* ones, whose events are refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

Places = npt.NDArray[np.int64]
"""Indices into an array; rising where it says so."""

Offsets = npt.NDArray[np.int32]
"""Where each value of a list, string or binary array starts, and the end: one more than values, never falling."""

NOWHERE: Places = np.empty(0, np.int64)


class Need(IntEnum):
    """How events must be spelled for ptars to read a value as google.protobuf does (`spelling.py`)."""

    AS_SENT = 0
    CANONICAL = 1
    TRANSCRIPT = 2


class Read(NamedTuple):
    """A column with the places of its unsound values, in any order; what stands at such a place means nothing."""

    array: pa.Array
    unsound: Places = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One field of a message, as a member of a struct.

    optional: absent and default are different things (explicit presence); only then the column may be NULL.
    own_need: of the field itself, whatever its shape needs.
    """

    name: str
    number: int
    shape: "Shape"
    optional: bool = False
    required: bool = False
    own_need: Need = Need.AS_SENT

    @property
    def need(self) -> Need:
        """Of the field and all that is in it."""
        return max(self.own_need, self.shape.need)


class Lowering(Protocol):
    """The file of plain messages that ptars is given, while it is being written."""

    def message(self, members: Iterable[Member]) -> str:
        """Add a message with these fields; its type name, to refer to."""
        ...


class Shape(Protocol):
    """One kind of value. Immutable; its methods are called from any thread."""

    @property
    def arrow(self) -> pa.DataType:
        """The type of the column."""
        ...

    @property
    def need(self) -> Need:
        """The spelling in which ptars reads it right, wherever it stands."""
        ...

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """Set type (and label, if repeated) of the field that ptars reads such values from."""
        ...

    def read(self, raw: pa.Array) -> Read:
        """What ptars read → the column. `raw` has no offset; its NULLs are the absent values."""
        ...

    def judged(self) -> "Shape | None":
        """The part of it that has rules of its own to break; None: whatever decodes is valid."""
        ...


def offsets_of(array: pa.Array) -> Offsets:
    """Those of the array, into the whole of its child or data; the first is not 0 in a slice."""
    whole = np.frombuffer(array.buffers()[1], np.int32)
    return whole[array.offset : array.offset + len(array) + 1]


def validity(array: pa.Array) -> pa.Buffer | None:
    """Its validity bitmap. None: no NULLs. The array has no offset."""
    return array.buffers()[0] if array.null_count else None


def nulls(array: pa.Array) -> Places:
    """Where it is NULL, rising."""
    return np.flatnonzero(array.is_null()) if array.null_count else NOWHERE


def union(places: Iterable[Places]) -> Places:
    """All of them, each once, rising."""
    some = [each for each in places if len(each)]
    return np.unique(np.concatenate(some)) if some else NOWHERE


def owners(items: Places, offsets: Offsets) -> Places:
    """The lists that these items stand in, each once, rising."""
    return np.unique(np.searchsorted(offsets, items, side="right") - 1) if len(items) else NOWHERE
