"""What this broker did, per stream, since it started, and whether the log takes events."""

import threading
from collections import defaultdict
from dataclasses import dataclass

from bobr.ids import StreamName


@dataclass(slots=True)
class Counts:
    """Events that were made durable, events that were refused, and the bytes of the former."""

    accepted: int = 0
    rejected: int = 0
    nbytes: int = 0


class Tally:
    """Counts by stream. Thread-safe. Events to streams that do not exist are counted in one place."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._lock = threading.Lock()
        self._log_error: str | None = None
        self._counts: defaultdict[StreamName, Counts] = defaultdict(Counts)

    def add(self, stream: StreamName, *, accepted: int, rejected: int, nbytes: int) -> None:
        """Count one group."""
        with self._lock:
            counts = self._counts[stream]
            counts.accepted += accepted
            counts.rejected += rejected
            counts.nbytes += nbytes

    @property
    def log_error(self) -> str | None:
        """Why the log did not store the last events that it was given; None: it did."""
        return self._log_error

    def note_log(self, error: str | None) -> None:
        """What became of the last append. Told by the log's thread, so in order."""
        self._log_error = error

    def report(self) -> dict[str, dict[str, int]]:
        """As it goes to the controller."""
        with self._lock:
            return {
                stream: {
                    "accepted": counts.accepted,
                    "rejected": counts.rejected,
                    "bytes": counts.nbytes,
                }
                for stream, counts in self._counts.items()
            }
