"""One delivery: a stream's events, read from the log and committed to a table, each once.

    opening ──► running ──► stopped
       ▲           │
       └─ waiting ◄┘  or broken, or paused

`step` does what the state says; `run` steps in a thread until stopped. Whatever fails, the staged
rows are dropped and the table is opened again, which tells the positions to go on from: there is
one way to recover, the same after an error, a fence or a kill. A new plan comes in at the boundary
of a batch: what is held is committed as the old one says, then the table of the new one is opened,
unless the session can follow as it is.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import Any

import structlog

from bobr.batch import Positions, StoredBatch
from bobr.errors import BobrError, BrokenError, FencedError, RetryableError
from bobr.ids import Offset
from bobr.runtime.metrics import COMMIT_BOUNDS, Distribution, Histogram
from bobr.transmitter.flush import FlushPolicy, is_due, wait_seconds
from bobr.transmitter.plan import Plan
from bobr.transmitter.session import Session
from bobr.transmitter.sinks import Confirms, Maintains, Sink
from bobr.transmitter.status import PipelineStatus, State
from bobr.transmitter.wiring import Limits, Wiring

PAUSED = "paused"
"""The reason of a paused delivery."""

log = structlog.get_logger()


class Pipeline:
    """A delivery's state machine. `step` and `run` belong to one thread, the rest to any."""

    def __init__(self, plan: Plan, wiring: Wiring, limits: Limits | None = None) -> None:
        """Nothing is touched before the first step."""
        self._plan = plan
        """What it is to do, as was said last."""
        self._followed = plan
        """What it does, or tried last. Written by its own thread."""
        self._wiring = wiring
        self._limits = limits or Limits()
        self._log = log.bind(delivery=plan.delivery.name)
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._changed = threading.Condition()
        self._goal: Positions | None = None
        self._status = PipelineStatus(delivery=plan.delivery.name, **_what(plan))
        self._steps = {
            State.OPENING: self._open,
            State.RUNNING: self._run,
            State.WAITING: self._wait,
            State.BROKEN: self._wait,
            State.PAUSED: self._rest,
        }
        self._failures = 0
        self._until = 0.0
        self._maintained = 0.0
        self._confirmed = 0.0
        self._retained = -inf
        self._session: Session | None = None
        self._commit_seconds = Histogram(COMMIT_BOUNDS)

    # ---- any thread

    @property
    def status(self) -> PipelineStatus:
        """How it stands. How far the table is that it is to deliver to; a new one is at no position before it is open.

        Retention and flushes go by that, from the moment at which a new plan is there.
        """
        with self._changed:
            return self._status_of(self._plan)

    @property
    def commit_seconds(self) -> Distribution:
        """How long its commits took."""
        return self._commit_seconds.seen()

    def adopt(self, plan: Plan) -> None:
        """Follow this plan of the same delivery from the end of the batch that is under way. Returns at once.

        What failed, or rests, is tried at once as the new plan says.
        """
        with self._changed:
            self._plan = plan
        self._news.set()
        self._wake()

    def stop(self) -> None:
        """Commit what is held, then end. `run` returns soon."""
        self._stopping.set()
        self._news.set()
        self._wake()

    def flush(self, upto: Positions) -> None:
        """Commit as soon as everything before `upto` is read, or nothing more is there. Not while it is paused."""
        with self._changed:
            if not self._plan.delivery.paused:
                self._goal = upto
        self._wake()

    def wait_for(self, upto: Positions, timeout_seconds: float) -> bool:
        """Block until the table has everything before `upto`; whether it has, by then.

        After a `flush` of the same: until it was looked at, too. Returns at once when the pipeline is broken, paused
        or stopped.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_done(upto) or self._is_at_rest(), timeout_seconds
            )
            return self._is_done(upto)

    def _wake(self) -> None:
        """Have what was just set noticed. A session that begins later notices by itself."""
        if (session := self._session) is not None:
            session.wake()

    def _is_done(self, upto: Positions) -> bool:
        return self._goal != upto and _reached(self.status.positions, upto)

    def _is_at_rest(self) -> bool:
        """It does not go on by itself, nor by a plan that it has not taken up yet."""
        return self._status.state in _AT_REST and (
            self._status.state is State.STOPPED or self._plan == self._followed
        )

    # ---- its own thread

    def run(self) -> None:
        """Step until stopped."""
        while self._status.state is not State.STOPPED:
            self.step()

    def step(self) -> None:
        """Do what the state says, once. No error leaves: a bug that one delivery brings out breaks that one alone."""
        step = self._steps[self._status.state]
        try:
            state = step()
        except BobrError as error:
            self._fail(error)
        except Exception as bug:  # noqa: BLE001  # the supervisor of deliveries
            self._log.critical("delivery failed", exc_info=bug)
            self._fail(BrokenError(f"the delivery failed, which is a bug of ours: {bug!r}"))
        else:
            self._tell(state=state)

    def _open(self) -> State:
        """Learn from the table where to go on."""
        if self._stopping.is_set():
            return State.STOPPED
        self._follow(self._plan)
        self._session = Session.open(self._followed, self._wiring, self._limits)
        self._tell(positions=self._session.committed, totals=self._session.totals, reason="")
        if self._followed.delivery.paused:  # how far the table is is known now: what it lacks stays
            return self._pause()
        positions = {
            f"{key.stream}/{key.partition}": to for key, to in self._session.committed.items()
        }
        self._log.info("delivery runs", positions=positions)
        self._confirmed = self._now()
        return State.RUNNING

    def _run(self) -> State:
        """Read and stage once, commit when due."""
        session = self._running()
        if self._stopping.is_set():
            return self._end(session)
        if (plan := self._plan) != session.plan:
            return self._swap(session, plan)
        goal = self._goal
        batches = session.read(self._timeout(session))
        # What was read while that was said is nothing to this session: whoever is next reads it again.
        if self._stopping.is_set():
            return self._end(session)
        if (plan := self._plan) != session.plan and session.plan.ends_before(plan):
            return self._swap(session, plan)
        self._stage(session, batches)
        demanded = goal is not None and (not batches or _reached(session.staged, goal))
        if demanded or is_due(session.held, self._policy, self._now()):
            self._commit(session)
        self._confirm(session, demanded=demanded)
        self._retain(session)
        if demanded:
            self._forget_goal(goal)
        return State.RUNNING

    def _end(self, session: Session) -> State:
        self._commit(session)
        self._leave()
        return State.STOPPED

    def _swap(self, session: Session, plan: Plan) -> State:
        """End what was begun by the old plan, and go on by the new one."""
        self._commit(session)
        if not session.plan.ends_before(plan):
            self._follow(plan)
            session.adopt(plan)
            return State.RUNNING
        self._leave()
        if plan.delivery.paused:
            self._follow(plan)
            return self._pause()
        return State.OPENING

    def _follow(self, plan: Plan) -> None:
        """What is told from here on is of this plan."""
        with self._changed:
            self._status, self._followed = self._status_of(plan), plan
        self._retained = -inf

    def _status_of(self, plan: Plan) -> PipelineStatus:
        status = replace(self._status, **_what(plan))
        if plan.has_positions_of(self._followed):
            return status
        return replace(status, positions={}, totals=None)

    def _pause(self) -> State:
        self._leave()
        self._forget_goal(self._goal)
        self._log.info("delivery is paused")
        self._tell(reason=PAUSED)
        return State.PAUSED

    def _rest(self) -> State:
        """Until it is resumed. The news that come while it looks are not missed: they end the next wait."""
        self._news.clear()
        if self._stopping.is_set():
            return State.STOPPED
        if self._plan != self._followed:
            self._tell(reason="")
            return State.OPENING
        self._news.wait(self._limits.poll_seconds)
        return State.PAUSED

    def _confirm(self, session: Session, *, demanded: bool) -> None:
        """Look whether the table still has what is told of it, if no commit has shown it lately, nor will soon."""
        late = self._now() - self._confirmed >= self._limits.confirm_seconds
        if session.held.events or not (demanded or late):
            return
        if isinstance(session.sink, Confirms):
            session.sink.confirm()
        self._confirmed = self._now()

    def _forget_goal(self, goal: Positions | None) -> None:
        with self._changed:
            if self._goal is goal:  # and not one that came meanwhile
                self._goal = None
                self._changed.notify_all()

    def _wait(self) -> State:
        """Let time pass before opening again. A new plan is tried at once."""
        self._news.clear()
        if self._stopping.is_set():
            return State.STOPPED
        if (plan := self._plan).delivery.paused:
            self._follow(plan)
            return self._pause()
        if plan != self._followed:
            self._failures = 0
            return State.OPENING
        if (left := self._until - self._now()) > 0:
            self._news.wait(min(left, self._limits.poll_seconds))
            return self._status.state
        return State.OPENING

    def _stage(self, session: Session, batches: Sequence[StoredBatch]) -> None:
        while batches:
            if not session.is_ready_for(batches):
                self._commit(session)
            batches = session.stage(batches)
            if batches:
                self._commit(session)
            if self._stopping.is_set():
                return  # what is not staged is read again after the next start

    def _commit(self, session: Session) -> None:
        if not session.held.events:
            return
        # 1. Rows and positions become visible together, if the table is still ours.
        began = self._now()
        committed = session.sink.commit(session.staged)
        self._commit_seconds.observe(self._now() - began)
        self._log.info(
            "committed",
            batches=session.ranges,
            rows=committed.rows,
            files=committed.files,
            seconds=round(self._now() - began, 3),
        )
        dropped = session.dropped
        # 2. Only then their ids and positions are remembered.
        session.remember_commit()
        self._count(rows=committed.rows, files=committed.files, nbytes=committed.nbytes, commits=1)
        self._count(duplicates=dropped.duplicates, undecodable=dropped.undecodable)
        # 3. And told to whoever waits for them.
        self._failures, self._confirmed = 0, self._now()
        self._tell(positions=session.committed, totals=session.totals, last_commit=committed.at)
        # 4. The table's bookkeeping is kept small, now and then.
        if not self._stopping.is_set():
            self._maintain(session.sink)

    def _maintain(self, sink: Sink) -> None:
        now = self._now()
        if isinstance(sink, Maintains) and now - self._maintained >= self._limits.maintain_seconds:
            self._maintained = now
            try:
                sink.maintain(self._limits.keep_snapshots)
            except BobrError as error:  # what is damaged is found where it is needed
                self._log.warning("table can not be maintained", reason=str(error))

    def _retain(self, session: Session) -> None:
        """Drop what is too old, now and then, and only between commits."""
        due = self._now() - self._retained >= self._limits.retain_seconds
        if session.held.events or not due:
            return
        self._retained = self._now()
        if dropped := session.drop_old():
            self._log.info("old partitions dropped", rows=dropped.rows, before=str(dropped.before))
            self._count(retired=dropped.rows)
            self._tell(totals=session.totals, last_retired=dropped.at)

    def _fail(self, error: BobrError) -> None:
        """Drop what is staged and decide when to open again. One that is paused is not opened again for that."""
        self._leave()
        self._count(fenced=isinstance(error, FencedError), retries=1)
        retried = isinstance(error, RetryableError | FencedError)
        delay = self._delay() if retried else self._limits.broken_seconds
        self._failures += 1
        self._until = self._now() + delay
        say = self._log.warning if retried else self._log.error
        if self._followed.delivery.paused:
            say("how far the table of a paused delivery is is not known", reason=str(error))
            self._tell(state=self._pause())
            return
        say("delivery stopped, to be tried again", reason=str(error), seconds=delay)
        self._tell(state=State.WAITING if retried else State.BROKEN, reason=str(error))

    def _delay(self) -> float:
        doubled = self._limits.retry_seconds * 2.0 ** min(self._failures, 30)
        return min(doubled, self._limits.retry_seconds_max)

    def _leave(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _running(self) -> Session:
        assert self._session is not None, "running without a session"
        return self._session

    def _timeout(self, session: Session) -> float:
        left = wait_seconds(session.held, self._policy, self._now())
        return 0.0 if self._goal is not None else min(self._limits.poll_seconds, left)

    @property
    def _policy(self) -> FlushPolicy:
        return replace(self._limits.flush, age_seconds=self._followed.delivery.flush_seconds)

    def _now(self) -> float:
        return self._wiring.clock.monotonic()

    def _count(self, **more: int) -> None:
        counts = self._status.counts
        sums = {name: getattr(counts, name) + number for name, number in more.items()}
        self._tell(counts=replace(counts, **sums))

    def _tell(self, **news: object) -> None:
        session = self._session
        with self._changed:
            self._status = replace(
                self._status,
                held=session.held.events if session else 0,
                ids=session.ids if session else 0,
                ids_forgotten=session.ids_forgotten if session else self._status.ids_forgotten,
                lost=session.lost if session else self._status.lost,
                **news,  # type: ignore[arg-type]  # fields of PipelineStatus
            )
            self._changed.notify_all()


_AT_REST = (State.BROKEN, State.PAUSED, State.STOPPED)


def _what(plan: Plan) -> dict[str, Any]:
    """What a status says of its plan."""
    delivery = plan.delivery
    return {"stream": delivery.stream, "to": delivery.to, "table": delivery.table}


def _reached(positions: Positions, goal: Positions) -> bool:
    return all(positions.get(source, Offset(0)) >= end for source, end in goal.items())
