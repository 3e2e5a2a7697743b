"""Admission: how much work may wait in the broker, over both edges, and how much of it may be one stream's."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bobr.broker.limits import KIB, Limits
from bobr.errors import OverloadedError
from bobr.ids import StreamName

MEAN_OF = 64
"""About so many of the last calls make the mean size."""


@dataclass(slots=True)
class _Pending:
    """Calls and bytes that wait, or would."""

    calls: int = 0
    nbytes: int = 0

    def fits(self, more: "_Pending", room: "_Pending") -> bool:
        return self.calls + more.calls <= room.calls and self.nbytes + more.nbytes <= room.nbytes


class Admission:
    """Counts calls and bytes between their arrival and their answer. Thread-safe.

    A stream may take as much as it leaves free: one alone gets half of the room, of two busy ones each a third, and so
    on. So there is room for the others, however slow one stream's events are to check and however many come. Who can
    wait (`is_full`) leaves a quarter of the room to those who are refused (`enter`).
    """

    def __init__(self, limits: Limits) -> None:
        """Nothing is pending."""
        self._room = _Pending(limits.pending_calls_max, limits.pending_bytes_max)
        self._spare = _Pending(1 + self._room.calls // 4, 1 + self._room.nbytes // 4)
        self._lock = threading.Lock()
        self._all = _Pending()
        self._of: defaultdict[StreamName, _Pending] = defaultdict(_Pending)
        self._mean = float(64 * KIB)
        self._waiting: defaultdict[StreamName, deque[Callable[[], object]]] = defaultdict(deque)

    @property
    def pending(self) -> tuple[int, int]:
        """Calls and bytes that wait."""
        return self._all.calls, self._all.nbytes

    def is_full(self, stream: StreamName) -> bool:
        """Whether those who can wait should wait before they read their next call to the stream."""
        with self._lock:
            return self._is_full(stream)

    def _is_full(self, stream: StreamName) -> bool:
        return self._over(self._spare, self._all.calls) or self._over_share(stream, self._spare)

    @property
    def typical_bytes(self) -> int:
        """Mean size of the last calls: what one that is yet to be read will take, as far as we can know."""
        return int(self._mean)

    def enter(self, stream: StreamName, nbytes: int) -> None:
        """Take a call in, or raise OverloadedError and take nothing. A single call always fits an idle broker."""
        with self._lock:
            more = _Pending(1, nbytes)
            if self._over(more, self._all.calls):
                raise self._refusal()
            if self._over_share(stream, more):
                raise self._refusal_of_share(stream)
            self._take(stream, nbytes)

    def take(self, stream: StreamName, nbytes: int) -> None:
        """Take a call in that is in memory already, whatever there is: who reads on asks `is_full` before."""
        with self._lock:
            self._take(stream, nbytes)

    def _take(self, stream: StreamName, nbytes: int) -> None:
        for pending in (self._all, self._of[stream]):
            pending.calls += 1
            pending.nbytes += nbytes
        self._mean += (nbytes - self._mean) / MEAN_OF

    def _over(self, more: _Pending, others: int) -> bool:
        """`others`: calls beside the one that has this."""
        return others > 0 and not self._all.fits(more, self._room)

    def _over_share(self, stream: StreamName, more: _Pending) -> bool:
        mine = self._of.get(stream)
        free = _Pending(self._room.calls - self._all.calls, self._room.nbytes - self._all.nbytes)
        return mine is not None and not mine.fits(more, free)

    def _refusal(self) -> OverloadedError:
        return OverloadedError(
            f"the broker holds {_said(self._all)} and takes no more: "
            "send again after the given time, or use PublishStream, which is slowed down instead"
        )

    def _refusal_of_share(self, stream: StreamName) -> OverloadedError:
        return OverloadedError(
            f"the broker holds {_said(self._of[stream])} of stream {stream!r}, and keeps the other room for others: "
            "send again after the given time, or use PublishStream, which is slowed down instead"
        )

    def leave(self, stream: StreamName, calls: int, nbytes: int) -> None:
        """Calls were answered; wakes as many of those that wait for room as it is likely to be enough for."""
        with self._lock:
            self._give(self._of[stream], calls, nbytes)
            if not self._of[stream].calls:
                del self._of[stream]
            woken = self._left(calls, nbytes)
        for wake in woken:
            wake()

    def _left(self, calls: int, nbytes: int) -> list[Callable[[], object]]:
        """Of each stream as many: who finds its own stream full waits again, and keeps no other from its turn."""
        self._give(self._all, calls, nbytes)
        count = max(1, calls, int(nbytes / max(1.0, self._mean))) if self._of else None
        woken = []
        for stream, waiting in list(self._waiting.items()):
            woken += [waiting.popleft() for _ in range(len(waiting))[:count]]
            if not waiting:
                del self._waiting[stream]
        return woken

    def _give(self, pending: _Pending, calls: int, nbytes: int) -> None:
        pending.calls -= calls
        pending.nbytes -= nbytes
        assert pending.calls >= 0 <= pending.nbytes

    def when_room(self, stream: StreamName, wake: Callable[[], object]) -> None:
        """Call `wake` once, from any thread, when calls were answered; at once if the stream has room."""
        with self._lock:
            if self._is_full(stream):
                self._waiting[stream].append(wake)
                return
        wake()

    def forget(self, stream: StreamName, wake: Callable[[], object]) -> None:
        """Who waited does so no more: the wake is another's."""
        with self._lock:
            waiting = self._waiting.get(stream)
            if waiting and wake in waiting:
                waiting.remove(wake)

    def reserve(self) -> "Reservation":
        """Room for a call that is being received; nothing yet. To be used with `with`."""
        return Reservation(self)

    def grow(self, more_bytes: int, *, first: bool, ask: bool = True) -> None:
        """For `Reservation`. `ask`: raise OverloadedError when there is no room; a single call may be of any size."""
        with self._lock:
            if ask and self._over(_Pending(first, more_bytes), self._all.calls - (not first)):
                raise self._refusal()
            self._all.calls += first
            self._all.nbytes += more_bytes

    def shrink(self, calls: int, nbytes: int) -> None:
        """For `Reservation`."""
        with self._lock:
            woken = self._left(calls, nbytes)
        for wake in woken:
            wake()


class Reservation:
    """What a call takes while it is being received, before its whole is taken in. One owner.

    It counts for no stream's share: of which stream a call is shows when it is here.
    """

    def __init__(self, admission: Admission) -> None:
        """Holds nothing."""
        self._admission = admission
        self._nbytes = 0
        self._counted = False

    def grow(self, nbytes: int, *, ask: bool = True) -> None:
        """Hold so many bytes more; OverloadedError when there is no room. `ask` False: they are in memory already."""
        self._admission.grow(nbytes, first=not self._counted, ask=ask)
        self._counted = True
        self._nbytes += nbytes

    def keep(self, nbytes: int) -> None:
        """Hold so many bytes and no more; nothing is changed when it holds less."""
        if nbytes < self._nbytes:
            self._admission.shrink(int(not nbytes), self._nbytes - nbytes)
            self._nbytes, self._counted = nbytes, bool(nbytes)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hold nothing any more."""
        if self._counted:
            self._admission.shrink(1, self._nbytes)
            self._counted, self._nbytes = False, 0


def _said(pending: _Pending) -> str:
    return f"{pending.nbytes:,} bytes in {pending.calls:,} unanswered calls"
