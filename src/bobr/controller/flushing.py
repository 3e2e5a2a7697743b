"""Flush: wait until everything that the log holds now is in the tables."""

import asyncio
from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool

from bobr.clock import Clock
from bobr.controller.judging import ENDING
from bobr.controller.parts import Parts
from bobr.controller.status import (
    NOT_BEGUN,
    DeliveryReports,
    delivery_reports,
    is_of_another_log,
    lag,
    untold_by,
)
from bobr.errors import UnavailableError
from bobr.ids import DeliveryName, Partition
from bobr.log import LogAdmin, PartitionState
from bobr.runtime.words import PartName

SECONDS_MAX = 3600.0
PAUSE_SECONDS = 0.1
"""Between orders: a transmitter answers at once when a delivery is broken."""

Ends = Mapping[Partition, PartitionState]
Targets = Mapping[DeliveryName, Ends | None]
"""None: no end that the delivery could reach, since its table has positions in another log."""
Behind = Mapping[str, Mapping[str, object]]


class Flusher:
    """Orders flushes from the transmitters. Lives in the controller's event loop."""

    def __init__(self, parts: Parts, admin: LogAdmin, clock: Clock) -> None:
        """`admin`: of the log."""
        self._parts = parts
        self._admin = admin
        self._clock = clock

    async def flush(self, timeout_seconds: float) -> Behind:
        """What is behind when the time is up, by delivery: nothing, if all is in the tables.

        `events` is None where it is not known how far a table is.
        """
        give_up = self._clock.monotonic() + min(timeout_seconds, SECONDS_MAX)
        targets = await run_in_threadpool(self._ends)
        is_looked_at = not targets
        while (not is_looked_at or self._behind(self._awaited(targets))) and (
            left := give_up - self._clock.monotonic()
        ) > 0:
            await self._order(targets, left)
            is_looked_at = True
        told = delivery_reports(self._parts.living())
        return self._behind(await run_in_threadpool(self._attainable, targets, told))

    async def _order(self, targets: Targets, timeout_seconds: float) -> None:
        """One order: tables are brought there, and those that are there are looked at, since others may roll them back.

        A transmitter carries it out for a bounded time only, so there may be a next. UnavailableError: the controller
        ends, so nobody tells whether it was.
        """
        if self._parts.is_ending:
            raise UnavailableError(ENDING)
        order = await self._parts.order_flush()
        await self._parts.wait_until(lambda: self._carried_out(order, targets), timeout_seconds)
        if self._behind(self._awaited(targets)):
            await asyncio.sleep(PAUSE_SECONDS)

    def _ends(self) -> Mapping[DeliveryName, Ends]:
        deliveries = self._parts.catalog.deliveries.values()
        return {each.name: self._admin.describe(each.stream) for each in deliveries}

    def _attainable(self, targets: Targets, told: DeliveryReports) -> Targets:
        """Those that are in this log: positions behind its end, which reach any target, are in another."""
        return {
            name: None if is_of_another_log(ends, told.get(name, NOT_BEGUN)) else targets[name]
            for name, ends in self._ends().items()
            if name in targets
        }

    def _awaited(self, targets: Targets) -> Targets:
        """Those that are not paused: nothing is delivered to these, however long one waits."""
        deliveries = self._parts.catalog.deliveries
        return {
            name: ends
            for name, ends in targets.items()
            if name in deliveries and not deliveries[name].paused
        }

    def _behind(self, targets: Targets) -> Behind:
        voices = self._parts.living()
        reports = delivery_reports(voices)
        behind: dict[str, Mapping[str, object]] = {}
        for name, ends in targets.items():
            report = reports.get(name, untold_by(voices))
            events = None if ends is None else lag(ends, report)
            if events != 0:
                behind[name] = {"events": events, "state": report.state, "reason": report.reason}
        return behind

    def _carried_out(self, order: int, targets: Targets) -> bool:
        """By a transmitter; or there is none, and nothing to do for one."""
        voices = self._parts.living().get(PartName.TRANSMITTER, ())
        if not voices:
            return not self._behind(self._awaited(targets))
        return any(voice.word.flushed >= order for voice in voices)
