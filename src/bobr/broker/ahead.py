"""How far a PublishStream is read ahead of what its client has taken: answers that nobody reads are memory, too."""

import asyncio

from bobr.broker.calls import Answer
from bobr.broker.limits import Limits

FEW = 8


class Ahead:
    """The answers that one stream has coming, in order. `put` is the reader's, the rest the writer's; one loop.

    A stream starts with few calls ahead and gets twice as many with each answer that is taken, up to
    `stream_calls_max`; after one that lists `rejections_min` refused events it starts again: small calls of bad events
    have so many, and are sent the fastest. So what a client leaves unread is bounded, however bad its events are, and
    who reads is soon as far ahead as it can use.
    """

    def __init__(self, limits: Limits) -> None:
        """Nothing is ahead."""
        self._coming: asyncio.Queue[asyncio.Future[Answer] | None] = asyncio.Queue()
        self._most = limits.stream_calls_max
        self._many_rejections = limits.rejections_min
        self._calls_max = min(FEW, self._most)
        self._calls = 0
        self._room = asyncio.Event()

    async def put(self, answer: "asyncio.Future[Answer]") -> None:
        """One more call was read; returns when the next may be."""
        self._coming.put_nowait(answer)
        self._calls += 1
        while self._calls >= self._calls_max:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """No more calls are read."""
        self._coming.put_nowait(None)

    async def get(self) -> Answer | None:
        """The next answer, or its error; None: that was all."""
        coming = await self._coming.get()
        return None if coming is None else await coming

    def taken(self, answer: Answer) -> None:
        """The client has taken it, or the connection has."""
        self._calls -= 1
        if len(answer.rejections) >= self._many_rejections:
            self._calls_max = min(FEW, self._most)
        else:
            self._calls_max = min(2 * self._calls_max, self._most)
        self._room.set()
