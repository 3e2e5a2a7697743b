"""Calls → groups: the events of all calls that go to one stream with one schema, as one array."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from bobr.broker.calls import Call, JsonEvents, RawEvents
from bobr.errors import BobrError, RejectedError
from bobr.ids import SchemaId, StreamName
from bobr.schema.decode.wire import why
from bobr.v1 import broker_pb2 as wire

Integers = npt.NDArray[np.int64]
Address = tuple[StreamName, SchemaId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Calls to one stream with one schema id (0: the current).

    payloads: all their events, call after call; starts: int64, where each call's events begin, and their total at the
    end. JSON calls' events are documents at first: `payloads` is None and `starts` counts documents.
    """

    stream: StreamName
    schema_id: SchemaId
    calls: Sequence[Call]
    starts: Integers
    payloads: pa.BinaryArray | None


@dataclass(slots=True)
class _Members:
    """Of a group that is being gathered."""

    calls: list[Call] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)

    def add(self, call: Call, events: Sequence[bytes]) -> None:
        self.calls.append(call)
        self.lengths.append(len(events))
        self.events += events

    def group(self, address: Address, payloads: pa.BinaryArray | None) -> Group:
        stream, schema_id = address
        starts = np.cumsum([0, *self.lengths], dtype=np.int64)
        return Group(
            stream=stream, schema_id=schema_id, calls=self.calls, starts=starts, payloads=payloads
        )


def groups(calls: Sequence[Call], events_max: int) -> Iterator[Group]:
    """The groups of a round. A call that can not be read, has too many events or may not come is in none.

    It gets its outcome here.
    """
    raw: defaultdict[Address, _Members] = defaultdict(_Members)
    json: defaultdict[Address, _Members] = defaultdict(_Members)
    for call in calls:
        if isinstance(call.events, JsonEvents):
            if _is_permitted(call, call.events.stream):
                json[call.events.stream, call.events.schema_id].add(call, call.events.documents)
        elif (request := _read(call, call.events, events_max)) is not None:
            address = call.events.address(request)
            if _is_permitted(call, address[0]):
                raw[address].add(
                    call, request.events[:]
                )  # a slice is copied at once, not one by one
    for address, members in raw.items():
        yield members.group(address, pa.array(members.events, pa.binary()))
    for address, members in json.items():
        yield members.group(address, None)


def _is_permitted(call: Call, stream: StreamName) -> bool:
    try:
        call.permit(stream)
    except BobrError as error:
        call.outcome = error
        return False
    return True


def by_doubt(
    group: Group, read: Callable[[Sequence[bytes]], list[bytes] | None]
) -> Iterator[Group]:
    """Of JSON calls: first all that `read` is sure of, then those of each other sender, which may take long.

    A sender's calls stay together, in their order.
    """
    quick = [(call, read(_documents(call))) for call in group.calls]
    doubted = {call.sender for call, payloads in quick if payloads is None} - {None}
    sure, others = _Members(), defaultdict[Hashable, _Members](_Members)
    for call, payloads in quick:
        if payloads is None or call.sender in doubted:
            sender = id(call) if call.sender is None else call.sender
            others[sender].add(call, _documents(call))
        else:
            sure.add(call, payloads)
    address = group.stream, group.schema_id
    if sure.calls:
        yield sure.group(address, pa.array(sure.events, pa.binary()))
    for members in others.values():
        yield members.group(address, None)


def _documents(call: Call) -> Sequence[bytes]:
    assert isinstance(call.events, JsonEvents)
    return call.events.documents


def _read(call: Call, events: RawEvents, events_max: int) -> wire.PublishRequest | None:
    try:
        request = wire.PublishRequest.FromString(events.request)
    except DecodeError as error:
        said = f"its {len(events.request):,} bytes can not be read: {why(error)}"
        call.outcome = RejectedError(f"{_NO_REQUEST}: {said}; {_SINGLE}")
        return None
    if len(request.events) > events_max:
        said = f"it has {len(request.events):,} events, and {events_max:,} at most are taken"
        call.outcome = RejectedError(f"the call is too large: {said}: send several")
        return None
    if not request.events and len(UnknownFieldSet(request)):
        call.outcome = RejectedError(f"{_NO_REQUEST}: it has fields of another message; {_SINGLE}")
        return None
    return request


_NO_REQUEST = "the call is not a bobr.v1.PublishRequest"
_SINGLE = "an event is sent as one of its `events`, or over HTTP as it is with ?single"
