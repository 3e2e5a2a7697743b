"""The bytes of a file or a pipe, as they come: gathered for a moment, unpacked when they are gzip.

A pipe that stays open, such as that of `tail -f`, gives what it has got soon, and may be idle for
as long as it likes.
"""

import os
import select
import time
import zlib
from collections.abc import Iterator

from bobr.errors import RejectedError

PIECE_BYTES = 1024 * 1024
LINGER_SECONDS = 0.2
"""What comes is kept for company that long: a line a call would be slow, and nobody sees the difference."""
GZIP = b"\x1f\x8b"
GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Source:
    """An open file or pipe. name: for messages."""

    def __init__(self, descriptor: int, name: str) -> None:
        """The descriptor stays the caller's."""
        self.name = name
        self._descriptor = descriptor
        self._ended = False

    def pieces(self) -> Iterator[bytes]:
        """All of it, unpacked, in pieces of about `PIECE_BYTES`, or less when no more comes for a while."""
        packed = self._gathered()
        first = next(packed, b"")
        if len(first) == 1:
            first += next(packed, b"")
        unpacked = self._unpacked if first.startswith(GZIP) else iter
        yield from unpacked(_chained(first, packed))

    def _gathered(self) -> Iterator[bytes]:
        while first := self._read(None):
            piece, due = bytearray(first), time.monotonic() + LINGER_SECONDS
            while len(piece) < PIECE_BYTES and (more := self._read(due - time.monotonic())):
                piece += more
            yield bytes(piece)

    def _read(self, timeout_seconds: float | None) -> bytes:
        """What has come; nothing: it has ended, or the time is up. None: wait however long it takes."""
        try:
            wait = None if timeout_seconds is None else max(0.0, timeout_seconds)
            if self._ended or not select.select([self._descriptor], [], [], wait)[0]:
                return b""
            come = os.read(self._descriptor, PIECE_BYTES)
        except OSError as error:
            raise RejectedError(f"{self.name} can not be read: {error.strerror}") from error
        self._ended = not come
        return come

    def _unpacked(self, packed: Iterator[bytes]) -> Iterator[bytes]:
        unpacker = zlib.decompressobj(GZIP_WINDOW)
        for piece in packed:
            rest = piece
            while rest:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(GZIP_WINDOW)  # gzip files may be joined
                if unpacked := self._unpack(unpacker, rest):
                    yield unpacked
                rest = unpacker.unconsumed_tail or unpacker.unused_data
        if not unpacker.eof:
            raise RejectedError(f"{self.name} is gzip, but ends before it is complete")

    def _unpack(self, unpacker: "zlib._Decompress", packed: bytes) -> bytes:
        try:
            return unpacker.decompress(packed, PIECE_BYTES)
        except zlib.error as error:
            raise RejectedError(f"{self.name} is gzip, but damaged: {error}") from error


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
