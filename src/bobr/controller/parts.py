"""What the controller knows of running parts, and whom it keeps waiting for what.

Lives in the controller's event loop.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bobr.catalog import Catalog
from bobr.clock import Clock
from bobr.errors import UnavailableError
from bobr.ids import Revision
from bobr.runtime.control import Order, Word

GONE_SECONDS = 5.0
"""A part that was silent this long is not counted any more: it speaks every second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWord:
    """The last word of one instance of a part, and when it came (monotonic seconds)."""

    word: Word
    at: float


@dataclass(slots=True)
class Parts:
    """Parts by name, the catalog in force, and the number of the last flush order."""

    clock: Clock
    catalog: Catalog
    flush: int = 0
    words: dict[str, PartWord] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def publish(self, catalog: Catalog) -> None:
        """Put a catalog in force: every waiting part is answered with it."""
        async with self._changed:
            self.catalog = catalog
            self._changed.notify_all()

    async def order_flush(self) -> int:
        """Ask every part to flush; the order's number."""
        async with self._changed:
            self.flush += 1
            self._changed.notify_all()
            return self.flush

    async def hear(self, part: str, word: Word) -> Order:
        """Take a part's word and answer when there is something new for it, or when it has waited long enough."""
        async with self._changed:
            self.words[part] = PartWord(word=word, at=self.clock.monotonic())
            self._changed.notify_all()
            try:
                async with asyncio.timeout(word.wait_seconds):
                    await self._changed.wait_for(lambda: self._news_for(word))
            except TimeoutError:
                pass
        stale = self.catalog.revision != word.revision
        return Order(catalog=self.catalog if stale else None, flush=self.flush)

    def _news_for(self, word: Word) -> bool:
        return self.catalog.revision != word.revision or self.flush > word.flushed

    def living(self) -> Mapping[str, Word]:
        """The last word of each part that spoke lately."""
        since = self.clock.monotonic() - GONE_SECONDS
        return {name: heard.word for name, heard in self.words.items() if heard.at >= since}

    async def wait_until(self, holds: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until it holds, looked at after each word of any part; False: it did not in time."""
        async with self._changed:
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self._changed.wait_for(holds)
            except TimeoutError:
                return False
        return True

    async def wait_live(self, revision: Revision, timeout_seconds: float) -> None:
        """Wait until every living part runs this revision. UnavailableError: one does not, with its own reason."""
        if not await self.wait_until(lambda: not self._behind(revision), timeout_seconds):
            behind = "; ".join(
                f"{name}: {word.error or 'no answer yet'}" for name, word in self._behind(revision)
            )
            message = f"revision {revision} is stored, but not every part runs it yet: {behind}"
            raise UnavailableError(message)

    def _behind(self, revision: Revision) -> list[tuple[str, Word]]:
        return [(name, word) for name, word in self.living().items() if word.revision < revision]
