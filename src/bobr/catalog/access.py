"""Who may do what: rights of principals on streams and tables, and what a change of the catalog asks for. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from bobr.catalog.change import Change, Kind, diff
from bobr.catalog.config import Fault
from bobr.catalog.model import Catalog, Delivery, Principal, Route, Stream
from bobr.catalog.names import ALL
from bobr.catalog.request import UNKNOWN
from bobr.ids import DestinationName, StreamName

EVERYTHING = ALL
"""Stands for all streams, and for what is no stream: destinations, principals, settings."""


class Right(StrEnum):
    """What somebody may do with a stream."""

    PUBLISH = "publish"
    READ = "read"
    CONFIGURE = "configure"


def may(principal: Principal, right: Right, stream: str) -> bool:
    """Whether the principal has the right on that stream, or on `EVERYTHING`."""
    patterns: Sequence[str] = getattr(principal, right)
    return any(covers(pattern, stream) for pattern in patterns)


def covers(pattern: str, name: str) -> bool:
    """Whether the pattern names the stream or table: `orders`, `orders-*` or `*`. Only `*` covers `EVERYTHING`."""
    if pattern == ALL:
        return True
    if pattern.endswith(ALL):
        return name != EVERYTHING and name.startswith(pattern[:-1])
    return pattern == name


def destination_of(pattern: str) -> DestinationName | None:
    """The destination that a pattern of tables names; None: it names all."""
    return None if pattern == ALL else DestinationName(pattern.partition("/")[0])


def touched(before: Catalog, after: Catalog) -> Sequence[str]:
    """The streams that a change touches, which who makes it must be allowed to configure; or `EVERYTHING`."""
    streams = {name for change in diff(before, after).changes for name in _streams(change)}
    return (EVERYTHING,) if EVERYTHING in streams else sorted(streams)


def _streams(change: Change) -> Iterator[str]:
    if change.kind is Kind.STREAM:
        yield change.name
        return
    for each in (change.before, change.after):
        match each:
            case Route():
                yield from each.sources
                yield each.to
            case Delivery():
                yield each.stream
            case None:
                pass
            case _:
                yield EVERYTHING


def claimed(before: Catalog, after: Catalog) -> Sequence[str]:
    """The tables that a change has a stream delivered to which it was not delivered to before.

    What lies there may be somebody else's: of a delivery that there was, or of another program. A delivery that only
    gets another name, or other settings, claims nothing.
    """
    return sorted({table for _, table in _claims(before, after)})


def _claims(before: Catalog, after: Catalog) -> Iterator[tuple[Delivery, str]]:
    """Deliveries, and the tables that they claim."""
    filled = {_filled(before, each) for each in before.deliveries.values()}
    for change in diff(before, after).changes:
        if isinstance(delivery := change.after, Delivery):
            stream, table = _filled(after, delivery)
            if table and (stream, table) not in filled:
                yield delivery, table


def _filled(catalog: Catalog, delivery: Delivery) -> tuple[StreamName, str]:
    """A stream and its table, as rights name it; empty: its destination is not there, which is a fault already."""
    destination = catalog.destination(delivery.to)
    table = "" if destination is None else destination.qualified(delivery.table)
    return delivery.stream, table and f"{delivery.to}/{table}"


def barred(principal: Principal, tables: Iterable[str]) -> Sequence[str]:
    """Those of the tables that the principal may not have its streams delivered to."""
    if may(principal, Right.CONFIGURE, EVERYTHING):
        return ()
    return [table for table in tables if not any(covers(each, table) for each in principal.tables)]


def forbidden(principal: Principal, before: Catalog, after: Catalog) -> Iterator[Fault]:
    """Everything in a change that the principal may not do, each at the object that asks for it."""
    for change in diff(before, after).changes:
        if _may_be_none(change):
            continue
        is_settings = change.kind is Kind.SETTINGS
        path = (change.kind.member,) if is_settings else (change.kind.member, change.name)
        for stream in lacking(principal, Right.CONFIGURE, sorted(set(_streams(change)))):
            what = (
                f"{'the' if is_settings else 'a'} {change.kind}: that needs"
                if stream == EVERYTHING
                else f"{stream!r}: it has not"
            )
            words = f"{principal.name!r} may not configure {what} `configure` {stream!r}"
            yield Fault(
                path=path,
                rule="forbidden",
                message=words,
                is_of_key=True,
                rests_on=((*path, "from"), (*path, "to")),
            )
    for delivery, table in _claims(before, after):
        path = (Kind.DELIVERY.member, delivery.name)
        if barred(principal, (table,)):
            words = (
                f"{principal.name!r} may not deliver to {table!r}: it has not `tables` {table!r}"
            )
            yield Fault(
                path=path,
                rule="forbidden",
                message=words,
                is_of_key=True,
                rests_on=((*path, "from"), (*path, "to"), (*path, "table")),
            )


def _may_be_none(change: Change) -> bool:
    """Whether it is known of a stream's message alone that it is not known, and all the rest is as it was."""
    old, new = change.before, change.after
    if not isinstance(old, Stream) or not isinstance(new, Stream) or new.message != UNKNOWN:
        return False
    return old == new.model_copy(update={"message": old.message, "schema_ids": old.schema_ids})


def lacking(principal: Principal, right: Right, streams: Iterable[str]) -> Sequence[str]:
    """Those of the streams on which the principal has not the right."""
    return [stream for stream in streams if not may(principal, right, stream)]


def without_missing(catalog: Catalog) -> Catalog:
    """The catalog with principals who have no right on a stream or destination by the name of one that is not there."""
    principals = {name: _within(each, catalog) for name, each in catalog.principals.items()}
    if principals == catalog.principals:
        return catalog
    return catalog.model_copy(update={"principals": principals})


def _within(principal: Principal, catalog: Catalog) -> Principal:
    tables = tuple(each for each in principal.tables if _is_there(destination_of(each), catalog))
    patterns = {
        str(right): tuple(
            each
            for each in getattr(principal, right)
            if each.endswith(ALL) or each in catalog.streams
        )
        for right in Right
    }
    return principal.model_copy(update={**patterns, "tables": tables})


def _is_there(name: DestinationName | None, catalog: Catalog) -> bool:
    return name is None or catalog.destination(name) is not None


def is_administrator(principal: Principal) -> bool:
    """Whether somebody can change who may do what with it."""
    return bool(principal.keys) and may(principal, Right.CONFIGURE, EVERYTHING)
