"""From a catalog back to a former one, over what has happened since. Pure.

Nobody gets rights back that were taken from them, no table loses rows, no stream events, and what producers and tables
know of a stream's schemas stays known.
"""

from collections.abc import Sequence
from dataclasses import replace

from bobr.catalog import Catalog, Delivery, Kind, Stream, diff, flip, moved
from bobr.catalog import apply as applied
from bobr.catalog.access import covers, is_administrator, without_missing
from bobr.catalog.model import Principal
from bobr.catalog.tables import Between
from bobr.ids import PrincipalName, StreamName


def back_to(between: Between) -> Catalog:
    """The former catalog, made from the current one.

    Principals stay as they are: a revoked key does not come back. Only their rights by name on streams that go end.
    """
    current, target = between.before, between.after
    deliveries = {
        name: _delivery_back_to(delivery, between) for name, delivery in target.deliveries.items()
    }
    stays = {"principals": current.principals, "revision": current.revision}
    streams = {
        name: _held_as_long(stream, current.streams.get(name))
        for name, stream in _streams_back_to(target, current).items()
    }
    update = {"streams": streams, "deliveries": deliveries, **stays}
    return without_missing(target.model_copy(update=update))


def taken_back(before: Catalog, refused: Catalog, newest: Catalog) -> Catalog:
    """The newest catalog without what a refused one has brought; the same, if that is nothing.

    Principals are those of the newest: all parts obey what the refused one said of them already, and what was said
    since; a key that is revoked stays so. RejectedError: others have changed since what it changed.
    """
    changes = [each for each in diff(before, refused).changes if each.kind is not Kind.PRINCIPAL]
    back = newest
    if changes:
        delta = replace(diff(before, refused), changes=tuple(changes))
        back = applied(moved(flip(delta), newest.revision), newest)
    update = {"streams": _streams_back_to(back, newest), "revision": newest.revision}
    return without_missing(back.model_copy(update=update))


def untried(before: Catalog, tried: Catalog, *more: Principal) -> Catalog:
    """What was in force before a trial, to follow it; the same as what was tried, if it has brought nothing.

    Only canaries obey what that says of principals, so what it gives is given to nobody; what it takes stays taken.
    Where nobody were left who may change that, administrators have again what they had. more: principals that come.
    """
    principals = {**_narrowed(before, tried), **{each.name: each for each in more}}
    if not any(map(is_administrator, principals.values())):
        old = before.principals.items()
        principals |= {name: each for name, each in old if is_administrator(each)}
    streams = _streams_back_to(before, tried)
    update = {"streams": streams, "principals": principals, "revision": tried.revision}
    return without_missing(before.model_copy(update=update))


def _streams_back_to(target: Catalog, current: Catalog) -> dict[StreamName, Stream]:
    return {
        name: stream
        if (its := current.streams.get(name)) is None or its == stream
        else _stream_back_to(stream, its)
        for name, stream in target.streams.items()
    }


def _stream_back_to(target: Stream, current: Stream) -> Stream:
    """The former stream, over the log that there is now. Partitions never become fewer.

    Schemas that came since are no longer what it carries, but stay known: its events and tables have them, and
    producers that name one go on.
    """
    update: dict[str, object] = {"partitions": max(target.partitions, current.partitions)}
    if target.message == current.message:
        since = (each for each in current.schema_ids if each not in target.schema_ids)
        update["schema_ids"] = (*since, *target.schema_ids)
    return target.model_copy(update=update)


def _held_as_long(target: Stream, current: Stream | None) -> Stream:
    """The former stream; none of the events that the log holds leaves it for that.

    Not of what a part refuses: that was in force for too short a time to hold anything more.
    """
    if current is None or current.retention_seconds <= target.retention_seconds:
        return target
    return target.model_copy(update={"retention_seconds": current.retention_seconds})


def _delivery_back_to(target: Delivery, between: Between) -> Delivery:
    """The former delivery. One that somebody has paused stays so, and no table loses rows."""
    has, keep = between.former(target), target.keep_seconds
    if has is not None and between.drops_rows(target):
        keep = has.keep_seconds
    is_known = between.namesake(target) is not None or not between.is_new(target)
    paused = between.is_paused(target) if is_known else target.paused
    return target.model_copy(update={"paused": paused, "keep_seconds": keep})


def _narrowed(before: Catalog, tried: Catalog) -> dict[PrincipalName, Principal]:
    """What principals may in both. Where there is none everybody may everything: that takes nothing from them."""
    if not tried.principals:
        return dict(before.principals)
    return {
        name: _in_both(old, tried.principals[name])
        for name, old in before.principals.items()
        if name in tried.principals
    }


def _in_both(old: Principal, new: Principal) -> Principal:
    patterns = {
        member: _common(getattr(old, member), getattr(new, member))
        for member in ("publish", "read", "configure", "tables")
    }
    keys = tuple(each for each in old.keys if each in new.keys)
    return old.model_copy(update={**patterns, "keys": keys})


def _common(old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """Patterns of what both cover."""
    either = dict.fromkeys((*old, *new))
    return tuple(each for each in either if _covered(each, old) and _covered(each, new))


def _covered(pattern: str, by: Sequence[str]) -> bool:
    return any(covers(each, pattern) for each in by)
