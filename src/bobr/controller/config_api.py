"""The API of configuration: validate, plan, apply, roll back; revisions; single objects. HTTP and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from bobr.catalog import Catalog, Kind
from bobr.catalog.config.bundle import Bundle
from bobr.catalog.keys import without_keys
from bobr.catalog.plan import Facts, Plan, Step, plan
from bobr.clock import Clock
from bobr.controller.access import Permit, address_of, caller_of
from bobr.controller.catalog_store import CatalogStore, Entry, Stamp
from bobr.controller.changes import LIVE_SECONDS, Applied, Care, Changes, Mandate
from bobr.controller.http import body_of, json_of
from bobr.controller.operations import Fault, Operation
from bobr.controller.parts import Parts
from bobr.controller.proposal import Consent, Proposal
from bobr.errors import RejectedError
from bobr.ids import Revision
from bobr.runtime.access import Access, Caller

REVISIONS = 20
"""That a history lists when nobody says how many."""
WAIT_SECONDS_MAX = 600.0
"""For the parts' answers."""
NAMES_MAX = 6
"""Of changed objects that a line of the history tells."""


class Body(BaseModel):
    """Of a request; unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Ask(Body):
    """`POST /v1/validate` and `/v1/plan`."""

    bundle: Bundle
    consent: Consent = Consent()


class Signed(Body):
    """Who changes something, and why. author: as they say; source: what it was read from.

    auto_rollback: if a part refuses it, the revision before comes back. canary: so many instances of each part first.
    wait_seconds: for the answers of all parts.
    """

    message: str = ""
    author: str = ""
    source: str = ""
    auto_rollback: bool = True
    canary: int = Field(default=0, ge=0)
    wait_seconds: float = Field(default=LIVE_SECONDS, ge=0, le=WAIT_SECONDS_MAX)

    @property
    def care(self) -> Care:
        """How it is brought to the parts."""
        return Care(
            auto_rollback=self.auto_rollback, canary=self.canary, wait_seconds=self.wait_seconds
        )


class Apply(Ask, Signed):
    """`POST /v1/apply`. base: only if this revision is in force."""

    base: Revision | None = None


class Rollback(Signed):
    """`POST /v1/rollback`."""

    revision: Revision


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
    """Newest first."""

    revisions: Sequence[Summary]


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
    """The handlers. Lives in the controller's event loop."""

    def __init__(
        self, changes: Changes, store: CatalogStore, parts: Parts, access: Access, clock: Clock
    ) -> None:
        """`parts`: know what is in force. `access`: who may change it."""
        self._changes = changes
        self._store = store
        self._parts = parts
        self._access = access
        self._clock = clock

    def operations(self) -> list[Operation]:
        """What it can do."""
        return [
            Operation(
                method="GET",
                path="/v1/catalog",
                summary="All that is declared.",
                handler=self._catalog,
                answer=Catalog,
                query={"revision": "As it was at that revision; left out: what is in force."},
            ),
            Operation(
                method="POST",
                path="/v1/validate",
                summary="Say everything that is wrong in files of configuration.",
                handler=self._validate,
                body=Ask,
                answer=Validated,
            ),
            Operation(
                method="POST",
                path="/v1/plan",
                summary="Say what applying files would do, touch and break.",
                handler=self._plan,
                body=Ask,
                answer=Planned,
            ),
            Operation(
                method="POST",
                path="/v1/apply",
                summary="Put files in force, and say what each part makes of it.",
                handler=self._apply,
                body=Apply,
                answer=Applied,
            ),
            Operation(
                method="POST",
                path="/v1/rollback",
                summary="Put a former revision in force again, as a new one.",
                handler=self._rollback,
                body=Rollback,
                answer=Applied,
            ),
            Operation(
                method="GET",
                path="/v1/revisions",
                summary="The history, newest first.",
                handler=self._history,
                answer=History,
                query={
                    "limit": f"So many; {REVISIONS} by default.",
                    "before": "Only those before this revision.",
                },
            ),
            Operation(
                method="GET",
                path="/v1/revisions/{revision:int}",
                summary="One revision, with all that it changed.",
                handler=self._revision,
                answer=RevisionTold,
            ),
            Operation(
                method="GET",
                path="/v1/revisions/{before:int}/diff/{after:int}",
                summary="What lies between two revisions.",
                handler=self._diff,
                answer=Difference,
            ),
        ]

    async def _catalog(self, request: Request) -> Response:
        revision = number_of(request, "revision", None)
        if revision is None:
            return json_of(self._parts.catalog)
        return json_of(await run_in_threadpool(self._store.at, Revision(revision)))

    async def _validate(self, request: Request) -> Response:
        proposal = await self._proposal(request)
        return json_of(
            Validated(
                problems=_problems(proposal),
                revision=proposal.plan.base,
                objects=proposal.counts,
            )
        )

    async def _plan(self, request: Request) -> Response:
        proposal = await self._proposal(request)
        return json_of(Planned(plan=proposal.plan, problems=_problems(proposal)))

    async def _proposal(self, request: Request) -> Proposal:
        ask = Ask.model_validate_json(await body_of(request))
        return await self._changes.propose(ask.bundle, ask.consent, self.permit(request))

    async def _apply(self, request: Request) -> Response:
        wanted = Apply.model_validate_json(await body_of(request))
        mandate = self.mandate(request, wanted)
        return json_of(
            await self._changes.apply(
                wanted.bundle, wanted.consent, mandate, wanted.care, wanted.base
            )
        )

    async def _rollback(self, request: Request) -> Response:
        wanted = Rollback.model_validate_json(await body_of(request))
        said = wanted.model_copy(
            update={
                "message": wanted.message or f"rollback to {wanted.revision}",
                "source": wanted.source or f"bobr rollback {wanted.revision}",
            }
        )
        return json_of(
            await self._changes.rollback(wanted.revision, self.mandate(request, said), wanted.care)
        )

    async def _history(self, request: Request) -> Response:
        limit = number_of(request, "limit", None) or REVISIONS
        before = number_of(request, "before", None)
        entries = await run_in_threadpool(
            self._store.history, limit, None if before is None else Revision(before)
        )
        return json_of(History(revisions=[_told(entry) for entry in entries]))

    async def _revision(self, request: Request) -> Response:
        revision = Revision(request.path_params["revision"])
        entry = await run_in_threadpool(self._store.entry, revision)
        changes = [
            Altered(
                kind=each.kind,
                name=each.name,
                before=None if each.before is None else each.before.model_dump(mode="json"),
                after=None if each.after is None else each.after.model_dump(mode="json"),
            )
            for each in entry.delta.changes
        ]
        told = _told(entry).model_dump()
        return json_of(RevisionTold(**told, diff=changes, digest=entry.digest))

    async def _diff(self, request: Request) -> Response:
        sides = request.path_params
        before = await run_in_threadpool(self._store.at, Revision(sides["before"]))
        after = await run_in_threadpool(self._store.at, Revision(sides["after"]))
        nothing = Facts(columns={}, holdings={}, parts={}, partitions_max=None)
        steps = [
            step.model_copy(update={"touches": (), "breaks": ()})
            for step in plan(before, after, nothing).steps
        ]
        return json_of(Difference(base=before.revision, revision=after.revision, steps=steps))

    def mandate(self, request: Request, said: Signed) -> Mandate:
        """Who asks, as their key says and beside it they themselves, and from where, as the connection says."""
        permit = self.permit(request)
        stamp = Stamp(
            author=without_keys(_author(permit.caller, said)),
            address=address_of(request),
            source=without_keys(said.source or f"{request.method} {request.url.path}"),
            message=without_keys(said.message),
            at=self._clock.now(),
        )
        return Mandate(stamp=stamp, permit=permit)

    def permit(self, request: Request) -> Permit:
        """What who asks may change."""
        return Permit(self._access, caller_of(request))


def _author(caller: Caller, said: Signed) -> str:
    if caller.principal is None:
        return said.author or "unknown"
    return f"{caller.name} ({said.author})" if said.author else caller.name


def number_of(request: Request, name: str, default: int | None) -> int | None:
    """A number from 0 in the query. RejectedError: it is none."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise RejectedError(f"{name} is a number from 0, not {text[:19]!r}")
    return int(text)


def _problems(proposal: Proposal) -> list[Fault]:
    return [Fault(**asdict(each)) for each in proposal.problems]


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
