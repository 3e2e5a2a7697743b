"""Refused calls in the log of the part that refused them: who, what, where from, why. Bounded: anybody can call."""

import threading

import structlog

from bobr.catalog.keys import without_keys
from bobr.clock import Clock

REFUSALS_PER_SECOND_MAX = 20
"""Lines: enough to see who is refused and why, and a few MB an hour of whoever tries to fill the disk."""
SHOWN_CHARACTERS_MAX = 128
"""Of each word that the caller chose."""
LOOKED_AT_CHARACTERS_MAX = 1024
"""Of them, before keys are taken out: one that begins where it is shown ends there."""
LINE = "refused"

log = structlog.get_logger()


class Refusals:
    """Writes them. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is refused yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._second = clock.monotonic()
        self._written = 0
        self._untold = 0

    def note(self, reason: str, **words: str) -> None:
        """Write a line, or count it where there are too many: the next line that is written tells how many were not."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._second >= 1.0:
                self._second, self._written = now, 0
            if self._written >= REFUSALS_PER_SECOND_MAX:
                self._untold += 1
                return
            self._written += 1
            untold, self._untold = self._untold, 0
        more = {"not_logged_before": untold} if untold else {}
        # Somebody may have put a key into a path.
        shown = {
            name: without_keys(word[:LOOKED_AT_CHARACTERS_MAX])[:SHOWN_CHARACTERS_MAX]
            for name, word in words.items()
        }
        log.warning(LINE, reason=reason, **shown, **more)
