"""HTTP's side of the controller's own API: bodies read whole and bounded, values and errors as JSON."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ExceptionHandler, Receive, Scope, Send

from bobr.controller.access import caller_of
from bobr.controller.judging import Reading
from bobr.controller.operations import CREATE_ONLY, WHOLE, AskT, Operation, malformed
from bobr.controller.seats import Seats
from bobr.errors import (
    BobrError,
    ConflictError,
    ExistsError,
    ForbiddenError,
    NotFoundError,
    OverloadedError,
    ProblemsError,
    RejectedError,
    RetryableError,
    SchemaError,
    TooLargeError,
    TooSlowError,
    UnauthenticatedError,
    UnavailableError,
)

BODY_BYTES_MAX = 16 * 1024 * 1024
"""Of a request, over gRPC, too."""

RECEIVE_SECONDS = 30.0
"""For a request to arrive, over gRPC, too."""
BODIES_MAX = 64
"""On their way at once, as gRPC has calls."""
BODIES_EACH_MAX = 16
"""Of them, of one principal with all its keys: it takes several to have all."""
PATH_CHARACTERS_MAX = 200
"""Of a path that is not there, in the answer."""
CUT_OFF = (
    "the controller has ended meanwhile: whether this was done is not known, `bobr history` tells it when it runs "
    "again; the same call again changes nothing twice"
)

STATUS = {
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ExistsError: 412,
    TooSlowError: 408,
    TooLargeError: 413,
    SchemaError: 409,
    ConflictError: 409,
    RejectedError: 422,
    OverloadedError: 429,
    RetryableError: 503,
}


class Bodies:
    """Of requests: received whole, within bounds, and read. Lives in one event loop."""

    def __init__(self) -> None:
        """None is on its way."""
        self._seats = Seats(BODIES_MAX, BODIES_EACH_MAX, "bodies on their way", "call again")
        self._reading = Reading()

    async def ask_of(self, operation: Operation[AskT, Any], request: Request) -> AskT:
        """What is asked for. RejectedError: the body is none for that, or comes too slowly, or is too large.

        OverloadedError: too many others are on their way.
        """
        query = {**request.query_params, **_precondition(operation, request)}
        if operation.body is None:
            return operation.read({**query, **request.path_params})
        with self._seats.one(caller_of(request).principal_name):
            body = await _received(request)
            read = partial(_read, operation, body, query, request.path_params)
            return await self._reading.read(read, len(body))


async def _received(request: Request) -> bytes:
    chunks, size = [], 0
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > BODY_BYTES_MAX:
                    raise TooLargeError(f"the request is above {BODY_BYTES_MAX:,} bytes")
                chunks.append(chunk)
    except TimeoutError:
        words = f"the body did not arrive within {RECEIVE_SECONDS:.0f} s"
        raise TooSlowError(words) from None
    return b"".join(chunks)


def _read(
    operation: Operation[AskT, Any],
    body: bytes,
    query: Mapping[str, object],
    path: Mapping[str, object],
) -> AskT:
    """Its members, from wherever they stand."""
    try:
        content = from_json(body or b"{}")
    except ValueError as error:
        raise RejectedError(f"the body is not JSON: {error}") from error
    if operation.body != WHOLE:
        return operation.read({**query, str(operation.body): content, **path})
    return operation.read({**content, **path} if isinstance(content, dict) else content)


def route_of(operation: Operation[Any, Any], bodies: Bodies) -> Route:
    """As Starlette takes it."""

    async def answer(request: Request) -> Response:
        try:
            ask = await bodies.ask_of(operation, request)
            return json_of(await operation.handler(ask, caller_of(request)))
        except asyncio.CancelledError:  # only by a server that has ended its grace
            raise UnavailableError(CUT_OFF) from None

    return Route(operation.path, answer, methods=[operation.method])


def _precondition(operation: Operation[Any, Any], request: Request) -> Mapping[str, object]:
    """`If-None-Match: *` is `create_only`, as HTTP says it. RejectedError: it names versions: there are none.

    So does `If-Match`: who sends it would believe that nobody's change is overwritten.
    """
    if "if-match" in request.headers:
        raise RejectedError(
            "if-match is not known here, objects have no versions: leave it out; to change something only if nothing "
            "else did, apply files with `base`"
        )
    wanted = request.headers.get("if-none-match")
    if wanted is None or CREATE_ONLY not in operation.ask.model_fields:
        return {}
    if wanted.strip() != "*":
        raise RejectedError("if-none-match is * here: only if there is none")
    return {CREATE_ONLY: True}


def others_of(routes: Iterable[Route]) -> Iterator[BaseRoute]:
    """What is asked for in vain below `/v1/` and at the paths of these routes: 405 with `Allow`, or 404.

    To stand behind them, and before the registry's paths, whose refusals have another form.
    """
    methods: dict[str, set[str]] = {}
    for route in routes:
        methods.setdefault(route.path, set()).update(route.methods or ())
    for path, allowed in methods.items():
        yield Route(path, _NotAllowed(allowed))
    yield Mount("/v1", _no_such_call)


class _NotAllowed:
    """A path that takes other methods. An application, since those are of all methods."""

    def __init__(self, methods: Iterable[str]) -> None:
        self._allow = ", ".join(sorted(methods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = f"{scope['path']} takes {self._allow}, not {scope['method']}"
        answer = refusal(HTTPStatus.METHOD_NOT_ALLOWED, message)
        answer.headers["allow"] = self._allow
        await answer(scope, receive, send)


async def _no_such_call(scope: Scope, receive: Receive, send: Send) -> None:
    message = f"there is no {scope['path']}: GET /openapi.json tells what there is"
    await refusal(HTTPStatus.NOT_FOUND, message)(scope, receive, send)


def json_of(value: BaseModel) -> Response:
    """The value."""
    return Response(value.model_dump_json(), media_type="application/json")


def refusal(status: int, message: str) -> JSONResponse:
    """An answer that tells why not."""
    return JSONResponse({"error": {"message": message}}, status)


def handlers() -> Mapping[type[Exception], ExceptionHandler]:
    """What each error is answered with."""
    return {
        BobrError: _failed,
        ValidationError: _malformed,
        ClientDisconnect: _gone,
        HTTPException: _unrouted,
    }


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, BobrError)
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    if not isinstance(error, ProblemsError):
        answer = refusal(status, str(error))
        if isinstance(error, RetryableError):
            answer.headers["retry-after"] = str(max(1, ceil(error.retry_after_seconds)))
        if isinstance(error, TooSlowError):
            answer.headers["connection"] = "close"
        return answer
    problems = [asdict(problem) for problem in error.problems]
    return JSONResponse({"error": {"message": str(error), "problems": problems}}, status)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    return refusal(422, str(malformed(error)))


async def _unrouted(request: Request, error: Exception) -> Response:
    """Such as a path with a line break, which no pattern takes."""
    assert isinstance(error, HTTPException)
    message = f"{error.detail}: {request.method} {request.scope['path'][:PATH_CHARACTERS_MAX]!r}"
    return refusal(error.status_code, message)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)
