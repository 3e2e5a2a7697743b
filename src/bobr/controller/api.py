"""The controller's API over HTTP, and what it shares with gRPC. Everything that may block runs in threads."""

import asyncio
from collections.abc import AsyncIterator, Collection, Generator, Iterator
from contextlib import ExitStack, closing, suppress
from http import HTTPStatus

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bobr.catalog import Catalog
from bobr.catalog.access import Right
from bobr.clock import Clock
from bobr.controller.access import Guarded, caller_of, stream_of
from bobr.controller.catalog_store import CatalogStore
from bobr.controller.changes import Changes
from bobr.controller.commands_api import CommandsApi
from bobr.controller.config_api import ConfigApi
from bobr.controller.deliver import Deliverer
from bobr.controller.flushing import Flusher
from bobr.controller.holdings import Holder
from bobr.controller.http import Bodies, handlers, others_of, refusal, route_of
from bobr.controller.introspection import (
    SAMPLE_SECONDS,
    IntrospectionApi,
    Introspector,
    samples,
)
from bobr.controller.objects_api import ObjectsApi
from bobr.controller.openapi import openapi_route
from bobr.controller.operations import Operations
from bobr.controller.parts import Parts, Wanted
from bobr.controller.registry import Registry, registry_app
from bobr.controller.relay import Relay
from bobr.controller.retention import EVERY_SECONDS, Committed, Retention
from bobr.controller.seats import Seats
from bobr.controller.status import DeliveryReports, delivery_reports, status, told_of, warnings
from bobr.controller.tail import DIGITS_MAX, Tail, Tailer
from bobr.errors import (
    ForbiddenError,
    NotFoundError,
    RejectedError,
    UnauthenticatedError,
    UnavailableError,
)
from bobr.ids import Revision, StreamName
from bobr.log import Log
from bobr.runtime.access import Access, Caller
from bobr.runtime.folder import Folder, read_running
from bobr.runtime.logs import follow_log_level
from bobr.runtime.metrics import Sample
from bobr.runtime.refusals import Refusals
from bobr.runtime.words import PartName

WHAT = "the controller of a Bobr system and its schema registry; events go to http or grpc of addresses"


TAILS_MAX = 64
"""Threads that tails wait in, of their own: however many there are, changes such as a revocation have theirs."""
TAILS_EACH_MAX = 16
"""Of them, of one principal with all its keys: it takes several to have all."""


class Api:
    """The handlers, over the controller's pieces. Lives in one event loop."""

    def __init__(
        self,
        store: CatalogStore,
        registry: Registry,
        of: Log,
        folder: Folder,
        clock: Clock,
        secret: str,
    ) -> None:
        """folder: what the supervisor says is read there. secret: by which parts are known."""
        self._tailer = Tailer(of, registry.descriptors)
        self._tails = CapacityLimiter(TAILS_MAX)
        self._seats = Seats(TAILS_MAX, TAILS_EACH_MAX, "tails open", "end one")
        self._admin = of.admin()
        self._retention = Retention(of, clock)
        self._folder = folder
        self._clock = clock
        catalog = store.standing().catalog
        wanted = Wanted(catalog=catalog, settled=Revision(catalog.revision))
        self._parts = Parts(
            clock=clock, wanted=wanted, follow=follow_log_level, expected=self._supervised
        )
        self._holder = Holder(of, clock, self._committed)
        self._changes = Changes(store, registry, self._admin, self._parts, self._holder, clock)
        self._secret = secret
        self.access = Access(lambda: self._parts.catalog.principals, Refusals(clock), secret)
        """Who may call."""
        self._config = ConfigApi(self._changes, store, self._parts, self.access, clock)
        self._objects = ObjectsApi(self._changes, self._config)
        self._commands = CommandsApi(
            self._changes,
            self._config,
            Deliverer(registry, self._holder.held),
            Flusher(self._parts, self._admin, clock),
        )
        self._introspector = Introspector(self._admin, clock)
        self._introspection = IntrospectionApi(self._introspector, self._now)

    async def end(self) -> None:
        """Calls that wait, and tails, are answered now: whoever still waits when the grace is over is cut off."""
        await self._parts.end()

    def relay(self) -> Relay:
        """Where configurators call."""
        return Relay(self._parts)

    def app(self, registry: Registry) -> ASGIApp:
        """The whole application; the registry has every path that is not ours, as its stock clients expect."""
        app = self._app(registry_app(registry, self._subjects))
        return Guarded(app, self.access)

    def _subjects(self, request: Request, subject: str) -> None:
        """ForbiddenError: who asks may not change the subject."""
        self._config.permit(caller_of(request)).configure(stream_of(subject))

    def operations(self) -> Operations:
        """What is done over HTTP and gRPC alike."""
        return [
            *self._config.operations(),
            *self._introspection.operations(),
            *self._objects.operations(),
        ]

    def _app(self, registry: Starlette) -> Starlette:
        operations, bodies = [*self.operations(), *self._commands.operations()], Bodies()
        own = [
            Route("/", self._front),
            Route("/v1/addresses", self._addresses),
            openapi_route(operations),
            Route("/v1/status", self._status),
            Route("/v1/streams/{stream}/events", self._tail),
            *(route_of(each, bodies) for each in operations),
        ]
        return Starlette(
            routes=[
                *own,
                Route("/v1/streams/{stream}/events", self._misdirected, methods=["POST"]),
                *others_of(own),
                Mount("/", registry),
            ],
            exception_handlers=handlers(),
        )

    async def keep_up(self) -> None:
        """Tell the parts what other controllers put in force, for ever."""
        await self._changes.follow()

    async def keep_trimmed(self) -> None:
        """Apply retention now and then, for ever; only while it is known what the tables have."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            if PartName.TRANSMITTER in self._parts.living():
                await run_in_threadpool(
                    self._retention.apply, self._parts.catalog, self._committed()
                )

    async def keep_measured(self) -> None:
        """Look how fast streams grow, for ever."""
        while True:
            await run_in_threadpool(self._introspector.measure, self._parts.catalog)
            await asyncio.sleep(SAMPLE_SECONDS)

    def samples(self) -> Iterator[Sample]:
        """For Prometheus. Blocks; any thread may ask."""
        catalog, reports = self._now()
        told = status(catalog, self._admin, self._parts.living(), read_running(self._folder).parts)
        return samples(self._introspector, catalog, reports, told)

    def _now(self) -> tuple[Catalog, DeliveryReports]:
        """The catalog in force, and what is told of its deliveries."""
        catalog, processes = self._parts.catalog, read_running(self._folder).parts
        return catalog, told_of(catalog, self._parts.living(), processes)

    def _committed(self) -> Committed:
        """Only what is told of the tables that the catalog names: a part that lags behind it tells of others."""
        deliveries = self._parts.catalog.deliveries
        return {
            name: report.positions
            for name, report in delivery_reports(self._parts.living()).items()
            if name in deliveries and report.is_of(deliveries[name])
        }

    def _supervised(self) -> Collection[PartName]:
        """Parts that `bobr up` starts again whenever they end."""
        try:
            supervised = read_running(self._folder).parts
        except UnavailableError:
            return ()
        return [part for part in PartName if part in supervised]

    async def _front(self, _: Request) -> Response:
        """For who knows only the port."""
        addresses = dict(read_running(self._folder).addresses)
        return JSONResponse({"part": "controller", "what": WHAT, "addresses": addresses})

    async def _misdirected(self, request: Request) -> Response:
        """Of events, which a producer sent here instead of to the broker."""
        broker = read_running(self._folder).addresses.get("http")
        there = f"http://{broker}{request.url.path}" if broker else "the broker's HTTP port"
        message = f"this is the controller, which takes no events: they go to {there}"
        answer = refusal(HTTPStatus.METHOD_NOT_ALLOWED, message)
        answer.headers["allow"] = "GET"
        return answer

    async def _addresses(self, _: Request) -> Response:
        return JSONResponse(
            {**read_running(self._folder).addresses, "lake": str(self._folder.lake)}
        )

    async def _status(self, _: Request) -> Response:
        running, catalog = read_running(self._folder), self._parts.catalog
        body = await run_in_threadpool(
            status, catalog, self._admin, self._parts.living(), running.parts
        )
        where = {"addresses": dict(running.addresses), "metrics": dict(running.metrics)}
        told = warnings(catalog, is_exposed=running.is_exposed)
        return JSONResponse({**body, "warnings": told, **where})

    async def _tail(self, request: Request) -> Response:
        name, caller = StreamName(request.path_params["stream"]), caller_of(request)
        self.access.demand(caller, Right.READ, (name,))
        stream = self._parts.catalog.streams.get(name)
        if stream is None:
            raise NotFoundError(f"there is no stream {name!r}: `bobr status` lists them")
        query = request.query_params
        tail = Tail(
            start=query.get("from", "end"),
            limit=_number("limit", query.get("limit", "0")),
            follow=query.get("follow", "1") not in ("0", "false"),
        )
        with ExitStack() as undo:
            undo.enter_context(self._seats.one(caller.principal_name))
            lines = await run_in_threadpool(self._tailer.lines, stream, tail)
            allowed = self._while_allowed(lines, name, caller)
            return _Tailing(self._in_threads(allowed), undo.pop_all())

    async def _in_threads(self, lines: Generator[str]) -> AsyncIterator[str]:
        with closing(lines):
            while (
                line := await to_thread.run_sync(next, lines, None, limiter=self._tails)
            ) is not None:
                yield line

    def _while_allowed(
        self, lines: Iterator[str], stream: StreamName, caller: Caller
    ) -> Generator[str]:
        """The lines, until the caller may not read them any more, or the controller ends: then they end."""
        with closing(lines):  # type: ignore[type-var]  # a generator
            for line in lines:
                if self._parts.is_ending:
                    return
                try:
                    caller = self.access.renewed(caller)
                    self.access.demand(caller, Right.READ, (stream,))
                except (UnauthenticatedError, ForbiddenError):
                    return
                yield line


class _Tailing(StreamingResponse):
    """The lines, and what is let go of when they end, also when the client is gone before the first."""

    def __init__(self, lines: AsyncIterator[str], held: ExitStack) -> None:
        super().__init__(lines, media_type="application/x-ndjson")
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with (
            self._held,
            suppress(asyncio.CancelledError),
        ):  # of who does not read, when the grace is over
            await super().__call__(scope, receive, send)


def _number(what: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise RejectedError(f"{what} is a number from 0, not {text[:DIGITS_MAX]!r}")
    return int(text)
