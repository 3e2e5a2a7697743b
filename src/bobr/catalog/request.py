"""What somebody wants of the catalog: objects as they shall be, and objects that shall go. Pure.

It comes from files, which say all that their owner has, or from a call, which says one thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bobr.catalog.change import Kind, objects
from bobr.catalog.config.load import Declared
from bobr.catalog.model import (
    Catalog,
    Delivery,
    DeliveryDeclaration,
    Destination,
    IcebergDeclaration,
    Object,
    Principal,
    PrincipalDeclaration,
    Route,
    RouteDeclaration,
    Settings,
    SettingsDeclaration,
    Stream,
    StreamDeclaration,
)
from bobr.ids import (
    DeliveryName,
    DestinationName,
    PrincipalName,
    RouteName,
    SchemaId,
    StreamName,
)

Declaration = (
    StreamDeclaration
    | RouteDeclaration
    | DeliveryDeclaration
    | IcebergDeclaration
    | PrincipalDeclaration
    | SettingsDeclaration
)
Key = tuple[Kind, str]
SYSTEM: Key = (Kind.SETTINGS, "system")
UNKNOWN = "unknown"
"""Stands for a message that could not be found out; such a catalog never gets in force."""
UNREGISTERED = SchemaId(0)
"""Stands for the id of a schema that is registered only when the change is applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """puts: by kind and name. removes: likewise. unread: declared, but too wrong to be read; they stay as they are."""

    owner: str
    puts: Mapping[Key, Declaration]
    removes: frozenset[Key] = frozenset()
    unread: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was found out of a stream's message: its full name, and the id of its schema."""

    message: str
    schema_id: SchemaId


def of_files(declared: Declared, current: Catalog) -> Request:
    """All that they say; what their owner had and they do not say goes."""
    puts: dict[Key, Declaration] = {}
    puts |= {(Kind.DESTINATION, name): each for name, each in declared.destinations.items()}
    puts |= {(Kind.STREAM, name): each for name, each in declared.streams.items()}
    puts |= {(Kind.ROUTE, name): each for name, each in declared.routes.items()}
    puts |= {(Kind.DELIVERY, name): each for name, each in declared.deliveries.items()}
    puts |= {(Kind.PRINCIPAL, name): each for name, each in declared.principals.items()}
    if declared.settings is not None:
        puts[SYSTEM] = declared.settings
    owned = {key for key, each in objects(current).items() if each.owner == declared.owner}
    return Request(
        owner=declared.owner,
        puts=puts,
        removes=frozenset(owned - declared.names - puts.keys()),
        unread=frozenset(declared.names - puts.keys()),
    )


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
    return current.model_copy(update={**members, "settings": settings})


def _made(
    kind: Kind,
    name: str,
    declaration: Declaration,
    owner: str,
    current: Catalog,
    typed: Mapping[StreamName, Typed],
) -> Object:
    members: dict[str, Any] = {
        member: getattr(declaration, member) for member in type(declaration).model_fields
    }
    match kind:
        case Kind.SETTINGS:
            return Settings(**members, owner=owner)
        case Kind.DESTINATION:
            return Destination(**members, name=DestinationName(name), owner=owner)
        case Kind.PRINCIPAL:
            return Principal(**members, name=PrincipalName(name), owner=owner)
        case Kind.ROUTE:
            return Route(**members, name=RouteName(name), owner=owner)
        case Kind.DELIVERY:
            delivery = DeliveryName(name)
            old = current.deliveries.get(delivery)
            paused = old is not None and old.paused
            return Delivery(**members, name=delivery, owner=owner, paused=paused)
        case Kind.STREAM:
            members.pop("proto", None)
            stream = StreamName(name)
            was = current.streams.get(stream)
            return _stream(stream, {**members, "owner": owner}, was, typed.get(stream))


def _stream(
    name: StreamName, members: dict[str, Any], old: Stream | None, found: Typed | None
) -> Stream:
    """A schema that is new goes behind those that events were written with; a former one becomes the newest again."""
    ids = () if old is None else old.schema_ids
    if found is not None:
        members["message"] = found.message
        ids = (*(each for each in ids if each != found.schema_id), found.schema_id)
    elif members.get("message") is None:
        members["message"] = UNKNOWN if old is None else old.message
    return Stream(**members, name=name, schema_ids=ids or (UNREGISTERED,))
