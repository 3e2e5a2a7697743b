"""From what a log holds to rows of a table: decoded columns, then Bobr's own. Whole batches only."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bobr.batch import StoredBatch
from bobr.ids import SchemaId
from bobr.outcome import Reason, Rejection
from bobr.schema import EventType
from bobr.transmitter.columns import conform, union
from bobr.transmitter.sinks import SYSTEM_COLUMNS

Types = Callable[[SchemaId], EventType | None]
"""The type of a schema id; None: its events are of another message, which the table is not for.

Raises NotFoundError (no such schema) or UnavailableError (ask again).
"""

_FIRST_MICROS, _LAST_MICROS = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Years 1 to 9999, as protobuf's Timestamp allows. No scalars of pyarrow: the first one made imports pandas, if any."""

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of the table's columns, in the order of the log; and the events that are none.

    places: where the event of each row stood among all events.
    """

    rows: pa.RecordBatch
    places: Places
    undecodable: tuple[Rejection, ...]


def merged(columns: pa.Schema, types: Iterable[EventType]) -> pa.Schema:
    """The union of event columns with those of more types. RejectedError names the column."""
    for event in types:
        columns = union(columns, event.columns)
    return columns


def with_system_columns(columns: pa.Schema) -> pa.Schema:
    """Event columns, then `SYSTEM_COLUMNS`."""
    return pa.schema([*columns, *SYSTEM_COLUMNS])


def table_rows(batches: Sequence[StoredBatch], types: Types, columns: pa.Schema) -> Rows:
    """Decode each event with its own schema, and make rows of them all.

    columns: of the events, holding those of every type in `batches` (`merged`). Events of one
    schema are decoded together, so producers of old and new schemas may take turns at no cost.
    """
    parts = [_part(schema_id, some, types, columns) for schema_id, some in _by_schema(batches)]
    undecodable = tuple(rejection for part in parts for rejection in part.undecodable)
    if len(parts) == 1:
        (part,) = parts
        return Rows(rows=part.rows, places=part.places, undecodable=undecodable)
    rows = pa.concat_batches([part.rows for part in parts])
    places = np.concatenate([part.places for part in parts])
    order = np.argsort(places)
    return Rows(rows=rows.take(pa.array(order)), places=places[order], undecodable=undecodable)


def _by_schema(
    batches: Sequence[StoredBatch],
) -> Iterator[tuple[SchemaId, list[tuple[int, StoredBatch]]]]:
    """The batches of each schema, with the number of events before each."""
    groups: dict[SchemaId, list[tuple[int, StoredBatch]]] = {}
    before = 0
    for batch in batches:
        groups.setdefault(batch.schema_id, []).append((before, batch))
        before += len(batch)
    yield from groups.items()


def _part(
    schema_id: SchemaId,
    batches: Sequence[tuple[int, StoredBatch]],
    types: Types,
    columns: pa.Schema,
) -> "_Part":
    event = types(schema_id)
    return (
        _Part.none(schema_id, batches, columns)
        if event is None
        else _Part.of(batches, event, columns)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The rows of one schema. `places`: where each stood among all events."""

    rows: pa.RecordBatch
    places: Places
    undecodable: tuple[Rejection, ...]

    @classmethod
    def of(
        cls, batches: Sequence[tuple[int, StoredBatch]], event: EventType, columns: pa.Schema
    ) -> "_Part":
        decoded = event.decode(pa.concat_arrays([batch.payloads for _, batch in batches]))
        origins = pa.concat_batches([_origins(before, batch) for before, batch in batches])
        if decoded.accepted is not None:
            origins = origins.take(decoded.accepted)
        own = _system_columns(origins, event, decoded.columns)
        # Together before `conform`: without a column a batch has no rows, and a message may be empty.
        rows = pa.RecordBatch.from_arrays(
            [*decoded.columns.columns, *own], schema=with_system_columns(decoded.columns.schema)
        )
        rows = conform(rows, with_system_columns(columns))
        places = origins.column("place").to_numpy()
        return cls(rows=rows, places=places, undecodable=decoded.rejections)

    @classmethod
    def none(
        cls, schema_id: SchemaId, batches: Sequence[tuple[int, StoredBatch]], columns: pa.Schema
    ) -> "_Part":
        words = f"schema {schema_id} is of a stream that had this name before, and carried another message"
        rejections = tuple(
            Rejection(index=index, reason=Reason.UNKNOWN_SCHEMA, message=words)
            for index in range(sum(len(batch) for _, batch in batches))
        )
        nothing: list[object] = []
        rows = pa.RecordBatch.from_pylist(nothing, with_system_columns(columns))
        return cls(rows=rows, places=np.empty(0, dtype=np.int64), undecodable=rejections)


def _origins(before: int, batch: StoredBatch) -> pa.RecordBatch:
    """Where each event came from."""
    count = len(batch)
    return pa.RecordBatch.from_pydict(
        {
            "_ingest_time": batch.ingest_times,
            "_stream": pa.repeat(pa.scalar(str(batch.source.stream)), count),
            "_partition": pa.repeat(pa.scalar(batch.source.partition, pa.int32()), count),
            "_offset": batch.offsets,
            "_schema_id": pa.repeat(pa.scalar(batch.schema_id, pa.int32()), count),
            "place": pa.array(np.arange(before, before + count)),
        }
    )


def _system_columns(
    origins: pa.RecordBatch, event: EventType, decoded: pa.RecordBatch
) -> list[pa.Array]:
    ids = event.event_ids(decoded)
    times = _event_times(event.event_times(decoded), origins.column("_ingest_time"))
    known = {
        "_event_id": pa.nulls(origins.num_rows, pa.string()) if ids is None else ids,
        "_event_time": times,
    }
    return [known[name] if name in known else origins.column(name) for name in SYSTEM_COLUMNS.names]


def _event_times(times: pa.TimestampArray | None, ingested: pa.TimestampArray) -> pa.TimestampArray:
    """When each event happened; as it was ingested where that is not said, or in no calendar."""
    if times is None:
        return ingested
    micros = times.view(pa.int64())
    sane = pc.and_(pc.greater_equal(micros, _FIRST_MICROS), pc.less_equal(micros, _LAST_MICROS))
    return pc.if_else(pc.fill_null(sane, fill_value=False), times, ingested)
