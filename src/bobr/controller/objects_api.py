"""The API of single objects: one call makes a stream, a route, a delivery, a destination or a principal."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from bobr.catalog import API, Catalog, Kind
from bobr.catalog import Delivery as DeliveryValue
from bobr.catalog import Principal as PrincipalValue
from bobr.catalog.access import EVERYTHING
from bobr.catalog.change import objects
from bobr.catalog.config.bundle import Bundle
from bobr.catalog.config.load import TYPES
from bobr.catalog.config.read import Read
from bobr.catalog.keys import id_of, without_keys
from bobr.catalog.model import Key
from bobr.catalog.nearest import meant
from bobr.catalog.request import Request
from bobr.controller.changes import Changes
from bobr.controller.config_api import ConfigApi, Said
from bobr.controller.mandate import Applied, Care, Mandate
from bobr.controller.objects_ask import (
    PUTS,
    AddKey,
    Named,
    Owned,
    Put,
    RevokeKey,
    request_of,
)
from bobr.controller.operations import Operation, Operations
from bobr.controller.proposal import Consent
from bobr.errors import ExistsError, NotFoundError, Problem, ProblemsError, RejectedError
from bobr.ids import DeliveryName, PrincipalName
from bobr.runtime.access import Caller

Keys = tuple[Key, ...]
_ALONE = {Kind.STREAM: "", Kind.DESTINATION: EVERYTHING, Kind.PRINCIPAL: EVERYTHING}
"""What has to be configured for an object of that kind; empty: what has its name. Others depend on what they say."""


class ObjectsApi:
    """What its operations do. Lives in the controller's event loop."""

    def __init__(self, changes: Changes, config: ConfigApi) -> None:
        """`config`: knows who asks."""
        self._changes = changes
        self._config = config

    def operations(self) -> Operations:
        """What it can do."""
        return [
            *(each for kind in TYPES for each in self._of_kind(kind)),
            *self._of_keys(),
            self._pausing("pause", "Deliver nothing until it is resumed.", self.pause_delivery),
            self._pausing(
                "resume", "Deliver again, from where the table is.", self.resume_delivery
            ),
        ]

    def _pausing(
        self, word: str, summary: str, handler: Callable[[Named, Caller], Awaitable[Applied]]
    ) -> Operation[Named, Applied]:
        return Operation(
            rpc=f"{word.title()}Delivery",
            method="POST",
            path=f"/v1/deliveries/{{name}}/{word}",
            summary=summary,
            ask=Named,
            answer=Applied,
            handler=handler,
        )

    def _of_kind(self, kind: Kind) -> Operations:
        path = f"/v1/{kind.member}/{{name}}"
        return [
            Operation(
                rpc=f"Put{kind.title()}",
                method="PUT",
                path=path,
                summary=f"Make the {kind}, or change it.",
                ask=PUTS[kind],
                answer=Applied,
                handler=self._put(kind),
                body=kind.value,
            ),
            Operation(
                rpc=f"Delete{kind.title()}",
                method="DELETE",
                path=path,
                summary=f"Remove the {kind}.",
                ask=Owned,
                answer=Applied,
                handler=self._delete(kind),
            ),
        ]

    def _of_keys(self) -> Operations:
        path = "/v1/principals/{name}/keys"
        return [
            Operation(
                rpc="AddKey",
                method="POST",
                path=path,
                summary="Give the principal a second key, to which its clients change over.",
                ask=AddKey,
                answer=Applied,
                handler=self.add_key,
                body="key",
            ),
            Operation(
                rpc="RevokeKey",
                method="DELETE",
                path=f"{path}/{{key}}",
                summary="Revoke a key: who calls with it is refused from now on.",
                ask=RevokeKey,
                answer=Applied,
                handler=self.revoke_key,
            ),
        ]

    def _put(self, kind: Kind) -> Callable[[Any, Caller], Awaitable[Applied]]:
        async def put(ask: Put, caller: Caller) -> Applied:
            if kind in _ALONE:  # before anything is judged
                self._config.permit(caller).configure(_ALONE[kind] or ask.name)
            read: Read[Any] = getattr(ask, kind.value)
            wanted, bundle = request_of(kind, ask.name, read)
            return await self._change(ask, caller, wanted, bundle)

        return put

    def _delete(self, kind: Kind) -> Callable[[Owned, Caller], Awaitable[Applied]]:
        async def delete(ask: Owned, caller: Caller) -> Applied:
            removes = frozenset({(kind, ask.name)})
            wanted = Request(owner=API, removes=removes)
            try:
                return await self._change(ask, caller, wanted, Bundle(files={}))
            except ProblemsError as error:
                told = [_of_removed(each, kind, ask.name) for each in error.problems]
                if absent := next(
                    (each for each in told if _is_absent(each, kind, ask.name)), None
                ):
                    raise NotFoundError(absent.message) from error
                raise type(error)(told) from error

        return delete

    async def _change(self, ask: Owned, caller: Caller, wanted: Request, bundle: Bundle) -> Applied:
        consent = Consent(allow_delete=True, take_over=ask.take_over)
        mandate = self._config.mandate(ask, "", caller)
        if isinstance(ask, Put) and ask.create_only:
            mandate = replace(mandate, permit=_only_new(wanted, mandate.permit))
        return await self._changes.change(wanted, bundle, consent, mandate, Care())

    async def add_key(self, ask: AddKey, caller: Caller) -> Applied:
        """A second one. NotFoundError: there is no such principal."""
        return await self._set_keys(ask, caller, "rotate", lambda keys: (*keys, ask.key))

    async def revoke_key(self, ask: RevokeKey, caller: Caller) -> Applied:
        """Hear it no more. NotFoundError: there is no such principal, or no such key of it."""

        def without(keys: Keys) -> Keys:
            if ask.key not in (ids := [id_of(each.sha256) for each in keys]):
                shown = without_keys(ask.key)
                raise NotFoundError(f"there is no key {shown!r}: {meant(ask.key, ids)}")
            return tuple(each for each in keys if id_of(each.sha256) != ask.key)

        return await self._set_keys(ask, caller, f"revoke {ask.key}", without)

    async def _set_keys(
        self, ask: Named, caller: Caller, word: str, change: Callable[[Keys], Keys]
    ) -> Applied:
        name = PrincipalName(ask.name)

        def wanted(catalog: Catalog) -> Catalog:
            old = _principal(catalog, name)
            principal = old.model_copy(update={"keys": change(old.keys)})
            others = {**catalog.principals, name: principal}
            return catalog.model_copy(update={"principals": others})

        mandate = self._mandate(ask, f"{word} {name}", caller)
        return await self._changes.make(wanted, mandate, self._changes.turns.keys)

    async def pause_delivery(self, ask: Named, caller: Caller) -> Applied:
        """Deliver nothing. NotFoundError: there is no such delivery."""
        return await self._set_paused(ask, caller, "pause", paused=True)

    async def resume_delivery(self, ask: Named, caller: Caller) -> Applied:
        """Deliver again. NotFoundError: there is no such delivery."""
        return await self._set_paused(ask, caller, "resume", paused=False)

    async def _set_paused(self, ask: Named, caller: Caller, word: str, *, paused: bool) -> Applied:
        name = DeliveryName(ask.name)

        def wanted(catalog: Catalog) -> Catalog:
            delivery = _delivery(catalog, name).model_copy(update={"paused": paused})
            others = {**catalog.deliveries, name: delivery}
            return catalog.model_copy(update={"deliveries": others})

        mandate = self._mandate(ask, f"{word} {name}", caller)
        return await self._changes.make(wanted, mandate, self._changes.turns.pauses)

    def _mandate(self, said: Said, message: str, caller: Caller) -> Mandate:
        """message: for the history, where nothing else is said."""
        said = Said(message=said.message or message, author=said.author)
        return self._config.mandate(said, "", caller)


def _only_new(
    wanted: Request, permit: Callable[[Catalog, Catalog], None]
) -> Callable[[Catalog, Catalog], None]:
    """The permit, and ExistsError: something that is put is there. Of two at the same moment, one comes second."""

    def judge(before: Catalog, after: Catalog) -> None:
        permit(before, after)
        there = objects(before)
        for kind, name in wanted.puts:
            if (kind, name) in there:
                raise ExistsError(f"there is a {kind} {name!r} already")

    return judge


def _is_absent(problem: Problem, kind: Kind, name: str) -> bool:
    """Whether it says that there is none of that name, which is more than that another names it."""
    return problem.rule == "unknown-name" and problem.path == f"{kind.member}.{name}"


def _of_removed(problem: Problem, kind: Kind, name: str) -> Problem:
    """Of what names an object that was to be removed: not that there is none."""
    if problem.rule != "unknown-name" or not problem.message.startswith(
        f"there is no {kind} {name!r}:"
    ):
        return problem
    if _is_absent(problem, kind, name):
        return problem
    words = f"it names {kind} {name!r}, which is to be removed: change it or remove it before that"
    return replace(problem, message=words)


def _delivery(catalog: Catalog, name: DeliveryName) -> DeliveryValue:
    found = catalog.deliveries.get(name)
    if found is None:
        raise NotFoundError(f"there is no delivery {name!r}: {meant(name, catalog.deliveries)}")
    return found


def _principal(catalog: Catalog, name: PrincipalName) -> PrincipalValue:
    """NotFoundError: there is none. RejectedError: files declare it, and would undo what a call changes."""
    found = catalog.principals.get(name)
    if found is None:
        raise NotFoundError(f"there is no principal {name!r}: {meant(name, catalog.principals)}")
    if found.owner != API:
        message = (
            f"{found.owner!r} declares {name!r} in files: change its keys there; "
            "`bobr key create --offline` makes one"
        )
        raise RejectedError(message)
    return found
