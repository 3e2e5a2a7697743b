"""A producer with a ledger: what it sent, and what was acknowledged. The other side of the oracle in fault tests."""

import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self

import grpc
import httpx2

from bobr.testing.ways import Way, unary
from bobr.v1 import broker_pb2 as wire

RETRY_SECONDS = 0.05
CALLS_AHEAD = 8
"""Calls that a way may have sent before their answers; unary and HTTP wait for each."""


class LedgerProducer:
    """Publishes calls of `per_call` events, in order, each until it is acknowledged, in a thread of its own.

    Does so inside `with`.
    A call whose outcome is unknown is sent again as it was: the event ids are the same.
    """

    def __init__(
        self,
        stream: str,
        encode: Callable[[int], bytes],
        addresses: Callable[[], Mapping[str, str]],
        *,
        per_call: int,
        way: Way = unary,
    ) -> None:
        """encode: number of an event → its bytes. addresses: of the system now; raises OSError while there is none."""
        self.way = way
        """Taken for each new connection; may be set at any time."""
        self.acknowledged = 0
        """Events, numbered from 0, that were acknowledged: all below this number. A later one may be stored too."""
        self.sent = 0
        """All events that were ever sent are below this number."""
        self._stream = stream
        self._encode = encode
        self._addresses = addresses
        self._per_call = per_call
        self._failure: AssertionError | None = None
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="producer")

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Send nothing new, take the answers that still come, and end. Raises what went wrong with the producer."""
        self._stop.set()
        self._tell()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def wait_for(self, acknowledged: int, timeout_seconds: float = 60.0) -> None:
        """Wait until so many events are acknowledged."""
        with self._progress:
            self._progress.wait_for(
                lambda: self.acknowledged >= acknowledged or self._failure, timeout_seconds
            )
        assert self._failure is None, self._failure
        assert self.acknowledged >= acknowledged, (
            f"only {self.acknowledged} events were acknowledged in {timeout_seconds} s"
        )

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._publish_until_it_fails()
                self._stop.wait(RETRY_SECONDS)
        except (
            AssertionError
        ) as failure:  # raised by `wait_for` and at the end, in the test's thread
            self._failure = failure
            self._tell()

    def _publish_until_it_fails(self) -> None:
        """One connection. Whatever breaks it, the next goes on behind what was acknowledged."""
        closed = threading.Event()
        try:
            with self.way(self._addresses()) as publish:
                for response in publish(self._calls(closed)):
                    self._count(response)
        except (grpc.RpcError, httpx2.HTTPError, OSError):
            return
        finally:
            closed.set()
            self._tell()

    def _calls(self, closed: threading.Event) -> Iterator[wire.PublishRequest]:
        """What one connection sends, from whichever thread it asks: from the first event that is not acknowledged."""
        first = self.acknowledged
        while self._wait_for_room(first, closed):
            end = first + self._per_call
            self.sent = max(self.sent, end)
            events = [self._encode(number) for number in range(first, end)]
            yield wire.PublishRequest(stream=self._stream, events=events)
            first = end

    def _wait_for_room(self, first: int, closed: threading.Event) -> bool:
        """False: nothing more is to be sent."""
        with self._progress:
            self._progress.wait_for(
                lambda: (
                    first < self.acknowledged + CALLS_AHEAD * self._per_call
                    or closed.is_set()
                    or self._stop.is_set()
                )
            )
        return not closed.is_set() and not self._stop.is_set()

    def _count(self, response: wire.PublishResponse) -> None:
        assert response.accepted == self._per_call, response
        self.acknowledged += self._per_call
        self._tell()

    def _tell(self) -> None:
        with self._progress:
            self._progress.notify_all()
