"""What can not be, in a catalog as it is wanted: every fault at once. Pure.

`check_request` asks whether the one who wants it may, `check_catalog` whether it makes sense by itself, `check_change`
whether what is in force can become it.

A catalog may have gaps, where something was said that nobody understands. A fault says on what it rests, so that it can
be left out when that is a gap (`Gaps.without`); what compares many objects with each other passes gaps by.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from bobr.catalog.access import EVERYTHING, Right, destination_of, is_administrator, may
from bobr.catalog.change import Between, Change, Kind, diff, objects
from bobr.catalog.circles import circles
from bobr.catalog.config import Fault, Path
from bobr.catalog.config.gaps import NO_GAPS, Gaps
from bobr.catalog.config.load import Key
from bobr.catalog.config.model import StreamInFile
from bobr.catalog.durations import in_units
from bobr.catalog.model import (
    LAKE,
    Catalog,
    Delivery,
    PartitionBy,
    Principal,
    Route,
    Stream,
)
from bobr.catalog.names import ALL, NAME
from bobr.catalog.nearest import Hints
from bobr.catalog.request import UNKNOWN, Request
from bobr.catalog.secrets import check_destination, check_principal
from bobr.ids import DeliveryName, StreamName


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a stream holds at the moment. behind_seconds: of each delivery, the age of the oldest event it lacks."""

    events: int
    behind_seconds: Mapping[DeliveryName, float]


Holdings = Mapping[StreamName, Held]


def check_request(
    request: Request, current: Catalog, *, take_over: bool, allow_delete: bool
) -> Iterator[Fault]:
    """Whether the objects are the owner's, and none goes by mistake."""
    there = objects(current)
    for key in request.declared.keys() | request.unread | request.removes:
        old = there.get(key)
        if old is None and key in request.removes:
            words = f"there is no {key[0]} {key[1]!r} to remove"
            yield Fault(path=_path(key), rule="unknown-name", message=words, is_of_key=True)
        if old is not None and old.owner != request.owner and not take_over:
            words = f"{old.owner!r} has it, not {request.owner!r}: change it there, or take it with `take_over`"
            yield Fault(
                path=_path(key),
                rule="owner",
                message=words,
                is_of_key=True,
                rests_on=(("owner",),),
            )
    for key, declaration in request.declared.items():
        if isinstance(declaration, StreamInFile) and not (declaration.message or declaration.proto):
            words = "of which message? say `message`, or `proto` with the file that has it alone"
            yield Fault(
                path=_path(key),
                rule="missing-key",
                message=words,
                is_of_key=True,
                rests_on=_beside(_path(key), "message", "proto"),
            )
    if not allow_delete:
        yield from _check_losses(request)


def _check_losses(request: Request) -> Iterator[Fault]:
    for key in request.removes:
        if key[0] is not Kind.SETTINGS:
            words = f"{request.owner!r} does not declare it any more: {_loss(key)}; `allow_delete` removes it"
            yield Fault(path=_path(key), rule="destructive", message=words)


def check_removals(before: Catalog, after: Catalog) -> Iterator[Fault]:
    """What goes, of a change that no declaration asks for."""
    for change in diff(before, after).changes:
        if change.after is None and change.kind in _LOSS:
            key = (change.kind, change.name)
            words = f"it was not there then, and goes: {_loss(key)}; `allow_delete` removes it"
            yield Fault(path=_path(key), rule="destructive", message=words)


_LOSS = {
    Kind.STREAM: "producers are refused, and its events leave the log after a week",
    Kind.ROUTE: "no more events come from it",
    Kind.DELIVERY: "no more rows come to its table, which stays",
    Kind.DESTINATION: "nothing can be delivered there",
    Kind.PRINCIPAL: "who calls with its keys is refused",
}


def _loss(key: Key) -> str:
    if key == (Kind.DESTINATION, LAKE):
        return "what goes to it goes to the built-in one from then on, in the data folder"
    return _LOSS[key[0]]


def check_catalog(catalog: Catalog, gaps: Gaps = NO_GAPS) -> Iterator[Fault]:
    """Whether it makes sense, as far as it is known."""
    known = _Known.of(catalog, gaps)
    for route in catalog.routes.values():
        yield from _check_route(route, catalog, known)
    for delivery in catalog.deliveries.values():
        yield from _check_delivery(delivery, known)
    for destination in catalog.destinations.values():
        yield from check_destination(destination)
    for principal in catalog.principals.values():
        yield from _check_principal(principal, known)
    yield from _check_keys(catalog.principals.values())
    yield from _check_administrator(catalog, gaps)
    yield from _check_tables(catalog, gaps)
    yield from circles(catalog.routes.values(), gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Of objects of one kind. misspelt: what can be none, though an object has it; its right name may be meant.

    are_all: no other can be declared.
    """

    known: frozenset[str]
    misspelt: frozenset[str]
    are_all: bool
    hints: Hints

    @classmethod
    def of(cls, kind: Kind, catalog: Catalog, gaps: Gaps) -> "_Names":
        every = {*getattr(catalog, kind.member), *gaps.objects(kind.member)}
        misspelt = frozenset(each for each in every if not NAME.fits(each))
        built_in = {LAKE} if kind is Kind.DESTINATION else set()
        return cls(
            known=frozenset(every | built_in) - misspelt,
            misspelt=misspelt,
            are_all=kind.member not in gaps.sections,
            hints=Hints(),
        )

    def lack(self, name: str) -> bool:
        """Whether it is surely no object's."""
        if name in self.known or not self.are_all:
            return False
        return not self.hints.may_be(name, self.misspelt)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    streams: _Names
    destinations: _Names

    @classmethod
    def of(cls, catalog: Catalog, gaps: Gaps) -> "_Known":
        return cls(
            streams=_Names.of(Kind.STREAM, catalog, gaps),
            destinations=_Names.of(Kind.DESTINATION, catalog, gaps),
        )


def _check_route(route: Route, catalog: Catalog, known: _Known) -> Iterator[Fault]:
    path = (Kind.ROUTE.member, route.name)
    firsts: dict[str, int] = {}
    for index, name in enumerate(route.sources):
        yield from _check_name((*path, "from", str(index)), "stream", name, known.streams)
        if (first := firsts.setdefault(name, index)) < index:
            words = f"{name!r} stands here twice: leave one out"
            yield Fault(
                path=(*path, "from", str(index)),
                rule="duplicate-name",
                message=words,
                rests_on=((*path, "from", str(first)),),
            )
    yield from _check_name((*path, "to"), "stream", route.to, known.streams)
    target = catalog.streams.get(route.to)
    for index, name in enumerate(route.sources):
        if (source := catalog.streams.get(name)) and target and not _is_same(source, target):
            words = f"{name!r} carries {source.message}, and {route.to!r} {target.message}: events pass as they are"
            yield Fault(
                path=(*path, "from", str(index)),
                rule="message",
                message=words,
                rests_on=_beside(path, "to"),
            )


def _is_same(source: Stream, target: Stream) -> bool:
    """As far as it is known what they carry."""
    return source.message == target.message or UNKNOWN in (source.message, target.message)


def _check_delivery(delivery: Delivery, known: _Known) -> Iterator[Fault]:
    path = (Kind.DELIVERY.member, delivery.name)
    yield from _check_name((*path, "from"), "stream", delivery.stream, known.streams)
    yield from _check_name((*path, "to"), "destination", delivery.to, known.destinations)
    if delivery.keep_seconds is None:
        return
    if delivery.partition_by is PartitionBy.NONE:
        words = "only whole partitions are dropped, and the table has none: say `partition`"
        yield Fault(
            path=(*path, "keep"),
            rule="keep",
            message=words,
            rests_on=_beside(path, "partition"),
        )
    if delivery.keep_seconds < delivery.dedup_seconds:
        words = f"it is shorter than dedup, {in_units(delivery.dedup_seconds)}: the rows tell which ids were there"
        yield Fault(
            path=(*path, "keep"), rule="keep", message=words, rests_on=_beside(path, "dedup")
        )


def _check_name(path: Path, what: str, name: str, names: _Names) -> Iterator[Fault]:
    if names.lack(name):
        words = f"there is no {what} {name!r}: {names.hints.meant(name, names.known)}"
        yield Fault(path=path, rule="unknown-name", message=words)


def _check_principal(principal: Principal, known: _Known) -> Iterator[Fault]:
    path = (Kind.PRINCIPAL.member, principal.name)
    yield from check_principal(principal)
    for right in Right:
        for index, name in enumerate(getattr(principal, right)):
            if not name.endswith(ALL):
                yield from _check_name((*path, right, str(index)), "stream", name, known.streams)
    for index, pattern in enumerate(principal.tables):
        if name := destination_of(pattern):
            at = (*path, "tables", str(index))
            yield from _check_name(at, "destination", name, known.destinations)


def _check_keys(principals: Iterable[Principal]) -> Iterator[Fault]:
    first: dict[str, str] = {}
    for principal in principals:
        for index, key in enumerate(principal.keys):
            if key.sha256 in first:
                words = f"this is a key of {first[key.sha256]!r} already: each has its own"
                path = (Kind.PRINCIPAL.member, principal.name, "keys", str(index))
                yield Fault(
                    path=path,
                    rule="duplicate-name",
                    message=words,
                    rests_on=_beside(path, "sha256"),
                )
            first.setdefault(key.sha256, principal.name)


def _check_administrator(catalog: Catalog, gaps: Gaps) -> Iterator[Fault]:
    """Where everybody needs a key, somebody has one that opens all: else nobody could ever change that."""
    section = Kind.PRINCIPAL.member
    others = section in gaps.sections or any(gaps.objects(section))
    if not catalog.principals or others:
        return
    if not any(_may_be_administrator(each, gaps) for each in catalog.principals.values()):
        words = (
            "every call needs a key then, and no principal with a key has `configure` '*', without which nobody could "
            "ever change anything again: give it to one first"
        )
        yield Fault(path=(section,), rule="lockout", message=words)


def _may_be_administrator(principal: Principal, gaps: Gaps) -> bool:
    path = (Kind.PRINCIPAL.member, principal.name)
    if is_administrator(principal):
        return True
    has_key = bool(principal.keys) or gaps.touches((*path, "keys"))
    return has_key and (
        may(principal, Right.CONFIGURE, EVERYTHING) or gaps.touches((*path, Right.CONFIGURE))
    )


def _check_tables(catalog: Catalog, gaps: Gaps) -> Iterator[Fault]:
    """Whether each has a table of its own, whatever the names: of two in one, who commits less often never would."""
    first: dict[tuple[str | None, ...], str] = {}
    for delivery in catalog.deliveries.values():
        path = (Kind.DELIVERY.member, delivery.name)
        if any(map(gaps.touches, _beside(path, "to", "table"))):
            continue
        other = first.setdefault(_place_of(delivery, catalog, gaps), delivery.name)
        if other != delivery.name:
            words = f"{delivery.table!r} in {delivery.to!r} is the table of delivery {other!r} already: choose another"
            yield Fault(path=(*path, "table"), rule="duplicate-table", message=words)


def _place_of(delivery: Delivery, catalog: Catalog, gaps: Gaps) -> tuple[str | None, ...]:
    """The same for all deliveries to one table. In a destination that is not known that is the table's name."""
    if gaps.touches((Kind.DESTINATION.member, delivery.to)):
        return delivery.to, delivery.table
    return catalog.place_of(delivery)


def check_rows(before: Catalog, after: Catalog) -> Iterator[Fault]:
    """Whether a table that there is keeps its rows for a shorter time."""
    between = Between(before, after)
    for change in diff(before, after).changes:
        old, new = change.before, change.after
        if isinstance(old, Delivery) and isinstance(new, Delivery) and between.drops_rows(old, new):
            words = (
                f"table {new.table!r} loses the rows of partitions that ended more than "
                f"{in_units(new.keep_seconds or 0)} ago; `allow_delete` lets it"
            )
            path = (Kind.DELIVERY.member, change.name)
            yield Fault(
                path=(*path, "keep"),
                rule="destructive",
                message=words,
                rests_on=_of_its_table(path, new, after),
            )


def check_change(before: Catalog, after: Catalog, holdings: Holdings) -> Iterator[Fault]:
    """Whether what is in force can become it. holdings: of streams, as far as they are known."""
    between = Between(before, after)
    for change in diff(before, after).changes:
        if change.before is not None and change.after is not None and change.kind in _CHECKS:
            yield from _CHECKS[change.kind](change, between, holdings)


def _check_stream_change(change: Change, _: Between, holdings: Holdings) -> Iterator[Fault]:
    old, new = change.before, change.after
    assert isinstance(old, Stream)
    assert isinstance(new, Stream)
    path = (Kind.STREAM.member, change.name)
    if new.message != old.message and UNKNOWN not in (new.message, old.message):
        words = f"it carries {old.message}, not {new.message}: another message needs a stream of its own"
        yield Fault(path=(*path, "message"), rule="message", message=words)
    if new.partitions < old.partitions:
        words = f"{old.partitions} partitions can not become {new.partitions}: their events would be lost"
        yield Fault(path=(*path, "partitions"), rule="partitions", message=words)
    held = holdings.get(old.name)
    if held is not None and new.retention_seconds < old.retention_seconds:
        for delivery, behind in held.behind_seconds.items():
            if behind > new.retention_seconds:
                words = (
                    f"delivery {delivery!r} is {in_units(int(behind))} behind, more than "
                    f"{in_units(new.retention_seconds)}: let it catch up first"
                )
                yield Fault(path=(*path, "retention"), rule="retention", message=words)


def _check_delivery_change(change: Change, between: Between, _: Holdings) -> Iterator[Fault]:
    old, new = change.before, change.after
    assert isinstance(old, Delivery)
    assert isinstance(new, Delivery)
    if not between.is_same_table(old, new):
        return
    path = (Kind.DELIVERY.member, change.name)
    table = _of_its_table(path, new, between.after)
    if (
        new.stream != old.stream and new.stream in between.after.streams
    ):  # else the old one may be meant
        words = f"table {old.table!r} has the events of {old.stream!r}: those of {new.stream!r} need another table"
        yield Fault(path=(*path, "from"), rule="table", message=words, rests_on=table)
    if new.partition_by != old.partition_by:
        words = (
            f"table {old.table!r} is partitioned by {old.partition_by}, which can not become {new.partition_by}: "
            "deliver to another table"
        )
        yield Fault(path=(*path, "partition"), rule="table", message=words, rests_on=table)


def _of_its_table(path: Path, delivery: Delivery, catalog: Catalog) -> tuple[Path, ...]:
    """What says which one that is."""
    where = (Kind.DESTINATION.member, delivery.to)
    destination = catalog.destination(delivery.to)
    is_in_folder = destination is None or destination.catalog is None
    place = (*where, "warehouse") if is_in_folder else (*where, "catalog", "uri")
    return (*_beside(path, "to", "table"), (*where, "namespace"), place)


_CHECKS: Mapping[Kind, Callable[[Change, Between, Holdings], Iterator[Fault]]] = {
    Kind.STREAM: _check_stream_change,
    Kind.DELIVERY: _check_delivery_change,
}


def _path(key: Key) -> Path:
    kind, name = key
    return (kind.member,) if kind is Kind.SETTINGS else (kind.member, name)


def _beside(path: Path, *members: str) -> tuple[Path, ...]:
    """Paths of members of the object at that path."""
    return tuple((*path, each) for each in members)
