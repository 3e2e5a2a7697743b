"""The controller's API: HTTP and JSON. Everything that may block runs in threads."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from bobr.catalog import Catalog
from bobr.clock import Clock
from bobr.controller.catalog_store import CatalogStore
from bobr.controller.deliver import Deliverer, Fulfilled
from bobr.controller.flushing import Flusher
from bobr.controller.http import body_of, handlers, json_of, refusal
from bobr.controller.parts import Parts
from bobr.controller.retention import EVERY_SECONDS, Committed, Retention
from bobr.controller.status import delivery_reports, status
from bobr.controller.tail import DIGITS_MAX, Tail, Tailer
from bobr.controller.watch import Watch
from bobr.controller.wish import Wish
from bobr.errors import NotFoundError, RejectedError
from bobr.ids import SchemaId, StreamName
from bobr.log import Log
from bobr.runtime.control import PartName
from bobr.runtime.folder import Folder, read_running
from bobr.runtime.logs import follow_log_level

LIVE_SECONDS = 15.0
"""How long a change waits for the parts before it answers that they are late."""


WHAT = "the controller of a Bobr system and its schema registry; events go to http or grpc of addresses"


class Flush(BaseModel):
    """The body of `POST /v1/flush`."""

    timeout_seconds: float = 30.0


class Api:
    """The handlers, over the controller's pieces. Lives in one event loop."""

    def __init__(
        self,
        store: CatalogStore,
        deliverer: Deliverer,
        of: Log,
        descriptors: Callable[[SchemaId], FileDescriptorSet],
        folder: Folder,
        clock: Clock,
    ) -> None:
        """descriptors: the registry. folder: what the supervisor says is read there."""
        self._store = store
        self._deliverer = deliverer
        self._tailer = Tailer(of, descriptors)
        self._admin = of.admin()
        self._retention = Retention(of, clock)
        self._folder = folder
        self._clock = clock
        self._parts = Parts(clock=clock, catalog=store.newest(), follow=follow_log_level)
        self._flusher = Flusher(self._parts, self._admin, clock)
        self._changing = asyncio.Lock()

    def app(self, registry: Starlette, secret: str) -> Starlette:
        """The whole application; the registry has every path that is not ours, as its stock clients expect.

        `secret`: by which parts are known.
        """
        return Starlette(
            routes=[
                Route("/", self._front),
                Route("/healthz", self._health),
                Route("/v1/addresses", self._addresses),
                Route("/v1/catalog", self._catalog),
                Route("/v1/status", self._status),
                Route("/v1/deliver", self._deliver, methods=["POST"]),
                Route("/v1/flush", self._flush, methods=["POST"]),
                Route(
                    "/v1/parts/{part}/watch", Watch(self._parts, secret).answer, methods=["POST"]
                ),
                Route("/v1/streams/{stream}/events", self._tail),
                Route("/v1/streams/{stream}/events", self._misdirected, methods=["POST"]),
                Mount("/", registry),
            ],
            exception_handlers=handlers(),
        )

    async def keep_trimmed(self) -> None:
        """Apply retention now and then, for ever; only while it is known what the tables have."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            if PartName.TRANSMITTER in self._parts.living():
                await run_in_threadpool(
                    self._retention.apply, self._parts.catalog, self._committed()
                )

    def _committed(self) -> Committed:
        """Only what is told of the tables that the catalog names: a part that lags behind it tells of others."""
        deliveries = self._parts.catalog.deliveries
        return {
            name: report.positions
            for name, report in delivery_reports(self._parts.living()).items()
            if name in deliveries and report.is_of(deliveries[name])
        }

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

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "SERVING"})

    async def _addresses(self, _: Request) -> Response:
        return JSONResponse(
            {**read_running(self._folder).addresses, "lake": str(self._folder.lake)}
        )

    async def _catalog(self, _: Request) -> Response:
        return json_of(self._parts.catalog)

    async def _status(self, _: Request) -> Response:
        running = read_running(self._folder)
        body = await run_in_threadpool(
            status, self._parts.catalog, self._admin, self._parts.living(), running.parts
        )
        return JSONResponse({**body, "addresses": dict(running.addresses)})

    async def _deliver(self, request: Request) -> Response:
        wish = Wish.model_validate_json(await body_of(request))
        async with self._changing:
            fulfilled = await run_in_threadpool(self._deliverer.fulfil, wish, self._parts.catalog)
            if fulfilled.changes:
                await self._put_in_force(wish, fulfilled)
        catalog = self._parts.catalog
        await self._parts.wait_live(catalog.revision, LIVE_SECONDS)
        return JSONResponse(
            {"revision": catalog.revision, "stream": wish.stream, "changes": fulfilled.changes}
        )

    async def _put_in_force(self, wish: Wish, fulfilled: Fulfilled) -> None:
        """1. the stream exists in the log; 2. the catalog names it; 3. the parts hear of it."""
        await run_in_threadpool(self._admin.create, StreamName(wish.stream))
        message = f"deliver {wish.stream}"
        catalog: Catalog = await run_in_threadpool(
            self._store.commit, fulfilled.catalog, message, self._clock.now()
        )
        await self._parts.publish(catalog)

    async def _flush(self, request: Request) -> Response:
        """Answer when everything that the log holds now is in the tables, or the time is up."""
        wanted = Flush.model_validate_json(await body_of(request)).timeout_seconds
        behind = await self._flusher.flush(wanted)
        return JSONResponse({"flushed": not behind, "behind": behind})

    async def _tail(self, request: Request) -> Response:
        name = StreamName(request.path_params["stream"])
        stream = self._parts.catalog.streams.get(name)
        if stream is None:
            raise NotFoundError(f"there is no stream {name!r}: `bobr status` lists them")
        query = request.query_params
        tail = Tail(
            start=query.get("from", "end"),
            limit=_number("limit", query.get("limit", "0")),
            follow=query.get("follow", "1") not in ("0", "false"),
        )
        lines = await run_in_threadpool(self._tailer.lines, stream, tail)
        return StreamingResponse(lines, media_type="application/x-ndjson")


def _number(what: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise RejectedError(f"{what} is a number from 0, not {text[:DIGITS_MAX]!r}")
    return int(text)
