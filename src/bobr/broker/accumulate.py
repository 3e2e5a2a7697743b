"""Calls gathered for a moment, then checked together: what makes single events as cheap as large calls."""

import asyncio
import contextlib
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import partial

from bobr.broker.admission import Admission, Reservation
from bobr.broker.calls import Answer, Call, JsonEvents, Permit, RawEvents, free
from bobr.broker.limits import Limits
from bobr.broker.meter import Meter
from bobr.errors import BobrError
from bobr.ids import StreamName

Publish = Callable[[Sequence[Call]], None]

DOCUMENT_OVERHEAD = 48
"""What a JSON document takes beside its own bytes."""


class Accumulator:
    """Belongs to one event loop. `submit` and `close` are called there; rounds run in a thread of its own.

    A call waits `linger_seconds` for company. Those that come while a round is under way wait until it is durable, or
    until they are many: the busier the broker and the slower the disk, the larger the rounds and the cheaper each call.
    """

    def __init__(self, name: str, limits: Limits, admission: Admission) -> None:
        """Starts nothing; `start` does, in the loop it shall belong to."""
        self.meter = Meter(name)
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

    def submit(
        self,
        events: RawEvents | JsonEvents,
        nbytes: int,
        *,
        ask: bool = True,
        sender: Hashable = None,
        permit: Permit = free,
    ) -> "asyncio.Future[Answer]":
        """Take a call. The future holds the answer, or the error of the whole.

        OverloadedError, at once: no room. `ask` False, for streams: it is in memory already and taken in any case; read
        the next one when there is `room`. `sender`, `permit`: see `Call`.
        """
        if isinstance(events, JsonEvents):
            nbytes += DOCUMENT_OVERHEAD * len(events.documents)
        take_in = self._admission.enter if ask else self._admission.take
        take_in(events.stream, nbytes)
        future = self._loop.create_future()
        call = Call(
            events=events,
            nbytes=nbytes,
            future=future,
            at=time.monotonic(),
            permit=permit,
            sender=sender,
        )
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

    def is_full(self, stream: StreamName) -> bool:
        """Whether who can wait should, before more is sent to this stream."""
        return self._admission.is_full(stream)

    async def room(self, stream: StreamName) -> None:
        """Wait until the next call to this stream would be taken in: who sends many is slowed down, not refused."""
        while self._admission.is_full(stream):
            event = asyncio.Event()
            wake = partial(self._wake, event)
            self._admission.when_room(stream, wake)
            try:
                await event.wait()
            finally:
                self._admission.forget(stream, wake)

    def _wake(self, event: asyncio.Event) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who waits
            self._loop.call_soon_threadsafe(event.set)

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
            self.meter.round()
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
        sizes: defaultdict[StreamName, list[int]] = defaultdict(list)
        for call in calls:
            sizes[call.events.stream].append(call.nbytes)
        for stream, nbytes in sizes.items():
            self._admission.leave(stream, len(nbytes), sum(nbytes))
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it those who wait
            self._loop.call_soon_threadsafe(self._settled, calls)

    def set_aside(self, calls: Sequence[Call]) -> None:
        """Let rounds go on without these, which take their time. Called from any thread, before they are settled."""
        for call in calls:
            call.is_set_aside = True
        with contextlib.suppress(RuntimeError):  # as in `settle`
            self._loop.call_soon_threadsafe(self._no_longer_under_way, len(calls))

    def _settled(self, calls: Sequence[Call]) -> None:
        _resolve(calls)
        self.meter.settled(calls, time.monotonic())
        self._no_longer_under_way(sum(not call.is_set_aside for call in calls))

    def _no_longer_under_way(self, calls: int) -> None:
        self._under_way -= calls
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
