"""The catalog in force, how it came about, and a candidate beside it: from any of them to what a part is to run.

An order is serialised once, whoever it is for.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bobr.catalog import Catalog, Change, Delta, Kind, apply, diff, flip
from bobr.catalog.change import delta_json
from bobr.ids import Revision
from bobr.v1 import configurator_pb2 as wire

DELTAS_MAX = 64
"""Changes that are remembered: who missed more gets the whole catalog."""


class History:
    """Catalogs as they came. Not thread-safe."""

    def __init__(self, catalog: Catalog) -> None:
        """`catalog`: in force."""
        self.catalog = catalog
        self.candidate: Catalog | None = None
        self._deltas: deque[Delta] = deque(maxlen=DELTAS_MAX)
        self._trial: Delta | None = None
        self._orders: dict[tuple[Revision | None, Revision], bytes] = {}

    def follow(self, delta: Delta) -> None:
        """Put the next one in force. RejectedError: it is not made for this one."""
        self.catalog = apply(delta, self.catalog)
        self._deltas.append(delta)
        self.withdraw()

    def replace(self, catalog: Catalog) -> bool:
        """Put a whole one in force; False: it is no later one, and what was told before does not count any more."""
        self.withdraw()
        if catalog == self.catalog:
            return True
        if catalog.revision > self.catalog.revision:
            self.follow(diff(self.catalog, catalog))
            return True
        self.catalog = catalog
        self._deltas.clear()
        return False

    def propose(self, delta: Delta) -> None:
        """Have a candidate. RejectedError: it is not made for what is in force."""
        self.withdraw()
        self.candidate = apply(delta, self.catalog)
        self._trial = delta

    def withdraw(self) -> None:
        """Have none. The way back from it is known as long as nothing else came into force."""
        self._orders.clear()
        self.candidate = None
        if self._trial is not None and self._trial.base != self.catalog.revision:
            self._trial = None

    def order(self, told: Revision, to: Catalog) -> bytes:
        """What leads a part that was told `told` to the catalog in force, or to the candidate, and says which it is.

        Told the same: the whole, since what it tried need not be what has its number now.
        """
        delta = self._way(told, to.revision)
        key = (None if delta is None else told, to.revision)
        if key not in self._orders:
            self._orders[key] = _order(delta, to, trial=to.revision != self.catalog.revision)
        return self._orders[key]

    def _way(self, told: Revision, to: Revision) -> Delta | None:
        """None: there is none but the whole catalog."""
        deltas = list(self._deltas)
        if self._trial is not None and to == self._trial.revision:
            deltas.append(self._trial)
        elif self._trial is not None and told == self._trial.revision:
            deltas.append(flip(self._trial))
        first = next((at for at, delta in enumerate(deltas) if delta.base == told), None)
        way = [] if first is None else deltas[first:]
        return combined(way) if way and way[-1].revision == to else None


def _order(delta: Delta | None, catalog: Catalog, *, trial: bool) -> bytes:
    if delta is None:
        snapshot = catalog.model_dump_json().encode()
        return wire.Order(snapshot=snapshot, trial=trial).SerializeToString()
    return wire.Order(delta=delta_json(delta).encode(), trial=trial).SerializeToString()


def combined(deltas: Sequence[Delta]) -> Delta:
    """One that leads where all of them lead, each made for what the one before it makes. Pure."""
    changes: dict[tuple[Kind, str], Change] = {}
    for change in _changes(deltas):
        key = (change.kind, change.name)
        before = changes[key].before if key in changes else change.before
        changes[key] = replace(change, before=before)
    return Delta(
        base=deltas[0].base,
        revision=deltas[-1].revision,
        changes=tuple(each for each in changes.values() if each.before != each.after),
    )


def _changes(deltas: Iterable[Delta]) -> Iterable[Change]:
    return (change for delta in deltas for change in delta.changes)
