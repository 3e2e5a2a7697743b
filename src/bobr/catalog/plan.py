"""What a change would do, for a person to decide: objects, what each touches, what it breaks. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from bobr.catalog.access import Right, barred, lacking
from bobr.catalog.change import Change, Kind, diff
from bobr.catalog.durations import in_units
from bobr.catalog.keys import id_of
from bobr.catalog.model import Catalog, Delivery, Object, Principal, Stream
from bobr.catalog.request import UNKNOWN, UNREGISTERED
from bobr.catalog.secrets import of_member
from bobr.catalog.tables import Between, Tables
from bobr.catalog.validate import Held, Holdings
from bobr.ids import DestinationName, Revision, StreamName

NOT_SHOWN = ("name", "schema_ids")
COLUMNS_MAX = 20
"""New columns that are named."""
READERS_MAX = 10
"""Likewise."""


class Action(StrEnum):
    """What becomes of an object."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Member(_Told):
    """A member that changes, in the words of configuration files."""

    member: str
    before: Any
    after: Any


class Step(_Told):
    """One object. touches, breaks: a sentence each."""

    action: Action
    kind: Kind
    name: str
    members: tuple[Member, ...]
    touches: tuple[str, ...]
    breaks: tuple[str, ...]


class Plan(_Told):
    """From one revision on. No steps: nothing is to be done."""

    base: Revision
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a plan is told of the world. columns: what new schemas add. parts: running instances by part.

    partitions_max: of a stream in the log; None: not known. earlier: of tables that no delivery in force has, the last
    that had each.
    """

    columns: Mapping[StreamName, Sequence[str]]
    holdings: Holdings
    parts: Mapping[str, int]
    partitions_max: int | None
    earlier: Tables = field(default_factory=dict)


def plan(before: Catalog, after: Catalog, facts: Facts) -> Plan:
    """The steps, in the order in which one needs the other."""
    uses = _Uses(before), _Uses(after)
    between = Between(before, after, facts.earlier)
    steps = [
        _step(each, uses[each.after is not None], between, facts)
        for each in diff(before, after).changes
    ]
    if bool(before.principals) != bool(after.principals):
        first = next(at for at, each in enumerate(steps) if each.kind is Kind.PRINCIPAL)
        words = (CLOSES,) if after.principals else (OPENS,)
        steps[first] = steps[first].model_copy(update={"breaks": words})
    return Plan(base=before.revision, steps=tuple(steps))


CLOSES = "from now on every call needs a key: who sends none is refused"
OPENS = "no principal is left, so no call needs a key: whoever reaches a port may do everything"


class _Uses:
    """Who uses what, in one catalog: looked up for each of thousands of steps."""

    def __init__(self, catalog: Catalog) -> None:
        self.readers: dict[tuple[Kind, str], list[str]] = {}
        self.tables: dict[str, list[str]] = {}
        for route in catalog.routes.values():
            for source in route.sources:
                self._add(Kind.STREAM, source, f"route {route.name}")
        for delivery in catalog.deliveries.values():
            self._add(Kind.STREAM, delivery.stream, f"delivery {delivery.name}")
            self._add(Kind.DESTINATION, delivery.to, f"delivery {delivery.name}")
            place = f"{delivery.table} of {delivery.to}"
            self.tables.setdefault(delivery.stream, []).append(place)

    def _add(self, kind: Kind, name: str, reader: str) -> None:
        self.readers.setdefault((kind, name), []).append(reader)


def difference(before: Catalog, after: Catalog) -> tuple[Step, ...]:
    """What lies between two catalogs, and nothing of what that touches or breaks. Schemas by their ids."""
    return tuple(_bare(each, hidden=("name",)) for each in diff(before, after).changes)


def _step(change: Change, uses: _Uses, between: Between, facts: Facts) -> Step:
    """uses: in the catalog that has the object."""
    bare = _bare(change, hidden=NOT_SHOWN)
    touches = (*_goes_on(change, between), *_touches(change, uses, facts))
    breaks = tuple(_breaks(change, between, facts))
    return bare.model_copy(update={"touches": touches, "breaks": breaks})


def _bare(change: Change, hidden: Sequence[str]) -> Step:
    action = (
        Action.ADD
        if change.before is None
        else Action.REMOVE
        if change.after is None
        else Action.CHANGE
    )
    return Step(
        action=action,
        kind=change.kind,
        name=change.name,
        members=tuple(
            _members(change.before, change.after, hidden) if action is Action.CHANGE else ()
        ),
        touches=(),
        breaks=(),
    )


def _members(
    before: Object | None, after: Object | None, hidden: Sequence[str]
) -> Iterator[Member]:
    assert before is not None
    assert after is not None
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    for member in new:
        if member not in hidden and old[member] != new[member]:
            was, will = (of_member(member, each[member]) for each in (old, new))
            yield Member(member=member, before=was, after=will)


def _goes_on(change: Change, between: Between) -> Iterator[str]:
    """What becomes of tables that deliveries of other names had, or will have."""
    old, new = change.before, change.after
    if isinstance(old, Delivery) and (heir := between.heir(old)) and heir.name != old.name:
        yield f"its table {old.table} in {old.to} goes on as that of delivery {heir.name}"
    if isinstance(new, Delivery) and (former := between.former(new)) and former.name != new.name:
        yield f"goes on with table {new.table} in {new.to}, which was that of delivery {former.name}"


def _touches(change: Change, uses: _Uses, facts: Facts) -> Iterator[str]:
    if change.kind is Kind.STREAM:
        yield from _schema(change, uses, facts)
        yield from _partitions(change, facts)
    if isinstance(change.after, Delivery) and change.after.paused:
        yield f"paused: nothing is delivered until `bobr delivery resume {change.name}`"
    if readers := uses.readers.get((change.kind, change.name)):
        more = f" and {len(readers) - READERS_MAX} more" if len(readers) > READERS_MAX else ""
        yield f"read by {', '.join(readers[:READERS_MAX])}{more}"
    parts = ", ".join(
        f"{part} ({facts.parts.get(part, 0)} running)" for part in _PARTS[change.kind]
    )
    yield f"run by {parts}"


_PARTS: Mapping[Kind, Sequence[str]] = {
    Kind.SETTINGS: ("broker", "transmitter"),
    Kind.DESTINATION: ("transmitter",),
    Kind.STREAM: ("broker", "transmitter"),
    Kind.ROUTE: ("filter",),
    Kind.DELIVERY: ("transmitter",),
    Kind.PRINCIPAL: ("broker",),
}


def _partitions(change: Change, facts: Facts) -> Iterator[str]:
    new, most = change.after, facts.partitions_max
    if isinstance(new, Stream) and most is not None and new.partitions > most:
        yield f"has {most} of its {new.partitions} partitions: this log has no more for a stream"


def _schema(change: Change, uses: _Uses, facts: Facts) -> Iterator[str]:
    old, new = change.before, change.after
    if not isinstance(new, Stream):
        return
    last = old.schema_id if isinstance(old, Stream) else None
    if (
        new.schema_id == last or new.message == UNKNOWN
    ):  # what does not compile is told as a problem
        return
    what = "a new schema" if new.schema_id == UNREGISTERED else f"schema {new.schema_id}"
    yield f"carries {new.message} by {what}" + (f", after schema {last}" if last else "")
    columns = facts.columns.get(new.name, ())
    tables = uses.tables.get(new.name, [])
    if last is not None and columns and tables:
        more = f", and {len(columns) - COLUMNS_MAX} more" if len(columns) > COLUMNS_MAX else ""
        names = ", ".join(columns[:COLUMNS_MAX])
        yield f"new columns {names}{more} in {', '.join(tables)}"


def _breaks(change: Change, between: Between, facts: Facts) -> Iterator[str]:
    if change.kind in _BREAKS:
        yield from _BREAKS[change.kind](change, between, facts)


def _stream_breaks(change: Change, _: Between, facts: Facts) -> Iterator[str]:
    old, new = change.before, change.after
    held = facts.holdings.get(StreamName(change.name), Held(events=0, behind_seconds={}))
    if not isinstance(old, Stream):
        return
    if not isinstance(new, Stream):
        yield f"producers of it are refused, and its {held.events:,} events leave the log after a week"
        return
    if new.partitions > old.partitions:
        yield "events of one key may lie in another partition from now on: their order begins anew"
    if new.key != old.key:
        yield "events are spread by another key from now on: the order of each begins anew"
    if new.event_bytes_max < old.event_bytes_max:
        yield f"events above {new.event_bytes_max:,} bytes are refused"
    if new.retention_seconds < old.retention_seconds:
        yield f"delivered events older than {in_units(new.retention_seconds)} leave the log"


def _delivery_breaks(change: Change, between: Between, _: Facts) -> Iterator[str]:
    old, new = change.before, change.after
    if isinstance(old, Delivery) and isinstance(new, Delivery):
        yield from _left(old, new, between)
    elif isinstance(old, Delivery) and between.heir(old) is None:
        yield f"no more rows come to table {old.table}, which stays as it is"
    if isinstance(new, Delivery):
        yield from _kept(new, between)


def _left(old: Delivery, new: Delivery, between: Between) -> Iterator[str]:
    """What becomes of the old table and of the new one, as far as no other delivery goes on with it."""
    if between.is_same_table(old, new):
        return
    told = []
    if between.heir(old) is None:
        told.append(f"table {old.table} in {old.to} stays as it is")
    if between.former(new) is None:
        told.append(f"{new.table} in {new.to} is filled from the oldest event that the log holds")
    if told:
        yield "; ".join(told)


def _kept(new: Delivery, between: Between) -> Iterator[str]:
    """What a table that there is loses by a delivery that goes on with it."""
    former = between.former(new)
    if former is None:
        return
    if new.dedup_seconds < former.dedup_seconds:
        yield f"an event that is sent again after {in_units(new.dedup_seconds)} is a second row"
    is_taken_up = new.keep_seconds is not None and between.is_taken_up(new)
    if is_taken_up or between.drops_rows(new):
        ago = in_units(new.keep_seconds or 0)
        yield f"partitions of table {new.table} that ended more than {ago} ago are dropped"


def _destination_breaks(change: Change, between: Between, _: Facts) -> Iterator[str]:
    """A delivery that is changed itself says it itself."""
    for delivery in between.delivered_to.get(DestinationName(change.name), ()):
        old = between.namesake(delivery)
        if old != delivery or between.is_same_table(old, delivery):
            continue
        heir = between.heir(old)
        told = ["leaves its table " + ("as it is" if heir is None else f"to delivery {heir.name}")]
        if (former := between.former(delivery)) is None:
            told.append(
                "the one of that name that lies here now is filled from the oldest event that the log holds"
            )
        else:
            told.append(f"goes on with the table of delivery {former.name}")
        yield f"delivery {delivery.name} {'; '.join([*told, *_kept(delivery, between)])}"


def _principal_breaks(change: Change, _: Between, __: Facts) -> Iterator[str]:
    old, new = change.before, change.after
    if not isinstance(old, Principal):
        return
    if not isinstance(new, Principal):
        yield "who calls with its keys is refused"
        return
    for key in old.keys:
        if key not in new.keys:
            yield f"who calls with its key {id_of(key.sha256)} is refused"
    for right in Right:
        if gone := lacking(new, right, getattr(old, right)):
            yield f"it may not {right} any more: {', '.join(gone)}"
    if gone := barred(new, old.tables):
        yield f"it may have no streams delivered any more to {', '.join(gone)}"
    for what, was, limit in (
        ("events", old.events_per_second, new.events_per_second),
        ("bytes", old.bytes_per_second, new.bytes_per_second),
    ):
        if limit is not None and (was is None or limit < was):
            yield f"it may publish no more than {limit:,.15g} {what} a second"


_BREAKS: Mapping[Kind, Callable[[Change, Between, Facts], Iterator[str]]] = {
    Kind.STREAM: _stream_breaks,
    Kind.DESTINATION: _destination_breaks,
    Kind.DELIVERY: _delivery_breaks,
    Kind.PRINCIPAL: _principal_breaks,
}
