"""Plans: what is told of a change before it is made."""

from collections.abc import Sequence

from bobr.catalog import Catalog, Principal
from bobr.catalog.plan import CLOSES, OPENS, Facts, plan
from bobr.ids import PrincipalName

NOTHING = Facts(columns={}, holdings={}, parts={}, partitions_max=None)


def of(*names: str) -> Catalog:
    some = map(PrincipalName, names)
    return Catalog(principals={name: Principal(name=name) for name in some})


def broken(before: Catalog, after: Catalog) -> Sequence[tuple[str, ...]]:
    return [step.breaks for step in plan(before, after, NOTHING).steps]


def test_that_a_system_closes_and_opens_is_said_once() -> None:
    assert broken(of(), of("ops", "shop")) == [(CLOSES,), ()]
    assert broken(of("ops"), of("ops", "shop")) == [()]
    assert broken(of("ops", "shop"), of("ops")) == [("who calls with its keys is refused",)]
    assert broken(of("ops"), of()) == [(OPENS,)]
