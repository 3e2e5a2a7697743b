"""Which delivery has which table, before a change and after it, whatever each is called; and what can not be. Pure.

A table goes on when deliveries are renamed, swapped, or removed and made again: what it holds binds who has it next.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bobr.catalog.change import Kind
from bobr.catalog.config import Fault, Path
from bobr.catalog.config.gaps import Gaps
from bobr.catalog.durations import in_units
from bobr.catalog.model import Catalog, Delivery, Place
from bobr.ids import DeliveryName, DestinationName

Tables = Mapping[Place, Delivery]
"""By place, the delivery that had the table last."""


@dataclass(frozen=True)
class Between:
    """What is in force, and what is to be. earlier: of tables that no delivery in force has, as far as it is known."""

    before: Catalog
    after: Catalog
    earlier: Tables = field(default_factory=dict)

    @cached_property
    def _had(self) -> Tables:
        deliveries = self.before.deliveries.values()
        return {self.before.place_of(each): each for each in deliveries}

    @cached_property
    def _has(self) -> Tables:
        deliveries = self.after.deliveries.values()
        return {self.after.place_of(each): each for each in deliveries}

    @cached_property
    def delivered_to(self) -> Mapping[DestinationName, list[Delivery]]:
        """Those that are to be, by destination."""
        found: dict[DestinationName, list[Delivery]] = {}
        for each in self.after.deliveries.values():
            found.setdefault(each.to, []).append(each)
        return found

    def is_same_table(self, old: Delivery, new: Delivery) -> bool:
        """Whatever its names are."""
        return self.before.place_of(old) == self.after.place_of(new)

    def namesake(self, new: Delivery) -> Delivery | None:
        """The one in force of that name."""
        return self.before.deliveries.get(new.name)

    def former(self, new: Delivery) -> Delivery | None:
        """Whose the table is now, or was before nobody's. None: the table is new, as far as it is known.

        Nor is it a table's former that keeps it: that two have one is told by itself.
        """
        old = self.namesake(new)
        if old is not None and self.is_same_table(old, new):
            return old
        place = self.after.place_of(new)
        other = self._had.get(place)
        if other is None:
            return self.earlier.get(place)
        return None if self._keeps(other) else other

    def _keeps(self, old: Delivery) -> bool:
        """Whether it has the same table afterwards."""
        new = self.after.deliveries.get(old.name)
        return new is not None and self.is_same_table(old, new)

    def heir(self, old: Delivery) -> Delivery | None:
        """Whose the table will be."""
        if self._keeps(old):
            return self.after.deliveries[old.name]
        return self._has.get(self.before.place_of(old))

    def handed_on(self) -> frozenset[DeliveryName]:
        """Deliveries that go, and whose table another has then."""
        gone = self.before.deliveries.keys() - self.after.deliveries.keys()
        return frozenset(each for each in gone if self.heir(self.before.deliveries[each]))

    def new_places(self) -> set[Place]:
        """Of tables that no delivery in force has."""
        return self._has.keys() - self._had.keys()

    def is_new(self, new: Delivery) -> bool:
        """Whether no delivery in force has its table."""
        return self.after.place_of(new) not in self._had

    def is_taken_up(self, new: Delivery) -> bool:
        """Whether its table was another's once, and is nobody's now."""
        return self.is_new(new) and self.former(new) is not None

    def drops_rows(self, new: Delivery) -> bool:
        """Whether its table is to keep its rows for a shorter time."""
        old = self.former(new)
        if old is None or new.keep_seconds is None:
            return False
        return old.keep_seconds is None or new.keep_seconds < old.keep_seconds

    def is_paused(self, new: Delivery) -> bool:
        """Whether what it follows, by name or by table, is paused in force."""
        followed = (self.namesake(new), self._had.get(self.after.place_of(new)))
        if followed[0] is not None and self.is_same_table(followed[0], new):
            return followed[0].paused
        return any(each is not None and each.paused for each in followed)


def check_tables(catalog: Catalog, gaps: Gaps) -> Iterator[Fault]:
    """Whether each has a table of its own, whatever the names: of two in one, who commits less often never would."""
    first: dict[Place, DeliveryName] = {}
    for delivery in catalog.deliveries.values():
        path = (Kind.DELIVERY.member, delivery.name)
        if any(map(gaps.touches, beside(path, "to", "table"))):
            continue
        other = first.setdefault(_place_of(delivery, catalog, gaps), delivery.name)
        if other != delivery.name:
            words = f"{delivery.table!r} in {delivery.to!r} is the table of delivery {other!r} already: choose another"
            yield Fault(path=(*path, "table"), rule="duplicate-table", message=words)


def _place_of(delivery: Delivery, catalog: Catalog, gaps: Gaps) -> Place:
    """The same for all deliveries to one table. In a destination that is not known that is the table's name."""
    if gaps.touches((Kind.DESTINATION.member, delivery.to)):
        return delivery.to, delivery.table
    return catalog.place_of(delivery)


def check_rows(between: Between) -> Iterator[Fault]:
    """Whether a table that there is keeps its rows for a shorter time, or may be there and gets others."""
    for new in between.after.deliveries.values():
        if between.is_taken_up(new):
            yield from _check_former(between, new, "; if it is gone, `allow_delete` lets it")
        if between.drops_rows(new):
            words = (
                f"table {new.table!r} loses the rows of partitions that ended more than "
                f"{in_units(new.keep_seconds or 0)} ago; `allow_delete` lets it"
            )
            path = (Kind.DELIVERY.member, new.name)
            yield Fault(
                path=(*path, "keep"),
                rule="destructive",
                message=words,
                rests_on=_of_its_table(path, new, between.after),
            )


def check_former(between: Between) -> Iterator[Fault]:
    """Whether each table stays one stream's, partitioned as it is."""
    for new in between.after.deliveries.values():
        if not between.is_taken_up(new):
            yield from _check_former(between, new, "")


def _check_former(between: Between, new: Delivery, unless: str) -> Iterator[Fault]:
    old, after = between.former(new), between.after
    if old is None:
        return
    path = (Kind.DELIVERY.member, new.name)
    if new.stream != old.stream and new.stream in after.streams:  # else the old one may be meant
        words = f"table {old.table!r} has the events of {old.stream!r}: those of {new.stream!r} need another table"
        table = _of_its_table(path, new, after)
        yield Fault(path=(*path, "from"), rule="table", message=f"{words}{unless}", rests_on=table)
    if new.partition_by != old.partition_by:
        words = (
            f"table {old.table!r} is partitioned by {old.partition_by}, which can not become {new.partition_by}: "
            f"deliver to another table{unless}"
        )
        table = _of_its_table(path, new, after)
        yield Fault(path=(*path, "partition"), rule="table", message=words, rests_on=table)


def _of_its_table(path: Path, delivery: Delivery, catalog: Catalog) -> tuple[Path, ...]:
    """What says which one that is."""
    where = (Kind.DESTINATION.member, delivery.to)
    destination = catalog.destination(delivery.to)
    is_in_folder = destination is None or destination.catalog is None
    place = (*where, "warehouse") if is_in_folder else (*where, "catalog", "uri")
    return (*beside(path, "to", "table"), (*where, "namespace"), place)


def beside(path: Path, *members: str) -> tuple[Path, ...]:
    """Paths of members of the object at that path."""
    return tuple((*path, each) for each in members)
