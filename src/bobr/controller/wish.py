"""What a user wants of a delivery, and the stream and table that it describes: `bobr deliver`'s options as values.

What is wrong is said by the members of the wish, in backticks: the command tells them as its options.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain, count
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from bobr.catalog import Catalog, Delivery, PartitionBy, Stream
from bobr.catalog.durations import seconds_of
from bobr.catalog.names import NAME
from bobr.errors import RejectedError
from bobr.ids import DeliveryName, SchemaId

MEMBERS: Mapping[type[Stream | Delivery], Mapping[str, str]] = {
    Stream: {
        "name": "stream",
        "retention": "retention",
        "event_bytes_max": "event_bytes_max",
    },
    Delivery: {"table": "table", "dedup": "dedup"},
}
"""Members of values that can be wrong, and which of the wish they come from."""
TIMES = ("retention", "dedup")
"""Of them, those in seconds."""
SHOWN_CHARACTERS_MAX = 80
"""Of a wrong value."""
NUMBERED_CHARACTERS = 120
"""Of a name that gets a number behind it: both fit into a name."""

Value = TypeVar("Value", Stream, Delivery)


class Wish(BaseModel):
    """What a user wants. None: as it is, or by default. An empty message: the only one of the file.

    files: the sources, by the names that imports use; main: the file of the message.
    """

    model_config = ConfigDict(extra="forbid")

    files: Annotated[Mapping[str, str], Field(min_length=1)]
    main: str
    stream: str
    message: str = ""
    table: str | None = None
    partition_by: str | None = None
    dedup: str | None = None
    retention: str | None = None
    event_bytes_max: int | None = None


def stream_of(wish: Wish, message: str, old: Stream | None, schema_id: SchemaId) -> Stream:
    """The stream, which may be there already. RejectedError: it can not be as wished."""
    others = () if old is None else tuple(each for each in old.schema_ids if each != schema_id)
    members: dict[str, object] = {} if old is None else old.model_dump()
    members |= {
        "name": wish.stream,
        "message": message,
        "schema_ids": (*others, schema_id),
    }
    if wish.retention is not None:
        members["retention"] = _seconds("retention", wish.retention)
    if wish.event_bytes_max is not None:
        members["event_bytes_max"] = wish.event_bytes_max
    return _value(Stream, members, wish)


def delivery_of(wish: Wish, catalog: Catalog) -> Delivery:
    """The delivery, which may be there already. RejectedError: it can not be as wished, or become so."""
    table = re.sub(r"[^a-z0-9_]", "_", wish.stream) if wish.table is None else wish.table
    members = {
        "name": _free_name(table if NAME.fits(table) else wish.stream, catalog),
        "from": wish.stream,
        "table": table,
        "partition": _partition_by(wish) or PartitionBy.DAY,
    }
    new = _value(Delivery, {**members, **_dedup(wish)}, wish)
    old = _of_table(new, catalog)
    if old is None:
        return new
    if old.stream != wish.stream:
        message = f"table {table!r} is delivered from stream {old.stream!r} already: choose another `table`"
        raise RejectedError(message)
    if _partition_by(wish) not in (None, old.partition_by):
        message = (
            f"table {table!r} is partitioned by {old.partition_by} already, which can not change: "
            "deliver to another `table`"
        )
        raise RejectedError(message)
    return _value(Delivery, {**old.model_dump(), **_dedup(wish)}, wish)


def _of_table(new: Delivery, catalog: Catalog) -> Delivery | None:
    """Who delivers to its table already, whatever its name is."""
    place = catalog.place_of(new)
    every = catalog.deliveries.values()
    return next((each for each in every if catalog.place_of(each) == place), None)


def _free_name(wanted: str, catalog: Catalog) -> str:
    """That, or with a number behind it."""
    others = (f"{wanted[:NUMBERED_CHARACTERS]}-{number}" for number in count(2))
    return next(
        name for name in chain((wanted,), others) if DeliveryName(name) not in catalog.deliveries
    )


def _partition_by(wish: Wish) -> str | None:
    if wish.partition_by is not None and wish.partition_by not in list(PartitionBy):
        choices = ", ".join(PartitionBy)
        raise RejectedError(
            f"`partition_by`: a table is partitioned by {choices}, not by {wish.partition_by[:SHOWN_CHARACTERS_MAX]!r}"
        )
    return wish.partition_by


def _dedup(wish: Wish) -> dict[str, float]:
    return {"dedup": _seconds("dedup", wish.dedup)} if wish.dedup is not None else {}


def _seconds(what: str, text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise RejectedError(f"`{what}` {str(error).removeprefix('it ')}") from error


def _value(kind: type[Value], members: Mapping[str, object], wish: Wish) -> Value:
    try:
        return kind.model_validate(members)
    except ValidationError as error:
        raise RejectedError("; ".join(_in_members(error, MEMBERS[kind], wish))) from error


def _in_members(error: ValidationError, members: Mapping[str, str], wish: Wish) -> Iterator[str]:
    """The faults by the members of the wish that they come from."""
    for problem in error.errors(include_url=False):
        member = members.get(str(problem["loc"][0]))
        if member is not None:
            said = str(getattr(wish, member) or problem["input"])[:SHOWN_CHARACTERS_MAX]
            yield f"`{member}` {said!r}: {_why(problem)}"


def _why(problem: ErrorDetails) -> str:
    """In few words, bounds with their unit."""
    bounds = problem.get("ctx", {})
    unit = " s" if problem["loc"][0] in TIMES else ""
    if "le" in bounds:
        return f"it is {bounds['le']:,}{unit} at most"
    if "ge" in bounds:
        return f"it is {bounds['ge']:,}{unit} at least"
    return problem["msg"].removeprefix("Value error, ")
