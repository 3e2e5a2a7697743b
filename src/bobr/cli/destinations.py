"""Which destination `bobr sql` reads, and which others have a table that a query has the same name for."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bobr.catalog import Destination
from bobr.catalog.model import BUILT_IN, LAKE
from bobr.catalog.nearest import meant
from bobr.cli.system import controller, lake
from bobr.errors import BobrError, MisconfiguredError, NotFoundError
from bobr.ids import DestinationName
from bobr.transmitter.sinks.iceberg import IcebergConfig

ASK_SECONDS = 10.0
"""For the catalog, of a system whose tables can be read without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a query is over. where: in words. namesakes: by a table's name in it, other tables of that name."""

    config: IcebergConfig
    where: str
    namesakes: Mapping[str, Sequence[str]]

    def besides(self, name: str) -> Sequence[str]:
        """Tables of other destinations that the name may mean, and how a query names each. name: as a query has it."""
        return self.namesakes.get(name.lower().removeprefix("memory.").removeprefix("main."), ())


def reading(directory: Path, name: DestinationName) -> Reading:
    """Of the destination of that name, or of the lake, of which no system has to run.

    NotFoundError: there is none, or no data folder. MisconfiguredError: it can not be used here.
    """
    folder, declared = lake(directory), _declared(directory, must=name != LAKE)
    destinations = {LAKE: BUILT_IN, **_destinations(declared)}
    if name not in destinations:
        raise NotFoundError(f"there is no destination {name!r}: {meant(name, destinations)}")
    own = destinations[name]
    try:
        config = IcebergConfig.of(own.resolved(), folder)
    except MisconfiguredError as error:
        raise MisconfiguredError(f"destination {name!r}: {error}") from error
    where = str(folder.absolute()) if own == BUILT_IN else f"destination {name!r}"
    namesakes: dict[str, list[str]] = {}
    for table, words in _others(own, destinations, declared):
        namesakes.setdefault(table, []).append(words)
    return Reading(config=config, where=where, namesakes=namesakes)


def _declared(directory: Path, *, must: bool) -> Mapping[str, Any]:
    """The catalog in force; nothing if it can not be asked for, unless it must."""
    with suppress(*([] if must else [BobrError])), controller(directory) as system:
        return system.get("/v1/catalog", ASK_SECONDS)
    return {}


def _destinations(declared: Mapping[str, Any]) -> Mapping[DestinationName, Destination]:
    members = declared.get("destinations", {})
    return {name: Destination.model_validate(each) for name, each in members.items()}


def _others(
    own: Destination,
    destinations: Mapping[DestinationName, Destination],
    declared: Mapping[str, Any],
) -> Iterator[tuple[str, str]]:
    """Tables that deliveries fill elsewhere: what a query of that destination calls each, and how it is read."""
    for delivery in declared.get("deliveries", {}).values():
        other = destinations[delivery["to"]]
        qualified = str(other.place_of(delivery["table"])[-1])
        if own.place_of(qualified) == other.place_of(qualified):  # of one catalog: it is there, too
            named = _shown(qualified, own)
            if named != _shown(qualified, other):
                yield _shown(qualified, other), f"{named} is that of {other.name}"
        else:
            yield _shown(qualified, other), f"--destination {other.name} reads the one there"


def _shown(qualified: str, destination: Destination) -> str:
    """As a query of that destination has it."""
    return qualified.removeprefix(f"{destination.namespace}.")
