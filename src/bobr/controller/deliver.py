"""The wish of `bobr deliver`, carried out whole or not at all: schema, stream and delivery."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bobr.catalog import API, Catalog, Delivery, Kind, Stream
from bobr.catalog.config import Fault
from bobr.catalog.durations import in_units
from bobr.catalog.tables import Between
from bobr.catalog.validate import Holdings
from bobr.controller.candidate import Candidate, candidate_of, judge
from bobr.controller.proposal import changed_streams, check_sound, refuse
from bobr.controller.registry import Registry
from bobr.controller.wish import Wish, delivery_of, stream_of
from bobr.ids import SchemaId, StreamName
from bobr.schema import EventType

NO_ID = "in no field: one that is sent twice is two rows; name a field event_id, or set option (bobr.v1.event).id"
NO_TIME = (
    "when it is published, no field has it; name a google.protobuf.Timestamp event_time, "
    "or set option (bobr.v1.event).time"
)
BEHIND = "where its files have a schema of it, change that too, or they are refused"
"""What a new schema asks of those who declare its stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilled:
    """The catalog as wished, not yet stored, and what is new in it, a line for a person each."""

    catalog: Catalog
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """A wish that can be carried out where that catalog is in force. Nothing is registered yet."""

    wish: Wish
    catalog: Catalog
    candidate: Candidate
    delivery: Delivery


class Deliverer:
    """Turns wishes into catalogs. Blocking, thread-safe."""

    def __init__(
        self, registry: Registry, hold: Callable[[Catalog, Iterable[StreamName]], Holdings]
    ) -> None:
        """`registry`: also holds the schemas registered before. `hold`: what streams of a catalog hold."""
        self._registry = registry
        self._hold = hold

    def agree(
        self, wish: Wish, catalog: Catalog, permit: Callable[[Catalog, Catalog], None]
    ) -> Agreed:
        """Judge everything. SchemaError, RejectedError, ProblemsError: it can not be.

        permit: ForbiddenError: who wishes it may not lead from one catalog to the other.
        """
        old = catalog.streams.get(StreamName(wish.stream))
        candidate = candidate_of(
            wish.files, wish.main, wish.message, "" if old is None else old.message
        )
        if old is not None:
            judge(self._registry, old, candidate)
        unregistered = stream_of(wish, candidate.message, old, SchemaId(0))
        delivery = delivery_of(wish, catalog)
        wanted = _with(catalog, unregistered, delivery)
        permit(catalog, wanted)
        refuse(_of_others(catalog, unregistered, delivery))
        held = self._hold(catalog, changed_streams(catalog, wanted))
        check_sound(Between(catalog, wanted), held)
        return Agreed(wish=wish, catalog=catalog, candidate=candidate, delivery=delivery)

    def fulfil(self, agreed: Agreed) -> Fulfilled:
        """Register the schema. The agreed catalog is still in force."""
        wish, catalog, candidate = agreed.wish, agreed.catalog, agreed.candidate
        schema_id = self._registry.register_compiled(
            f"{wish.stream}-value", wish.files, candidate.files, candidate.message
        )
        old = catalog.streams.get(StreamName(wish.stream))
        stream, delivery = stream_of(wish, candidate.message, old, schema_id), agreed.delivery
        return Fulfilled(
            catalog=_with(catalog, stream, delivery),
            changes=tuple(_changes(catalog, stream, delivery, schema_id, candidate.event_type)),
        )


def _with(catalog: Catalog, stream: Stream, delivery: Delivery) -> Catalog:
    return catalog.model_copy(
        update={
            "streams": {**catalog.streams, stream.name: stream},
            "deliveries": {**catalog.deliveries, delivery.name: delivery},
        }
    )


def _of_others(catalog: Catalog, stream: Stream, delivery: Delivery) -> Iterator[Fault]:
    """What files declare otherwise: their next apply would undo it. Of a stream's schema it would not."""
    old_stream = catalog.streams.get(stream.name)
    if old_stream is not None:
        stream = stream.model_copy(update={"schema_ids": old_stream.schema_ids})
    changes = (
        (Kind.STREAM, old_stream, stream),
        (Kind.DELIVERY, catalog.deliveries.get(delivery.name), delivery),
    )
    for kind, old, new in changes:
        if old is not None and old.owner != API and old != new:
            words = (
                f"{old.owner!r} has it, not {API!r}: change it there, or take it with `take_over` of "
                f"`PUT /v1/{kind.member}/{old.name}`"
            )
            yield Fault(path=(kind.member, old.name), rule="owner", message=words)


def _path(path: tuple[str, ...] | None, none: str) -> str:
    return none if path is None else ".".join(path)


def _altered(old: Stream, new: Stream) -> Iterator[str]:
    if old.retention_seconds != new.retention_seconds:
        yield f"retention is {in_units(new.retention_seconds)} now"
    if old.event_bytes_max != new.event_bytes_max:
        yield f"an event has up to {new.event_bytes_max:,} bytes now"


def _changes(
    catalog: Catalog,
    stream: Stream,
    delivery: Delivery,
    schema_id: SchemaId,
    event_type: EventType,
) -> list[str]:
    old_stream = catalog.streams.get(stream.name)
    old_delivery = catalog.deliveries.get(delivery.name)
    lines = []
    if old_stream is None:
        lines.append(f"stream {stream.name}: made, carries {stream.message}")
    else:
        lines += [f"stream {stream.name}: {change}" for change in _altered(old_stream, stream)]
    if old_stream is None or old_stream.schema_id != schema_id:
        lines.append(f"schema {schema_id}: registered as {stream.subject}")
        if old_stream is not None and old_stream.owner != API:
            lines.append(f"{old_stream.owner!r} declares stream {stream.name}: {BEHIND}")
    if old_delivery is None:
        lines.append(f"table {delivery.table}: made from {stream.name}, by {delivery.partition_by}")
        if delivery.name != delivery.table:
            lines.append(f"its delivery is {delivery.name}")
        lines.append(f"an event's id is {_path(event_type.id_path, NO_ID)}")
        lines.append(f"an event's time is {_path(event_type.time_path, NO_TIME)}")
    elif old_delivery != delivery:
        dedup = in_units(delivery.dedup_seconds)
        lines.append(f"delivery {delivery.name}: dedup is {dedup} now")
    return lines
