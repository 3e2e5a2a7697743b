"""Whether a client is still there: it is noticed when it goes away, also while nothing more of its body is awaited."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Message, Receive

from bobr.broker.bodies import DisconnectedError


@asynccontextmanager
async def present(receive: Receive) -> AsyncIterator[Receive]:
    """What is awaited in here is cancelled when the client goes away: DisconnectedError. To be read from instead.

    It is one message ahead, since only who receives is told; a client whose next message is here already is
    looked at again when that is taken.
    """
    try:
        async with asyncio.timeout(None) as stay:
            ahead = _Ahead(receive, stay)
            try:
                yield ahead
            finally:
                ahead.close()
    except TimeoutError:
        if stay.expired():
            raise DisconnectedError from None
        raise


class _Ahead:
    """A message ahead of its reader."""

    def __init__(self, receive: Receive, stay: asyncio.Timeout) -> None:
        self._receive = receive
        self._stay = stay
        self._is_closed = False
        self._next = self._begin()

    async def __call__(self) -> Message:
        """The next message."""
        message = await asyncio.shield(self._next)
        self._next = self._begin()
        return message

    def _begin(self) -> "asyncio.Task[Message]":
        following = asyncio.create_task(self._received())
        following.add_done_callback(self._look)
        return following

    async def _received(self) -> Message:
        return await self._receive()

    def _look(self, following: "asyncio.Task[Message]") -> None:
        """Called a moment after the message came: nobody may be there any more who awaits something, or one knows."""
        if self._is_closed or following.cancelled() or self._stay.when() is not None:
            return
        if following.result()["type"] == "http.disconnect":
            self._stay.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Nothing is awaited any more."""
        self._is_closed = True
        self._next.cancel()
