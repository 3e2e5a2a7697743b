"""Event loops in threads of their own, and HTTP servers in them: servers that can not starve each other's loop."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

import uvicorn
import uvloop
from starlette.types import ASGIApp

from bobr.runtime.http_protocol import BoundedHttpProtocol
from bobr.runtime.tls import Certificates

POLL_SECONDS = 0.005
KEEP_ALIVE_SECONDS = 75.0
"""Longer than clients as a rule keep an idle connection (httpx 5 s, Go 90 s but it sends again by itself): who closes
first while the other sends makes a call fail for no reason."""
PARTING_SECONDS = 1.0
"""Who has a connection hears with an answer that it ends; one that is closed meanwhile breaks the next request."""
CLOSE = (b"connection", b"close")


class Running:
    """What a server in a loop says and hears: `started()` once it serves, `asked_to_stop` when it shall end."""

    def __init__(self) -> None:
        """Belongs to the loop in which `asked_to_stop` is awaited."""
        self.asked_to_stop = asyncio.Event()
        self.ready: Future[None] = Future()

    def started(self) -> None:
        """It serves."""
        self.ready.set_result(None)


class LoopThread:
    """One event loop in one thread; both end when the server's coroutine does."""

    def __init__(self, name: str, serve: Callable[[Running], Awaitable[None]]) -> None:
        """Starts nothing."""
        self._serve = serve
        self._running = Running()
        self._thread = threading.Thread(target=self._run, name=name)
        self._loop = uvloop.new_event_loop()

    def start(self) -> None:
        """Returns when the server says that it serves; raises what it raised before."""
        self._thread.start()
        self._running.ready.result()

    def ask_to_stop(self) -> None:
        """Does not wait."""
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._running.asked_to_stop.set)

    def join(self) -> None:
        """Wait for the end."""
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
        await self._serve(self._running)


async def serve_http(
    app: ASGIApp,
    listening: socket.socket,
    running: Running,
    *,
    grace_seconds: float,
    certificates: Certificates | None = None,
    requests_max: int | None = None,
) -> None:
    """Serve `app` until asked to stop, then finish what is under way within the grace. With certificates: TLS alone."""
    context = None if certificates is None else certificates.http_context()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=int(grace_seconds),
            timeout_keep_alive=int(KEEP_ALIVE_SECONDS),
            limit_concurrency=requests_max,
            ssl_context_factory=None if context is None else lambda _config, _default: context,
        )
    )
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(POLL_SECONDS)
    running.started()
    await running.asked_to_stop.wait()
    await _part(server)
    server.should_exit = True
    await serving


async def _part(server: uvicorn.Server) -> None:
    """From here on each answer says that it is the last on its connection. Both lists are uvicorn's own, kept or made
    anew each second: requests under way have the first.
    """
    server.config.encoded_headers.append(CLOSE)
    server.server_state.default_headers.append(CLOSE)
    give_up = asyncio.get_running_loop().time() + PARTING_SECONDS
    while server.server_state.connections and asyncio.get_running_loop().time() < give_up:
        await asyncio.sleep(POLL_SECONDS)
