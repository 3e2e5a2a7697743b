"""Changes of the catalog: from what is asked to what every part runs. Lives in the controller's event loop.

    propose ─► judged, planned ─► schemas registered, streams made ─► committed ─► told ─► ACK or NACK ─► settled
                                                                               a NACK: the one before comes back

With canaries it is committed on trial, which the store knows: other controllers, and this one when it was started
again, go on with the revision before, and take the trial back when nobody decides it in time.
What is settled stays, though a part that was away refuses it later: that part runs what it can of it.
One change after the other; other controllers on the same store are met by compare-and-set.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import structlog
from starlette.concurrency import run_in_threadpool

from bobr.catalog import Catalog
from bobr.catalog.config.bundle import Bundle
from bobr.catalog.plan import Facts, Plan, plan
from bobr.catalog.request import Request
from bobr.catalog.tables import Between, Tables
from bobr.clock import Clock
from bobr.controller.back import back_to
from bobr.controller.catalog_store import CatalogStore, Stamp, Standing, Trial
from bobr.controller.earlier import earlier
from bobr.controller.holdings import Holder
from bobr.controller.judging import JudgedTurns, Judging, check_size
from bobr.controller.mandate import LIVE_SECONDS, Applied, Care, Mandate
from bobr.controller.parts import Parts
from bobr.controller.proposal import (
    Consent,
    Proposal,
    World,
    changed_streams,
    check_nothing_goes,
    check_sound,
    propose,
    propose_request,
    registered,
)
from bobr.controller.refused import Refused, put_back
from bobr.controller.registry import Registry
from bobr.controller.rollout import Answer, State, answers, tried
from bobr.controller.turns import Turn
from bobr.errors import BobrError, ConflictError, ProblemsError, RetryableError, UnavailableError
from bobr.ids import Revision
from bobr.log import LogAdmin

FOLLOW_SECONDS = 0.5
"""Between looks for changes that another controller made."""
CANARY_SECONDS_MAX = 60.0
"""Canaries are waited for no longer: nothing else is changed meanwhile, no key revoked."""
DECIDE_SECONDS = 10.0
"""A trial may last so much longer than its canaries are waited for."""
NOT_BACK = "; to go back all the same, remove first the one that is there now"
"""What a rollback adds to why something can not become what it was."""

log = structlog.get_logger()
T = TypeVar("T")


class Changes:
    """Makes them. One for each controller."""

    def __init__(
        self,
        store: CatalogStore,
        registry: Registry,
        admin: LogAdmin,
        parts: Parts,
        holder: Holder,
        clock: Clock,
    ) -> None:
        """`admin`: of the log."""
        self._store = store
        self._registry = registry
        self._admin = admin
        self._parts = parts
        self._holder = holder
        self._clock = clock
        self._judging = Judging()
        self._judged_turns = JudgedTurns(parts, self._judging)
        self.turns = self._judged_turns.turns
        self._owed: dict[Revision, Refused] = {}
        """What is to be taken back as soon as that can be, by its revision."""
        self._seen: tuple[Revision, float] | None = None
        """What somebody tries, and since when that is known here: clocks of two machines differ."""

    async def propose(
        self,
        bundle: Bundle,
        consent: Consent,
        tell: Callable[[Proposal], T],
        principal: str | None = None,
    ) -> T:
        """What is to be told of what these files would change. Nothing is. principal: who asks.

        OverloadedError: too many do.
        """
        check_size(bundle)
        world = self._world(self._parts.catalog)
        return await self._judging.judge(lambda: tell(propose(bundle, consent, world)), principal)

    async def apply(
        self,
        bundle: Bundle,
        consent: Consent,
        mandate: Mandate,
        care: Care,
        base: Revision | None = None,
    ) -> Applied:
        """Put files in force. base: only if that revision is. ProblemsError: they can not be, with every reason."""
        check_size(bundle)
        judge = self._permitted(partial(propose, bundle, consent), mandate, base)
        async with self._judged_turns.long(judge, mandate.principal) as proposal:
            return await self._carry_out(proposal, mandate.stamp, care)

    async def change(
        self, request: Request, bundle: Bundle, consent: Consent, mandate: Mandate, care: Care
    ) -> Applied:
        """Put what a call asks for in force. bundle: of the sources that it brings. ProblemsError as above."""
        check_size(bundle)
        judge = self._permitted(partial(propose_request, request, bundle, consent), mandate)
        is_long = request.declared or request.unread  # what goes is judged at once
        turn = self._judged_turns.long if is_long else self._judged_turns.short
        async with turn(judge, mandate.principal) as proposal:
            return await self._carry_out(proposal, mandate.stamp, care)

    def _permitted(
        self,
        judge: Callable[[World], Proposal],
        mandate: Mandate,
        base: Revision | None = None,
    ) -> Callable[[Catalog], Proposal]:
        """What can be carried out, of what is in force. ForbiddenError comes before ProblemsError."""

        def permitted(current: Catalog) -> Proposal:
            if base is not None and base != current.revision:
                raise self._store.conflict(base)
            proposal = judge(self._world(current))
            mandate.permit(proposal.current, proposal.wanted)
            if proposal.problems:
                raise ProblemsError(proposal.problems)
            return proposal

        return permitted

    async def rollback(
        self, revision: Revision, mandate: Mandate, care: Care, *, allow_delete: bool
    ) -> Applied:
        """Put what was in force then in force again, but for principals. NotFoundError: there was no such revision.

        ProblemsError: what has come since would go, and that is not allowed; or it can not become what was then.
        """

        def judge(current: Catalog) -> Catalog:
            target = self._store.at(revision)
            wanted = back_to(Between(current, target, self._earlier(current, target)))
            mandate.permit(current, wanted)
            if not allow_delete:
                check_nothing_goes(current, wanted)
            return wanted

        turn = self.turns.pauses  # who goes back is in a hurry
        async with self._judged_turns.short(judge, mandate.principal, turn) as wanted:
            made = await self._judged(wanted, NOT_BACK)
            return await self._put_in_force(wanted, made, mandate.stamp, care)

    async def make(
        self, wanted: Callable[[Catalog], Catalog], mandate: Mandate, turn: Turn | None = None
    ) -> Applied:
        """Put in force what is made of what is in force. wanted: judges, and may block and raise. turn: of `turns`."""
        async with self._judged_turns.short(wanted, mandate.principal, turn) as catalog:
            return await self._put_made(catalog, mandate)

    async def fulfil(
        self,
        agree: Callable[[Catalog], T],
        carry_out: Callable[[T], Catalog],
        mandate: Mandate,
    ) -> Applied:
        """Likewise, for long. agree: judges, and may be called again. carry_out: what is agreed to, and may block."""
        async with self._judged_turns.long(agree, mandate.principal) as agreed:
            return await self._put_made(await run_in_threadpool(carry_out, agreed), mandate)

    async def _put_made(self, catalog: Catalog, mandate: Mandate) -> Applied:
        mandate.permit(self._parts.catalog, catalog)
        made = await self._judged(catalog)
        if not made.steps:
            rollout = await answers(self._parts, catalog, self._parts.catalog, LIVE_SECONDS)
            return self._unchanged(made).model_copy(update={"rollout": tuple(rollout)})
        return await self._put_in_force(catalog, made, mandate.stamp, Care())

    async def follow(self) -> None:
        """Tell the parts what other controllers put in force, for ever."""
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            async with self.turns.keys:  # what is tried is in the database, and not yet for all
                try:
                    standing = await run_in_threadpool(self._store.standing)
                    await self._keep_up(standing)
                except BobrError as error:
                    log.warning("what is in force can not be found out", error=str(error))

    async def _keep_up(self, standing: Standing) -> None:
        before = self._parts.catalog.revision
        if standing.catalog.revision > before:
            await self._parts.publish(standing.catalog)
        if refusal := await self._due(standing):
            await self._take_back(refusal)
        if self._parts.catalog.revision > before:
            await self._parts.settle()

    async def _due(self, standing: Standing) -> Refused | None:
        """What is to be taken back now. While something is tried, that alone can be."""
        if standing.trial is not None:
            owed = self._owed.get(Revision(standing.trial.catalog.revision))
            return owed or await self._overdue(standing, standing.trial)
        self._owed = {revision: each for revision, each in self._owed.items() if not each.on_trial}
        return next(reversed(self._owed.values()), None)

    async def _overdue(self, standing: Standing, trial: Trial) -> Refused | None:
        """What is tried, if nobody will decide it any more: its controller has ended."""
        revision = trial.catalog.revision
        if self._seen is None or self._seen[0] != revision:
            self._seen = Revision(revision), self._clock.monotonic()
        if self._clock.monotonic() - self._seen[1] < trial.seconds:
            return None
        entry = await run_in_threadpool(self._store.entry, Revision(revision))
        why = f"revision {revision} was tried, and the controller ended before it was decided"
        before, catalog = standing.catalog, trial.catalog
        return Refused(before=before, catalog=catalog, why=why, stamp=entry.stamp, on_trial=True)

    def _world(self, current: Catalog) -> World:
        return World(
            current=current,
            registry=self._registry,
            hold=lambda streams: self._holder.held(current, streams),
            parts=_numbers(self._parts),
            partitions_max=self._admin.partitions_max,
            earlier=self._earlier,
        )

    def _earlier(self, current: Catalog, wanted: Catalog) -> Tables:
        return earlier(self._store, current, wanted)

    async def _judged(self, wanted: Catalog, advice: str = "") -> Plan:
        """The plan of what no files ask for. ProblemsError: it can not be. advice: what to do about it."""
        current = self._parts.catalog
        names = changed_streams(current, wanted)
        held = await run_in_threadpool(self._holder.held, current, names)
        had = await run_in_threadpool(self._earlier, current, wanted)
        check_sound(Between(current, wanted, had), held, advice)
        facts = Facts(
            columns={},
            holdings=held,
            parts=_numbers(self._parts),
            partitions_max=self._admin.partitions_max,
            earlier=had,
        )
        return plan(current, wanted, facts)

    async def _carry_out(self, proposal: Proposal, stamp: Stamp, care: Care) -> Applied:
        if not proposal.plan.steps:
            return self._unchanged(proposal.plan)
        wanted = await run_in_threadpool(registered, proposal, self._registry)
        return await self._put_in_force(wanted, proposal.plan, stamp, care)

    def _unchanged(self, made: Plan) -> Applied:
        revision = self._parts.catalog.revision
        return Applied(
            revision=revision, changed=False, plan=made, rollout=(), rolled_back=None, live=True
        )

    async def _put_in_force(self, wanted: Catalog, made: Plan, stamp: Stamp, care: Care) -> Applied:
        before = self._parts.catalog
        # 1. Its streams exist in the log.
        await run_in_threadpool(self._make_streams, before, wanted)
        # 2. It is a revision.
        seconds = _trial_seconds(care)
        trial_seconds = seconds + DECIDE_SECONDS if care.canary else None
        stored = replace(stamp, at=self._clock.now())  # it may have waited for its turn
        catalog = await run_in_threadpool(self._store.commit, wanted, stored, trial_seconds)
        if catalog.revision == before.revision:
            return self._unchanged(made)
        refusal = Refused(before=before, catalog=catalog, why="", stamp=stamp, on_trial=True)
        # 3. Some instances try it, if that is asked for; if none refuses, all hear of it, and answer.
        rollout: Sequence[Answer] = ()
        if care.canary:
            try:
                rollout = await tried(self._parts, catalog, care.canary, seconds)
            except UnavailableError as error:  # the controller ends, and leaves nothing on trial
                _, stays = await self._take_back(replace(refusal, why=str(error)))
                if stays is not None:
                    message = (
                        f"the controller ends while revision {catalog.revision} is tried: {stays}"
                    )
                    raise UnavailableError(message) from error
                raise
        if not (care.auto_rollback and _refusals(rollout)):
            if care.canary:
                await run_in_threadpool(self._store.keep, Revision(catalog.revision))
            await self._parts.publish(catalog)
        if not _refusals(rollout):
            rollout = await answers(self._parts, catalog, before, care.wait_seconds)
        # 4. If one refuses it, what was before comes back.
        rolled_back, stays = None, None
        if care.auto_rollback and (refusals := _refusals(rollout)):
            why = f"{refusals[0].part} {refusals[0].pid} refuses revision {catalog.revision}: {refusals[0].reason}"
            on_trial = self._parts.catalog.revision < catalog.revision
            rolled_back, stays = await self._take_back(replace(refusal, why=why, on_trial=on_trial))
        # 5. What is in force now is no longer asked about.
        await self._parts.settle()
        return Applied(
            revision=catalog.revision,
            changed=True,
            plan=made,
            rollout=tuple(rollout),
            rolled_back=rolled_back,
            stays=stays,
            live=all(each.state is State.LIVE for each in rollout),
        )

    def _make_streams(self, before: Catalog, wanted: Catalog) -> None:
        for name, stream in wanted.streams.items():
            if before.streams.get(name) is not stream:
                self._admin.create(name, min(stream.partitions, self._admin.partitions_max))

    async def _take_back(self, refusal: Refused) -> tuple[Revision | None, str | None]:
        """The revision that does it, or why there is none: parts run the refused one then as far as they can.

        Where another revision came first, a trial is open or the database is away, `follow` does it later.
        """
        revision = Revision(refusal.catalog.revision)
        self._owed.pop(revision, None)
        try:
            catalog, back = await run_in_threadpool(
                put_back, self._store, refusal, self._clock.now()
            )
        except (ConflictError, RetryableError) as error:
            log.warning(
                "a refused revision is taken back later", revision=revision, reason=str(error)
            )
            self._owed[revision] = refusal
            return None, f"it is taken back later: {error}"
        except BobrError as error:
            log.error("a refused revision stays", revision=revision, reason=str(error))
            return None, f"it stays, and a person must see to it: {error}"
        await self._parts.publish(catalog)
        if back is None:
            return None, "it stays: keys, rights, partitions and schemas are not taken back"
        await answers(self._parts, catalog, refusal.before, LIVE_SECONDS)
        return back, None


def _trial_seconds(care: Care) -> float:
    return min(care.wait_seconds, CANARY_SECONDS_MAX)


def _refusals(rollout: Sequence[Answer]) -> Sequence[Answer]:
    return [each for each in rollout if each.state is State.REFUSED]


def _numbers(parts: Parts) -> Mapping[str, int]:
    return {str(part): len(voices) for part, voices in parts.living().items()}
