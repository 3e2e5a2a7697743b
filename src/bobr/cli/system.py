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
SCHEMES = ("http", "https")
ADDRESSES = ("http", "control", "lake")
"""Of what a system says where it listens, those that are used here."""
NONE: Options = {}
AROUND_CHARACTERS = 40
"""Shown of what can not be sent."""
ASK_STATUS = "`bobr status` tells what runs"


def addresses(directory: Path) -> Mapping[str, str]:
    """Where the system listens: `http`, `grpc`, `control`. BOBR_URL, its HTTP address, goes before the folder."""
    url = _url()
    if not url:
        return from_the_same_machine(read_running(Folder(root=directory)).addresses)
    silent = f"{URL} is {os.environ[URL]}, but no Bobr answers there"
    try:
        with client(url) as there:
            answer = there.get("/v1/addresses")
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise UnavailableError(f"{silent}: {error}{_tls_advice(error, url)}") from error
    if answer.status_code in DENIALS:
        raise _failure(answer)
    found = _members(answer) if answer.is_success else None
    if found is None or not all(isinstance(found.get(each), str) for each in ADDRESSES):
        raise UnavailableError(f"{silent}: {_answered(answer)}")
    return from_afar({each: str(found[each]) for each in found}, url)


def _control(directory: Path) -> str:
    """MisconfiguredError: the HTTP port is forwarded, and what belongs to it can not be known."""
    found = addresses(directory)
    if "control" not in found:
        message = (
            f"{URL} is {os.environ[URL]}, which leads to a port of another number: forward the controller's port, too, "
            "and both under the numbers that they have there"
        )
        raise MisconfiguredError(message)
    return found["control"]


def supervised(directory: Path) -> Running | None:
    """What the supervisor says of the system, which it does without the controller; None: BOBR_URL names it, no folder.

    UnavailableError: none runs.
    """
    return None if _url() else read_running(Folder(root=directory))


def _url() -> str:
    """BOBR_URL with its scheme and without a slash at its end; empty: it is not set.

    MisconfiguredError: it is set to nothing, as CI does where a repository forgot to say it: no other system is meant.
    Or it has a user and a password, which nobody there asks for, or another scheme.
    """
    given = os.environ.get(URL)
    if given is None:
        return ""
    address = given.strip().rstrip("/")
    if not address:
        message = f"{URL} is set, but empty: say the address of the system, or unset it; --dir goes before it"
        raise MisconfiguredError(message)
    if "@" in given:
        message = f"{URL} has a user or a password in it, which nothing asks for: leave it out; {KEY} is for the key"
        raise MisconfiguredError(message)
    scheme, _, rest = (address if "://" in given else f"http://{address}").partition("://")
    scheme = scheme.lower()
    if scheme not in SCHEMES:
        raise MisconfiguredError(f"{URL} is {given}: it begins with http:// or https://")
    return f"{scheme}://{rest}"


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
    address = _control(directory)
    with client(url_of(directory, address), directory=directory) as there:
        yield Controller(there, address, options)


def url_of(directory: Path, address: str) -> str:
    """Of a port of the system: with TLS if it has that."""
    url = _url()
    is_safe = not _is_open(url) if url else read_running(_folder(directory)).certificate
    return f"{'https' if is_safe else 'http'}://{address}"


def client(
    url: str, *, directory: Path | None = None, limits: httpx2.Limits | None = None
) -> httpx2.Client:
    """Of the system there, with the caller's key and certificate. directory: whose folder says which it has itself."""
    pinned = None if directory is None or _url() else read_running(_folder(directory)).certificate
    return httpx2.Client(
        base_url=url,
        headers=_key(),
        verify=not _is_open(url) and _tls(None if pinned is None else Path(pinned)),
        limits=limits or httpx2.Limits(),
        trust_env=False,
    )


def _is_open(url: str) -> bool:
    """Whether there is no TLS, so that nothing is to be verified; of what is not known to be so, there is."""
    return url.startswith("http:")


def _tls_advice(error: Exception, url: str) -> str:
    """What to do about it, where TLS may be the reason; with a sign before it."""
    is_safe = not _is_open(url)
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
        found = _members(answer) if answer.is_success else None
        if found is None:
            raise _failure(answer, self._options)
        return found

    @contextmanager
    def _translated(self, timeout_seconds: float) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError as error:
            around = error.object[max(0, error.start - AROUND_CHARACTERS) : error.end]
            message = (
                f"what would be sent is not UTF-8, behind {around!r}: mend that, or the file's name"
            )
            raise RejectedError(message) from error
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


def _members(answer: httpx2.Response) -> Mapping[str, Any] | None:
    """Of the object that is answered. None: there is none, as of a proxy or of whoever else answers there."""
    try:
        found = answer.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _answered(answer: httpx2.Response) -> str:
    """What was said there, in short."""
    from bobr.catalog.secrets import shown

    return f"the answer was {answer.status_code}, {shown(answer.text)}"


def _failure(answer: httpx2.Response, options: Options = NONE) -> BobrError:
    try:
        error = answer.json()["error"]
        message = in_options(error["message"], options)
        problems = problems_in(error.get("problems") or (), options)
    except (ValueError, KeyError, TypeError):
        where = f"{answer.url.scheme}://{answer.url.netloc.decode(errors='replace')}"
        return UnavailableError(
            f"what answers at {where} is not Bobr's controller: {_answered(answer)}; look whether {URL} is right, "
            "and whether a proxy stands before it"
        )
    if problems:
        return SchemaError(problems)
    kinds: Mapping[int, type[BobrError]] = {
        401: UnauthenticatedError,
        403: ForbiddenError,
        404: NotFoundError,
        412: ExistsError,
        429: OverloadedError,
        503: UnavailableError,
    }
    return kinds.get(answer.status_code, RejectedError)(message)
