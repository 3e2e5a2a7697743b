"""Between Arrow and Iceberg: column types, partition transforms, positions in a summary. Pure."""

import json
from collections.abc import Callable, Mapping

import pyarrow as pa
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, HourTransform, MonthTransform, Transform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
)

from bobr.batch import Positions
from bobr.catalog import PartitionBy
from bobr.errors import BrokenError, RejectedError
from bobr.ids import Offset, Partition, StreamName, StreamPartition

PARTITIONED_BY = "_event_time"

_PLAIN: Mapping[type[IcebergType], pa.DataType] = {
    BooleanType: pa.bool_(),
    IntegerType: pa.int32(),
    LongType: pa.int64(),
    FloatType: pa.float32(),
    DoubleType: pa.float64(),
    StringType: pa.string(),
    BinaryType: pa.binary(),
    DateType: pa.date32(),
    TimestampType: pa.timestamp("us"),
    TimestamptzType: pa.timestamp("us", "UTC"),
}
_TRANSFORMS: Mapping[PartitionBy, Callable[[], Transform[int, int]]] = {
    PartitionBy.HOUR: HourTransform,
    PartitionBy.DAY: DayTransform,
    PartitionBy.MONTH: MonthTransform,
}


def arrow_columns(schema: Schema) -> pa.Schema:
    """The table's columns in Arrow; each field's metadata has the Iceberg id that Parquet stores."""
    return pa.schema([_arrow_field(field) for field in schema.fields])


def _arrow_field(field: NestedField) -> pa.Field:
    return _with_id(field.name, _arrow_type(field.field_type), field.field_id, not field.required)


def _with_id(name: str, kind: pa.DataType, field_id: int, nullable: bool) -> pa.Field:
    return pa.field(name, kind, nullable, {"PARQUET:field_id": str(field_id)})


def _arrow_type(kind: IcebergType) -> pa.DataType:
    match kind:
        case StructType():
            return pa.struct([_arrow_field(member) for member in kind.fields])
        case ListType():
            return pa.list_(_arrow_field(kind.element_field))
        case MapType():
            return pa.map_(_arrow_field(kind.key_field), _arrow_field(kind.value_field))
        case DecimalType():
            return pa.decimal128(kind.precision, kind.scale)
        case _ if type(kind) in _PLAIN:
            return _PLAIN[type(kind)]
    raise RejectedError(f"a table with a column of type {kind} can not be delivered to")


def check_types(columns: pa.Schema) -> None:
    """Raise RejectedError, naming the column, for a type that no Iceberg type holds exactly."""
    for field in columns:
        _check_type(field.type, field.name)


def _check_type(kind: pa.DataType, path: str) -> None:
    if pa.types.is_nested(kind):
        if not kind.num_fields:
            raise RejectedError(f"column {path}: a struct without members can not be stored")
        for place in range(kind.num_fields):
            member = kind.field(place)
            _check_type(member.type, f"{path}.{member.name}")
    elif not (kind in _PLAIN.values() or pa.types.is_decimal128(kind)):
        raise RejectedError(f"column {path}: Iceberg has no type for {kind}")


def transform_of(by: PartitionBy) -> Transform[int, int] | None:
    """Iceberg's transform of `_event_time`; None: not partitioned."""
    return _TRANSFORMS[by]() if by in _TRANSFORMS else None


def partition_field_name(by: PartitionBy) -> str:
    """What the partition field is called in Iceberg's metadata."""
    return f"{PARTITIONED_BY}_{by}"


def is_partitioned_by(spec: PartitionSpec, by: PartitionBy) -> bool:
    """Whether the table is partitioned that way already."""
    transform = transform_of(by)
    return [field.transform for field in spec.fields] == ([transform] if transform else [])


def positions_json(positions: Positions) -> str:
    """Positions as the summary of a snapshot keeps them: stream → partition → offset."""
    streams: dict[str, dict[str, int]] = {}
    for (stream, partition), offset in sorted(positions.items()):
        streams.setdefault(stream, {})[str(partition)] = offset
    return json.dumps(streams, separators=(",", ":"))


def positions_from_json(text: str, where: str) -> Positions:
    """The inverse. Raises BrokenError that names the table when somebody else wrote there."""
    try:
        return {
            StreamPartition(StreamName(stream), Partition(int(partition))): Offset(int(offset))
            for stream, offsets in json.loads(text).items()
            for partition, offset in offsets.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise BrokenError(
            f"{where}: the positions in its snapshot are unreadable: {text!r}"
        ) from error
