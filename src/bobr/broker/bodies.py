"""Request bodies: read in pieces, unpacked in pieces, never more in memory than their limit."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from starlette.types import Message, Receive

from bobr.broker.admission import Reservation

PIECE_BYTES = 64 * 1024
GZIP = 16 + zlib.MAX_WBITS
GZIP_MAGIC = b"\x1f\x8b"
PACKED = "the body is gzip: say so with the header content-encoding: gzip"


class BodyError(Exception):
    """The body can not be taken; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        """`message`: for a person."""
        super().__init__(message)
        self.status = status


class DisconnectedError(Exception):
    """The client went away before its body was complete."""


async def pieces(headers: Mapping[bytes, bytes], receive: Receive) -> AsyncIterator[bytes]:
    """The body, unpacked, in pieces of at most about `PIECE_BYTES` (as they came, when it is not packed).

    An empty piece: a pause, see `Pauses`.
    """
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding == b"identity":
        async for chunk in _received(receive):
            yield chunk
    elif encoding in (b"gzip", b"x-gzip"):
        async for chunk in _unzipped(_received(receive)):
            yield chunk
    else:
        message = f"content-encoding {encoding.decode('latin-1')!r} is not taken: use gzip or none"
        raise BodyError(415, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """For a body that is read as a whole: its size, and how long its next part may take."""

    nbytes: int
    seconds: float


async def whole(
    headers: Mapping[bytes, bytes], receive: Receive, bound: Bound, room: Reservation
) -> bytes:
    """The body at once. BodyError 413 as soon as it is known to be above its limit, packed or not; 408: too slow.

    OverloadedError: the broker has no room for it; `room` is taken as it comes.
    """
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > bound.nbytes:
        raise BodyError(413, _too_large(bound.nbytes))
    chunks: list[bytes] = []
    size = 0
    async for chunk in pieces(headers, _impatient(receive, bound.seconds)):
        size += len(chunk)
        if size > bound.nbytes:
            raise BodyError(413, _too_large(bound.nbytes))
        if not chunks and chunk.startswith(GZIP_MAGIC):
            raise BodyError(400, PACKED)
        room.grow(len(chunk))
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _impatient(receive: Receive, seconds: float) -> Receive:
    async def receive_in_time() -> Message:
        try:
            async with asyncio.timeout(seconds):
                return await receive()
        except TimeoutError:
            message = f"nothing of the body came for {seconds:.0f} s; application/x-ndjson may take its time"
            raise BodyError(408, message) from None

    return receive_in_time


class Pauses:
    """Receives a body, and tells when nothing came for a while: with a message that is marked as a pause, and empty.

    patience_seconds: from the next message on; None: however long it takes.
    """

    def __init__(self, receive: Receive) -> None:
        """Nothing is hurried yet."""
        self._receive = receive
        self.patience_seconds: float | None = None

    async def __call__(self) -> Message:
        """The next message."""
        try:
            async with asyncio.timeout(self.patience_seconds):
                return await self._receive()
        except TimeoutError:
            return {"type": "http.request", "pause": True, "more_body": True}


def _too_large(limit_bytes: int) -> str:
    return (
        f"the body is above {limit_bytes:,} bytes: send several calls, or application/x-ndjson, "
        "which is read as it comes and has no limit"
    )


async def _received(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        more = message.get("more_body", False)
        chunk = message.get("body", b"")
        if chunk or message.get("pause"):
            yield chunk


async def _unzipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    unpacker = zlib.decompressobj(GZIP)
    async for chunk in chunks:
        packed = chunk
        if not chunk:
            yield chunk
        while packed:
            try:
                unpacked = unpacker.decompress(packed, PIECE_BYTES)
            except zlib.error as error:
                raise BodyError(400, f"the body is not gzip as it says: {error}") from error
            if unpacked:
                yield unpacked
            packed = unpacker.unconsumed_tail
            if unpacker.eof and (packed := unpacker.unused_data):
                unpacker = zlib.decompressobj(GZIP)  # gzip files may be joined
    if not unpacker.eof:
        raise BodyError(400, "the gzip body ends before it is complete")
