"""Who may do what: rights of principals on streams, and what a change of the catalog asks for. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from bobr.catalog.change import Change, Kind, diff
from bobr.catalog.model import ALL, Catalog, Delivery, Principal, Route

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


def covers(pattern: str, stream: str) -> bool:
    """Whether the pattern names the stream: `orders`, `orders-*` or `*`. Only `*` covers `EVERYTHING`."""
    if pattern == ALL:
        return True
    if pattern.endswith(ALL):
        return stream != EVERYTHING and stream.startswith(pattern[:-1])
    return pattern == stream


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


def lacking(principal: Principal, right: Right, streams: Iterable[str]) -> Sequence[str]:
    """Those of the streams on which the principal has not the right."""
    return [stream for stream in streams if not may(principal, right, stream)]


def without_missing(catalog: Catalog) -> Catalog:
    """The catalog with principals who have no right on a stream by the name of one that is not there."""
    principals = {name: _within(each, catalog) for name, each in catalog.principals.items()}
    if principals == catalog.principals:
        return catalog
    return catalog.model_copy(update={"principals": principals})


def _within(principal: Principal, catalog: Catalog) -> Principal:
    patterns = {
        str(right): tuple(
            each
            for each in getattr(principal, right)
            if each.endswith(ALL) or each in catalog.streams
        )
        for right in Right
    }
    return principal.model_copy(update=patterns)


def is_administrator(principal: Principal) -> bool:
    """Whether somebody can change who may do what with it."""
    return bool(principal.keys) and may(principal, Right.CONFIGURE, EVERYTHING)
