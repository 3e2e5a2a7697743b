"""Calls → groups: the events of all calls that go to one stream with one schema, as one array."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from bobr.broker.calls import Call, JsonEvents, RawEvents
from bobr.errors import RejectedError
from bobr.ids import SchemaId, StreamName
from bobr.schema import EventType
from bobr.v1 import broker_pb2 as wire

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Calls to one stream with one schema id (0: the current).

    payloads: all their events, call after call; starts: int64, where each call's events begin, and their total at the
    end. A JSON call's events are documents still: `payloads` is None and `starts` counts documents.
    """

    stream: StreamName
    schema_id: SchemaId
    calls: Sequence[Call]
    starts: Integers
    payloads: pa.BinaryArray | None


class Merger:
    """Reads serialized PublishRequests by columns: one decode for all calls of a round, however many there are."""

    def __init__(self) -> None:
        """Compiles the reader of PublishRequest."""
        file = FileDescriptorProto()
        wire.DESCRIPTOR.CopyToProto(file)
        files = FileDescriptorSet(file=[file])
        self._requests = EventType.build(files, wire.PublishRequest.DESCRIPTOR.full_name)

    def groups(self, calls: Sequence[Call]) -> Iterator[Group]:
        """The groups of a round; a call that can not be read gets its outcome here and is in none."""
        raw = [call for call in calls if isinstance(call.events, RawEvents)]
        if raw:
            yield from self._raw_groups(raw)
        if len(raw) < len(calls):
            yield from _json_groups(call for call in calls if isinstance(call.events, JsonEvents))

    def _raw_groups(self, calls: Sequence[Call]) -> Iterator[Group]:
        requests = pa.array([call.events.request for call in calls], pa.binary())  # type: ignore[union-attr]  # raw only
        decoded = self._requests.decode(requests)
        for rejection in decoded.rejections:
            calls[rejection.index].outcome = RejectedError(
                f"the call is not a bobr.v1.PublishRequest: {rejection.message}"
            )
        if decoded.accepted is not None:
            calls = [calls[index] for index in decoded.accepted.to_pylist()]
        yield from _split(calls, decoded.columns)


def _split(calls: Sequence[Call], columns: pa.RecordBatch) -> Iterator[Group]:
    """One group for each pair of stream and schema id; nearly always there is just one."""
    streams, schema_ids = columns.column("stream"), columns.column("schema_id")
    if len(pc.unique(streams)) == len(pc.unique(schema_ids)) == 1:
        yield _group(calls, columns)
        return
    rows: dict[tuple[str, int], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(streams.to_pylist(), schema_ids.to_pylist(), strict=True)):
        rows[key].append(row)
    for members in rows.values():
        yield _group([calls[row] for row in members], columns.take(pa.array(members)))


def _group(calls: Sequence[Call], columns: pa.RecordBatch) -> Group:
    events = columns.column("events")
    lengths = np.asarray(pc.list_value_length(events))
    return Group(
        stream=StreamName(columns.column("stream")[0].as_py()),
        schema_id=SchemaId(columns.column("schema_id")[0].as_py()),
        calls=calls,
        starts=_starts(lengths),
        payloads=events.flatten(),
    )


def _json_groups(calls: Iterator[Call]) -> Iterator[Group]:
    keyed: dict[tuple[StreamName, SchemaId], list[Call]] = defaultdict(list)
    for call in calls:
        assert isinstance(call.events, JsonEvents)
        keyed[call.events.stream, call.events.schema_id].append(call)
    for (stream, schema_id), members in keyed.items():
        lengths = np.array([len(call.events.documents) for call in members])  # type: ignore[union-attr]  # JSON only
        yield Group(
            stream=stream,
            schema_id=schema_id,
            calls=members,
            starts=_starts(lengths),
            payloads=None,
        )


def _starts(lengths: npt.NDArray[np.int_]) -> Integers:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
