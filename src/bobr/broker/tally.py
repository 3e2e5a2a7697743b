"""What this broker did, per stream, since it started, and whether the log takes events."""

import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from bobr.ids import StreamName
from bobr.outcome import Reason
from bobr.runtime.metrics import Histogram, Sample


@dataclass(slots=True)
class Counts:
    """Events that were made durable and their bytes, and events that were refused, by reason."""

    accepted: int = 0
    nbytes: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)


class Tally:
    """Counts by stream. Thread-safe. Events to streams that do not exist are counted in one place."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._lock = threading.Lock()
        self._log_error: str | None = None
        self._append_seconds = Histogram()
        self._counts: defaultdict[StreamName, Counts] = defaultdict(Counts)

    def add(
        self, stream: StreamName, *, accepted: int, rejected: Iterable[Reason], nbytes: int
    ) -> None:
        """Count one group."""
        with self._lock:
            counts = self._counts[stream]
            counts.accepted += accepted
            counts.rejected.update(rejected)
            counts.nbytes += nbytes

    @property
    def log_error(self) -> str | None:
        """Why the log did not store the last events that it was given; None: it did."""
        return self._log_error

    def note_append(self, seconds: float) -> None:
        """A batch was durable so long after it was given to the log."""
        with self._lock:  # a log may tell in several threads
            self._append_seconds.observe(seconds)

    def note_log(self, error: str | None) -> None:
        """What became of the last append. Told by the log's thread, so in order."""
        self._log_error = error

    def report(self) -> dict[str, dict[str, int]]:
        """As it goes to the controller."""
        with self._lock:
            return {
                stream: {
                    "accepted": counts.accepted,
                    "rejected": counts.rejected.total(),
                    "bytes": counts.nbytes,
                }
                for stream, counts in self._counts.items()
            }

    def samples(self, streams: Collection[StreamName]) -> Iterator[Sample]:
        """For Prometheus: of these streams, and of events that named none of ours."""
        with self._lock:
            found = {
                stream: (counts.accepted, counts.nbytes, Counter(counts.rejected))
                for stream, counts in self._counts.items()
                if stream in streams or not stream
            }
            append_seconds = self._append_seconds.seen()
        yield Sample("bobr_broker_append_seconds", append_seconds)
        yield Sample("bobr_broker_log_failing", self._log_error is not None)
        for stream, (accepted, nbytes, rejected) in found.items():
            yield Sample("bobr_broker_events_accepted_total", accepted, (stream,))
            yield Sample("bobr_broker_accepted_bytes_total", nbytes, (stream,))
            for reason, events in rejected.items():
                labels = stream, reason.name.lower()
                yield Sample("bobr_broker_events_refused_total", events, labels)
