"""The API of configuration: validate, plan, apply, roll back; revisions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from bobr.catalog import Catalog, Kind
from bobr.catalog.config.bundle import Bundle
from bobr.catalog.keys import without_keys
from bobr.catalog.plan import Plan, Step, difference
from bobr.clock import Clock
from bobr.controller.access import Permit
from bobr.controller.catalog_store import CatalogStore, Entry, Stamp
from bobr.controller.catalog_store.entry import TEXT_CHARACTERS_MAX
from bobr.controller.changes import Changes
from bobr.controller.mandate import LIVE_SECONDS, Applied, Care, Mandate
from bobr.controller.operations import IN_NUMBERS, WHOLE, Body, Fault, Operation, Operations
from bobr.controller.parts import Parts
from bobr.controller.proposal import Consent, Proposal, told_with
from bobr.ids import Revision
from bobr.runtime.access import Access, Caller

REVISIONS = 20
"""That a history lists when nobody says how many."""
NUMBER_MAX = 2**32 - 1
"""Of a revision, and of whatever else a call counts: `uint32` of the protocol."""
WAIT_SECONDS_MAX = 600.0
"""For the parts' answers."""
NAMES_MAX = 6
"""Of changed objects that a line of the history tells."""

Number = Annotated[Revision, Field(ge=0, le=NUMBER_MAX)]
"""As the query has it: a text."""
NumberInBody = Annotated[Number, IN_NUMBERS]


class Ask(Body):
    """`Validate` and `Plan`."""

    bundle: Bundle
    consent: Consent = Consent()


class Said(Body):
    """For the history. author: as they say."""

    message: str = Field(default="", description="Why.")
    author: str = Field(default="", description="Who, for the history.")


class Signed(Said):
    """Who changes something, and why. source: what it was read from.

    auto_rollback: if a part refuses it, the revision before comes back. canary: so many instances of each part first.
    wait_seconds: for the answers of all parts.
    """

    source: str = ""
    auto_rollback: bool = True
    canary: Annotated[int, IN_NUMBERS] = Field(default=0, ge=0, le=NUMBER_MAX)
    wait_seconds: Annotated[float, IN_NUMBERS] = Field(
        default=LIVE_SECONDS, ge=0, le=WAIT_SECONDS_MAX, allow_inf_nan=False
    )

    @property
    def care(self) -> Care:
        """How it is brought to the parts."""
        return Care(
            auto_rollback=self.auto_rollback, canary=self.canary, wait_seconds=self.wait_seconds
        )


class Apply(Ask, Signed):
    """base: only if this revision is in force."""

    base: NumberInBody | None = None


class Rollback(Signed):
    """To what was in force at a revision. allow_delete: what has come since goes."""

    revision: NumberInBody
    allow_delete: bool = False


class GetCatalog(Body):
    """Of now, or of then."""

    revision: Number | None = Field(
        default=None,
        description="As it was at that revision; left out: what is in force.",
    )


class ListRevisions(Body):
    """A part of the history."""

    limit: int = Field(
        default=REVISIONS, ge=1, le=NUMBER_MAX, description=f"So many; {REVISIONS} by default."
    )
    before: Number | None = Field(default=None, description="Only those before this revision.")


class GetRevision(Body):
    """One of the history."""

    revision: Number


class Diff(Body):
    """Two of the history."""

    before: Number
    after: Number


class Validated(BaseModel):
    """problems: none, it is valid. revision: that it was compared with. objects: declared, by section."""

    problems: Sequence[Fault]
    revision: Revision
    objects: Mapping[str, int]


class Planned(BaseModel):
    """problems: none, it can be applied."""

    plan: Plan
    problems: Sequence[Fault]


class Difference(BaseModel):
    """From the catalog of one revision to that of another."""

    base: Revision
    revision: Revision
    steps: Sequence[Step]


class Summary(BaseModel):
    """A revision in a list. at: ISO 8601. changes: `+ stream orders, ~ delivery orders-lake`."""

    revision: Revision
    at: str
    author: str
    address: str
    source: str
    message: str
    changes: str


class History(BaseModel):
    """Newest first. on_trial: this one is tried by canaries, and the one before it is in force."""

    revisions: Sequence[Summary]
    on_trial: Revision | None = None


class Altered(BaseModel):
    """An object before and after; none: it was not there."""

    kind: Kind
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


class RevisionTold(Summary):
    """A revision with all that it changed. digest: SHA-256 over it and the digest of the one before."""

    diff: Sequence[Altered]
    digest: str


class ConfigApi:
    """What its operations do. Lives in the controller's event loop."""

    def __init__(
        self, changes: Changes, store: CatalogStore, parts: Parts, access: Access, clock: Clock
    ) -> None:
        """`parts`: know what is in force. `access`: who may change it."""
        self._changes = changes
        self._store = store
        self._parts = parts
        self._access = access
        self._clock = clock

    def operations(self) -> Operations:
        """What it can do."""
        return [*self._of_files(), *self._of_revisions()]

    def _of_files(self) -> Operations:
        return [
            Operation(
                rpc="GetCatalog",
                method="GET",
                path="/v1/catalog",
                summary="All that is declared.",
                ask=GetCatalog,
                answer=Catalog,
                handler=self.get_catalog,
            ),
            Operation(
                rpc="Validate",
                method="POST",
                path="/v1/validate",
                summary="Say everything that is wrong in files of configuration.",
                ask=Ask,
                answer=Validated,
                handler=self.validate,
                body=WHOLE,
            ),
            Operation(
                rpc="Plan",
                method="POST",
                path="/v1/plan",
                summary="Say what applying files would do, touch and break.",
                ask=Ask,
                answer=Planned,
                handler=self.plan,
                body=WHOLE,
            ),
            Operation(
                rpc="Apply",
                method="POST",
                path="/v1/apply",
                summary="Put files in force, and say what each part makes of it.",
                ask=Apply,
                answer=Applied,
                handler=self.apply,
                body=WHOLE,
            ),
        ]

    def _of_revisions(self) -> Operations:
        return [
            Operation(
                rpc="Rollback",
                method="POST",
                path="/v1/rollback",
                summary="Put a former revision in force again, as a new one.",
                ask=Rollback,
                answer=Applied,
                handler=self.rollback,
                body=WHOLE,
            ),
            Operation(
                rpc="ListRevisions",
                method="GET",
                path="/v1/revisions",
                summary="The history, newest first.",
                ask=ListRevisions,
                answer=History,
                handler=self.list_revisions,
            ),
            Operation(
                rpc="GetRevision",
                method="GET",
                path="/v1/revisions/{revision:int}",
                summary="One revision, with all that it changed.",
                ask=GetRevision,
                answer=RevisionTold,
                handler=self.get_revision,
            ),
            Operation(
                rpc="Diff",
                method="GET",
                path="/v1/revisions/{before:int}/diff/{after:int}",
                summary="What lies between two revisions.",
                ask=Diff,
                answer=Difference,
                handler=self.diff,
            ),
        ]

    async def get_catalog(self, ask: GetCatalog, _: Caller) -> Catalog:
        """All that is declared. NotFoundError: there was no such revision."""
        if ask.revision is None:
            return self._parts.catalog
        return await run_in_threadpool(self._store.at, ask.revision)

    async def validate(self, ask: Ask, caller: Caller) -> Validated:
        """What is wrong in files."""
        proposal, problems = await self._proposed(ask, caller)
        return Validated(problems=problems, revision=proposal.plan.base, objects=proposal.counts)

    async def plan(self, ask: Ask, caller: Caller) -> Planned:
        """What files would change."""
        proposal, problems = await self._proposed(ask, caller)
        return Planned(plan=proposal.plan, problems=problems)

    async def _proposed(self, ask: Ask, caller: Caller) -> tuple[Proposal, list[Fault]]:
        """What files would change, and all that is wrong, with what the caller may not do: nothing is changed.

        That tells nothing that a key could not read elsewhere: catalog and status are open to all of them.
        """
        permit = self.permit(caller)

        def tell(proposal: Proposal) -> tuple[Proposal, list[Fault]]:
            problems = told_with(proposal, permit.refusals(proposal.current, proposal.judged))
            return proposal, [Fault(**asdict(each)) for each in problems]

        return await self._changes.propose(ask.bundle, ask.consent, tell, caller.principal_name)

    async def apply(self, ask: Apply, caller: Caller) -> Applied:
        """Put files in force."""
        mandate = self.mandate(ask, ask.source, caller)
        return await self._changes.apply(ask.bundle, ask.consent, mandate, ask.care, ask.base)

    async def rollback(self, ask: Rollback, caller: Caller) -> Applied:
        """Put what was in force then in force again."""
        said = Said(message=ask.message or f"rollback to {ask.revision}", author=ask.author)
        mandate = self.mandate(said, ask.source, caller)
        return await self._changes.rollback(
            ask.revision, mandate, ask.care, allow_delete=ask.allow_delete
        )

    async def list_revisions(self, ask: ListRevisions, _: Caller) -> History:
        """A part of the history."""
        entries = await run_in_threadpool(self._store.history, ask.limit, ask.before)
        trial = (await run_in_threadpool(self._store.standing)).trial
        return History(
            revisions=[_told(entry) for entry in entries],
            on_trial=None if trial is None else trial.catalog.revision,
        )

    async def get_revision(self, ask: GetRevision, _: Caller) -> RevisionTold:
        """One revision, with what it changed."""
        entry = await run_in_threadpool(self._store.entry, ask.revision)
        changes = [
            Altered(
                kind=each.kind,
                name=each.name,
                before=None if each.before is None else each.before.model_dump(mode="json"),
                after=None if each.after is None else each.after.model_dump(mode="json"),
            )
            for each in entry.delta.changes
        ]
        return RevisionTold(**_told(entry).model_dump(), diff=changes, digest=entry.digest)

    async def diff(self, ask: Diff, _: Caller) -> Difference:
        """What lies between two revisions."""
        before = await run_in_threadpool(self._store.at, ask.before)
        after = await run_in_threadpool(self._store.at, ask.after)
        steps = difference(before, after)
        return Difference(base=before.revision, revision=after.revision, steps=steps)

    def mandate(self, said: Said, source: str, caller: Caller) -> Mandate:
        """Who asks, as their key says and beside it they themselves, and from where, as the connection says.

        source: empty, the call itself.
        """
        stamp = Stamp(
            author=_without_keys(_author(caller, said)),
            address=caller.address,
            source=_without_keys(source or caller.call),
            message=_without_keys(said.message),
            at=self._clock.now(),
        )
        return Mandate(stamp=stamp, permit=self.permit(caller), principal=caller.principal_name)

    def permit(self, caller: Caller) -> Permit:
        """What who asks may change."""
        return Permit(self._access, caller)


def _without_keys(text: str) -> str:
    """The text; one that is too long for the history, which refuses it, is not looked through."""
    return without_keys(text) if len(text) <= TEXT_CHARACTERS_MAX else text


def _author(caller: Caller, said: Said) -> str:
    if caller.principal is None:
        return said.author or "unknown"
    return f"{caller.name} ({said.author})" if said.author else caller.name


def _told(entry: Entry) -> Summary:
    stamp = entry.stamp
    return Summary(
        revision=entry.revision,
        at=stamp.at.isoformat(timespec="seconds"),
        author=stamp.author,
        address=stamp.address,
        source=stamp.source,
        message=stamp.message,
        changes=_changed(entry),
    )


def _changed(entry: Entry) -> str:
    names = [
        f"{'+' if each.before is None else '-' if each.after is None else '~'} {each.kind} {each.name}"
        for each in entry.delta.changes
    ]
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return ", ".join(names[:NAMES_MAX]) + more
