"""Ids and keys as text, whatever type the field has."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bobr.schema.columns.shape import offsets_of


def as_text(values: pa.Array) -> pa.StringArray:
    """Strings as they are, bytes in hex, integers in decimal. An empty string or no bytes is NULL: nothing is named."""
    if pa.types.is_binary(values.type) or pa.types.is_string(values.type):
        values = pc.if_else(pc.equal(pc.binary_length(values), 0), None, values)
    return _hex(values) if pa.types.is_binary(values.type) else values.cast(pa.string())


def without_zeros(values: pa.Array) -> pa.Array:
    """Integers, those that are 0 NULL; anything else as it is."""
    if pa.types.is_integer(values.type) or pa.types.is_decimal(values.type):
        return pc.if_else(pc.equal(values, 0), None, values)
    return values


def _hex(values: pa.BinaryArray) -> pa.StringArray:
    """Two digits for each byte, in one call for all."""
    offsets = offsets_of(values)
    data = memoryview(values.buffers()[2] or b"")[offsets[0] : offsets[-1]]
    starts = (offsets - offsets[0]) * np.int32(2)
    digits = data.hex().encode()
    text = pa.StringArray.from_buffers(len(values), pa.py_buffer(starts), pa.py_buffer(digits))
    return pc.if_else(values.is_valid(), text, None)
