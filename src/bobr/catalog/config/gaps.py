"""What a configuration says and nobody can understand, so that nothing is concluded from it. Pure.

It is told where it stands, once. All the rest is judged around it: what a check finds is left out when it rests on a
gap, and stays when it does not.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from bobr.catalog.config import Fault, Path


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """values: of objects, of their members and of what is in these, by path. Nothing is known of what stands there.

    sections: that may declare more than is known, because a file or the section in it can not be understood.
    """

    values: frozenset[Path] = frozenset()
    sections: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.values or self.sections)

    def covers(self, path: Path) -> bool:
        """Whether nothing is known of what stands there."""
        return covered(path, self.values)

    def touches(self, path: Path) -> bool:
        """Whether not all is known of what stands there."""
        return path in self._above or self.covers(path)

    def objects(self, section: str) -> Iterator[str]:
        """Names of those that are declared there, and of which nothing else is known."""
        return (path[1] for path in self.values if path[:1] == (section,) and len(path) == 2)

    def without(self, faults: Iterable[Fault]) -> Iterator[Fault]:
        """The faults that rest on no gap. What is said of a key does not rest on the value behind it."""
        if not self.values:
            yield from faults
            return
        for fault in faults:
            is_told = not fault.is_of_key and self.covers(fault.path)
            if not is_told and not any(map(self.touches, fault.rests_on)):
                yield fault

    @cached_property
    def _above(self) -> frozenset[Path]:
        return frozenset(path[:depth] for path in self.values for depth in range(1, len(path)))


def covered(path: Path, values: Collection[Path]) -> bool:
    """Whether one of the values stands there, or has what does in it."""
    return any(path[:depth] in values for depth in range(1, len(path) + 1))


NO_GAPS = Gaps()
