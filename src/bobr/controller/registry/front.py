"""HTTP's side of the registry: requests read whole, work in threads, errors in Confluent's form."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bobr.controller.registry.refusals import (
    Code,
    IncompatibleError,
    MissingError,
    RefusedError,
)
from bobr.controller.registry.registry import LATEST
from bobr.controller.registry.store import State
from bobr.errors import (
    BobrError,
    ForbiddenError,
    OverloadedError,
    RetryableError,
    SchemaError,
    UnauthenticatedError,
)
from bobr.ids import SchemaId

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
BODY_BYTES_MAX = 8 * 1024 * 1024  # a schema of the largest size, in base64 and JSON
THREADS_MAX = 8
RECEIVE_SECONDS = 30.0  # for a body to arrive: while it does, it is one of those that wait
WAITING_MAX = 64  # requests taken and not answered; more are sent away

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")

Body = TypeVar("Body", bound=BaseModel)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, read whole."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    @property
    def subject(self) -> str:
        """The path's subject, without the name of the default context; none: ''."""
        return self.path.get("subject", "").removeprefix(":.:")

    @property
    def version(self) -> int:
        """The path's version number, or `LATEST`."""
        text = self.path["version"]
        if text in ("latest", "-1"):
            return LATEST
        if not _NUMBER.fullmatch(text):
            message = f"A version is a number from 1, or latest, not {text!r}"
            raise RefusedError(Code.INVALID_VERSION, message)
        return int(text)

    @property
    def id(self) -> SchemaId:
        """The path's schema id. What can not be an id is an id that is not there."""
        text = self.path["id"]
        if not _NUMBER.fullmatch(text):
            raise MissingError(Code.SCHEMA_MISSING, f"Schema {text} not found")
        return SchemaId(int(text))

    @property
    def worst(self) -> State:
        """Whether deleted versions are wanted too."""
        return State.DELETED if self.flag("deleted") else State.LIVE

    def flag(self, name: str) -> bool:
        """A query parameter that is off unless it says `true`."""
        return self.query.get(name, "").lower() == "true"

    def page(self, items: Sequence[Item]) -> list[Item]:
        """The part that the query's `offset` and `limit` ask for; no limit: all."""
        offset = max(0, _whole("offset", self.query.get("offset", "0")))
        limit = _whole("limit", self.query.get("limit", "-1"))
        return list(items[offset:] if limit < 0 else items[offset : offset + limit])

    def read(self, kind: type[Body], code: Code) -> Body:
        """The body as JSON of that kind; RefusedError with `code`: it is not."""
        try:
            return kind.model_validate_json(self.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the body"
            raise RefusedError(code, f"Can not read {where}: {first['msg']}") from error


Handler = Callable[[Call], object]
"""What a path does: its answer as a value for JSON, or as a Response. Blocks, in a thread."""


Ask = Callable[[Request, str], None]
"""Whether who sends a request may change a subject, or with an empty name all: raises ForbiddenError if not."""


def anybody(_: Request, __: str) -> None:
    """Where there are no rights."""


class Front:
    """Carries requests to handlers. At most `WAITING_MAX` at once; lives in one event loop."""

    def __init__(self, ask: Ask = anybody) -> None:
        """Takes nothing yet. ask: before something is changed."""
        self._ask = ask
        self._threads = CapacityLimiter(THREADS_MAX)
        self._waiting = 0

    def route(self, method: str, path: str, handler: Handler) -> Route:
        """A route that answers with what the handler says."""

        changes = method in ("PUT", "DELETE") or (
            method == "POST" and path.startswith("/subjects/") and path.endswith("/versions")
        )

        async def endpoint(request: Request) -> Response:
            return await self._answer(handler, request, changes=changes)

        return Route(path, endpoint, methods=[method])

    async def _answer(self, handler: Handler, request: Request, *, changes: bool) -> Response:
        try:
            if changes:
                subject = Call(path=request.path_params, query={}, body=b"").subject
                self._ask(request, subject)
            return await self._handled(handler, request)
        except BobrError as error:
            return failure(error)

    async def _handled(self, handler: Handler, request: Request) -> Response:
        if self._waiting >= WAITING_MAX:
            raise OverloadedError(f"{WAITING_MAX} requests wait already; try again")
        self._waiting += 1
        try:
            call = Call(
                path=request.path_params, query=request.query_params, body=await body_of(request)
            )
            answer = await to_thread.run_sync(handler, call, limiter=self._threads)
        finally:
            self._waiting -= 1
        return answer if isinstance(answer, Response) else _json(200, answer)


def failure(error: BobrError) -> Response:
    """The answer that tells of an error."""
    code = _code(error)
    headers = {}
    if isinstance(error, RetryableError):
        headers["Retry-After"] = f"{max(1, round(error.retry_after_seconds))}"
    return _json(code.status, {"error_code": code.value, "message": str(error)}, headers)


async def no_such_path(request: Request, error: Exception) -> Response:
    """Starlette's own refusals, in the form that clients of registries read."""
    assert isinstance(error, HTTPException)
    message = f"HTTP {error.status_code} {error.detail}: {request.method} {request.url.path}"
    body = {"error_code": error.status_code, "message": message}
    return _json(error.status_code, body, error.headers)


def _code(error: BobrError) -> Code:
    match error:
        case RefusedError() | MissingError():
            return error.code
        case IncompatibleError():
            return Code.INCOMPATIBLE
        case UnauthenticatedError():
            return Code.UNAUTHENTICATED
        case ForbiddenError():
            return Code.FORBIDDEN
        case SchemaError():
            return Code.INVALID_SCHEMA
        case OverloadedError():
            return Code.OVERLOADED
        case RetryableError():
            return Code.UNAVAILABLE
        case _:
            return Code.FAILED


async def body_of(request: Request) -> bytes:
    """Not more than is allowed, whatever the sender says it will be, and not later."""
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            return await _received(request)
    except TimeoutError:
        message = f"The body did not arrive within {RECEIVE_SECONDS:.0f} s; send it faster"
        raise RefusedError(Code.TOO_SLOW, message) from None


async def _received(request: Request) -> bytes:
    pieces: list[bytes] = []
    nbytes = 0
    async for piece in request.stream():
        nbytes += len(piece)
        if nbytes > BODY_BYTES_MAX:
            message = f"The body has more than {BODY_BYTES_MAX} bytes; send less"
            raise RefusedError(Code.BODY_TOO_LARGE, message)
        pieces.append(piece)
    return b"".join(pieces)


def _json(status: int, content: object, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(content, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def _whole(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        message = f"{name} is a whole number, not {value!r}"
        raise RefusedError(Code.INVALID_REQUEST, message) from None
