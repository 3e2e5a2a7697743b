"""How many there may be at once of something that costs: of all callers, and of each."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from bobr.errors import OverloadedError


class Seats:
    """Bounds how many are taken, of all and of each caller. Lives in one event loop."""

    def __init__(self, most: int, of_one: int, what: str, advice: str) -> None:
        """`of_one`: of one caller with a name. what: is bounded, such as `tails open`. advice: to who gets none."""
        self._most = most
        self._of_one = of_one
        self._what = what
        self._advice = advice
        self._taken: Counter[str | None] = Counter()

    @contextmanager
    def one(self, name: str | None) -> Iterator[None]:
        """For one, while it is taken. name: of the caller, None: nobody has one. OverloadedError: none is free."""
        if name is not None and self._taken[name] >= self._of_one:
            words = f"{name!r} has {self._of_one} {self._what}, which is all that one may have"
            raise OverloadedError(f"{words}: {self._advice}")
        if self._taken.total() >= self._most:
            words = f"there are {self._most} {self._what}, which is all there can be"
            raise OverloadedError(f"{words}: {self._advice}")
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            self._taken = +self._taken  # of who has none, nothing is kept
