"""What one edge measures of its calls: how long they take, how many fail as a whole. Never for each event."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bobr.broker.calls import Call
from bobr.errors import BobrError, OverloadedError, RejectedError, RetryableError
from bobr.runtime.metrics import Histogram, Sample

ERRORS = {OverloadedError: "overloaded", RetryableError: "unavailable", RejectedError: "rejected"}
"""What failed calls are counted as, the more special first; any other is a bug of ours."""


class Meter:
    """Of one edge. Calls are counted in its event loop, rounds in its check thread; any thread may look."""

    def __init__(self, edge: str) -> None:
        """`edge`: grpc or http."""
        self._edge = edge
        self._seconds = Histogram()
        self._rounds = 0
        self._failed = Counter(dict.fromkeys([*ERRORS.values(), "bug"], 0))

    def settled(self, calls: Sequence[Call], now: float) -> None:
        """These have their outcome (monotonic seconds)."""
        for call in calls:
            self._seconds.observe(now - call.at)

    def round(self) -> None:
        """One is checked."""
        self._rounds += 1

    def failed(self, error: Exception) -> None:
        """A call, or a piece of a long body, has nothing else for its answer."""
        kind = next((word for kind, word in ERRORS.items() if isinstance(error, kind)), "bug")
        self._failed[kind if isinstance(error, BobrError) else "rejected"] += 1

    def samples(self) -> Iterator[Sample]:
        """For Prometheus."""
        yield Sample("bobr_broker_publish_seconds", self._seconds.seen(), (self._edge,))
        yield Sample("bobr_broker_rounds_total", self._rounds, (self._edge,))
        for kind, calls in self._failed.items():
            yield Sample("bobr_broker_calls_failed_total", calls, (self._edge, kind))
