"""Finding the running system, and talking to its controller."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2

from bobr.cli.options import URL
from bobr.errors import (
    BobrError,
    NotFoundError,
    Problem,
    RejectedError,
    SchemaError,
    UnavailableError,
)
from bobr.runtime.folder import Folder, Running, read_running

TIMEOUT_SECONDS = 60.0
ASK_STATUS = "`bobr status` tells what runs"


def addresses(directory: Path) -> Mapping[str, str]:
    """Where the system listens: `http`, `grpc`, `control`. BOBR_URL, its HTTP address, goes before the folder."""
    url = _url()
    if not url:
        return read_running(Folder(root=directory)).addresses
    try:
        answer = httpx2.get(f"{url}/v1/addresses", trust_env=False)
        answer.raise_for_status()
        found: Mapping[str, str] = answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        message = f"BOBR_URL is {os.environ[URL]}, but no Bobr answers there: {error}"
        raise UnavailableError(message) from error
    return found


def supervised(directory: Path) -> Running | None:
    """What the supervisor says of the system, which it does without the controller; None: BOBR_URL names it, no folder.

    UnavailableError: none runs.
    """
    return None if _url() else read_running(Folder(root=directory))


def _url() -> str:
    """BOBR_URL with its scheme and without a slash at its end; empty: it is not set."""
    url = os.environ.get(URL, "").strip().rstrip("/")
    return url if not url or "://" in url else f"http://{url}"


def lake(directory: Path) -> Path:
    """Where the local tables are; they can be read when no system runs, too.

    NotFoundError: there is no data folder.
    """
    if _url():
        return Path(addresses(directory)["lake"])
    folder = Folder(root=directory)
    if not any(each.exists() for each in folder.foundations):
        message = f"no system was ever started in {directory.absolute()}: --dir, BOBR_DIR or BOBR_URL name another"
        raise NotFoundError(message)
    return folder.lake


@contextmanager
def controller(directory: Path) -> Iterator["Controller"]:
    """The controller of the running system."""
    address = addresses(directory)["control"]
    with httpx2.Client(base_url=f"http://{address}", trust_env=False) as client:
        yield Controller(client, address)


class SilentControllerError(UnavailableError):
    """It has not answered, though it may still do what was asked. `why`: without what to do."""

    def __init__(self, why: str) -> None:
        """`why`: with its address."""
        super().__init__(f"{why}: {ASK_STATUS}")
        self.why = why


class Controller:
    """Calls of the controller's API; its errors come back as ours."""

    def __init__(self, client: httpx2.Client, address: str) -> None:
        """`client`: with the controller's address as base."""
        self._client = client
        self._address = address

    def get(self, path: str, timeout_seconds: float) -> Mapping[str, object]:
        """GET, JSON."""
        with self._translated(timeout_seconds):
            return _result(self._client.get(path, timeout=timeout_seconds))

    def post(
        self, path: str, body: Mapping[str, object], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> Mapping[str, object]:
        """POST, JSON both ways."""
        with self._translated(timeout_seconds):
            return _result(self._client.post(path, json=body, timeout=timeout_seconds))

    def lines(self, path: str, query: Mapping[str, str | int]) -> Iterator[str]:
        """GET, a line at a time for as long as they come; empty ones come twice a second, as long as it is well."""
        with (
            self._translated(TIMEOUT_SECONDS),
            self._client.stream("GET", path, params=query, timeout=TIMEOUT_SECONDS) as answer,
        ):
            if answer.is_error:
                answer.read()
                _result(answer)
            yield from answer.iter_lines()

    @contextmanager
    def _translated(self, timeout_seconds: float) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException as error:
            why = f"the controller at {self._address} has not answered for {timeout_seconds:.0f} s"
            raise SilentControllerError(why) from error
        except httpx2.HTTPError as error:
            why = f"the controller at {self._address} does not answer: {error}"
            raise SilentControllerError(why) from error


def _result(answer: httpx2.Response) -> Mapping[str, object]:
    if answer.is_success:
        body: Mapping[str, object] = answer.json()
        return body
    raise _failure(answer)


def _failure(answer: httpx2.Response) -> BobrError:
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return UnavailableError(
            f"the controller answered {answer.status_code}: {answer.text[:500]}"
        )
    if error.get("problems"):
        return SchemaError([Problem(**problem) for problem in error["problems"]])
    kinds: Mapping[int, type[BobrError]] = {404: NotFoundError, 503: UnavailableError}
    return kinds.get(answer.status_code, RejectedError)(error["message"])
