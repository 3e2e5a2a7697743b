"""The name that was meant, for who wrote one that is not there. Pure."""

from collections.abc import Collection
from difflib import get_close_matches

LIKENESS = 0.6
"""Of a name to be worth proposing: between 0 and 1."""
NAMES_MAX = 10


def nearest(wrong: str, names: Collection[str]) -> str | None:
    """The name that is most like it, if one is like it at all."""
    return next(iter(get_close_matches(wrong.lower(), sorted(names), n=1, cutoff=LIKENESS)), None)


def meant(wrong: str, names: Collection[str]) -> str:
    """`did you mean "orders"?`, or which names there are."""
    if (close := nearest(wrong, names)) is not None:
        return f"did you mean {close!r}?"
    some = sorted(names)[:NAMES_MAX]
    more = ", …" if len(names) > NAMES_MAX else ""
    return f"there is {', '.join(map(repr, some))}{more}" if some else "none is declared"
