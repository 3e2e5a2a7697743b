"""The HTTP way into a stream, for the command line: retries what surely was not stored, and nothing else."""

import time
from types import TracebackType
from typing import Any, Self

import httpx2

from bobr.errors import RejectedError, UnavailableError

BUSY = (429, 503)
"""Nothing of the call was stored: sending it again is safe."""


class EventsClient:
    """Publishes pieces of NDJSON one after the other."""

    def __init__(self, address: str, stream: str, timeout_seconds: float) -> None:
        """`timeout_seconds`: how long to go on trying while nothing is taken."""
        self._client = httpx2.Client(
            base_url=f"http://{address}", timeout=httpx2.Timeout(5.0, read=120.0), trust_env=False
        )
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
        """The PublishResponse, in JSON form. Raises when nothing is known to be stored, and says so."""
        content = b"".join(lines)
        give_up = time.monotonic() + self._timeout_seconds
        while True:
            answer = self._post(content, give_up)
            if answer is None or answer.status_code in BUSY:
                self._pause(answer, give_up)
                continue
            body: dict[str, Any] = answer.json()
            if "accepted" not in body:
                raise RejectedError(body["error"]["message"])
            return body

    def _post(self, content: bytes, give_up: float) -> httpx2.Response | None:
        """None: no connection, so nothing was sent."""
        headers = {"content-type": "application/x-ndjson"}
        try:
            return self._client.post(self._path, content=content, headers=headers)
        except httpx2.ConnectError:
            return None
        except httpx2.HTTPError as error:
            message = (
                f"the connection broke ({error}): the last {len(content):,} bytes may or may not be stored; "
                "events with an id can be published again safely"
            )
            raise UnavailableError(message) from error

    def _pause(self, answer: httpx2.Response | None, give_up: float) -> None:
        if time.monotonic() >= give_up:
            why = "does not answer" if answer is None else answer.json()["error"]["message"]
            raise UnavailableError(f"the broker takes nothing: {why}")
        time.sleep(float(answer.headers.get("retry-after", "1")) if answer else 0.2)
