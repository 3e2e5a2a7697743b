"""When an event is said to have come, though clocks jump. Pure; every log that stamps events itself uses it."""

from datetime import UTC, datetime, timedelta

STEP_SECONDS = 60.0
"""A clock that goes back by no more is being corrected: times stand still, and stay in order."""
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""No event came before there was this software: a clock that says so has lost its battery."""


def ingest_time(now: datetime, last: datetime | None) -> datetime:
    """The time of what comes now; `last`: that of what came before, None: nothing did.

    It goes back only when the clock does so by more than STEP_SECONDS: then the clock was wrong before, and times
    that never went back would stay wrong until it is right again, be it in years (docs/adr/0008).
    """
    if last is None or now >= last:
        return now
    return last if last - now <= timedelta(seconds=STEP_SECONDS) or now < EARLIEST else now
