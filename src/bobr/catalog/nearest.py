"""The name that was meant, for who wrote one that is not there. Pure."""

from collections.abc import Collection
from difflib import get_close_matches

LIKENESS = 0.6
"""Of a name to be worth proposing: between 0 and 1."""
NAMES_MAX = 10
HINTS_MAX = 50
"""To look for a name among thousands takes milliseconds, and thousands may be wrong: a prefix that was renamed."""


class Hints:
    """Names that were meant, for the first `HINTS_MAX` that are wrong."""

    def __init__(self) -> None:
        self._left = HINTS_MAX

    def meant(self, wrong: str, names: Collection[str]) -> str:
        """As the function; of the many that come later, only which names there are."""
        return meant(wrong, names) if self._take() else some_of(names)

    def may_be(self, wrong: str, names: Collection[str]) -> bool:
        """Whether one of the names may be meant; if nobody looks any more, it may."""
        return bool(names) and (not self._take() or nearest(wrong, names) is not None)

    def _take(self) -> bool:
        self._left -= 1
        return self._left >= 0


def nearest(wrong: str, names: Collection[str]) -> str | None:
    """The name that is most like it, if one is like it at all."""
    return next(iter(get_close_matches(wrong.lower(), sorted(names), n=1, cutoff=LIKENESS)), None)


def meant(wrong: str, names: Collection[str]) -> str:
    """`did you mean "orders"?`, or which names there are."""
    if (close := nearest(wrong, names)) is not None:
        return f"did you mean {close!r}?"
    return some_of(names)


def some_of(names: Collection[str]) -> str:
    """Which names there are."""
    some = sorted(names)[:NAMES_MAX]
    more = ", …" if len(names) > NAMES_MAX else ""
    return f"there is {', '.join(map(repr, some))}{more}" if some else "none is declared"
