"""uvicorn's HTTP protocol with two bounds that it does not have: on the size of a request's head, and on its time."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 15.0
HEAD_BYTES_MAX = 64 * 1024


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. A head that is late or long ends it; bodies are bounded by who reads them."""

    _head_bytes = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The first head is awaited."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what may belong to a head; a body that follows in the same piece is not held against it."""
        if self._patience is not None and self._head_bytes > HEAD_BYTES_MAX:
            self.transport.close()
            return
        self._head_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A next request on the same connection."""
        super().on_message_begin()
        if self._patience is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._head_came()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_came(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        """Unless it is we who let the client wait: a connection whose answer is under way is not read."""
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]  # None at first
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)
        else:
            self.transport.close()
