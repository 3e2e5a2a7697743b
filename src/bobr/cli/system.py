"""Finding the running system, and talking to its controller."""

import os
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from bobr.cli.options import CA, CERT, CERT_KEY, KEY, KEY_FILE, URL, Options, in_options
from bobr.cli.reach import from_afar, from_the_same_machine
from bobr.errors import (
    BobrError,
    ExistsError,
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    OverloadedError,
    Problem,
    RejectedError,
    SchemaError,
    UnauthenticatedError,
    UnavailableError,
)
from bobr.runtime.folder import Folder, Running, read_running

TIMEOUT_SECONDS = 60.0
DENIALS = (401, 403)
NONE: Options = {}
ASK_STATUS = "`bobr status` tells what runs"


def addresses(directory: Path) -> Mapping[str, str]:
    """Where the system listens: `http`, `grpc`, `control`. BOBR_URL, its HTTP address, goes before the folder."""
    url = _url()
    if not url:
        return from_the_same_machine(read_running(Folder(root=directory)).addresses)
    try:
        with client(url) as there:
            answer = there.get("/v1/addresses")
        if answer.status_code in DENIALS:
            raise _failure(answer)
        answer.raise_for_status()
        found = from_afar(answer.json(), url)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        message = f"BOBR_URL is {os.environ[URL]}, but no Bobr answers there: {error}{_tls_advice(error, url)}"
        raise UnavailableError(message) from error
    return found


def supervised(directory: Path) -> Running | None:
    """What the supervisor says of the system, which it does without the controller; None: BOBR_URL names it, no folder.

    UnavailableError: none runs.
    """
    return None if _url() else read_running(Folder(root=directory))


def _url() -> str:
    """BOBR_URL with its scheme and without a slash at its end; empty: it is not set.

    MisconfiguredError: it is set to nothing, as CI does where a repository forgot to say it: no other system is meant.
    """
    given = os.environ.get(URL)
    if given is not None and not given.strip():
        message = f"{URL} is set, but empty: say the address of the system, or unset it; --dir goes before it"
        raise MisconfiguredError(message)
    url = (given or "").strip().rstrip("/")
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
def controller(directory: Path, options: Options = NONE) -> Iterator["Controller"]:
    """The controller of the running system. options: in which its errors are told."""
    address = addresses(directory)["control"]
    with client(url_of(directory, address), directory=directory) as there:
        yield Controller(there, address, options)


def url_of(directory: Path, address: str) -> str:
    """Of a port of the system: with TLS if it has that."""
    url = _url()
    is_safe = url.startswith("https:") if url else read_running(_folder(directory)).certificate
    return f"{'https' if is_safe else 'http'}://{address}"


def client(
    url: str, *, directory: Path | None = None, limits: httpx2.Limits | None = None
) -> httpx2.Client:
    """Of the system there, with the caller's key and certificate. directory: whose folder says which it has itself."""
    pinned = None if directory is None or _url() else read_running(_folder(directory)).certificate
    return httpx2.Client(
        base_url=url,
        headers=_key(),
        verify=_tls(None if pinned is None else Path(pinned))
        if url.startswith("https:")
        else False,
        limits=limits or httpx2.Limits(),
        trust_env=False,
    )


def _tls_advice(error: Exception, url: str) -> str:
    """What to do about it, where TLS may be the reason; with a sign before it."""
    is_safe = url.startswith("https:")
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"; if its certificate is right, {CA} names the file with the authority to trust"
    if not isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError):
        return ""
    if is_safe and not os.environ.get(CERT):
        return f"; if it asks who calls for a certificate, {CERT} and {CERT_KEY} name the files with one"
    return "" if is_safe else "; if it speaks TLS, its address begins with https://"


def _folder(directory: Path) -> Folder:
    return Folder(root=directory)


def _key() -> Mapping[str, str]:
    key = os.environ.get(KEY, "").strip()
    file = os.environ.get(KEY_FILE, "").strip()
    if not key and file:
        try:
            key = Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise MisconfiguredError(f"the key in {file} can not be read: {error}") from error
    if not (key.isascii() and key.isprintable()):
        raise MisconfiguredError("the key has characters that no key has: copy it again")
    return {"authorization": f"Bearer {key}"} if key else {}


def _tls(pinned: Path | None) -> ssl.SSLContext:
    from bobr.runtime.tls import client_context

    ca, certificate, key = (
        Path(path) if (path := os.environ.get(name, "").strip()) else None
        for name in (CA, CERT, CERT_KEY)
    )
    return client_context(ca=ca, pinned=pinned, certificate=certificate, key=key)


class SilentControllerError(UnavailableError):
    """It has not answered, though it may still do what was asked. `why`: without what to do."""

    def __init__(self, why: str) -> None:
        """`why`: with its address."""
        super().__init__(f"{why}: {ASK_STATUS}")
        self.why = why


class Controller:
    """Calls of the controller's API; its errors come back as ours."""

    def __init__(self, client: httpx2.Client, address: str, options: Options = NONE) -> None:
        """`client`: with the controller's address as base. options: in which errors are told."""
        self._client = client
        self._address = address
        self._options = options

    def get(self, path: str, timeout_seconds: float) -> Mapping[str, object]:
        """GET, JSON."""
        with self._translated(timeout_seconds):
            return self._result(self._client.get(path, timeout=timeout_seconds))

    def post(
        self, path: str, body: Mapping[str, object], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> Mapping[str, object]:
        """POST, JSON both ways."""
        with self._translated(timeout_seconds):
            return self._result(self._client.post(path, json=body, timeout=timeout_seconds))

    def put(self, path: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """PUT, JSON both ways."""
        with self._translated(TIMEOUT_SECONDS):
            return self._result(self._client.put(path, json=body, timeout=TIMEOUT_SECONDS))

    def delete(self, path: str) -> Mapping[str, object]:
        """DELETE, answered with JSON."""
        with self._translated(TIMEOUT_SECONDS):
            return self._result(self._client.delete(path, timeout=TIMEOUT_SECONDS))

    def lines(self, path: str, query: Mapping[str, str | int]) -> Iterator[str]:
        """GET, a line at a time for as long as they come; empty ones come twice a second, as long as it is well."""
        with (
            self._translated(TIMEOUT_SECONDS),
            self._client.stream("GET", path, params=query, timeout=TIMEOUT_SECONDS) as answer,
        ):
            if answer.is_error:
                answer.read()
                self._result(answer)
            yield from answer.iter_lines()

    def _result(self, answer: httpx2.Response) -> Mapping[str, object]:
        if answer.is_success:
            body: Mapping[str, object] = answer.json()
            return body
        raise _failure(answer, self._options)

    @contextmanager
    def _translated(self, timeout_seconds: float) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException as error:
            why = f"the controller at {self._address} has not answered for {timeout_seconds:.0f} s"
            raise SilentControllerError(why) from error
        except httpx2.HTTPError as error:
            why = f"the controller at {self._address} does not answer: {error}"
            url = self._client.base_url
            if url.scheme == "https" and (advice := _tls_advice(error, str(url))):
                raise UnavailableError(f"{why}{advice}") from error
            raise SilentControllerError(why) from error


def problems_in(told: Iterable[Mapping[str, Any]], options: Options) -> list[Problem]:
    """Those that an answer tells of."""
    return [Problem(**{**each, "message": in_options(each["message"], options)}) for each in told]


def _failure(answer: httpx2.Response, options: Options = NONE) -> BobrError:
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return UnavailableError(
            f"the controller answered {answer.status_code}: {answer.text[:500]}"
        )
    if error.get("problems"):
        return SchemaError(problems_in(error["problems"], options))
    kinds: Mapping[int, type[BobrError]] = {
        401: UnauthenticatedError,
        403: ForbiddenError,
        404: NotFoundError,
        412: ExistsError,
        429: OverloadedError,
        503: UnavailableError,
    }
    return kinds.get(answer.status_code, RejectedError)(in_options(error["message"], options))
