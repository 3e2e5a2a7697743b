"""The name that was meant, for who wrote one that is not there. Pure."""

from collections.abc import Collection
from difflib import get_close_matches

LIKENESS = 0.6
"""Of a name to be worth proposing: between 0 and 1."""
NAMES_MAX = 10
COMPARED_MAX = 50_000_000
"""Names that wrong ones are compared with, each times the square of its characters: about so many times 50 ns.

To look for a name among thousands takes milliseconds, and thousands may be wrong: a prefix that was renamed.
"""
NAME_CHARACTERS_MAX = 128
"""Of every name that there can be."""
_SHORT = 16
"""Characters below which that makes no difference."""


class Hints:
    """Names that were meant, for the first wrong ones, until `COMPARED_MAX` is used up."""

    def __init__(self) -> None:
        self._left = COMPARED_MAX
        self._some: dict[frozenset[str], str] = {}

    @property
    def are_used_up(self) -> bool:
        """Whether nobody looks any more."""
        return self._left <= 0

    def meant(self, wrong: str, names: frozenset[str]) -> str:
        """As the function; of the many that come later, only which names there are."""
        return self.told(self.nearest(wrong, names), names)

    def told(self, close: str | None, names: frozenset[str]) -> str:
        """The same, where it is known already which name is like it."""
        if close is not None:
            return _did_you_mean(close)
        if names not in self._some:
            self._some[names] = some_of(names)
        return self._some[names]

    def nearest(self, wrong: str, names: frozenset[str]) -> str | None:
        """As the function; none, if nobody looks any more."""
        return nearest(wrong, names) if self._take(wrong, names) else None

    def may_be(self, wrong: str, names: frozenset[str]) -> bool:
        """Whether one of the names may be meant; if nobody looks any more, it may."""
        return bool(names) and (not self._take(wrong, names) or nearest(wrong, names) is not None)

    def _take(self, wrong: str, names: Collection[str]) -> bool:
        """Whether there is something left. Of names that are much longer or shorter nobody looks at more."""
        if self.are_used_up:
            return False
        self._left -= len(names) * (_SHORT + min(len(wrong), NAME_CHARACTERS_MAX)) ** 2
        return True


def nearest(wrong: str, names: Collection[str]) -> str | None:
    """The name that is most like it, if one is like it at all."""
    return next(iter(get_close_matches(wrong.lower(), sorted(names), n=1, cutoff=LIKENESS)), None)


def meant(wrong: str, names: Collection[str]) -> str:
    """`did you mean "orders"?`, or which names there are."""
    if (close := nearest(wrong, names)) is not None:
        return _did_you_mean(close)
    return some_of(names)


def _did_you_mean(close: str) -> str:
    return f"did you mean {close!r}?"


def some_of(names: Collection[str]) -> str:
    """Which names there are."""
    some = sorted(names)[:NAMES_MAX]
    more = ", …" if len(names) > NAMES_MAX else ""
    return f"there is {', '.join(map(repr, some))}{more}" if some else "none is declared"
