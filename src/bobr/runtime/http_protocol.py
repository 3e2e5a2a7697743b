"""uvicorn's HTTP protocol, with bounds on the head of a request, and right where it would lose or mix up a body."""

import asyncio
import re
from collections import deque

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS = 15.0
HEAD_BYTES_MAX = 64 * 1024
UNREAD_SECONDS = 15.0
_HEAD_END = b"\r\n\r\n"
_NO_HEAD = re.compile(rb"\A[^A-Z]|(?<!\r)\n")
"""What no head has: the parser says so. TLS and lines that end in LF alone would be waited for in vain."""
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_IGNORED = b"\r\nignored:"


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. A head that is late or long ends it, or a client that leaves its answers unread; bodies are
    bounded by who reads them.

    A head is parsed when it is whole: the wish for another protocol, which Java's client and `curl --http2` send with
    their first request, has to be taken out before, or the parser takes the body for that protocol's.
    """

    _head = b""
    _fed_bytes = 0
    _has_begun = False
    _is_in_body = False
    _patience: asyncio.TimerHandle | None = None
    _unread_bytes = 0
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The first head is awaited."""
        super().connection_made(transport)
        self._cycles: deque[RequestResponseCycle] = deque()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more. All requests hear of it: uvicorn tells only the last that came."""
        self._head_came()
        self._is_read()
        for cycle in self._cycles:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
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
            self._close()
        elif end < 0 and _NO_HEAD.search(self._head, seen):
            super().data_received(self._head)
        elif end >= 0:
            whole, self._head = self._head, b""
            head, rest = whole[:end], whole[end:]
            super().data_received(_UPGRADE.sub(_IGNORED, head) + rest)

    def _feed(self, data: bytes) -> None:
        """Of a request that the parser has begun: a body, or a head whose first part came behind another request.

        What stands behind a chunked body is no longer than a head either; the parser keeps it.
        """
        if self._fed_bytes > HEAD_BYTES_MAX:
            self._close()
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
        while self._cycles and self._cycles[0].response_complete:
            self._cycles.popleft()
        self._cycles.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Of any length."""
        self._fed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A next head may come."""
        self._has_begun = self._is_in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Unless a request is being worked on: who gets no answer knows that some of its events may be stored."""
        if not self._is_answering():
            super().send_400_response(msg)
        self._close()

    def on_response_complete(self) -> None:
        """The connection may be at its end."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more came."""
        self._close()

    def pause_writing(self) -> None:
        """Much of the answers has not been taken yet."""
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        """Most of it has."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._is_read()

    def _close(self) -> None:
        """When the client has taken its answers; that is waited for by the transport, and for ever."""
        self.transport.close()
        self._await_reading()

    def _await_reading(self) -> None:
        if self._reading is None:
            self._unread_bytes = self.transport.get_write_buffer_size()
            self._reading = self.loop.call_later(UNREAD_SECONDS, self._look_whether_it_reads)

    def _is_read(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _look_whether_it_reads(self) -> None:
        """Nothing is written meanwhile, so who has taken nothing has as much left.

        An answer without end, such as `bobr tail`'s, is taken at the pace of who looks at it, be it in a pager.
        """
        self._reading = None
        has_taken = self.transport.get_write_buffer_size() < self._unread_bytes
        if has_taken or (self._is_streaming() and not self.transport.is_closing()):
            self._await_reading()
        else:
            self.transport.abort()

    def _is_streaming(self) -> bool:
        return any(cycle.chunked_encoding and not cycle.response_complete for cycle in self._cycles)

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
            self._close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]  # None at first
