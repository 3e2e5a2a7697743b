"""Request bodies: packed or not, whole or in pieces, never above their limit."""

import asyncio
import gzip
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive

from bobr.broker.admission import Admission
from bobr.broker.bodies import (
    GZIP_MAGIC,
    PIECE_BYTES,
    BodyError,
    Bound,
    DisconnectedError,
    pieces,
    whole,
)
from bobr.broker.limits import Limits
from bobr.errors import OverloadedError
from bobr.ids import StreamName

GZIP = {b"content-encoding": b"gzip"}


def receiving(chunks: list[bytes], *, cut: bool = False) -> Receive:
    """As a server gives a body; `cut`: the client goes away at the end."""
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.disconnect"} if cut else {"type": "http.request", "body": b""})
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    return receive


def read(
    headers: Mapping[bytes, bytes],
    chunks: list[bytes],
    limit: int = 1 << 20,
    admission: Admission | None = None,
    *,
    cut: bool = False,
) -> bytes:
    bound = Bound(nbytes=limit, seconds=60.0)
    with (admission or Admission(Limits())).reserve() as room:
        return asyncio.run(whole(headers, receiving(chunks, cut=cut), bound, room))


@given(
    st.binary(max_size=300_000).filter(lambda body: body[:2] != GZIP_MAGIC), st.integers(1, 70_000)
)
def test_a_body_is_the_same_packed_or_not_however_it_is_cut(body: bytes, size: int) -> None:
    def cut(content: bytes) -> list[bytes]:
        return [content[start : start + size] for start in range(0, len(content), size)]

    assert read({}, cut(body)) == body
    assert read(GZIP, cut(gzip.compress(body, 1))) == body
    assert read(GZIP, cut(gzip.compress(body, 1) + gzip.compress(b"more", 1))) == body + b"more"


def test_pieces_of_a_bomb_stay_small() -> None:
    async def largest() -> int:
        bomb = gzip.compress(bytes(50_000_000))
        return max([len(piece) async for piece in pieces(GZIP, receiving([bomb]))])

    assert asyncio.run(largest()) <= PIECE_BYTES


@pytest.mark.parametrize(
    ("headers", "chunks", "status"),
    [
        ({b"content-length": b"101"}, [], 413),
        ({}, [b"x" * 60, b"x" * 60], 413),
        (GZIP, [gzip.compress(bytes(101))], 413),
        (GZIP, [b"not gzip"], 400),
        (GZIP, [gzip.compress(b"abc")[:-4]], 400),
        ({b"content-encoding": b"br"}, [b"x"], 415),
    ],
)
def test_what_is_not_taken(headers: dict[bytes, bytes], chunks: list[bytes], status: int) -> None:
    with pytest.raises(BodyError) as refused:
        read(headers, chunks, limit=100)
    assert refused.value.status == status


def test_a_client_that_goes_away() -> None:
    with pytest.raises(DisconnectedError):
        read({}, [b"half"], cut=True)


def test_a_body_takes_room_while_it_comes_and_no_longer() -> None:
    admission = Admission(Limits(pending_bytes_max=250))
    admission.enter(StreamName("s"), 100)
    assert read({}, [b"x" * 50] * 3, admission=admission) == b"x" * 150
    with pytest.raises(OverloadedError):
        read({}, [b"x" * 50] * 4, admission=admission)
    with pytest.raises(OverloadedError):
        read(GZIP, [gzip.compress(bytes(151))], admission=admission)
    assert admission.pending == (1, 100)


def test_a_body_that_stops_coming_is_not_waited_for() -> None:
    async def stalled() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with Admission(Limits()).reserve() as room, pytest.raises(BodyError) as refused:
        asyncio.run(whole({}, stalled, Bound(nbytes=100, seconds=0.01), room))
    assert refused.value.status == 408
