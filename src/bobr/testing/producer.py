"""A producer with a ledger: what it sent, and what was acknowledged. The other side of the oracle in fault tests."""

import threading
from collections.abc import Callable, Mapping

import grpc

from bobr.v1 import broker_pb2 as wire

RETRY_SECONDS = 0.05
CALL_SECONDS = 10.0


class LedgerProducer:
    """Publishes calls of `per_call` events, one after the other, each until it is acknowledged, in its own thread.

    A call whose outcome is unknown is sent again as it was: the event ids are the same.
    """

    def __init__(
        self,
        stream: str,
        encode: Callable[[int], bytes],
        addresses: Callable[[], Mapping[str, str]],
        *,
        per_call: int,
    ) -> None:
        """encode: number of an event → its bytes. addresses: of the system now; raises while there is none."""
        self._stream = stream
        self._encode = encode
        self._addresses = addresses
        self._per_call = per_call
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="producer")
        self.acknowledged = 0
        """Events, numbered from 0, that were acknowledged: all below this number, and no others."""
        self.sent = 0
        """All events that were ever sent are below this number."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Give up what is not acknowledged yet, and end."""
        self._stop.set()
        self._thread.join()

    def wait_for(self, acknowledged: int, timeout_seconds: float = 60.0) -> None:
        """Wait until so many events are acknowledged."""
        with self._progress:
            done = self._progress.wait_for(
                lambda: self.acknowledged >= acknowledged, timeout_seconds
            )
        assert done, f"only {self.acknowledged} events were acknowledged in {timeout_seconds} s"

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._publish_until_it_fails()
            except (grpc.RpcError, OSError, ValueError, KeyError):
                self._stop.wait(RETRY_SECONDS)

    def _publish_until_it_fails(self) -> None:
        with grpc.insecure_channel(self._address()) as channel:
            call = channel.unary_unary(
                "/bobr.v1.Broker/Publish",
                request_serializer=wire.PublishRequest.SerializeToString,
                response_deserializer=wire.PublishResponse.FromString,
            )
            while not self._stop.is_set():
                self.sent = self.acknowledged + self._per_call
                events = [self._encode(number) for number in range(self.acknowledged, self.sent)]
                request = wire.PublishRequest(stream=self._stream, events=events)
                self._count(call(request, timeout=CALL_SECONDS))

    def _address(self) -> str:
        return self._addresses()["grpc"]

    def _count(self, response: wire.PublishResponse) -> None:
        assert response.accepted == self._per_call, response
        with self._progress:
            self.acknowledged += self._per_call
            self._progress.notify_all()
