"""Who watches here, what each was told and said, and what each is to be told next.

Lives in the configurator's event loop, which alone calls it.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog

from bobr.catalog import Catalog, Delta
from bobr.clock import Clock
from bobr.configurator.history import History
from bobr.ids import Revision
from bobr.runtime.words import GONE_SECONDS, NOTHING_YET
from bobr.v1 import configurator_pb2 as wire

BEAT_SECONDS = 1.0
"""A word is answered, though there is nothing new, when the last answer is this old: parts know that we live."""
BATCH_BYTES = 4 * 1024 * 1024
"""Words that go to the controller in one message, and one more."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Watcher:
    """One call of a part. fence: the number of the first batch that has its word; None: none has.

    tries: what it was told last was on trial.
    """

    word: wire.Word
    told: Revision
    flush: int
    settled: Revision | None
    heard_at: float
    answered_at: float
    fence: int | None = None
    tries: bool = False
    is_owed: bool = True
    awake: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Watchers:
    """Calls by the part's instance, and all that they are told of. The history is there from the first catalog on."""

    clock: Clock
    history: History | None = None
    _flush: int = 0
    _settled: Revision | None = None
    _trying: frozenset[str] = frozenset()
    _is_connected: bool = False
    _heard: int | None = None
    _number: int = 0
    _watchers: dict[str, Watcher] = field(default_factory=dict)
    _unsaid: dict[str, None] = field(default_factory=dict)
    _gone: dict[str, None] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Something is to be said to the controller."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Another catalog is in force."""

    @property
    def catalog(self) -> Catalog | None:
        """In force, as far as we know."""
        return None if self.history is None else self.history.catalog

    @property
    def counts(self) -> tuple[int, bool]:
        """Parts that watch, and whether the controller hears us. Any thread may ask."""
        return len(self._watchers), self._is_connected

    # --- parts

    def enter(self, word: wire.Word) -> Watcher:
        """A part calls; it may have called before, and that call not have ended yet."""
        now = self.clock.monotonic()
        watcher = Watcher(
            word=word,
            told=Revision(word.told),
            flush=word.flushed,
            settled=None,
            heard_at=now,
            answered_at=now,
        )
        former = self._watchers.get(word.instance)
        self._watchers[word.instance] = watcher
        self._gone.pop(word.instance, None)
        if former is not None:
            former.awake.set()
        self._say(watcher)
        return watcher

    def hear(self, watcher: Watcher, word: wire.Word) -> None:
        """A further word of it. That its instance is the same is the caller's to know."""
        watcher.word, watcher.heard_at = word, self.clock.monotonic()
        if watcher.heard_at - watcher.answered_at >= BEAT_SECONDS:
            watcher.is_owed = True
            watcher.awake.set()
        if self.is_current(watcher):
            self._say(watcher)

    def leave(self, watcher: Watcher) -> None:
        """Its call has ended."""
        if not self.is_current(watcher):
            return
        instance = watcher.word.instance
        del self._watchers[instance]
        self._unsaid.pop(instance, None)
        if self._is_connected:  # else its silence tells
            self._gone[instance] = None
            self.news.set()

    def is_current(self, watcher: Watcher) -> bool:
        """Whether the instance has not called again."""
        return self._watchers.get(watcher.word.instance) is watcher

    def order(self, watcher: Watcher) -> bytes | None:
        """What it is told now, which counts as told; None: nothing."""
        # Who is told a revision that stays knows that already.
        told = self._settled_for(watcher) or self._catalog_for(watcher) or self._flush_for(watcher)
        if told is None and watcher.is_owed:
            told = b""
        if told is not None:
            watcher.is_owed, watcher.answered_at = False, self.clock.monotonic()
        return told

    def _settled_for(self, watcher: Watcher) -> bytes | None:
        if watcher.settled == self._settled:
            return None
        watcher.settled = self._settled
        return wire.Order(settled=self._settled).SerializeToString()

    def _catalog_for(self, watcher: Watcher) -> bytes | None:
        if self.history is None:
            return None
        catalog = self._wanted(self.history, watcher)
        # What it tries it is told again when that is in force: it may be on its disk only then.
        tries = catalog is self.history.candidate
        knows = (watcher.told, watcher.tries) == (catalog.revision, tries)
        if knows or not self._may_tell(watcher, catalog.revision):
            return None
        order = self.history.order(watcher.told, catalog)
        watcher.told, watcher.tries = catalog.revision, tries
        return order

    def _wanted(self, history: History, watcher: Watcher) -> Catalog:
        tries = history.candidate is not None and watcher.word.instance in self._trying
        return history.candidate if tries and history.candidate else history.catalog

    def _may_tell(self, watcher: Watcher, revision: Revision) -> bool:
        """A part goes back only when the controller has heard of it and still wants that.

        Else one that comes from a configurator that knows more would go back and forth; so would all, after we start
        from a disk that lacks the last second.
        """
        if revision >= max(watcher.told, watcher.word.revision):
            return True
        return watcher.fence is not None and (self._heard or 0) >= watcher.fence

    def _flush_for(self, watcher: Watcher) -> bytes | None:
        if watcher.flush >= self._flush:
            return None
        watcher.flush = self._flush
        return wire.Order(flush=self._flush).SerializeToString()

    # --- the controller

    def start_from(self, catalog: Catalog) -> None:
        """What was in force when we ended. Before all else."""
        self.history = History(catalog)

    def take(self, catalog: Catalog) -> None:
        """A whole catalog is in force; it ends the trial of another."""
        if self.history is None:
            self.history = History(catalog)
        else:
            former = self.history.catalog.revision
            if not self.history.replace(catalog):
                log.warning(
                    "the controller has another catalog than before: it is taken",
                    revision=catalog.revision,
                    former=former,
                )
                for watcher in self._watchers.values():
                    watcher.told = NOTHING_YET
        self._has_changed()

    def follow(self, delta: Delta) -> None:
        """The next one is in force. RejectedError: it does not follow."""
        assert self.history is not None, "a call begins with a whole catalog"
        self.history.follow(delta)
        self._has_changed()

    def _has_changed(self) -> None:
        self._trying = frozenset()
        self.changed.set()
        self.news.set()

    def propose(self, delta: Delta, instances: frozenset[str]) -> None:
        """Some are to try another. RejectedError: it does not follow."""
        assert self.history is not None, "a call begins with a whole catalog"
        self.history.propose(delta)
        self._trying = instances

    def withdraw(self) -> None:
        """Nobody is to try anything."""
        if self.history is not None:
            self.history.withdraw()
        self._trying = frozenset()

    def ordered(self, flush: int, settled: Revision) -> None:
        """The number of the last flush order, and of the last revision that stays."""
        self._flush, self._settled = flush, settled

    def heard(self, number: int) -> None:
        """The controller has heard our batches up to this one. After all else that it said."""
        self._heard = number
        for watcher in self._watchers.values():
            watcher.awake.set()

    def connected(self) -> None:
        """A new call to the controller: it hears of everybody who lives."""
        self._heard, self._is_connected = None, True
        lately = self.clock.monotonic() - GONE_SECONDS
        for watcher in self._watchers.values():
            watcher.fence = None
            if watcher.heard_at > lately:
                self._say(watcher)

    def disconnected(self) -> None:
        """The call has ended: nobody goes back from here on."""
        self._heard, self._is_connected = None, False
        self._gone.clear()

    def _say(self, watcher: Watcher) -> None:
        """The last word of each part is said; those before it, that were not said in time, are not."""
        self._unsaid[watcher.word.instance] = None
        self.news.set()

    def batch(self) -> tuple[int, list[wire.Word], list[str]]:
        """Words to say now, with their number, and who is gone. There may be more: then `news` stays set."""
        self.news.clear()
        self._number += 1
        words = list(self._batch())
        gone = list(self._gone)
        self._gone.clear()
        if self._unsaid:
            self.news.set()
        return self._number, words, gone

    def _batch(self) -> Iterator[wire.Word]:
        nbytes = 0
        for instance in list(self._unsaid):
            del self._unsaid[instance]
            watcher = self._watchers[instance]
            if watcher.fence is None:
                watcher.fence = self._number
            yield watcher.word
            nbytes += len(watcher.word.report)
            if nbytes >= BATCH_BYTES:
                return
