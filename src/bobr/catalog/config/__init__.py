"""Configuration files: what a team keeps in git, and applies.

    text.py     YAML → plain values, each with its place
    model.py    what may stand in a file, and its JSON Schema
    read.py     plain values → one object, as far as they can be understood
    gaps.py     what can not: nothing is concluded from it
    load.py     files → what they declare together, and every fault with its place
    render.py   a catalog as such a file

Pure: whoever calls has read the files. What they declare is judged by `catalog.validate`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Path = tuple[str, ...]
"""Of a value in a configuration: `("deliveries", "orders-lake", "to")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands. line, column: from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Of keys and of values, by path."""

    keys: Mapping[Path, Place]
    values: Mapping[Path, Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong. rule: the kind of fault. is_of_key: the key itself is wrong, not its value.

    rests_on: other values that make it one; where one of them can not be understood, this is no fault.
    """

    path: Path
    rule: str
    message: str
    is_of_key: bool = False
    rests_on: tuple[Path, ...] = ()
