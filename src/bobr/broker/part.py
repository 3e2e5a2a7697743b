"""The broker as a running part: two edges, each in a thread with its own event loop, over one log."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.broker.accumulate import Accumulator
from bobr.broker.admission import Admission
from bobr.broker.grants import Grants
from bobr.broker.grpc_edge import GrpcEdge
from bobr.broker.http_edge import HttpEdge
from bobr.broker.limits import MIB, Limits
from bobr.broker.meter import Meter
from bobr.broker.publish import Publisher
from bobr.broker.streams import Streams
from bobr.broker.tally import Tally
from bobr.catalog import Catalog
from bobr.clock import SystemClock
from bobr.errors import NotFoundError
from bobr.ids import Revision, SchemaId, StreamName
from bobr.log import Appender
from bobr.runtime.loops import LoopThread, Running, serve_http
from bobr.runtime.metrics import Sample
from bobr.runtime.observed import Observed, ObservedApp
from bobr.runtime.tls import Certificates

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
        certificates: Certificates | None = None,
    ) -> None:
        """`descriptors`: the registry. `addresses`: of the whole system, told over HTTP to whoever may ask."""
        self._appender = appender
        self._limits = limits
        self._addresses = addresses
        self._certificates = certificates
        self._streams = Streams(descriptors)
        self._admission = Admission(limits)
        self._tally = Tally()
        self._meters: dict[str, Meter] = {}
        self._revision: Revision | None = None
        self._grants = Grants(SystemClock())
        self._edges: list[LoopThread] = []

    def apply(self, catalog: Catalog, *, settled: bool = False) -> None:
        """Accept for exactly these streams from now on; raises and changes nothing when one can not be made ready.

        But for keys and rights, which never wait for a schema: a key that is revoked is revoked at once.
        settled: a stream that can not be made ready is no reason to accept nothing for the others; its own calls are
        told why.
        """
        self._grants.apply(catalog)
        self._streams.apply(catalog, settled=settled)
        self._revision = catalog.revision

    def start(self, http: socket.socket, grpc_address: str) -> None:
        """Serve; returns when both edges answer. `http`: bound. MisconfiguredError: the gRPC address is taken."""
        for edge in (
            LoopThread("broker-grpc", partial(self._serve_grpc, grpc_address)),
            LoopThread("broker-http", partial(self._serve_http, http)),
        ):
            self._edges.append(edge)
            edge.start()

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
            "error": self._tally.log_error,
            "streams": self._tally.report(),
            "pending": {"calls": calls, "bytes": nbytes},
        }

    def samples(self) -> Iterator[Sample]:
        """For Prometheus."""
        calls, nbytes = self._admission.pending
        yield Sample("bobr_broker_pending_calls", calls)
        yield Sample("bobr_broker_pending_bytes", nbytes)
        if self._revision is not None:
            yield Sample("bobr_broker_catalog_revision", self._revision)
        yield from self._tally.samples(self._streams.names)
        for meter in list(self._meters.values()):
            yield from meter.samples()

    async def _serve_grpc(self, address: str, running: Running) -> None:
        async with self._accumulating("grpc") as accumulator:
            edge = GrpcEdge(accumulator, self._limits, self._grants)
            await edge.start(address, self._certificates)
            running.started()
            await running.asked_to_stop.wait()
            await edge.stop(STOP_SECONDS)

    async def _serve_http(self, listening: socket.socket, running: Running) -> None:
        async with self._accumulating("http") as accumulator:
            edge = HttpEdge(
                accumulator, self._limits, self._grants, self._event_bytes_max, self._addresses
            )
            observed = Observed(
                part="broker",
                samples=self.samples,
                is_ready=lambda: self._revision is not None,
                access=self._grants.access,
            )
            await serve_http(
                ObservedApp(observed, edge),
                listening,
                running,
                grace_seconds=STOP_SECONDS,
                certificates=self._certificates,
                requests_max=2 * self._limits.pending_calls_max,  # ours says when to come again
            )

    @contextlib.asynccontextmanager
    async def _accumulating(self, name: str) -> AsyncIterator[Accumulator]:
        """One edge's way into the log, for the running loop."""
        accumulator = Accumulator(name, self._limits, self._admission)
        self._meters[name] = accumulator.meter
        publisher = Publisher(
            name,
            self._streams,
            self._appender,
            self._limits,
            self._tally,
            accumulator,
        )
        accumulator.start(publisher.publish)
        try:
            yield accumulator
        finally:
            try:
                await accumulator.close()
            finally:
                await asyncio.to_thread(publisher.close)

    def _event_bytes_max(self, stream: StreamName) -> int:
        try:
            return self._streams.stream(stream).event_bytes_max
        except NotFoundError:
            return MIB
