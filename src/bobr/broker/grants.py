"""Whether who calls the broker may publish, and how much: asked once a call, not once an event.

    one call:   grant ─► admit ─► the message ─► enter ─► permit, of the stream that it names
    who waits:  grant ─► room  ─► the message ─► took  ─► permit                           ─► room …

Of a gRPC message it is known where it goes only when it is read (a stream that stands first in it may stand in it
again, and then that counts), so `permit` is asked by the publishing core, of every call.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from google.protobuf.message import DecodeError

from bobr.broker.calls import JsonEvents
from bobr.broker.rates import Rates
from bobr.catalog import Catalog
from bobr.catalog.access import Right
from bobr.clock import Clock
from bobr.errors import OverloadedError
from bobr.ids import PrincipalName, StreamName
from bobr.runtime.access import Access, Caller, Principals
from bobr.runtime.refusals import Refusals
from bobr.v1 import broker_pb2 as wire

LOOK_SECONDS = 0.5
"""Who waits for room under its limit looks so often whether its key is still good."""


class Grants:
    """For both edges. Thread-safe; one thread applies catalogs."""

    def __init__(self, clock: Clock) -> None:
        """Nobody is declared."""
        self._principals: Principals = {}
        self._changed: list[Callable[[], object]] = []
        self.access = Access(lambda: self._principals, Refusals(clock))
        self.rates = Rates(clock)

    def apply(self, catalog: Catalog) -> None:
        """Hear exactly these principals from now on."""
        if catalog.principals == self._principals:
            return
        self._principals = catalog.principals
        self.rates.apply(catalog.principals)
        for tell in self._changed:
            tell()

    def when_changed(self, tell: Callable[[], object]) -> None:
        """Call `tell`, in the thread of `apply`, whenever keys or rights have changed."""
        self._changed.append(tell)

    def grant(self, authorization: str | None, call: str, address: str) -> "Grant":
        """For one call. UnauthenticatedError: nobody knows who that is."""
        return Grant(self, self.access.caller(authorization, call, address))


class Grant:
    """What one caller may do. One owner, but for `permit`, which may be asked in any thread."""

    def __init__(self, grants: Grants, caller: Caller) -> None:
        """`caller`: known."""
        self._access = grants.access
        self._rates = grants.rates
        self._caller = caller

    @property
    def _name(self) -> PrincipalName | None:
        return None if self._caller.principal is None else self._caller.principal.name

    def check(self, stream: StreamName | None = None) -> None:
        """As things stand now. UnauthenticatedError; ForbiddenError: it may not publish to the stream."""
        self._caller = self._access.renewed(self._caller)
        if stream is not None:
            self._access.demand(self._caller, Right.PUBLISH, (stream,))

    def permit(self, stream: StreamName) -> None:
        """As things stand now, since a call may have been long in coming. ForbiddenError: it may not publish there.

        UnauthenticatedError: its key was revoked.
        """
        self._access.demand(self._access.renewed(self._caller), Right.PUBLISH, (stream,))

    def admit(self) -> None:
        """OverloadedError: it has had what it may have, and comes again later. Asked before a call is received."""
        self._check_owed(self._owed_seconds())

    def enter(self, events: int, nbytes: int) -> None:
        """The call is here, and has so much. OverloadedError: others of its sender's were faster."""
        if (name := self._name) is not None:
            self._check_owed(self._rates.enter(name, events=events, nbytes=nbytes))

    def _check_owed(self, seconds: float) -> None:
        if seconds > 0:
            self._access.note(self._caller, "above its limit")
            words = f"{self._caller.name!r} has sent what it may in this time: send again after the given time"
            raise OverloadedError(words, retry_after_seconds=seconds)

    async def room(self) -> None:
        """Wait for what `admit` refuses: for who sends many. UnauthenticatedError: its key was revoked meanwhile."""
        while (seconds := self._owed_seconds()) > 0:
            await asyncio.sleep(min(seconds, LOOK_SECONDS))
            self.check()

    def took(self, events: int, nbytes: int) -> None:
        """So much has come of who has waited for room."""
        if (name := self._name) is not None:
            self._rates.take(name, events=events, nbytes=nbytes)

    def events_in(self, request: bytes) -> int:
        """Of a PublishRequest, if it matters: reading it takes a hundredth of what is done with it."""
        principal = self._caller.principal
        if principal is None or principal.events_per_second is None:
            return 0
        try:
            return len(wire.PublishRequest.FromString(request).events)
        except DecodeError:  # it is refused where it is read to be stored
            return 0

    def _owed_seconds(self) -> float:
        name = self._name
        return 0.0 if name is None else self._rates.owed_seconds(name)

    async def paced(
        self, stream: StreamName, pieces: AsyncIterator[JsonEvents]
    ) -> AsyncIterator[JsonEvents]:
        """The pieces of a long body, no faster than they may come, and as long as they may."""
        while True:
            await self.room()
            piece = await anext(pieces, None)
            if piece is None:
                return
            self.check(stream)
            self.took(len(piece.documents) + len(piece.refused), piece.read_bytes)
            yield piece
