"""Who changes the catalog next: one at a time, and keys before pauses and rollbacks before all others that wait.

Each kind of change stands in its own queue and in those of all that go before it, so of each queue only the first
contends with what is more urgent.

    others ─► queue ─┐
    pauses ──────────┴─► queue ─┐
    keys ───────────────────────┴─► the change that runs
"""

import asyncio
from contextlib import AsyncExitStack


class Turn:
    """Of one kind of change, taken by `async with`: its locks, in order. In each, who comes first is first."""

    def __init__(self, *locks: asyncio.Lock) -> None:
        """The last one: of the change that runs."""
        self._locks = locks

    async def __aenter__(self) -> None:
        """Cancelled, it holds none of them."""
        async with AsyncExitStack() as stack:
            for each in self._locks:
                await stack.enter_async_context(each)
            stack.pop_all()

    async def __aexit__(self, *_: object) -> None:
        """The next may."""
        for each in reversed(self._locks):
            each.release()


class Turns:
    """Of one catalog. keys: and whatever is brief, such as looking what others changed."""

    def __init__(self) -> None:
        """Nobody changes anything."""
        others, pauses, runs = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        self.first = Turn(others)
        """Of who is the next of the others, and not ready yet: `pauses` takes the rest of the way."""
        self.others = Turn(others, pauses, runs)
        self.pauses = Turn(pauses, runs)
        self.keys = Turn(runs)
