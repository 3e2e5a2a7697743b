"""A clock that stands until it is moved."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """A `Clock` for tests: both times go on only by `move`."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """`start`: what `now` says first."""
        self._start = start
        self._now = start

    def now(self) -> datetime:
        """The time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the start; moves as `now` does, backwards too."""
        return (self._now - self._start).total_seconds()

    def move(self, by: timedelta) -> datetime:
        """Go on by that much; the new time."""
        self._now += by
        return self._now
