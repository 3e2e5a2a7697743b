"""Request bodies: read in pieces, unpacked in pieces, never more in memory than their limit."""

import zlib
from collections.abc import AsyncIterator, Mapping

from starlette.types import Receive

PIECE_BYTES = 64 * 1024
GZIP = 16 + zlib.MAX_WBITS


class BodyError(Exception):
    """The body can not be taken; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        """`message`: for a person."""
        super().__init__(message)
        self.status = status


class DisconnectedError(Exception):
    """The client went away before its body was complete."""


async def pieces(headers: Mapping[bytes, bytes], receive: Receive) -> AsyncIterator[bytes]:
    """The body, unpacked, in pieces of at most about `PIECE_BYTES` (as they came, when it is not packed)."""
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


async def whole(headers: Mapping[bytes, bytes], receive: Receive, limit_bytes: int) -> bytes:
    """The body at once; BodyError 413 as soon as it is known to be above the limit, packed or not."""
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > limit_bytes:
        raise BodyError(413, _too_large(limit_bytes))
    chunks, size = [], 0
    async for chunk in pieces(headers, receive):
        size += len(chunk)
        if size > limit_bytes:
            raise BodyError(413, _too_large(limit_bytes))
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


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
        if chunk := message.get("body"):
            yield chunk
        more = message.get("more_body", False)


async def _unzipped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    unpacker = zlib.decompressobj(GZIP)
    async for chunk in chunks:
        packed = chunk
        while packed:
            try:
                yield unpacker.decompress(packed, PIECE_BYTES)
            except zlib.error as error:
                raise BodyError(400, f"the body is not gzip as it says: {error}") from error
            packed = unpacker.unconsumed_tail
            if unpacker.eof and (packed := unpacker.unused_data):
                unpacker = zlib.decompressobj(GZIP)  # gzip files may be joined
    if not unpacker.eof:
        raise BodyError(400, "the gzip body ends before it is complete")
