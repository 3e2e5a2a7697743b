"""A part's line to the controller: the catalog as it changes, and the word back.

One long call after the other: each tells which revision the part runs (its ACK, or with an error its NACK) and what it
did so far, and is answered as soon as there is something new, or after `WAIT_SECONDS`. When the controller does not
answer, the part goes on as it is. The controller hears only who knows the secret of `runtime/secret.py`.
"""

import os
import threading
import uuid
from collections.abc import Callable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

import httpx2
import structlog
from pydantic import BaseModel, Field

from bobr.catalog import Catalog
from bobr.errors import BobrError, RetryableError
from bobr.ids import Revision
from bobr.runtime.lines import reach
from bobr.runtime.report import Report
from bobr.runtime.secret import authorization

WAIT_SECONDS = 1.0
RETRY_SECONDS = 0.2
LAST_WORD_SECONDS = 2.0
"""A controller that does not take the last word in this time is ending, too."""
NOTHING_YET = Revision(-1)

log = structlog.get_logger()


def refused(revision: Revision) -> str:
    """How a part's error begins that is its NACK: it can not run that revision, and goes on with the one before."""
    return f"revision {revision} refused: "


class PartName(StrEnum):
    """Parts that have a line to the controller."""

    BROKER = "broker"
    TRANSMITTER = "transmitter"


class Word(BaseModel):
    """What a part says. flushed: the last flush order that it carried out."""

    instance: Annotated[str, Field(min_length=1, max_length=64)]
    pid: Annotated[int, Field(ge=1, lt=1 << 31)]
    revision: Annotated[Revision, Field(ge=NOTHING_YET, lt=1 << 63)]
    error: str | None
    report: Report
    flushed: Annotated[int, Field(ge=0, lt=1 << 63)]
    wait_seconds: float = Field(ge=0, le=60)


class Order(BaseModel):
    """What the controller answers. catalog: only when the part does not have it. flush: number of the last order."""

    catalog: Catalog | None
    flush: int


class ControlLine:
    """Runs in a thread of its own from `start` to `close`."""

    def __init__(
        self,
        url: str,
        part: PartName,
        secret: str,
        apply: Callable[[Catalog], None],
        report: Callable[[], Mapping[str, object]],
        flush: Callable[[], object] | None = None,
    ) -> None:
        """url: see `reach`.

        apply: make the part run this catalog, or raise a BobrError and change nothing. flush: blocks until done.
        """
        base_url, transport = reach(url)
        self._client = httpx2.Client(
            base_url=base_url,
            transport=transport,
            trust_env=False,
            headers={"authorization": authorization(secret), "content-type": "application/json"},
        )
        self._path = f"/v1/parts/{part}/watch"
        self._apply = apply
        self._report = report
        self._flush = flush
        self._instance = uuid.uuid4().hex
        self._revision = NOTHING_YET
        self._error: str | None = None
        self._flushed = 0
        self._is_refused = False
        self._closing = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def wait_ready(self, stop: threading.Event) -> bool:
        """Wait until a first catalog is applied; False when `stop` was set before."""
        while not self._ready.wait(0.02):
            if stop.is_set():
                return False
        return True

    def say(self) -> None:
        """Tell the controller at once how things stand; does nothing if it does not answer."""
        try:
            self._call(self._word(0.0), timeout_seconds=LAST_WORD_SECONDS)
        except httpx2.HTTPError as error:
            if not self._is_refused:
                log.warning("the controller does not answer", error=str(error))

    def close(self) -> None:
        """Say the last word, which also makes the controller answer the call that waits, and stop watching."""
        self._closing.set()
        self.say()
        self._thread.join(WAIT_SECONDS + 1)
        self._client.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            word = self._word(WAIT_SECONDS)
            try:
                order = self._call(word)
            except (httpx2.HTTPError, ValueError):
                self._closing.wait(RETRY_SECONDS)
            else:
                self._obey(order)

    def _word(self, wait_seconds: float) -> Word:
        return Word(
            instance=self._instance,
            pid=os.getpid(),
            revision=self._revision,
            error=self._error,
            report=Report.model_validate(self._report()),
            flushed=self._flushed,
            wait_seconds=wait_seconds,
        )

    def _call(self, word: Word, timeout_seconds: float = WAIT_SECONDS + 10) -> Order:
        content = word.model_dump_json()
        answer = self._client.post(self._path, content=content, timeout=timeout_seconds)
        self._note_refusal(answer)
        answer.raise_for_status()
        return Order.model_validate_json(answer.content)

    def _note_refusal(self, answer: httpx2.Response) -> None:
        """One log line when the controller begins to refuse our words: nothing else would tell why we are idle."""
        is_refused = answer.status_code in (HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY)
        if is_refused and not self._is_refused:
            log.error("the controller does not hear us", reason=answer.text[:500])
        self._is_refused = is_refused

    def _obey(self, order: Order) -> None:
        if order.catalog is not None:
            self._take(order.catalog)
        if order.flush > self._flushed and self._flush is not None:
            self._flush()
        self._flushed = max(self._flushed, order.flush)

    def _take(self, catalog: Catalog) -> None:
        try:
            self._apply(catalog)
        except BobrError as error:
            later = isinstance(error, RetryableError)  # such as a registry that does not answer
            begin = f"revision {catalog.revision}: " if later else refused(catalog.revision)
            self._error = f"{begin}{error}"
            log.error("catalog refused", revision=catalog.revision, error=str(error))
            self._closing.wait(RETRY_SECONDS)
        else:
            self._revision, self._error = catalog.revision, None
            self._ready.set()
