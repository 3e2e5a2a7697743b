"""What lies between two catalogs: changes of single objects, which can be applied, flipped and moved. Pure.

`apply(diff(a, b), a) == b`, and `apply(flip(diff(a, b)), b) == a`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

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
from bobr.errors import RejectedError
from bobr.ids import Revision


class Kind(StrEnum):
    """Of objects, in the order in which one needs the other."""

    SETTINGS = "settings"
    DESTINATION = "destination"
    STREAM = "stream"
    ROUTE = "route"
    DELIVERY = "delivery"
    PRINCIPAL = "principal"

    @property
    def member(self) -> str:
        """The member of a catalog, and of a configuration file, that has them."""
        return MEMBERS[self]


MEMBERS: Mapping[Kind, str] = {
    Kind.SETTINGS: "settings",
    Kind.DESTINATION: "destinations",
    Kind.STREAM: "streams",
    Kind.ROUTE: "routes",
    Kind.DELIVERY: "deliveries",
    Kind.PRINCIPAL: "principals",
}
TYPES: Mapping[Kind, type[Object]] = {
    Kind.SETTINGS: Settings,
    Kind.DESTINATION: Destination,
    Kind.STREAM: Stream,
    Kind.ROUTE: Route,
    Kind.DELIVERY: Delivery,
    Kind.PRINCIPAL: Principal,
}
SYSTEM = "system"
"""The name of the one object of kind settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object. before: None, it is made. after: None, it is removed. Of settings that were never set, too."""

    kind: Kind
    name: str
    before: Object | None
    after: Object | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """All that leads from the catalog of one revision to that of another; each object at most once."""

    base: Revision
    revision: Revision
    changes: Sequence[Change]


def objects(catalog: Catalog) -> Mapping[tuple[Kind, str], Object]:
    """Everything that is declared, by kind and name."""
    found: dict[tuple[Kind, str], Object] = {
        (kind, name): each
        for kind in Kind
        if kind is not Kind.SETTINGS
        for name, each in getattr(catalog, kind.member).items()
    }
    if catalog.settings != Settings():
        found[Kind.SETTINGS, SYSTEM] = catalog.settings
    return found


def diff(before: Catalog, after: Catalog) -> Delta:
    """The changes, by kind and name."""
    old, new = objects(before), objects(after)
    keys = sorted(_differing(old, new), key=lambda key: (list(Kind).index(key[0]), key[1]))
    return Delta(
        base=before.revision,
        revision=after.revision,
        changes=tuple(
            Change(kind=kind, name=name, before=old.get((kind, name)), after=new.get((kind, name)))
            for kind, name in keys
        ),
    )


def _differing(
    old: Mapping[tuple[Kind, str], Object], new: Mapping[tuple[Kind, str], Object]
) -> Iterator[tuple[Kind, str]]:
    for key, each in new.items():
        other = old.get(key)
        if other is not each and other != each:
            yield key
    yield from (key for key in old if key not in new)


def apply(delta: Delta, catalog: Catalog) -> Catalog:
    """The catalog after the changes.

    RejectedError: it is not the one that they are made for; each object that differs is named.
    """
    if delta.base != catalog.revision:
        message = f"the change is made for revision {delta.base}, and this is {catalog.revision}"
        raise RejectedError(message)
    if conflicts := [each for each in delta.changes if _now(catalog, each) != each.before]:
        names = ", ".join(f"{each.kind} {each.name!r}" for each in conflicts)
        raise RejectedError(f"changed meanwhile: {names}")
    return with_changes(delta, catalog)


def with_changes(delta: Delta, catalog: Catalog) -> Catalog:
    """As `apply`, unasked what was there before."""
    members: dict[str, Any] = {"revision": delta.revision}
    for kind in dict.fromkeys(change.kind for change in delta.changes):
        changes = [change for change in delta.changes if change.kind is kind]
        members[kind.member] = _member(catalog, kind, changes)
    return catalog.model_copy(update=members)


def _member(catalog: Catalog, kind: Kind, changes: Sequence[Change]) -> object:
    if kind is Kind.SETTINGS:
        return changes[-1].after or Settings()
    some = dict(getattr(catalog, kind.member))
    for change in changes:
        if change.after is None:
            some.pop(change.name, None)
        else:
            some[change.name] = change.after
    return some


def _now(catalog: Catalog, change: Change) -> Object | None:
    if change.kind is Kind.SETTINGS:
        return None if catalog.settings == Settings() else catalog.settings
    found: Object | None = getattr(catalog, change.kind.member).get(change.name)
    return found


def flip(delta: Delta) -> Delta:
    """The way back."""
    back = (replace(each, before=each.after, after=each.before) for each in delta.changes)
    return Delta(base=delta.revision, revision=delta.base, changes=tuple(back))


def moved(delta: Delta, base: Revision) -> Delta:
    """The same changes, made for another catalog; they lead to the revision after it."""
    return replace(delta, base=base, revision=Revision(base + 1))


def delta_json(delta: Delta) -> str:
    """For the store and for the parts."""
    changes = [
        {
            "kind": each.kind,
            "name": each.name,
            "before": _json(each.before),
            "after": _json(each.after),
        }
        for each in delta.changes
    ]
    return json.dumps({"base": delta.base, "revision": delta.revision, "changes": changes})


def _json(each: Object | None) -> object:
    return None if each is None else each.model_dump(mode="json")


def delta_of(text: str | bytes) -> Delta:
    """The inverse. ValueError: it is none."""
    try:
        read = json.loads(text)
        return Delta(
            base=Revision(read["base"]),
            revision=Revision(read["revision"]),
            changes=tuple(_change(each) for each in read["changes"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a change of a catalog: {error!r}") from error


def _change(read: Mapping[str, Any]) -> Change:
    kind = Kind(read["kind"])
    values = {
        side: None if read[side] is None else TYPES[kind].model_validate(read[side])
        for side in ("before", "after")
    }
    return Change(kind=kind, name=str(read["name"]), **values)
