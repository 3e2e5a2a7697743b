"""Clients that publish as fast as they are answered, in processes of their own: a load to serve others under."""

import contextlib
import multiprocessing
from collections.abc import Iterator, Mapping
from itertools import repeat
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType
from typing import Self

import grpc

from bobr.testing.ways import Way
from bobr.v1 import broker_pb2 as wire

SPAWN = multiprocessing.get_context("spawn")


class Saturation:
    """A context: the clients run inside it. `answered` counts their calls; it only rises while they get answers."""

    def __init__(
        self, way: Way, addresses: Mapping[str, str], request: wire.PublishRequest, clients: int
    ) -> None:
        """`request` is sent again and again by each client, every one with a connection of its own."""
        self._answered = SPAWN.Value("L", 0)
        arguments = (way, dict(addresses), request.SerializeToString(), self._answered)
        self._clients = [SPAWN.Process(target=_publish, args=arguments) for _ in range(clients)]

    @property
    def answered(self) -> int:
        """Calls answered so far, of all clients."""
        return int(self._answered.value)

    def __enter__(self) -> Self:
        """Started."""
        for client in self._clients:
            client.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ended."""
        for client in self._clients:
            client.kill()
            client.join()
            client.close()


def _publish(
    way: Way, addresses: Mapping[str, str], request: bytes, answered: "Synchronized[int]"
) -> None:
    requests: Iterator[wire.PublishRequest] = repeat(wire.PublishRequest.FromString(request))
    while True:
        with (
            way(addresses) as publish,
            contextlib.suppress(grpc.RpcError),
        ):  # a stream's time was up
            for response in publish(requests):
                assert response.accepted, response
                with answered.get_lock():
                    answered.value += 1
