"""What a monitor asks of every part over HTTP: `/metrics`, `/healthz` and `/readyz`.

In front of the part's own application, or, for one that has none, on a port of its own.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from bobr.errors import BobrError, UnauthenticatedError, UnavailableError
from bobr.runtime.access import Access
from bobr.runtime.loops import LoopThread, Running, serve_http
from bobr.runtime.metrics import Sample, exposition
from bobr.runtime.tls import Certificates

METRICS_PATH, HEALTH_PATH, READY_PATH = "/metrics", "/healthz", "/readyz"
PATHS = frozenset({METRICS_PATH, HEALTH_PATH, READY_PATH})
CHALLENGE = ((b"www-authenticate", b"Bearer"),)
STOP_SECONDS = 2.0
REQUESTS_MAX = 64
"""At once, on a port of its own: a few monitors ask, each now and then."""

Reply = tuple[int, bytes, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A part, as monitors see it. samples: may block; is_ready: whether it has applied a catalog.

    access: metrics name streams and tables, so where keys are needed they are told to who has one.
    """

    part: str
    samples: Callable[[], Iterable[Sample]]
    is_ready: Callable[[], bool]
    access: Access


class ObservedApp:
    """An ASGI application that answers what monitors ask, and leaves all else to another. Belongs to one loop."""

    def __init__(self, observed: Observed, app: ASGIApp | None = None) -> None:
        """`app`: None: all else is 404."""
        self._observed = observed
        self._app = app
        self._scraping = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if self._app is not None and scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        status, content, kind = await self._reply(scope)
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(content)).encode()),
            *(CHALLENGE if status == 401 else ()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _reply(self, scope: Scope) -> Reply:
        path = scope["path"]
        if path not in PATHS:
            return _said(404, f"nothing is at {path}: there are {', '.join(sorted(PATHS))}")
        if scope["method"] not in ("GET", "HEAD"):
            return _said(405, f"{path} takes GET")
        if path == METRICS_PATH:
            sent = {name: value.decode("latin-1") for name, value in scope["headers"]}
            address, _ = scope.get("client") or ("unknown", 0)
            try:
                self._observed.access.caller(sent.get(b"authorization"), f"GET {path}", address)
            except UnauthenticatedError as error:
                return _said(401, str(error))
            except UnavailableError as error:
                return _said(503, str(error))
            return await self._metrics(sent.get(b"accept", ""))
        serves = path == HEALTH_PATH or self._observed.is_ready()
        body = {"status": "SERVING" if serves else "NOT_SERVING"}
        return (200 if serves else 503), _json(body), "application/json"

    async def _metrics(self, accept: str) -> Reply:
        """One after the other, in a thread: the loop's own calls do not wait for it."""
        async with self._scraping:
            try:
                content, kind = await asyncio.to_thread(self._exposition, accept)
            except BobrError as error:
                return _said(503, str(error))
        return 200, content, kind

    def _exposition(self, accept: str) -> tuple[bytes, str]:
        return exposition(self._observed.part, self._observed.samples(), accept)


def _said(status: int, message: str) -> Reply:
    return status, _json({"error": {"message": message}}), "application/json"


def _json(body: object) -> bytes:
    return json.dumps(body).encode() + b"\n"


@contextmanager
def serve_metrics(
    observed: Observed, listening: socket.socket | None, certificates: Certificates | None
) -> Iterator[None]:
    """On a port of its own, for a part that has no other, as long as this is entered. None: nowhere."""
    if listening is None:
        yield
        return
    thread = LoopThread(
        f"{observed.part}-metrics", partial(_serve, observed, listening, certificates)
    )
    thread.start()
    try:
        yield
    finally:
        thread.ask_to_stop()
        thread.join()


async def _serve(
    observed: Observed,
    listening: socket.socket,
    certificates: Certificates | None,
    running: Running,
) -> None:
    await serve_http(
        ObservedApp(observed),
        listening,
        running,
        grace_seconds=STOP_SECONDS,
        certificates=certificates,
        requests_max=REQUESTS_MAX,
    )
