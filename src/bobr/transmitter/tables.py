"""Which table each delivery really has: where references and links lead is known only here. One owner thread."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from bobr.catalog import Destination
from bobr.errors import BobrError
from bobr.transmitter.plan import Plan
from bobr.transmitter.sinks import Locates
from bobr.transmitter.wiring import Wiring


class Tables:
    """What was found out of places, as of the last look at each."""

    def __init__(self, wiring: Wiring) -> None:
        """`wiring`: makes sinks."""
        self._wiring = wiring
        self._places: dict[tuple[Destination, str], str | None] = {}

    def look(self, plan: Plan) -> None:
        """See that the plan's sink can be made, and where its table is. MisconfiguredError: as `Wiring.sink_for`."""
        sink = self._wiring.sink_for(plan)
        self._places[_key(plan)] = sink.place() if isinstance(sink, Locates) else None
        with suppress(BobrError):  # nothing was opened
            sink.close()

    def shared(self, plans: Sequence[Plan]) -> Iterator[tuple[Plan, Plan]]:
        """Plans whose table is another's that comes before, with that one. Nothing is asked of those that are paused.

        In a single catalog names tell that already, and nothing is looked at.
        """
        plans = [plan for plan in plans if not plan.delivery.paused]
        known = set(map(_key, plans))
        self._places = {key: place for key, place in self._places.items() if key in known}
        if len({plan.place[:-1] for plan in plans}) < 2:
            return
        for plan in plans:
            if _key(plan) not in self._places:
                self._look_again(plan)
        looked: set[tuple[Destination, str]] = set()
        while found := {_key(plan): plan for pair in self._pairs(plans) for plan in pair}:
            if found.keys() <= looked:
                break
            for (
                plan
            ) in found.values():  # what references name and links lead to changes without a word
                self._look_again(plan)
            looked |= found.keys()
        yield from self._pairs(plans)

    def _pairs(self, plans: Sequence[Plan]) -> Iterator[tuple[Plan, Plan]]:
        first: dict[str, Plan] = {}
        for plan in plans:
            if (place := self._places.get(_key(plan))) is not None:
                other = first.setdefault(place, plan)
                if other is not plan:
                    yield plan, other

    def _look_again(self, plan: Plan) -> None:
        """What can not be told is where it was. What is wrong with its settings is told when they are used."""
        with suppress(BobrError):
            self.look(plan)


def _key(plan: Plan) -> tuple[Destination, str]:
    return plan.destination, plan.delivery.table
