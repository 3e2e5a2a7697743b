"""What can not be, in a catalog as it is wanted: every fault at once. Pure.

`check_request` asks whether the one who wants it may, `check_catalog` whether it makes sense by itself, `check_change`
whether what is in force can become it.

A catalog may have gaps, where something was said that nobody understands. A fault says on what it rests, so that it can
be left out when that is a gap (`Gaps.without`); what compares many objects with each other passes gaps by.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from bobr.catalog.access import EVERYTHING, Right, destination_of, is_administrator, may
from bobr.catalog.change import Change, Kind, diff, objects
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
from bobr.catalog.tables import Between, beside, check_former, check_tables
from bobr.ids import DeliveryName, StreamName


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a stream holds at the moment. behind_seconds: of each delivery, the age of the oldest event it lacks."""

    events: int
    behind_seconds: Mapping[DeliveryName, float]


Holdings = Mapping[StreamName, Held]


def check_request(
    request: Request,
    current: Catalog,
    *,
    take_over: bool,
    allow_delete: bool,
    handed_on: Container[DeliveryName] = frozenset(),
) -> Iterator[Fault]:
    """Whether the objects are the owner's, and none goes by mistake.

    handed_on: deliveries with which nothing goes, since their tables go on under other names.
    """
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
                rests_on=beside(_path(key), "message", "proto"),
            )
    if not allow_delete:
        yield from _check_losses(request, handed_on)


def _check_losses(request: Request, handed_on: Container[DeliveryName]) -> Iterator[Fault]:
    for key in request.removes:
        is_handed_on = key[0] is Kind.DELIVERY and key[1] in handed_on
        if key[0] is not Kind.SETTINGS and not is_handed_on:
            words = f"{request.owner!r} does not declare it any more: {_loss(key)}; `allow_delete` removes it"
            yield Fault(path=_path(key), rule="destructive", message=words)


def check_removals(before: Catalog, after: Catalog) -> Iterator[Fault]:
    """What goes, of a change that no declaration asks for."""
    handed_on = Between(before, after).handed_on()
    for change in diff(before, after).changes:
        is_handed_on = change.kind is Kind.DELIVERY and change.name in handed_on
        if change.after is None and change.kind in _LOSS and not is_handed_on:
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
    yield from check_tables(catalog, gaps)
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
                rests_on=beside(path, "to"),
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
            rests_on=beside(path, "partition"),
        )
    if delivery.keep_seconds < delivery.dedup_seconds:
        words = f"it is shorter than dedup, {in_units(delivery.dedup_seconds)}: the rows tell which ids were there"
        yield Fault(
            path=(*path, "keep"), rule="keep", message=words, rests_on=beside(path, "dedup")
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
                    rests_on=beside(path, "sha256"),
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


def check_change(between: Between, holdings: Holdings) -> Iterator[Fault]:
    """Whether what is in force can become it. holdings: of streams, as far as they are known."""
    for change in diff(between.before, between.after).changes:
        yield from _check_stream_change(change, holdings)
    yield from check_former(between)


def _check_stream_change(change: Change, holdings: Holdings) -> Iterator[Fault]:
    old, new = change.before, change.after
    if not (isinstance(old, Stream) and isinstance(new, Stream)):
        return
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


def _path(key: Key) -> Path:
    kind, name = key
    return (kind.member,) if kind is Kind.SETTINGS else (kind.member, name)
