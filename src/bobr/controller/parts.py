"""What the controller knows of running parts, and whom it keeps waiting for what.

Lives in the controller's event loop. A part may have several instances at once: the supervised one, one that was just
killed, one that somebody started beside it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from bobr.catalog import Catalog
from bobr.clock import Clock
from bobr.errors import UnavailableError
from bobr.ids import Revision
from bobr.runtime.control import Order, PartName, Word

GONE_SECONDS = 5.0
"""An instance that was silent this long is not counted any more: it speaks every second."""
LOOK_SECONDS = 1.0
"""Who waits for parts looks this often, since silence says something, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One instance of a part: its last word, and when its first and its last came (monotonic seconds)."""

    part: PartName
    word: Word
    first_at: float
    last_at: float


Voices = Mapping[PartName, Sequence[Voice]]
"""By part, those that spoke first first."""


@dataclass(slots=True)
class Parts:
    """Instances by their id, the catalog in force, and the number of the last flush order."""

    clock: Clock
    catalog: Catalog
    flush: int = 0
    follow: Callable[[Catalog], None] = lambda _catalog: None
    """What the controller itself does by the catalog in force."""
    _voices: dict[str, Voice] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        """The first catalog is in force from the beginning."""
        self.follow(self.catalog)

    async def publish(self, catalog: Catalog) -> None:
        """Put a catalog in force: every waiting part is answered with it."""
        async with self._changed:
            self.catalog = catalog
            self.follow(catalog)
            self._changed.notify_all()

    async def order_flush(self) -> int:
        """Ask every part to flush; the order's number."""
        async with self._changed:
            self.flush += 1
            self._changed.notify_all()
            return self.flush

    async def hear(self, part: PartName, word: Word) -> Order:
        """Take an instance's word and answer when there is something new for it, or when it has waited long enough."""
        async with self._changed:
            self._take(part, word)
            self._changed.notify_all()
            try:
                async with asyncio.timeout(word.wait_seconds):
                    await self._changed.wait_for(
                        lambda: self._news_for(word) or self._is_superseded(word)
                    )
            except TimeoutError:
                pass
        stale = self.catalog.revision != word.revision
        return Order(catalog=self.catalog if stale else None, flush=self.flush)

    async def forget(self, word: Word) -> None:
        """The instance's process died while this word of it was waiting: nobody waits for it any more."""
        async with self._changed:
            if not self._is_superseded(word):
                del self._voices[word.instance]
                self._changed.notify_all()

    def _take(self, part: PartName, word: Word) -> None:
        now = self.clock.monotonic()
        self._forget_gone(now)
        new = Voice(part=part, word=word, first_at=now, last_at=now)
        voice = self._voices.get(word.instance, new)
        self._voices[word.instance] = replace(voice, word=word, last_at=now)

    def _forget_gone(self, now: float) -> None:
        for instance, voice in list(self._voices.items()):
            if voice.last_at < now - GONE_SECONDS:
                del self._voices[instance]

    def _news_for(self, word: Word) -> bool:
        return self.catalog.revision != word.revision or self.flush > word.flushed

    def _is_superseded(self, word: Word) -> bool:
        """The instance has spoken again: it does not wait for this answer any more, it wants to end."""
        voice = self._voices.get(word.instance)
        return voice is None or voice.word is not word

    def living(self) -> Voices:
        """The instances of each part that spoke lately."""
        self._forget_gone(self.clock.monotonic())
        living: dict[PartName, list[Voice]] = {}
        for voice in self._voices.values():  # in the order of their first words
            living.setdefault(voice.part, []).append(voice)
        return living

    async def wait_until(self, holds: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until it holds, looked at after each word of any part, and often; False: it did not in time."""
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    while not holds():
                        await self._changed_or_late()
                    return True
        return False

    async def _changed_or_late(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._changed.wait()

    async def wait_live(self, revision: Revision, timeout_seconds: float) -> None:
        """Wait until every living part runs this revision. UnavailableError: one does not, with its own reason."""
        if not await self.wait_until(lambda: not self._behind(revision), timeout_seconds):
            behind = "; ".join(
                f"{voice.part}: {voice.word.error or 'no answer yet'}"
                for voice in self._behind(revision)
            )
            message = f"revision {revision} is stored, but not every part runs it yet: {behind}"
            raise UnavailableError(message)

    def _behind(self, revision: Revision) -> list[Voice]:
        voices = (voice for some in self.living().values() for voice in some)
        return [voice for voice in voices if voice.word.revision < revision]
