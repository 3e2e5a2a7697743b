"""A part's line of command: the catalog as it changes, and the word back.

What a configurator tells is applied in a thread of its own, the last one that was told first: nothing that takes long
keeps the part from saying how it is. Which revision it runs is its ACK, an error its NACK, and what it can not run is
tried again. What it ran last of what is in force is on its disk, and is what it starts with; what it tries is not.
"""

import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from bobr.catalog import Catalog, Principal, apply
from bobr.catalog.change import delta_of
from bobr.errors import BobrError, RetryableError
from bobr.ids import PrincipalName, Revision
from bobr.runtime.line import Line
from bobr.runtime.report import Report
from bobr.runtime.revisions import WRITE_SECONDS, Revisions
from bobr.runtime.rpc import Peers
from bobr.runtime.words import (
    NOTHING_YET,
    QUIET_SECONDS,
    SAY_SECONDS,
    PartName,
    Word,
    refused,
    to_wire,
)
from bobr.v1 import configurator_pb2 as wire

RETRY_SECONDS = 0.2
"""After a catalog that could not be applied; such as when the registry is away."""
END_SECONDS = 2.0
"""What is being applied or written when the part ends is waited for so long."""

log = structlog.get_logger()


class Apply(Protocol):
    """How a part is made to run a catalog."""

    def __call__(self, catalog: Catalog, *, settled: bool) -> None:
        """Run this one, or raise a BobrError and change nothing.

        settled: it stays in force, whatever this part makes of it, so what can not be run of it is left out.
        """


class ControlLine:
    """Runs in threads of its own from `start` to `close`."""

    def __init__(
        self,
        peers: Peers,
        part: PartName,
        apply: Apply,
        report: Callable[[], Mapping[str, object]],
        revisions: Revisions,
        flush: Callable[[], object] | None = None,
    ) -> None:
        """peers: configurators. report: from any thread. flush: blocks until done."""
        self._part = part
        self._apply = apply
        self._report = report
        self._flush = flush
        self._revisions = revisions
        self._instance = uuid.uuid4().hex
        self._line = Line(peers, self)
        self._changed = threading.Condition()
        # What was told and heard; all of it under the condition's lock.
        self._told: Catalog | None = None
        self._is_told_on_trial = False
        self._running: Catalog | None = None
        self._in_force: Catalog | None = None
        """The last one that ran and was not on trial: what is to be kept."""
        self._kept: Catalog | None = None
        self._refused: Catalog | None = None
        self._error: str | None = None
        self._settled = NOTHING_YET
        self._flush_ordered = 0
        self._flushed = 0
        self._has_news = False
        self._is_closing = False
        # Of the thread that says words.
        self._words = 0
        self._said = b""
        self._said_at = 0.0
        self._looked_at = 0.0
        # Of the thread that obeys.
        self._retry_at = 0.0
        self._write_at = 0.0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._obey, name="control", daemon=True)

    def start(self) -> None:
        """Run what was run last, and begin to watch."""
        self._thread.start()
        self._line.start()

    def wait_ready(self, stop: threading.Event) -> bool:
        """Wait until a first catalog is applied; False when `stop` was set before."""
        while not self._ready.wait(0.02):
            if stop.is_set():
                return False
        return True

    @property
    def principals(self) -> Mapping[PrincipalName, Principal] | None:
        """Who has keys now, whether or not the part can run the catalog that says so. None: there is no catalog yet."""
        catalog = self._told or self._running
        return None if catalog is None else catalog.principals

    def say(self) -> None:
        """Have it told at once how things stand; does not wait."""
        with self._changed:
            self._has_news = True
            self._changed.notify_all()

    def close(self) -> None:
        """Say the last word and stop watching."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._line.close()
        self._thread.join(END_SECONDS)

    # --- said, in the line's thread

    def hello(self) -> bytes:
        """The first word of a call: what was told before is good for deltas, unless it is on trial or from the disk."""
        self._said_at = self._looked_at = time.monotonic()
        return self._word(self._report_json())

    def last_word(self) -> bytes:
        """As any."""
        return self._word(self._report_json())

    def word(self, timeout_seconds: float) -> bytes | None:
        """At once when something was done, soon when the report changed, now and then in any case."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_news or self._is_closing, timeout_seconds)
            has_news, self._has_news = self._has_news, False
        now = time.monotonic()
        if not has_news and now - self._looked_at < SAY_SECONDS:
            return None
        self._looked_at = now
        report = self._report_json()
        if not has_news and report == self._said and now - self._said_at < QUIET_SECONDS:
            return None
        self._said_at = now
        return self._word(report)

    def _report_json(self) -> bytes:
        return Report.model_validate(self._report()).model_dump_json().encode()

    def _word(self, report: bytes) -> bytes:
        self._said = report
        self._words += 1
        with self._changed:
            word = Word(
                instance=self._instance,
                part=self._part,
                pid=os.getpid(),
                number=self._words,
                revision=_revision(self._running),
                error=self._error,
                report=Report(),
                flushed=self._flushed,
                told=_revision(None if self._is_told_on_trial else self._told),
            )
        return to_wire(word, report).SerializeToString()

    # --- heard, in the thread of a call

    def hear(self, order: bytes) -> bool:
        """Note what is to be done; False: it does not fit, and the next call asks for all of it."""
        heard = wire.Order.FromString(order)
        try:
            told = _told(heard, self._told)
        except (BobrError, ValueError) as error:
            log.error(
                "what the configurator tells does not fit; it is asked anew", reason=str(error)
            )
            told = None
        with self._changed:
            self._told = told
            if heard.WhichOneof("catalog") is not None:
                self._is_told_on_trial = heard.trial
            if heard.HasField("settled"):
                self._settled = Revision(heard.settled)
            self._flush_ordered = max(self._flush_ordered, heard.flush)
            self._changed.notify_all()
        return told is not None or heard.WhichOneof("catalog") is None

    # --- done, in the thread that obeys

    def _obey(self) -> None:
        self._start_from_disk()
        while True:
            with self._changed:
                self._changed.wait_for(self._is_something_due, self._pause())
                if self._is_closing:
                    return
                told, on_trial = self._told, self._is_told_on_trial
                flush = self._flush_ordered
            if told is not None and told is not self._running and self._may_try(told):
                self._take(told, on_trial=on_trial)
            elif flush > self._flushed:
                self._carry_out(flush)
            elif self._is_write_due():
                self._write()

    def _is_something_due(self) -> bool:
        told = self._told
        return (
            self._is_closing
            or (told is not None and told is not self._running and self._may_try(told))
            or self._flush_ordered > self._flushed
            or self._is_write_due()
        )

    def _may_try(self, told: Catalog) -> bool:
        return told is not self._refused or time.monotonic() >= self._retry_at

    def _is_write_due(self) -> bool:
        return self._in_force is not self._kept and time.monotonic() >= self._write_at

    def _pause(self) -> float | None:
        """Until something is due by itself."""
        due = [self._retry_at] if self._refused is not None else []
        due += [self._write_at] if self._in_force is not self._kept else []
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _start_from_disk(self) -> None:
        for catalog in self._revisions.newest_first():
            try:
                self._apply(catalog, settled=True)  # it ran before
            except BobrError as error:
                log.warning(
                    "a kept catalog is refused", revision=catalog.revision, reason=str(error)
                )
            else:
                log.info("started with the catalog on disk", revision=catalog.revision)
                self._kept = catalog
                self._runs(catalog, in_force=catalog)
                return

    def _take(self, told: Catalog, *, on_trial: bool) -> None:
        running = self._running
        if running is not None and told.revision < running.revision:
            log.warning(
                "an older revision is in force: it is taken",
                revision=told.revision,
                former=running.revision,
            )
        try:
            if told != running:
                self._apply(told, settled=told.revision <= self._settled)
        except BobrError as error:
            self._refuse(told, error)
        else:
            self._runs(told, in_force=self._in_force if on_trial else told)

    def _refuse(self, told: Catalog, error: BobrError) -> None:
        later = isinstance(error, RetryableError)  # such as a registry that does not answer
        begin = f"revision {told.revision}: " if later else refused(told.revision)
        text = f"{begin}{error}"
        if text != self._error:
            log.error("catalog refused", revision=told.revision, error=str(error))
        self._retry_at = time.monotonic() + RETRY_SECONDS
        with self._changed:
            self._refused, self._error, self._has_news = told, text, True
            self._changed.notify_all()

    def _runs(self, catalog: Catalog, in_force: Catalog | None) -> None:
        with self._changed:
            self._running, self._in_force = catalog, in_force
            if in_force == self._kept:
                self._kept = in_force
            self._refused, self._error, self._has_news = None, None, True
            self._changed.notify_all()
        self._ready.set()

    def _carry_out(self, flush: int) -> None:
        if self._flush is not None:
            self._flush()
        with self._changed:
            self._flushed, self._has_news = flush, True
            self._changed.notify_all()

    def _write(self) -> None:
        """After the ACK; a disk that is full is tried again."""
        catalog = self._in_force
        assert catalog is not None
        written = self._revisions.write(catalog)
        with self._changed:
            self._kept = catalog if written else None  # what was kept before may be gone
        self._write_at = time.monotonic() + WRITE_SECONDS


def _revision(catalog: Catalog | None) -> Revision:
    return NOTHING_YET if catalog is None else catalog.revision


def _told(order: wire.Order, before: Catalog | None) -> Catalog | None:
    """What is told now. RejectedError, ValueError: it does not fit."""
    match order.WhichOneof("catalog"):
        case "snapshot":
            return Catalog.model_validate_json(order.snapshot)
        case "delta" if before is not None:
            return apply(delta_of(order.delta), before)
        case "delta":
            raise ValueError("changes of a catalog that was never told")
        case _:
            return before
