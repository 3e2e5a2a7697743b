"""Reading and judging what is asked for, in threads of their own: status, pause and revocation never wait for it.

It takes from microseconds to minutes, as who asks likes it: thousands of schemas to compile, a million values in files.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool

from bobr.catalog import Catalog
from bobr.catalog.config.bundle import Bundle
from bobr.controller.parts import Parts
from bobr.controller.seats import Seats
from bobr.controller.turns import Turn, Turns
from bobr.errors import ConflictError, RejectedError, UnavailableError

THREADS_MAX = 2
"""They keep the interpreter's lock most of the time: more would not be faster."""
WAITING_MAX = 64
"""As many as gRPC has calls; each has a request of at most 16 MiB."""
WAITING_EACH_MAX = 16
"""Of them, of one principal with all its keys."""
INLINE_BYTES_MAX = 4 * 1024
"""Of a request that is read where it came: to say all that is wrong in it takes 60 ms at worst."""
FILES_MAX = 10_000
"""As many as `bobr apply` takes from a folder; likewise of schemas, and of their texts."""
SOURCES_BYTES_MAX = 32 * 1024 * 1024
"""Of the files of all schemas: one text may be sent once, and be a file by several names."""
ATTEMPTS = 3
"""To judge something of what is still in force afterwards."""
AT_ONCE_SECONDS = 0.5
"""What took no longer to judge may be judged while others wait for that."""
BUSY = "others have changed the catalog each time while this was judged. Nothing was changed: call again"
ENDING = "the controller ends: call again when it runs"

T = TypeVar("T")


class Judging:
    """Lives in the controller's event loop."""

    def __init__(self) -> None:
        """Nothing is asked for yet."""
        self._threads = CapacityLimiter(THREADS_MAX)
        self._again = CapacityLimiter(1)
        self._seats = Seats(
            WAITING_MAX, WAITING_EACH_MAX, "calls that are judged or wait for it", "call again"
        )

    async def judge(self, judge: Callable[[], T], name: str | None) -> T:
        """In its turn. name: of the caller. OverloadedError: too many wait."""
        with self.seat(name):
            return await self.first(judge)

    def seat(self, name: str | None) -> AbstractContextManager[None]:
        """For who asks, to the end of the call. OverloadedError as above."""
        return self._seats.one(name)

    async def first(self, judge: Callable[[], T]) -> T:
        """Behind all who came before."""
        return await to_thread.run_sync(judge, limiter=self._threads)

    async def again(self, judge: Callable[[], T]) -> T:
        """What others wait for, of which there is one at a time."""
        return await to_thread.run_sync(judge, limiter=self._again)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged(Generic[T]):
    """seconds: that it took, without the wait for a thread."""

    catalog: Catalog
    value: T
    seconds: float


def _judged(judge: Callable[[Catalog], T], catalog: Catalog) -> _Judged[T]:
    begun = time.monotonic()
    value = judge(catalog)
    return _Judged(catalog=catalog, value=value, seconds=time.monotonic() - begun)


class JudgedTurns:
    """Changes, one after the other, each with what was judged of what is in force then. Lives as above."""

    def __init__(self, parts: Parts, judging: Judging) -> None:
        """`parts`: know what is in force."""
        self._parts = parts
        self._judging = judging
        self.turns = Turns()

    @asynccontextmanager
    async def short(
        self, judge: Callable[[Catalog], T], _principal: str | None, turn: Turn | None = None
    ) -> AsyncIterator[T]:
        """A turn for what is judged in it. judge: may block for a moment, and raise. turn: of `turns`."""
        async with self._taken(turn or self.turns.others):
            yield await run_in_threadpool(judge, self._parts.catalog)

    @asynccontextmanager
    async def long(self, judge: Callable[[Catalog], T], principal: str | None) -> AsyncIterator[T]:
        """A turn for what is judged before, so that keys and pauses never wait for that.

        judge: may block for long, and raise; what it does is done again if something else was changed meanwhile. Then
        all others wait that are no more urgent: it has no queue before it. OverloadedError: too many wait already.
        ConflictError: each time something changed meanwhile, by keys, pauses or another controller.
        """
        with self._judging.seat(principal):
            found = await self._judging.first(partial(_judged, judge, self._parts.catalog))
            async with self._taken(self.turns.first):
                for attempt in range(ATTEMPTS):
                    if attempt:
                        again = partial(_judged, judge, self._parts.catalog)
                        found = await self._judging.again(again)
                    async with self._taken(self.turns.pauses):
                        if (kept := await self._still(judge, found)) is not None:
                            yield kept.value
                            return
        raise ConflictError(BUSY)

    async def _still(
        self, judge: Callable[[Catalog], T], found: "_Judged[T]"
    ) -> "_Judged[T] | None":
        """What is judged of what is in force now; None: it would take long."""
        catalog = self._parts.catalog
        if found.catalog is catalog:
            return found
        if found.seconds > AT_ONCE_SECONDS:
            return None
        return await run_in_threadpool(_judged, judge, catalog)

    @asynccontextmanager
    async def _taken(self, turn: Turn) -> AsyncIterator[None]:
        """UnavailableError: the controller ends, and begins nothing."""
        async with turn:
            if self._parts.is_ending:
                raise UnavailableError(ENDING)
            yield


class Reading:
    """Of requests. Lives in the controller's event loop."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self._threads = CapacityLimiter(THREADS_MAX)

    async def read(self, read: Callable[[], T], nbytes: int) -> T:
        """In its turn, if it is large. Who receives requests bounds how many there are."""
        if nbytes <= INLINE_BYTES_MAX:
            return read()
        return await to_thread.run_sync(read, limiter=self._threads)


def check_size(bundle: Bundle) -> None:
    """RejectedError: there is more of it than is judged."""
    for what in ("files", "protos", "texts"):
        if (count := len(getattr(bundle, what))) > FILES_MAX:
            raise RejectedError(f"there are {count:,} `{what}`; {FILES_MAX:,} are allowed")
    files = {each for proto in bundle.protos.values() for each in proto.files.items()}
    nbytes = sum(len(bundle.texts.get(path, "")) for _, path in files)
    if nbytes > SOURCES_BYTES_MAX:
        raise RejectedError(
            f"the files of `protos` have {nbytes:,} characters together; {SOURCES_BYTES_MAX:,} are allowed"
        )
