"""The broker as a running part: two edges, each in a thread with its own event loop, over one log."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future

import uvicorn
import uvloop
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.broker.accumulate import Accumulator
from bobr.broker.admission import Admission
from bobr.broker.grpc_edge import GrpcEdge
from bobr.broker.http_edge import HttpEdge
from bobr.broker.limits import MIB, Limits
from bobr.broker.publish import Publisher
from bobr.broker.streams import Streams
from bobr.broker.tally import Tally
from bobr.catalog import Catalog
from bobr.errors import NotFoundError
from bobr.ids import SchemaId, StreamName
from bobr.log import Appender

STOP_SECONDS = 10.0
"""Calls under way have this long to be answered after the edges stop taking new ones."""


class Broker:
    """Accepts events from `start` to `stop`. The owner closes the appender afterwards."""

    def __init__(
        self,
        appender: Appender,
        descriptors: Callable[[SchemaId], FileDescriptorSet],
        limits: Limits,
        addresses: Mapping[str, str],
    ) -> None:
        """`descriptors`: the registry. `addresses`: of the whole system, told over HTTP to whoever asks."""
        self._appender = appender
        self._limits = limits
        self._addresses = addresses
        self._streams = Streams(descriptors)
        self._admission = Admission(limits)
        self._tally = Tally()
        self._edges: list[_EdgeThread] = []

    def apply(self, catalog: Catalog) -> None:
        """Accept for exactly these streams from now on; raises and changes nothing when one can not be made ready."""
        self._streams.apply(catalog)

    def start(self, http: socket.socket, grpc_address: str) -> None:
        """Serve; returns when both edges answer. `http`: bound. MisconfiguredError: the gRPC address is taken."""
        for name, edge in (
            ("grpc", lambda accumulator, stop: self._serve_grpc(accumulator, stop, grpc_address)),
            ("http", lambda accumulator, stop: self._serve_http(accumulator, stop, http)),
        ):
            thread = _EdgeThread(name, self._accumulator(name), edge)
            self._edges.append(thread)
            thread.start()

    def stop(self) -> None:
        """Take no more calls, answer those under way within a bound. Idempotent."""
        for edge in self._edges:
            edge.ask_to_stop()
        for edge in self._edges:
            edge.join()
        self._edges.clear()

    def report(self) -> dict[str, object]:
        """For `bobr status`."""
        calls, nbytes = self._admission.pending
        return {
            "streams": self._tally.report(),
            "pending": {"calls": calls, "bytes": nbytes},
        }

    def _accumulator(self, name: str) -> Accumulator:
        return Accumulator(name, self._limits, self._admission)

    def _publisher(self, accumulator: Accumulator) -> Publisher:
        return Publisher(
            self._streams, self._appender, self._limits, self._tally, accumulator.settle
        )

    async def _serve_grpc(
        self, accumulator: Accumulator, running: "_Running", address: str
    ) -> None:
        accumulator.start(self._publisher(accumulator).publish)
        edge = GrpcEdge(accumulator, self._limits)
        await edge.start(address)
        running.started()
        await running.asked_to_stop.wait()
        await edge.stop(STOP_SECONDS)

    async def _serve_http(
        self, accumulator: Accumulator, running: "_Running", listening: socket.socket
    ) -> None:
        accumulator.start(self._publisher(accumulator).publish)
        app = HttpEdge(accumulator, self._limits, self._event_bytes_max, self._addresses)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=int(STOP_SECONDS),
                limit_concurrency=self._limits.pending_calls_max,
            )
        )
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        running.started()
        await running.asked_to_stop.wait()
        server.should_exit = True
        await serving

    def _event_bytes_max(self, stream: StreamName) -> int:
        try:
            return self._streams.stream(stream).event_bytes_max
        except NotFoundError:
            return MIB


class _Running:
    """How an edge's thread and the thread that started it talk."""

    def __init__(self) -> None:
        self.asked_to_stop = asyncio.Event()
        self.ready: Future[None] = Future()

    def started(self) -> None:
        self.ready.set_result(None)


class _EdgeThread:
    """One event loop in one thread, with an accumulator; ends when the edge's coroutine does."""

    def __init__(
        self,
        name: str,
        accumulator: Accumulator,
        serve: Callable[[Accumulator, _Running], Awaitable[None]],
    ) -> None:
        self._accumulator = accumulator
        self._serve = serve
        self._running = _Running()
        self._thread = threading.Thread(target=self._run, name=f"broker-{name}")
        self._loop = uvloop.new_event_loop()

    def start(self) -> None:
        self._thread.start()
        self._running.ready.result()

    def ask_to_stop(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._running.asked_to_stop.set)

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            try:
                runner.run(self._main())
            except BaseException as error:
                if self._running.ready.done():
                    raise
                self._running.ready.set_exception(error)

    async def _main(self) -> None:
        await self._serve(self._accumulator, self._running)
        await self._accumulator.close()
