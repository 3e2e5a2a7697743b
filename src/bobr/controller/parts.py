"""What the controller knows of running parts, and what it wants of them.

Lives in the controller's event loop. A part may have several instances at once: the supervised one, one that was just
killed, one that somebody started beside it. Their words come through configurators, of which there may be several.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from bobr.catalog import Catalog
from bobr.clock import Clock
from bobr.errors import UnavailableError
from bobr.ids import Revision
from bobr.runtime.words import GONE_SECONDS, NOTHING_YET, PartName, Word

LOOK_SECONDS = 1.0
"""Who waits for parts looks this often, since silence says something, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One instance of a part: its last word, the configurator that it came through, when its first and its last came.

    Times are monotonic seconds.
    """

    word: Word
    through: str
    first_at: float
    last_at: float

    @property
    def part(self) -> PartName:
        """Whose instance it is."""
        return self.word.part


Voices = Mapping[PartName, Sequence[Voice]]
"""By part, those that spoke first first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A catalog that some instances are to try before it is in force: the canary."""

    catalog: Catalog
    instances: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the parts are to do: run this catalog, some of them another, and carry out the last flush order.

    settled: revisions up to this one stay in force whoever refuses them, so parts run as much of them as they can.
    """

    catalog: Catalog
    flush: int = 0
    trial: Trial | None = None
    settled: Revision = NOTHING_YET


@dataclass(slots=True)
class Parts:
    """Instances by their id, and what is wanted of them."""

    clock: Clock
    wanted: Wanted
    follow: Callable[[Catalog], None] = lambda _catalog: None
    """What the controller itself does by the catalog in force."""
    expected: Callable[[], Collection[PartName]] = tuple
    """Parts that are to answer though none of them speaks now."""
    is_ending: bool = False
    """The controller is: nobody is waited for any more."""
    _voices: dict[str, Voice] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        """The first catalog is in force from the beginning."""
        self.follow(self.catalog)

    @property
    def catalog(self) -> Catalog:
        """In force."""
        return self.wanted.catalog

    async def publish(self, catalog: Catalog) -> None:
        """Put a catalog in force; it ends the trial of another."""
        self.follow(catalog)
        await self._want(replace(self.wanted, catalog=catalog, trial=None))

    async def propose(self, catalog: Catalog, instances: Collection[str]) -> None:
        """Have some instances run it before it is in force. No catalog ever had its revision."""
        trial = Trial(catalog=catalog, instances=frozenset(instances))
        await self._want(replace(self.wanted, trial=trial))

    async def withdraw(self) -> None:
        """End the trial: its instances go back to what is in force."""
        await self._want(replace(self.wanted, trial=None))

    async def settle(self) -> None:
        """What is in force stays in force."""
        await self._want(replace(self.wanted, settled=self.catalog.revision))

    async def order_flush(self) -> int:
        """Ask every part to flush; the order's number.

        Numbers are milliseconds of the clock, so that those after a start go on from the former ones.
        """
        number = max(self.wanted.flush + 1, int(self.clock.now().timestamp() * 1000))
        await self._want(replace(self.wanted, flush=number))
        return number

    async def _want(self, wanted: Wanted) -> None:
        async with self._changed:
            self.wanted = wanted
            self._changed.notify_all()

    async def hear(self, words: Sequence[Word], through: str) -> None:
        """Take the words that a configurator brings. One that a later word has overtaken on another way is too late."""
        async with self._changed:
            now = self.clock.monotonic()
            self._forget_gone(now)
            for word in words:
                self._take(word, through, now)
            self._changed.notify_all()

    def _take(self, word: Word, through: str, now: float) -> None:
        new = Voice(word=word, through=through, first_at=now, last_at=now)
        voice = self._voices.get(word.instance, new)
        if word.number >= voice.word.number:
            self._voices[word.instance] = replace(voice, word=word, through=through, last_at=now)

    async def forget(self, instances: Sequence[str], through: str) -> None:
        """Their lines to this configurator have ended: who speaks through another now is not forgotten."""
        async with self._changed:
            for instance in instances:
                voice = self._voices.get(instance)
                if voice is not None and voice.through == through:
                    del self._voices[instance]
            self._changed.notify_all()

    def _forget_gone(self, now: float) -> None:
        for instance, voice in list(self._voices.items()):
            if voice.last_at < now - GONE_SECONDS:
                del self._voices[instance]

    def living(self) -> Voices:
        """The instances of each part that spoke lately. Any thread may ask."""
        since = self.clock.monotonic() - GONE_SECONDS
        living: dict[PartName, list[Voice]] = {}
        for voice in tuple(self._voices.values()):  # in the order of their first words
            if voice.last_at < since:
                continue
            living.setdefault(voice.part, []).append(voice)
        return living

    async def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait, for ever, until it holds; looked at after each word and each change of what is wanted."""
        async with self._changed:
            await self._changed.wait_for(holds)

    async def end(self) -> None:
        """From here on who waits until something holds is told at once that it does not."""
        self.is_ending = True
        await self.wake()

    async def wake(self) -> None:
        """Have all who wait look again."""
        async with self._changed:
            self._changed.notify_all()

    async def wait_until(self, holds: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until it holds, looked at after each word of any part, and often.

        False: it did not in time, or before the controller ends.
        """
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    while not (held := holds()) and not self.is_ending:
                        await self._changed_or_late()
                    return held
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
        return [voice for voice in voices if self._is_behind(voice, revision)]

    def _is_behind(self, voice: Voice, revision: Revision) -> bool:
        """Or ahead of all that is wanted: it still runs what there was before an older database was put back."""
        trial = self.wanted.trial
        if trial is not None and voice.word.instance in trial.instances:
            return voice.word.revision not in (trial.catalog.revision, self.catalog.revision)
        return not revision <= voice.word.revision <= self.catalog.revision
