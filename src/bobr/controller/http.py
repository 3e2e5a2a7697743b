"""HTTP's side of the controller's own API: bodies read whole and bounded, values and errors as JSON."""

from collections.abc import Mapping
from dataclasses import asdict

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from bobr.catalog.keys import without_keys
from bobr.errors import (
    BobrError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ProblemsError,
    RejectedError,
    RetryableError,
    SchemaError,
    UnauthenticatedError,
)

BODY_BYTES_MAX = 16 * 1024 * 1024
PROBLEMS_MAX = 20
"""Faults of one body that are told; a hostile one has millions."""
SHOWN_CHARACTERS_MAX = 80
"""Of a wrong value."""

STATUS = {
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    SchemaError: 409,
    ConflictError: 409,
    RejectedError: 422,
    RetryableError: 503,
}


async def body_of(request: Request) -> bytes:
    """All of it. RejectedError: it is above `BODY_BYTES_MAX`."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise RejectedError(f"the request is above {BODY_BYTES_MAX:,} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


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
        return refusal(status, str(error))
    problems = [asdict(problem) for problem in error.problems]
    return JSONResponse({"error": {"message": str(error), "problems": problems}}, status)


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    problems = error.errors(include_url=False)[:PROBLEMS_MAX]
    words = "; ".join(
        f"{'.'.join(map(str, problem['loc']))} {_shown(problem['input'])}: "
        f"{problem['msg'].removeprefix('Value error, ')}"
        for problem in problems
    )
    return refusal(422, words)


def _shown(value: object) -> str:
    text = without_keys(repr(value))
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)
