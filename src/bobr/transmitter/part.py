"""The transmitter as a part of the system: one pipeline, in a thread, for each delivery."""

import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from bobr.batch import Positions
from bobr.catalog import Catalog
from bobr.errors import BobrError, RejectedError, UnavailableError
from bobr.ids import DeliveryName, Revision, StreamPartition
from bobr.runtime.metrics import Sample
from bobr.transmitter.pipeline import Pipeline
from bobr.transmitter.plan import Plan, plans_of
from bobr.transmitter.status import PipelineStatus
from bobr.transmitter.tables import Tables
from bobr.transmitter.wiring import Limits, Wiring

STOP_SECONDS = 20.0
"""For a pipeline that the catalog no longer has to commit what it holds."""

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True, eq=False)
class _Running:
    """A pipeline, its thread, and the plan that it was given last."""

    plan: Plan
    pipeline: Pipeline
    after: Sequence["_Running"]
    """Those that end, of the same name or table: it begins when they have ended, or are late to."""
    thread: threading.Thread = field(init=False)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        name = f"deliver {self.plan.delivery.name}"
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        for former in self.after:
            former.thread.join(max(0.0, deadline - time.monotonic()))
        self.after = ()
        self.pipeline.run()

    def stop(self, timeout_seconds: float) -> None:
        """Have it commit what it holds and end, or leave it alone and say where it hangs.

        Its table's positions fence it from whoever delivers there next.
        """
        self.pipeline.stop()
        self.thread.join(max(0.0, timeout_seconds))
        if self.thread.is_alive():
            frame = sys._current_frames().get(self.thread.ident or 0)  # noqa: SLF001  # documented so
            where = "".join(traceback.format_stack(frame))
            name = self.plan.delivery.name
            log.warning("delivery does not end; left alone", delivery=name, at=where)


class Transmitter:
    """All deliveries of the catalog. One thread applies, one closes; any may ask."""

    def __init__(self, wiring: Wiring, limits: Limits | None = None) -> None:
        """Nothing runs before the first `apply`."""
        self._wiring = wiring
        self._limits = limits or Limits()
        self._tables = Tables(wiring)
        self._running: dict[DeliveryName, _Running] = {}
        self._ending: list[_Running] = []
        self._closing = threading.Event()
        self._swapping = threading.Lock()
        self._revision: Revision | None = None

    def apply(self, catalog: Catalog, *, settled: bool = False) -> None:
        """Run exactly the deliveries of the catalog, or raise and change nothing. Waits for no table and no batch.

        1. Plans. What is equal to what runs is not touched, whatever else changes.
        2. What is new or changed is built aside: destinations with what they refer to, message types. One that fails
           refuses all, and the error names it: MisconfiguredError, RejectedError, or UnavailableError (ask again).
           That a destination does not answer is no such error: that pipeline waits. Of what is settled nothing is built
           here: what is wrong with one delivery must not stop the others, so its pipeline is `broken`. Likewise where
           two turn out to have one table.
        3. The swap. A changed delivery's pipeline is handed its plan, and follows it at the end of the batch under way:
           what is appended to the log after the return (the ACK) is delivered as the new plan says.
           A new one's pipeline begins. A removed one's commits what it holds and ends in the background.
        """
        plans = {plan.delivery.name: plan for plan in plans_of(catalog)}
        if not settled:
            for plan in plans.values():
                if self._is_news(plan):
                    self._build(plan)
        plans = self._with_tables_of_their_own(plans, settled=settled)
        changed = [plan for plan in plans.values() if plan != self._plan_of(plan)]
        with self._swapping:
            if self._closing.is_set():
                return  # a catalog that came late
            self._end([each for name, each in self._running.items() if name not in plans])
            for plan in changed:
                self._hand_over(plan)
        self._revision = catalog.revision

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Have everything that the log holds now in the tables; whether it is, by then.

        A delivery that is broken or paused is not waited for.
        """
        deadline = time.monotonic() + timeout_seconds
        goals = [(each.pipeline, self._ends(each)) for each in self._pipelines().values()]
        for pipeline, end in goals:
            pipeline.flush(end)
        waits = [pipeline.wait_for(end, deadline - time.monotonic()) for pipeline, end in goals]
        return all(waits) and all(end for _, end in goals)

    def status(self) -> list[PipelineStatus]:
        """Each delivery, by name."""
        return [running.pipeline.status for _, running in sorted(self._pipelines().items())]

    def report(self) -> Mapping[str, object]:
        """The same for the controller."""
        return {"deliveries": {status.delivery: status.as_json() for status in self.status()}}

    @property
    def is_ready(self) -> bool:
        """Whether it has applied a catalog."""
        return self._revision is not None

    def samples(self) -> Iterator[Sample]:
        """For Prometheus."""
        if self._revision is not None:
            yield Sample("bobr_transmitter_catalog_revision", self._revision)
        for name, running in sorted(self._pipelines().items()):
            yield from running.pipeline.status.samples()
            seconds = running.pipeline.commit_seconds
            yield Sample("bobr_transmitter_commit_seconds", seconds, (name,))

    def close(self, timeout_seconds: float = STOP_SECONDS) -> list[PipelineStatus]:
        """Commit what is held and end; the last status of each. `held` > 0: not in time.

        What is held is not lost: the log has it, and the next start reads it again.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._swapping:
            self._closing.set()
        pipelines = [*self._running.values(), *self._ending]
        for running in pipelines:
            running.pipeline.stop()
        for running in pipelines:
            running.stop(deadline - time.monotonic())
        last = self.status()
        self._running, self._ending = {}, []
        return last

    def _pipelines(self) -> dict[DeliveryName, _Running]:
        return dict(self._running)

    def _ends(self, running: _Running) -> Positions:
        """Of the stream in the log; none: it can not be told."""
        stream = running.plan.stream.name
        try:
            partitions = self._wiring.log.admin().describe(stream)
        except BobrError as error:
            log.warning("can not tell what to flush", stream=stream, reason=str(error))
            return {}
        return {
            StreamPartition(stream, partition): state.end for partition, state in partitions.items()
        }

    def _plan_of(self, plan: Plan) -> Plan | None:
        """What the delivery is run by now."""
        running = self._running.get(plan.delivery.name)
        return None if running is None else running.plan

    def _is_news(self, plan: Plan) -> bool:
        now = self._plan_of(plan)
        return now is None or replace(now, refused="") != plan

    def _with_tables_of_their_own(
        self, plans: Mapping[DeliveryName, Plan], *, settled: bool
    ) -> dict[DeliveryName, Plan]:
        """The plans, of which one is refused if another that was there first has its table.

        RejectedError: that is so by what is new in one of them.
        """
        oldest_first = sorted(plans.values(), key=self._is_news)
        refused = {}
        for plan, other in self._tables.shared(oldest_first):
            why = f"{plan}: its table is that of {other} too, as references and links lead: choose another"
            if not settled and (self._is_news(plan) or self._is_news(other)):
                raise RejectedError(why)
            refused[plan.delivery.name] = replace(plan, refused=why)
        return {**plans, **refused}

    def _build(self, plan: Plan) -> None:
        """See that the plan can be run, as far as that can be known without its table. Nothing is kept of it.

        Only what is new in it is looked at, and nothing of what is paused: that is to be had whatever is wrong.
        """
        before = self._running.get(plan.delivery.name)
        was = None if before is None or before.plan.delivery.paused else before.plan
        if plan.delivery.paused:
            return
        if was is None or (was.delivery, was.destination) != (plan.delivery, plan.destination):
            self._tables.look(plan)
        if was is None or was.stream != plan.stream:
            self._build_types(plan)

    def _build_types(self, plan: Plan) -> None:
        try:
            for schema_id in plan.stream.schema_ids:
                self._wiring.types(plan.stream.message, schema_id)
        except UnavailableError as error:
            raise UnavailableError(f"{plan}: {error}") from error
        except RejectedError as error:
            raise RejectedError(f"{plan}: {error}") from error

    def _hand_over(self, plan: Plan) -> None:
        running = self._running.get(plan.delivery.name)
        if running is None:
            self._start(plan)
        else:
            running.plan = plan
            running.pipeline.adopt(plan)

    def _start(self, plan: Plan) -> None:
        self._ending = [each for each in self._ending if each.thread.is_alive()]
        name = plan.delivery.name
        former = [
            each
            for each in self._ending
            if each.plan.delivery.name == name or each.plan.place == plan.place
        ]
        pipeline = Pipeline(plan, self._wiring, self._limits)
        running = _Running(plan=plan, pipeline=pipeline, after=former)
        running.start()
        self._running[name] = running

    def _end(self, removed: Sequence[_Running]) -> None:
        """One thread sees to all that end at once, and tells which do not."""
        for running in removed:
            del self._running[running.plan.delivery.name]
            self._ending.append(running)
            running.pipeline.stop()
        if removed:
            threading.Thread(target=_wait_for, args=(removed,), name="end", daemon=True).start()


def _wait_for(ending: Sequence[_Running]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    for running in ending:
        running.stop(deadline - time.monotonic())
