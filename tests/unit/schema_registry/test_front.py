"""HTTP's side: how much at once, and what errors look like."""

import asyncio
import json
import threading

import httpx2
import pytest
from starlette.applications import Starlette

from bobr.controller.registry.front import WAITING_MAX, Call, Front, failure
from bobr.controller.registry.refusals import Code, MissingError, RefusedError
from bobr.errors import (
    BobrError,
    BrokenError,
    OverloadedError,
    Problem,
    SchemaError,
    UnavailableError,
)

PROBLEM = Problem(file="a.proto", line=1, column=2, rule="compile", message="bad")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RefusedError(Code.INVALID_SCHEMA, "x"), 422, 42201),
        (MissingError(Code.SUBJECT_MISSING, "x"), 404, 40401),
        (SchemaError([PROBLEM]), 422, 42201),
        (OverloadedError("x", retry_after_seconds=3), 429, 42901),
        (UnavailableError("x"), 503, 50301),
        (BrokenError("x"), 500, 50001),
    ],
)
def test_errors_have_confluents_numbers(error: BobrError, status: int, code: int) -> None:
    answer = failure(error)
    assert answer.status_code == status
    assert json.loads(bytes(answer.body)) == {"error_code": code, "message": str(error)}


def test_who_comes_too_early_is_told_when_to_come_again() -> None:
    assert failure(OverloadedError("x", retry_after_seconds=3)).headers["retry-after"] == "3"
    assert failure(UnavailableError("x")).headers["retry-after"] == "1"


def call(**query: str) -> Call:
    return Call(path={}, query=query, body=b"")


def test_pages() -> None:
    items = [1, 2, 3, 4]
    assert call().page(items) == items
    assert call(offset="1", limit="2").page(items) == [2, 3]
    assert call(offset="-5", limit="-1").page(items) == items
    assert call(limit="0").page(items) == []
    assert call(offset="9").page(items) == []


def test_more_than_may_wait_are_sent_away() -> None:
    done = threading.Event()
    front = Front()
    app = Starlette(routes=[front.route("GET", "/slow", lambda _: done.wait(60))])

    async def flood() -> list[int]:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
            waiting = [asyncio.ensure_future(http.get("/slow")) for _ in range(WAITING_MAX + 3)]
            first = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            refused = [task.result().status_code for task in first[0]]
            done.set()
            answers = [(await task).status_code for task in waiting]
            assert set(refused) == {429}
            return answers

    answers = asyncio.run(flood())
    assert answers.count(429) == 3
    assert answers.count(200) == WAITING_MAX
