"""HTTP's side of the controller's own API: bodies read whole and bounded, values and errors as JSON."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from http import HTTPStatus
from math import ceil
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ExceptionHandler, Receive, Scope, Send

from bobr.controller.access import caller_of
from bobr.controller.operations import CREATE_ONLY, WHOLE, Operation, malformed
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
    UnauthenticatedError,
)

BODY_BYTES_MAX = 16 * 1024 * 1024
"""Of a request, over gRPC, too."""

STATUS = {
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ExistsError: 412,
    TooLargeError: 413,
    SchemaError: 409,
    ConflictError: 409,
    RejectedError: 422,
    OverloadedError: 429,
    RetryableError: 503,
}


async def body_of(request: Request) -> bytes:
    """All of it. TooLargeError: it is above `BODY_BYTES_MAX`."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise TooLargeError(f"the request is above {BODY_BYTES_MAX:,} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def route_of(operation: Operation[Any, Any]) -> Route:
    """As Starlette takes it."""

    async def answer(request: Request) -> Response:
        members = await _members(operation, request)
        return json_of(await operation.call(members, caller_of(request)))

    return Route(operation.path, answer, methods=[operation.method])


async def _members(operation: Operation[Any, Any], request: Request) -> object:
    """Of what is asked for, from wherever they stand."""
    query = {**request.query_params, **_precondition(operation, request)}
    if operation.body is None:
        return {**query, **request.path_params}
    try:
        content = await run_in_threadpool(from_json, await body_of(request) or b"{}")
    except ValueError as error:
        raise RejectedError(f"the body is not JSON: {error}") from error
    if operation.body != WHOLE:
        return {**query, operation.body: content, **request.path_params}
    return {**content, **request.path_params} if isinstance(content, dict) else content


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
    return {BobrError: _failed, ValidationError: _malformed, ClientDisconnect: _gone}


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, BobrError)
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    if not isinstance(error, ProblemsError):
        answer = refusal(status, str(error))
        if isinstance(error, RetryableError):
            answer.headers["retry-after"] = str(max(1, ceil(error.retry_after_seconds)))
        return answer
    problems = [asdict(problem) for problem in error.problems]
    return JSONResponse({"error": {"message": str(error), "problems": problems}}, status)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    return refusal(422, str(malformed(error)))


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)
