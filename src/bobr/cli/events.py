"""The HTTP way into a stream, for the command line: retries what surely was not stored, and nothing else."""

import time
from collections.abc import Sequence
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

import httpx2

from bobr.errors import RejectedError, UnavailableError

BUSY = (429, 503)
"""Nothing of the call was stored: sending it again is safe."""
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MIN = 1.0
"""The last try before the time is up has this long: cut off sooner, nobody would know what became of it."""
PAUSE_SECONDS = 0.2
KEPT_SECONDS = 1.0
"""An idle connection is not used again later than that: the broker closes it after five seconds, and a request that
crosses the closing has no answer. A live pipe is often idle."""


class EventsClient:
    """Publishes pieces of NDJSON one after the other."""

    def __init__(self, address: str, stream: str, timeout_seconds: float) -> None:
        """`timeout_seconds`: how long to go on while nothing is taken, waiting for the answer included."""
        kept = httpx2.Limits(keepalive_expiry=KEPT_SECONDS)
        self._client = httpx2.Client(base_url=f"http://{address}", limits=kept, trust_env=False)
        self._path = f"/v1/streams/{stream}/events"
        self._timeout_seconds = timeout_seconds

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        self._client.close()

    def publish_lines(self, lines: list[bytes]) -> dict[str, Any]:
        """The PublishResponse, in JSON form.

        What the broker had no room for is sent again, as long as there is time; then it is among the refused, as
        REASON_UNAVAILABLE. UnavailableError: the time is up; says whether something may be stored. RejectedError: the
        call itself is wrong, nothing is stored.
        """
        give_up = time.monotonic() + self._timeout_seconds
        total: dict[str, Any] = {"accepted": 0, "rejected": []}
        todo: Sequence[int] = range(len(lines))
        while todo:
            answer = self._publish(b"".join(lines[number] for number in todo), give_up)
            again = _not_stored(answer, len(todo))
            if again and time.monotonic() < give_up:
                answer["rejected"] = [x for x in answer["rejected"] if x["index"] not in again]
                answer.pop("stopped_at", None)
                time.sleep(PAUSE_SECONDS)
            else:
                again = []
            _add(total, answer, todo)
            todo = [todo[index] for index in again]
        return total

    def _publish(self, content: bytes, give_up: float) -> dict[str, Any]:
        while True:
            answer = self._post(content, give_up)
            if answer is None or answer.status_code in BUSY:
                self._pause(answer, give_up)
                continue
            return _response(answer)

    def _post(self, content: bytes, give_up: float) -> httpx2.Response | None:
        """None: no connection, so nothing was sent."""
        left = max(ANSWER_SECONDS_MIN, give_up - time.monotonic())
        try:
            return self._client.post(
                self._path,
                content=content,
                headers={"content-type": "application/x-ndjson"},
                timeout=httpx2.Timeout(left, connect=min(left, CONNECT_SECONDS_MAX)),
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            return None
        except httpx2.TimeoutException as error:
            raise _unsure(f"the broker has not answered for {left:.0f} s", content) from error
        except httpx2.HTTPError as error:
            raise _unsure(f"the connection broke ({error})", content) from error

    def _pause(self, answer: httpx2.Response | None, give_up: float) -> None:
        left = give_up - time.monotonic()
        if left <= 0:
            why = "does not answer" if answer is None else _message(answer)
            raise UnavailableError(f"the broker takes nothing: {why}")
        time.sleep(min(left, _retry_after(answer)))


def _response(answer: httpx2.Response) -> dict[str, Any]:
    try:
        body: dict[str, Any] = answer.json()
    except ValueError:
        body = {}
    if "accepted" not in body:
        raise RejectedError(_message(answer))
    return body


def _not_stored(answer: dict[str, Any], count: int) -> list[int]:
    """The events, of so many, that are right and not stored: there was no room."""
    indexes = {x["index"] for x in answer["rejected"] if x["reason"] == "REASON_UNAVAILABLE"}
    stop = answer.get("stopped_at")
    if stop is not None and stop in indexes:
        indexes.update(range(stop, count))
    return sorted(indexes)


def _add(total: dict[str, Any], answer: dict[str, Any], sent: Sequence[int]) -> None:
    """`sent`: the place of each event of the answer's among all."""
    total["accepted"] += answer["accepted"]
    total["rejected"] += [{**each, "index": sent[each["index"]]} for each in answer["rejected"]]
    total["rejected"].sort(key=itemgetter("index"))
    if (stop := answer.get("stopped_at")) is not None:
        total["stopped_at"] = sent[stop]


def _message(answer: httpx2.Response) -> str:
    """The broker's words, or those of whoever else answers there."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"it answered {answer.status_code}: {answer.text[:200]}"


def _retry_after(answer: httpx2.Response | None) -> float:
    told = answer.headers.get("retry-after", "1") if answer else ""
    return float(told) if told.isdigit() else PAUSE_SECONDS


def _unsure(what: str, content: bytes) -> UnavailableError:
    message = (
        f"{what}: the last {len(content):,} bytes may or may not be stored; "
        "events with an id can be published again safely"
    )
    return UnavailableError(message)
