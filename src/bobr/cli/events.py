"""The HTTP way into a stream, for the command line: retries what surely was not stored, and nothing else."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

import httpx2

from bobr.cli.lines import NO_ROOM
from bobr.errors import RejectedError, UnavailableError

BUSY = (429, 503)
"""Nothing of the call was stored: sending it again is safe."""
NO_STREAM = "REASON_UNKNOWN_STREAM"
REFUSALS = (300, 500)
"""Statuses from here to there: whoever says so has stored nothing."""
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MIN = 1.0
"""The last try before the time is up has this long: cut off sooner, nobody would know what became of it."""
PAUSE_SECONDS = 0.2
KEPT_SECONDS = 0.5
"""An idle connection is not used again later than that. A broker that ends tells for twice as long with its answers
that they are the last, and then closes what is idle: a request that crosses the closing has no answer."""


@dataclass(slots=True)
class Piece:
    """Events that are published together, and what is known of them at every moment, however it ends.

    rejected: the members of each Rejection, in JSON form, with its index in `lines`. left: indexes of the events that
    are neither accepted nor refused, rising. unsure: those are sent, and not answered. stopped: the broker reads no
    further, since most events are refused.
    """

    lines: Sequence[bytes]
    accepted: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    left: Sequence[int] = field(init=False)
    unsure: bool = False
    stopped: bool = False

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self.left = range(len(self.lines))

    def take(self, answer: dict[str, Any]) -> None:
        """What the broker says of those that are left. That there was no room is no refusal: they stay left.

        So does what it did not look at. Behind that one can go on, unless it stopped since most events are refused:
        then it says nothing of the one where it stopped. All of it is known in one moment, be it interrupted.
        """
        indexes = {x["index"] for x in answer["rejected"] if x["reason"] == NO_ROOM}
        stop = answer.get("stopped_at")
        if stop is not None:
            indexes.update(range(stop, len(self.left)))
        refused = [x for x in answer["rejected"] if x["index"] not in indexes]
        told = [{**each, "index": self.left[each["index"]]} for each in refused]
        rejected = sorted([*self.rejected, *told], key=itemgetter("index"))
        left = [self.left[index] for index in sorted(indexes)]
        is_stop_told = any(x["index"] == stop for x in answer["rejected"])
        stopped = stop is not None and not is_stop_told and len(refused) > answer["accepted"]
        self.rejected, self.left, self.stopped = rejected, left, stopped
        self.accepted += answer["accepted"]
        self.unsure = False

    def rest(self) -> int:
        """Where the events begin that are left one behind the other up to the end; as many as lines: there are none."""
        number = len(self.lines)
        for index in reversed(self.left):
            if index != number - 1:
                break
            number = index
        return number


class EventsClient:
    """Publishes pieces of NDJSON one after the other."""

    def __init__(
        self,
        open_client: Callable[[httpx2.Limits], httpx2.Client],
        stream: str,
        timeout_seconds: float,
    ) -> None:
        """`timeout_seconds`: how long to go on while nothing is taken, waiting for the answer included."""
        kept = httpx2.Limits(keepalive_expiry=KEPT_SECONDS)
        self._client = open_client(kept)
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

    def publish(self, piece: Piece) -> None:
        """Bring all of it into the stream. Whatever is raised, the piece knows what became of each event until then.

        What the broker had no room for is sent again, as long as there is time. UnavailableError: the time is up, or
        it is not known what became of those that are left. RejectedError: the call itself is wrong, or most
        events are; those that are left are not stored.
        """
        give_up = time.monotonic() + self._timeout_seconds
        while piece.left and not piece.stopped:
            answer = self._publish(piece, give_up)
            piece.take(answer)
            if answer["accepted"]:
                give_up = time.monotonic() + self._timeout_seconds
            if piece.left and not piece.stopped:
                _pause(_why_left(answer), PAUSE_SECONDS, give_up)

    def _publish(self, piece: Piece, give_up: float) -> dict[str, Any]:
        content = b"".join(piece.lines[index] for index in piece.left)
        while True:
            piece.unsure = True
            answer = self._post(content, give_up)
            if answer is not None and answer.status_code not in BUSY:
                return _response(answer, piece)
            piece.unsure = False
            why = "does not answer" if answer is None else _message(answer)
            _pause(why, _retry_after(answer), give_up)

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
            raise UnavailableError(f"the broker has not answered for {left:.0f} s") from error
        except httpx2.HTTPError as error:
            raise UnavailableError(f"the connection broke ({error})") from error


def _pause(why: str, seconds: float, give_up: float) -> None:
    left = give_up - time.monotonic()
    if left <= 0:
        raise UnavailableError(f"the broker takes nothing: {why}")
    time.sleep(min(left, seconds))


def _response(answer: httpx2.Response, piece: Piece) -> dict[str, Any]:
    """Only the broker knows what it stored: of a gateway's 502 nobody does, nor of a 200 that says nothing."""
    body = _members(answer)
    if "accepted" in body and {each["reason"] for each in body["rejected"]} != {NO_STREAM}:
        return body
    piece.unsure = not (body or REFUSALS[0] <= answer.status_code < REFUSALS[1])
    if piece.unsure:
        raise UnavailableError(_message(answer))
    raise RejectedError(body["rejected"][0]["message"] if "accepted" in body else _message(answer))


def _members(answer: httpx2.Response) -> dict[str, Any]:
    """Those of the broker's answer; none: it is not the broker's."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    is_ours = body.keys() >= {"accepted", "rejected"} or isinstance(body.get("error"), dict)
    return body if is_ours else {}


def _why_left(answer: dict[str, Any]) -> str:
    """The broker's words for the first event that it did not take."""
    stop = answer.get("stopped_at")
    why = (x for x in answer["rejected"] if x["reason"] == NO_ROOM or x["index"] == stop)
    return next((str(x["message"]) for x in why), "it read no further")


def _message(answer: httpx2.Response) -> str:
    """The broker's words, or those of whoever else answers there."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"it answered {answer.status_code}: {answer.text[:200]}"


def _retry_after(answer: httpx2.Response | None) -> float:
    told = answer.headers.get("retry-after", "1") if answer else ""
    return float(told) if told.isdigit() else PAUSE_SECONDS
