"""Who calls the controller: every call is refused whose key is unknown, and nothing is changed by default.

What a call needs beyond a key is asked where it is known: the stream in its handler, the touched objects in `Changes`,
the subject in the registry. A path that nobody thought of needs all rights, unless it only reads.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bobr.catalog import Catalog
from bobr.catalog.access import EVERYTHING, Right, claimed, forbidden, touched
from bobr.catalog.config import Fault
from bobr.errors import BobrError, ForbiddenError, UnauthenticatedError
from bobr.runtime.access import Access, Caller

OPEN = frozenset({("GET", "/healthz"), ("HEAD", "/healthz")})
READS = ("GET", "HEAD")
JUDGED = re.compile(
    r"/v1/(validate|plan|apply|rollback|deliver|flush)"
    r"|/v1/(streams|routes|deliveries|destinations|principals)/.+"
    r"|/(subjects|compatibility|config|mode)(/.+)?"
)
"""Their handlers judge what they change, or they change nothing."""
_SUBJECT = re.compile(r"([^/]+)-value(/.+)?")
_CALLER = "bobr.caller"


class Guarded:
    """An application that only hears whose key is known. Lives in the controller's event loop."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        """`access`: judges."""
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        assert scope["type"] == "http", scope["type"]
        method, path = scope["method"], scope["path"]
        if (method, path) not in OPEN:
            try:
                scope[_CALLER] = caller = self._caller(Request(scope))
                judge(self._access, caller, method, path)
            except BobrError as error:
                await denial(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _caller(self, request: Request) -> Caller:
        call = f"{request.method} {request.url.path}"
        return self._access.caller(request.headers.get("authorization"), call, _address_of(request))


def judge(access: Access, caller: Caller, method: str, path: str) -> None:
    """ForbiddenError: the path is one that nobody thought of, and the caller has not all rights."""
    if method not in READS and not JUDGED.fullmatch(path):
        access.demand(caller, Right.CONFIGURE, (EVERYTHING,))


def _address_of(request: Request) -> str:
    """Where it comes from, as the connection says."""
    return request.client.host if request.client else "unknown"


def caller_of(request: Request) -> Caller:
    """Who sent it: the guard found out."""
    found: Caller = request.scope[_CALLER]
    return found


def denial(error: BobrError) -> Response:
    """The answer to whom nobody knows, or who may not: for our clients, and for those of registries."""
    if isinstance(error, UnauthenticatedError):
        status, headers = HTTPStatus.UNAUTHORIZED, {"www-authenticate": "Bearer"}
    else:
        assert isinstance(error, ForbiddenError), repr(error)
        status, headers = HTTPStatus.FORBIDDEN, {}
    body = {"error": {"message": str(error)}, "error_code": status * 100 + 1, "message": str(error)}
    return JSONResponse(body, status, headers)


class Permit:
    """Whether who asks may make a change: asked once it is known what it touches."""

    def __init__(self, access: Access, caller: Caller) -> None:
        """`caller`: who asks."""
        self._access = access
        self.caller = caller

    def __call__(self, before: Catalog, after: Catalog) -> None:
        """ForbiddenError: it touches or claims what is not the caller's. UnauthenticatedError: its key was revoked."""
        refused: list[str] = []
        try:
            self.configure(*touched(before, after))
        except ForbiddenError as error:
            refused.append(str(error))
        try:
            self._access.demand_tables(self._access.renewed(self.caller), claimed(before, after))
        except ForbiddenError as error:
            refused.append(str(error))
        if refused:
            raise ForbiddenError("; ".join(refused))

    def refusals(self, before: Catalog, after: Catalog) -> Sequence[Fault]:
        """Why it would be refused, at each object, where nothing is changed but everything is to be told. It is logged.

        UnauthenticatedError: as above.
        """
        caller = self._access.renewed(self.caller)
        if caller.principal is None:
            return ()
        found = tuple(forbidden(caller.principal, before, after))
        if found:
            self._access.note(caller, "may not configure")
        return found

    def configure(self, *streams: str) -> None:
        """Likewise, where the streams are known, and no table is claimed."""
        caller = self._access.renewed(self.caller)
        self._access.demand(caller, Right.CONFIGURE, streams)


def stream_of(subject: str) -> str:
    """The stream whose schema is kept there, or what it imports; of other subjects: everything."""
    found = _SUBJECT.fullmatch(subject)
    return found[1] if found else EVERYTHING
