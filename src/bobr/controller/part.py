"""The controller as a running part: its API over HTTP and gRPC, the registry over HTTP, a relay for configurators."""

import asyncio
import socket
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from functools import partial

from starlette.types import ASGIApp

from bobr.clock import Clock
from bobr.controller.api import Api
from bobr.controller.catalog_store import CatalogStore
from bobr.controller.grpc_edge import GrpcEdge
from bobr.controller.registry import Registry
from bobr.log import Log
from bobr.runtime.folder import Folder
from bobr.runtime.loops import LoopThread, Running, serve_http
from bobr.runtime.observed import Observed, ObservedApp
from bobr.runtime.tls import Certificates

STOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where it listens. http: a socket; grpc: host:port, likewise for everybody. certificates: of both.

    relay: host:port for configurators. line: for the parts of this machine, where `http` speaks TLS.
    """

    http: socket.socket
    grpc: str
    relay: str
    certificates: Certificates | None = None
    line: socket.socket | None = None


class Controller:
    """Serves from `start` to `stop`. The owner closes store, registry and log afterwards."""

    def __init__(
        self,
        store: CatalogStore,
        registry: Registry,
        log: Log,
        folder: Folder,
        clock: Clock,
        secret: str,
    ) -> None:
        """folder: where the supervisor says what runs. secret: that it gave to all parts."""
        self._store = store
        self._registry = registry
        self._log = log
        self._folder = folder
        self._clock = clock
        self._secret = secret
        self._thread: LoopThread | None = None

    def start(self, places: Places) -> None:
        """Serve; returns when it answers. MisconfiguredError: a port is taken."""
        self._thread = LoopThread("controller", partial(self._serve, places))
        self._thread.start()

    def stop(self) -> None:
        """Take no more calls and end, within a bound."""
        if self._thread is not None:
            self._thread.ask_to_stop()
            self._thread.join()

    async def _serve(self, places: Places, running: Running) -> None:
        api = self._api()
        observed = Observed(
            part="controller", samples=api.samples, is_ready=lambda: True, access=api.access
        )
        app = ObservedApp(observed, api.app(self._registry))
        server = api.relay().server(self._secret)
        edge = GrpcEdge(api.operations(), api.access)
        await server.start(places.relay)
        await edge.start(places.grpc, places.certificates)
        for_ever = (api.keep_trimmed(), api.keep_up(), api.keep_measured())
        chores = [asyncio.create_task(each) for each in for_ever]
        serving = serve_http(
            app,
            places.http,
            running,
            grace_seconds=STOP_SECONDS,
            certificates=places.certificates,
        )
        ending = _ended(api, edge, running)
        await asyncio.gather(serving, ending, *self._of_parts(app, places.line, running))
        for each in chores:
            each.cancel()
        await server.stop()

    def _of_parts(
        self, app: ASGIApp, line: socket.socket | None, running: Running
    ) -> Iterator[Awaitable[None]]:
        if line is not None:
            with_it = Running()
            with_it.asked_to_stop = running.asked_to_stop
            yield serve_http(app, line, with_it, grace_seconds=STOP_SECONDS)

    def _api(self) -> Api:
        return Api(self._store, self._registry, self._log, self._folder, self._clock, self._secret)


async def _ended(api: Api, edge: GrpcEdge, running: Running) -> None:
    """As soon as it shall."""
    await running.asked_to_stop.wait()
    await api.end()
    await edge.stop(STOP_SECONDS)
