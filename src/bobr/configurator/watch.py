"""`bobr.v1.Configurator`: where parts speak and are told what is new."""

import asyncio
from collections.abc import AsyncIterator

from bobr.configurator.watchers import Watcher, Watchers
from bobr.errors import RejectedError
from bobr.runtime.public import Context
from bobr.runtime.rpc import CONFIGURATOR, RpcServer, ended
from bobr.runtime.words import of_bytes, of_wire
from bobr.v1 import configurator_pb2 as wire


class Watch:
    """The handler. Lives in the configurator's event loop."""

    def __init__(self, watchers: Watchers) -> None:
        """Shares them with the line to the controller."""
        self._watchers = watchers

    def server(self, secret: str) -> RpcServer:
        """It, served to who knows the secret."""
        return RpcServer(CONFIGURATOR, {"Watch": self.watch}, secret)

    async def watch(self, requests: AsyncIterator[bytes], _: Context) -> AsyncIterator[bytes]:
        """One part, as long as it calls, or until it calls again."""
        first = await anext(aiter(requests), None)
        if first is None:
            return
        watcher = self._watchers.enter(_word(first))
        hearing = asyncio.create_task(self._hear(requests, watcher))
        hearing.add_done_callback(lambda _: watcher.awake.set())
        try:
            while self._watchers.is_current(watcher):
                order = self._watchers.order(watcher)
                if order is not None:
                    yield order
                elif hearing.done():
                    await hearing  # with what was wrong
                    return
                else:
                    await watcher.awake.wait()
                    watcher.awake.clear()
        finally:
            self._watchers.leave(watcher)
            await ended(hearing)

    async def _hear(self, requests: AsyncIterator[bytes], watcher: Watcher) -> None:
        async for request in requests:
            word = _word(request)
            if word.instance != watcher.word.instance:
                raise RejectedError("not a word of the part that calls: its instance is another's")
            self._watchers.hear(watcher, word)


def _word(content: bytes) -> wire.Word:
    """Sound, but kept as it came: it goes on to the controller."""
    word = of_bytes(content)
    of_wire(word)
    return word
