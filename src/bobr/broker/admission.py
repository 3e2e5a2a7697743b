"""Admission: how much work may wait in the broker, over both edges."""

import threading
from collections.abc import Callable

from bobr.broker.limits import Limits
from bobr.errors import OverloadedError


class Admission:
    """Counts calls and bytes between their arrival and their answer. Thread-safe."""

    def __init__(self, limits: Limits) -> None:
        """Nothing is pending."""
        self._limits = limits
        self._lock = threading.Lock()
        self._calls = 0
        self._nbytes = 0
        self._waiting: list[Callable[[], object]] = []

    @property
    def pending(self) -> tuple[int, int]:
        """Calls and bytes that wait."""
        return self._calls, self._nbytes

    def enter(self, nbytes: int) -> None:
        """Take a call in, or raise OverloadedError and take nothing. A single call always fits an idle broker."""
        with self._lock:
            if self._full(nbytes):
                message = (
                    f"the broker holds {self._nbytes:,} bytes in {self._calls:,} unanswered calls and takes no more: "
                    "send again after the given time, or use PublishStream, which is slowed down instead"
                )
                raise OverloadedError(message)
            self._calls += 1
            self._nbytes += nbytes

    def _full(self, nbytes: int) -> bool:
        limits = self._limits
        over = (
            self._nbytes + nbytes > limits.pending_bytes_max
            or self._calls >= limits.pending_calls_max
        )
        return over and self._calls > 0

    def leave(self, calls: int, nbytes: int) -> None:
        """Calls were answered; wakes those that wait for room."""
        with self._lock:
            self._calls -= calls
            self._nbytes -= nbytes
            assert self._calls >= 0 <= self._nbytes
            woken, self._waiting = self._waiting, []
        for wake in woken:
            wake()

    def when_room(self, wake: Callable[[], object]) -> None:
        """Call `wake` once, from any thread, when a call was answered; at once if nothing is pending."""
        with self._lock:
            if self._calls:
                self._waiting.append(wake)
                return
        wake()
