"""The columns of a table while schemas evolve: union of versions, and rows made to fit it. Pure."""

import pyarrow as pa

from bobr.errors import RejectedError

_WIDER = {(pa.int32(), pa.int64()), (pa.float32(), pa.float64())}


def union(first: pa.Schema, second: pa.Schema) -> pa.Schema:
    """Columns that hold the rows of both: those of `first`, then what only `second` has.

    Members of structs likewise, at any depth; int32 widens to int64, float to double. Raises
    RejectedError that names the column when a type can not follow.
    """
    return pa.schema(_union_fields(list(first), list(second), ""))


def conform(rows: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
    """The rows with exactly these columns, by name: absent ones are NULL, at any depth too.

    `columns` holds all columns of `rows` (a `union` with theirs). Without a copy where types agree.
    """
    arrays = [_conform_column(rows, field) for field in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def _conform_column(rows: pa.RecordBatch, field: pa.Field) -> pa.Array:
    place = rows.schema.get_field_index(field.name)
    if place < 0:
        return pa.nulls(rows.num_rows, field.type)
    column = rows.column(place)
    return column if column.type == field.type else column.cast(field.type)


def _union_fields(first: list[pa.Field], second: list[pa.Field], path: str) -> list[pa.Field]:
    theirs = {field.name: field for field in second}
    merged = [_union_field(mine, theirs.pop(mine.name, mine), path) for mine in first]
    return merged + list(theirs.values())


def _union_field(mine: pa.Field, theirs: pa.Field, path: str) -> pa.Field:
    return mine.with_type(_union_type(mine.type, theirs.type, f"{path}{mine.name}"))


def _union_type(mine: pa.DataType, theirs: pa.DataType, path: str) -> pa.DataType:
    if mine == theirs or (theirs, mine) in _WIDER:
        return mine
    if (mine, theirs) in _WIDER:
        return theirs
    if pa.types.is_struct(mine) and pa.types.is_struct(theirs):
        return pa.struct(_union_fields(list(mine), list(theirs), f"{path}."))
    if pa.types.is_list(mine) and pa.types.is_list(theirs):
        value = _union_type(mine.value_type, theirs.value_type, f"{path}[]")
        return pa.list_(mine.value_field.with_type(value))
    if pa.types.is_map(mine) and pa.types.is_map(theirs) and mine.key_type == theirs.key_type:
        item = mine.item_field.with_type(_union_type(mine.item_type, theirs.item_type, path))
        return pa.map_(mine.key_field, item)
    raise RejectedError(
        f"column {path}: a table column of type {mine} can not become {theirs}; "
        "give the field another name, or deliver to another table"
    )
