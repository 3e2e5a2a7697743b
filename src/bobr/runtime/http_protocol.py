"""uvicorn's HTTP protocol, with bounds on the head of a request, and right where it would lose or mix up a body."""

import asyncio
import re

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 15.0
HEAD_BYTES_MAX = 64 * 1024
_HEAD_END = b"\r\n\r\n"
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_IGNORED = b"\r\nignored:"


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. A head that is late or long ends it; bodies are bounded by who reads them.

    A head is parsed when it is whole: the wish for another protocol, which Java's client and `curl --http2` send with
    their first request, has to be taken out before, or the parser takes the body for that protocol's.
    """

    _head = b""
    _fed_bytes = 0
    _has_begun = False
    _is_in_body = False
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
        """A part of a body, or of a head, which is kept until the rest has come."""
        if self._has_begun:
            self._feed(data)
            return
        self._await_head()
        seen = max(0, len(self._head) - len(_HEAD_END))
        self._head = (self._head + data).lstrip(b"\r\n")
        end = self._head.find(_HEAD_END, seen)
        if (len(self._head) if end < 0 else end) > HEAD_BYTES_MAX:
            self.transport.close()
        elif end >= 0:
            whole, self._head = self._head, b""
            head, rest = whole[:end], whole[end:]
            super().data_received(_UPGRADE.sub(_IGNORED, head) + rest)

    def _feed(self, data: bytes) -> None:
        """Of a request that the parser has begun: a body, or a head whose first part came behind another request."""
        if not self._is_in_body and self._fed_bytes > HEAD_BYTES_MAX:
            self.transport.close()
            return
        self._fed_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A next request on the same connection."""
        self._has_begun, self._fed_bytes = True, 0
        super().on_message_begin()
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Only the head's own: what stands behind a chunked body says nothing about it."""
        if not self._is_in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is here. One that came together with the request before may have a wish left: it is refused."""
        self._head_came()
        if self.parser.should_upgrade():
            raise httptools.HttpParserError("no other protocol is spoken here")
        self._is_in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A next head may come."""
        self._has_begun = self._is_in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Unless a request is being worked on: who gets no answer knows that some of its events may be stored."""
        if self._is_answering():
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _await_head(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_came(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        """Unless it is we who let the client wait: a connection whose answer is under way is not read."""
        self._patience = None
        if self._is_answering():
            self._await_head()
        else:
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
