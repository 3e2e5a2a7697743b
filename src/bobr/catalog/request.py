"""What somebody wants of the catalog: objects as they shall be, and objects that shall go. Pure.

It comes from files, which say all that their owner has, or from a call, which says one thing.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bobr.catalog.change import Kind, objects
from bobr.catalog.config import Fault
from bobr.catalog.config.gaps import NO_GAPS, Gaps
from bobr.catalog.config.load import Declaration, Declared, Key
from bobr.catalog.model import (
    Catalog,
    Delivery,
    Destination,
    Object,
    Principal,
    Route,
    Settings,
    Stream,
)
from bobr.catalog.tables import Between
from bobr.ids import SchemaId, StreamName

UNKNOWN = "unknown"
"""Stands for a message that could not be found out; such a catalog never gets in force."""
UNREGISTERED = SchemaId(0)
"""Stands for the id of a schema that is registered only when the change is applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """puts: by kind and name. removes: likewise.

    partial: what has faults, as far as it is understood; unread: what is not at all. Both stay as they are. gaps: where
    partial has stand-ins, and what else is not understood. faults: in the words of a call; those in files are told by
    who loads them.
    """

    owner: str
    puts: Mapping[Key, Declaration] = field(default_factory=dict)
    removes: frozenset[Key] = frozenset()
    partial: Mapping[Key, Declaration] = field(default_factory=dict)
    unread: frozenset[Key] = frozenset()
    gaps: Gaps = NO_GAPS
    faults: tuple[Fault, ...] = ()

    @property
    def declared(self) -> Mapping[Key, Declaration]:
        """All of which something is known."""
        return {**self.puts, **self.partial} if self.partial else self.puts


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was found out of a stream's message: its full name, and the id of its schema."""

    message: str
    schema_id: SchemaId


def of_files(declared: Declared, current: Catalog) -> Request:
    """All that they say; what their owner had and they do not say goes."""
    return Request(
        owner=declared.owner,
        puts=declared.objects,
        removes=frozenset(_gone(declared, current)),
        partial=declared.partial,
        unread=declared.names - declared.objects.keys() - declared.partial.keys(),
        gaps=declared.gaps,
    )


def _gone(declared: Declared, current: Catalog) -> Iterator[Key]:
    """What is the owner's and not declared any more, as far as that can be known."""
    if declared.gaps.covers(("owner",)):
        return
    for key, each in objects(current).items():
        is_known = key[0].member not in declared.gaps.sections
        if each.owner == declared.owner and is_known and key not in declared.names:
            yield key


def fulfilled(request: Request, current: Catalog, typed: Mapping[StreamName, Typed]) -> Catalog:
    """The catalog as wanted, at the revision of the current one. typed: as far as it is known."""
    members: dict[str, dict[str, Object]] = {
        kind.member: dict(getattr(current, kind.member))
        for kind in Kind
        if kind is not Kind.SETTINGS
    }
    settings = current.settings
    for kind, name in request.removes:
        if kind is Kind.SETTINGS:
            settings = Settings()
        else:
            members[kind.member].pop(name, None)
    for (kind, name), declaration in request.puts.items():
        made = _made(kind, name, declaration, request.owner, current, typed)
        if isinstance(made, Settings):
            settings = made
        else:
            members[kind.member][name] = made
    wanted = current.model_copy(update={**members, "settings": settings})
    return _paused(Between(current, wanted))


def _paused(between: Between) -> Catalog:
    """The catalog as wanted, in which what somebody has paused stays so, whatever it is called now."""
    wanted = between.after
    if not any(each.paused for each in between.before.deliveries.values()):
        return wanted
    deliveries = {
        name: each.model_copy(update={"paused": True})
        if not each.paused and between.is_paused(each)
        else each
        for name, each in wanted.deliveries.items()
    }
    return wanted.model_copy(update={"deliveries": deliveries})


def understood(
    request: Request,
    wanted: Catalog,
    current: Catalog,
    typed: Mapping[StreamName, Typed],
    untyped: Collection[StreamName],
) -> Catalog:
    """The catalog to be judged: as wanted, with what is understood in part, and without what is not at all.

    untyped: streams whose message could not be found out.
    """
    if not (request.partial or request.unread or untyped):
        return wanted
    everything = replace(
        request, puts=request.declared, removes=request.removes | request.unread, partial={}
    )
    nothing = Typed(message=UNKNOWN, schema_id=UNREGISTERED)
    return fulfilled(everything, current, {**typed, **dict.fromkeys(untyped, nothing)})


def _made(
    kind: Kind,
    name: str,
    declaration: Declaration,
    owner: str,
    current: Catalog,
    typed: Mapping[StreamName, Typed],
) -> Object:
    """Not validated again: declarations are, and so are the names of what comes in force."""
    members: dict[str, Any] = {
        **{member: getattr(declaration, member) for member in type(declaration).model_fields},
        "name": name,
        "owner": owner,
    }
    match kind:
        case Kind.SETTINGS:
            del members["name"]
            return Settings.model_construct(**members)
        case Kind.DESTINATION:
            return Destination.model_construct(**members)
        case Kind.PRINCIPAL:
            return Principal.model_construct(**members)
        case Kind.ROUTE:
            return Route.model_construct(**members)
        case Kind.DELIVERY:
            return Delivery.model_construct(**members)
        case Kind.STREAM:
            members.pop("proto", None)
            stream = StreamName(name)
            return _stream(members, current.streams.get(stream), typed.get(stream))


def _stream(members: dict[str, Any], old: Stream | None, found: Typed | None) -> Stream:
    """A schema that is new goes behind those that events were written with; a former one becomes the newest again."""
    ids = () if old is None else old.schema_ids
    if found is not None:
        members["message"] = found.message
        ids = (*(each for each in ids if each != found.schema_id), found.schema_id)
    elif members.get("message") is None:
        members["message"] = UNKNOWN if old is None else old.message
    return Stream.model_construct(**members, schema_ids=ids or (UNREGISTERED,))
