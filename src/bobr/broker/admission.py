"""Admission: how much work may wait in the broker, over both edges."""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bobr.broker.limits import KIB, Limits
from bobr.errors import OverloadedError

MEAN_OF = 64
"""About so many of the last calls make the mean size."""


class Admission:
    """Counts calls and bytes between their arrival and their answer. Thread-safe."""

    def __init__(self, limits: Limits) -> None:
        """Nothing is pending."""
        self._limits = limits
        self._lock = threading.Lock()
        self._calls = 0
        self._nbytes = 0
        self._mean = float(64 * KIB)
        self._waiting: deque[Callable[[], object]] = deque()

    @property
    def pending(self) -> tuple[int, int]:
        """Calls and bytes that wait."""
        return self._calls, self._nbytes

    @property
    def is_full(self) -> bool:
        """Whether the next call would be refused, whatever it carries."""
        return self._full(self._calls, 1)

    @property
    def typical_bytes(self) -> int:
        """Mean size of the last calls: what one that is yet to be read will take, as far as we can know."""
        return int(self._mean)

    def enter(self, nbytes: int) -> None:
        """Take a call in, or raise OverloadedError and take nothing. A single call always fits an idle broker."""
        with self._lock:
            if self._full(self._calls, nbytes):
                raise self._refusal()
            self._calls += 1
            self._nbytes += nbytes
            self._mean += (nbytes - self._mean) / MEAN_OF

    def _full(self, others: int, nbytes: int) -> bool:
        """`others`: calls beside the one whose bytes these are."""
        limits = self._limits
        over = (
            self._nbytes + nbytes > limits.pending_bytes_max or others >= limits.pending_calls_max
        )
        return over and others > 0

    def _refusal(self) -> OverloadedError:
        return OverloadedError(
            f"the broker holds {self._nbytes:,} bytes in {self._calls:,} unanswered calls and takes no more: "
            "send again after the given time, or use PublishStream, which is slowed down instead"
        )

    def leave(self, calls: int, nbytes: int) -> None:
        """Calls were answered; wakes as many of those that wait for room as it is likely to be enough for."""
        with self._lock:
            self._calls -= calls
            self._nbytes -= nbytes
            assert self._calls >= 0 <= self._nbytes
            count = max(calls, int(nbytes / max(1.0, self._mean))) if self._calls else None
            woken = [self._waiting.popleft() for _ in range(len(self._waiting))[:count]]
        for wake in woken:
            wake()

    def when_room(self, wake: Callable[[], object]) -> None:
        """Call `wake` once, from any thread, when calls were answered; at once if nothing is pending."""
        with self._lock:
            if self._calls:
                self._waiting.append(wake)
                return
        wake()

    def reserve(self) -> "Reservation":
        """Room for a call that is being received; nothing yet. To be used with `with`."""
        return Reservation(self)

    def grow(self, more_bytes: int, *, first: bool) -> None:
        """For `Reservation`."""
        with self._lock:
            if self._full(self._calls - (not first), more_bytes):
                raise self._refusal()
            self._calls += first
            self._nbytes += more_bytes


class Reservation:
    """What a call takes while it is being received, before its whole is taken in by `enter`. One owner."""

    def __init__(self, admission: Admission) -> None:
        """Holds nothing."""
        self._admission = admission
        self._nbytes = 0
        self._counted = False

    def grow(self, nbytes: int) -> None:
        """Hold so many bytes more, or raise OverloadedError."""
        self._admission.grow(nbytes, first=not self._counted)
        self._counted = True
        self._nbytes += nbytes

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
            self._admission.leave(1, self._nbytes)
