"""The controller as a running part: its API and the registry's on one port; gRPC, for configurators too, on another."""

import asyncio
import socket
from functools import partial

from bobr.clock import Clock
from bobr.controller.api import Api
from bobr.controller.catalog_store import CatalogStore
from bobr.controller.grpc_edge import SERVICE, GrpcEdge
from bobr.controller.registry import Registry, registry_app
from bobr.log import Log
from bobr.runtime.folder import Folder
from bobr.runtime.loops import LoopThread, Running, serve_http

STOP_SECONDS = 2.0


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

    def start(self, listening: socket.socket, relay: str) -> None:
        """Serve; returns when it answers. relay: host:port of gRPC. MisconfiguredError: it is taken."""
        self._thread = LoopThread("controller", partial(self._serve, listening, relay))
        self._thread.start()

    def stop(self) -> None:
        """Take no more calls and end, within a bound."""
        if self._thread is not None:
            self._thread.ask_to_stop()
            self._thread.join()

    async def _serve(self, listening: socket.socket, relay: str, running: Running) -> None:
        api = self._api()
        app = api.app(registry_app(self._registry))
        server = api.relay().server(self._secret)
        await server.add_public(SERVICE.full_name, GrpcEdge(api.operations()).handlers())
        await server.start(relay)
        chores = [asyncio.create_task(each) for each in (api.keep_trimmed(), api.keep_up())]
        await serve_http(app, listening, running, grace_seconds=STOP_SECONDS)
        for each in chores:
            each.cancel()
        await server.stop()

    def _api(self) -> Api:
        return Api(self._store, self._registry, self._log, self._folder, self._clock)
