"""Events per second of each stream, measured where they are stored: at its ends, some seconds apart.

No part's counter is in it, so a part that starts again, and begins to count anew, is neither a gap nor a peak. After
the controller's own start there is no rate until it has looked.
"""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bobr.ids import StreamName

SAMPLE_SECONDS = 5.0
WINDOW_SECONDS = 60.0
"""A rate is that of the last minute."""
MEASURED_SECONDS_MIN = 1.0
"""Over less, a few events would be a large number."""

Ends = Mapping[StreamName, int]
"""By stream, how many events were ever stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """seconds: over how long it was measured."""

    events_per_second: float
    seconds: float


class _Look(NamedTuple):
    at: float
    ends: Ends


class Rates:
    """The looks of the last minute. Thread-safe. Times are monotonic seconds."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._lock = threading.Lock()
        self._looks: deque[_Look] = deque(maxlen=1 + int(WINDOW_SECONDS / SAMPLE_SECONDS))

    def look(self, at: float, ends: Ends) -> None:
        """Remember how far each stream is."""
        with self._lock:
            self._looks.append(_Look(at, ends))

    def of(self, stream: StreamName, at: float, end: int) -> Rate | None:
        """Since the oldest look of the last minute; None: not known. `end`: how far the stream is now."""
        with self._lock:
            looks = [look for look in self._looks if look.at >= at - WINDOW_SECONDS]
        first = next((look for look in looks if stream in look.ends), None)
        if first is None or at - first.at < MEASURED_SECONDS_MIN or end < first.ends[stream]:
            return None  # an end that went back is another log's
        seconds = at - first.at
        return Rate(events_per_second=(end - first.ends[stream]) / seconds, seconds=seconds)
