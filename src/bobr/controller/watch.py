"""`POST /v1/parts/{part}/watch`: where parts speak and are told what is new. Nobody else may: tables depend on it."""

import asyncio
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from bobr.controller.http import body_of, json_of, refusal
from bobr.controller.parts import Parts
from bobr.errors import NotFoundError
from bobr.runtime.control import Order, PartName, Word
from bobr.runtime.secret import is_authorized


class Watch:
    """The handler. Lives in the controller's event loop."""

    def __init__(self, parts: Parts, secret: str) -> None:
        """`secret`: that the supervisor gave to all parts."""
        self._parts = parts
        self._secret = secret

    async def answer(self, request: Request) -> Response:
        """403 to who is no part of this system, 404 and 422 to what no part says, else an `Order`."""
        if not is_authorized(request.headers.get("authorization", ""), self._secret):
            return refusal(403, "only parts that this system's supervisor started are heard here")
        part = _part(request.path_params["part"])
        word = Word.model_validate_json(await body_of(request))
        order = await self._heard(part, word, request)
        return Response(status_code=499) if order is None else json_of(order)

    async def _heard(self, part: PartName, word: Word, request: Request) -> Order | None:
        """What it is told; None: its process died while it waited, and nobody waits for it any more."""
        hearing = asyncio.ensure_future(self._parts.hear(part, word))
        gone = asyncio.ensure_future(_disconnected(request))
        try:
            await asyncio.wait((hearing, gone), return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                return hearing.result()
            await self._parts.forget(word)
            return None
        finally:
            await _ended(hearing, gone)


def _part(name: str) -> PartName:
    try:
        return PartName(name)
    except ValueError:
        raise NotFoundError(f"there is no part {name!r}: {', '.join(PartName)}") from None


async def _disconnected(request: Request) -> None:
    """Returns when the client has closed the connection; the body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _ended(*tasks: "asyncio.Future[Order] | asyncio.Future[None]") -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
