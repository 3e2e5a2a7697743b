"""Calls gathered for a moment, then checked together: what makes single events as cheap as large calls."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence

from bobr.broker.admission import Admission, Reservation
from bobr.broker.calls import Answer, Call, JsonEvents, RawEvents
from bobr.broker.limits import Limits
from bobr.errors import BobrError

Publish = Callable[[Sequence[Call]], None]


class Accumulator:
    """Belongs to one event loop. `submit` and `close` are called there; rounds run in a thread of its own.

    A call waits `linger_seconds` for company. Those that come while a round is under way wait until it is durable, or
    until they are many: the busier the broker and the slower the disk, the larger the rounds and the cheaper each call.
    """

    def __init__(self, name: str, limits: Limits, admission: Admission) -> None:
        """Starts nothing; `start` does, in the loop it shall belong to."""
        self._limits = limits
        self._admission = admission
        self._thread = threading.Thread(target=self._run, name=f"{name}-check", daemon=True)
        self._rounds: queue.SimpleQueue[list[Call] | None] = queue.SimpleQueue()
        self._gathered: list[Call] = []
        self._gathered_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._under_way = 0
        self._loop: asyncio.AbstractEventLoop
        self._publish: Publish

    def start(self, publish: Publish) -> None:
        """`publish` checks and appends a round, and sees to it that each call of it is settled."""
        self._loop = asyncio.get_running_loop()
        self._publish = publish
        self._thread.start()

    def submit(self, events: RawEvents | JsonEvents, nbytes: int) -> "asyncio.Future[Answer]":
        """Take a call. OverloadedError, at once: no room. The future holds the answer, or the error of the whole."""
        self._admission.enter(nbytes)
        call = Call(events=events, nbytes=nbytes, future=self._loop.create_future())
        self._gathered.append(call)
        self._gathered_bytes += nbytes
        if self._gathered_bytes >= self._limits.piece_bytes:
            self._hand_over()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._limits.linger_seconds, self._lingered)
        return call.future

    def reserve(self) -> Reservation:
        """Room for a call that is being received."""
        return self._admission.reserve()

    @property
    def typical_bytes(self) -> int:
        """What a call takes as a rule."""
        return self._admission.typical_bytes

    async def until_not_full(self) -> None:
        """For streams: what can not be taken in is not read either."""
        while self._admission.is_full:
            await self.room()

    async def room(self) -> None:
        """Wait until some call was answered; for streams, which are slowed down instead of refused."""
        event = asyncio.Event()
        loop = self._loop
        self._admission.when_room(lambda: loop.call_soon_threadsafe(event.set))
        await event.wait()

    def _lingered(self) -> None:
        if not self._under_way:
            self._hand_over()  # else the round under way does it when it is settled

    def _hand_over(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gathered:
            self._under_way += len(self._gathered)
            self._rounds.put(self._gathered)
            self._gathered, self._gathered_bytes = [], 0

    def _run(self) -> None:
        while (calls := self._rounds.get()) is not None:
            last = self._gather_more(calls)
            self._publish(calls)
            if last:
                return

    def _gather_more(self, calls: list[Call]) -> bool:
        """Add the rounds that wait already, up to a round's bounds; True: the end was among them."""
        nbytes = sum(call.nbytes for call in calls)
        while nbytes < self._limits.round_bytes_max and len(calls) < self._limits.round_calls_max:
            try:
                more = self._rounds.get_nowait()
            except queue.Empty:
                return False
            if more is None:
                return True
            calls.extend(more)
            nbytes += sum(call.nbytes for call in more)
        return False

    def settle(self, calls: Sequence[Call]) -> None:
        """Give calls their outcome, in the loop. Called from any thread."""
        self._admission.leave(len(calls), sum(call.nbytes for call in calls))
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it those who wait
            self._loop.call_soon_threadsafe(self._settled, calls)

    def _settled(self, calls: Sequence[Call]) -> None:
        _resolve(calls)
        self._under_way -= len(calls)
        if not self._under_way:
            self._hand_over()

    async def close(self) -> None:
        """Publish what was gathered and wait for the thread; its last answers come when the log has them."""
        self._hand_over()
        self._rounds.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)


def _resolve(calls: Sequence[Call]) -> None:
    for call in calls:
        if call.future.done():  # the client went away
            continue
        if isinstance(call.outcome, BobrError):
            call.future.set_exception(call.outcome)
        else:
            assert call.outcome is not None
            call.future.set_result(call.outcome)
