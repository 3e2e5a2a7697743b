"""The API of single objects: one call makes a stream, a route, a delivery, a destination or a principal."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from bobr.catalog import API, Catalog, Kind
from bobr.catalog import Delivery as DeliveryValue
from bobr.catalog import Principal as PrincipalValue
from bobr.catalog.config import Places
from bobr.catalog.config.bundle import Bundle, Proto
from bobr.catalog.config.load import TYPES, faults_of, in_order, problem_of
from bobr.catalog.config.model import StreamInFile
from bobr.catalog.durations import WRITTEN
from bobr.catalog.keys import id_of, without_keys
from bobr.catalog.model import Key, Value
from bobr.catalog.nearest import meant
from bobr.catalog.request import Declaration
from bobr.catalog.request import Request as Wanted
from bobr.controller.changes import Applied, Care, Changes
from bobr.controller.config_api import ConfigApi, Signed
from bobr.controller.http import body_of, json_of
from bobr.controller.operations import Operation
from bobr.controller.proposal import Consent
from bobr.errors import NotFoundError, ProblemsError, RejectedError
from bobr.ids import DeliveryName, PrincipalName

PROTO = "source"
"""Path of the one schema that a call brings, in its bundle."""
SIGNED = {"author": "Who, for the history.", "message": "Why."}
NOWHERE = Places(keys={}, values={})
Keys = tuple[Key, ...]
Model = TypeVar("Model", bound=Value)


class StreamInCall(StreamInFile):
    """What a call says of a stream: as a file, with the schema itself."""

    files: Mapping[str, str] = {}
    """Texts of .proto files, by the names that imports use; `proto` names the one that has the message."""


class ObjectsApi:
    """The handlers. Lives in the controller's event loop."""

    def __init__(self, changes: Changes, config: ConfigApi) -> None:
        """`config`: knows who asks."""
        self._changes = changes
        self._config = config

    def operations(self) -> list[Operation]:
        """What it can do."""
        made = [each for kind in TYPES for each in self._of_kind(kind)]
        paused = [
            Operation(
                method="POST",
                path=f"/v1/deliveries/{{name}}/{word}",
                summary=summary,
                handler=self._pause(word, paused),
                answer=Applied,
                query=SIGNED,
            )
            for word, paused, summary in (
                ("pause", True, "Deliver nothing until it is resumed."),
                ("resume", False, "Deliver again, from where the table is."),
            )
        ]
        return [*made, *self._of_keys(), *paused]

    def _of_kind(self, kind: Kind) -> list[Operation]:
        path = f"/v1/{kind.member}/{{name}}"
        return [
            Operation(
                method="PUT",
                path=path,
                summary=f"Make the {kind}, or change it.",
                handler=self._put(kind),
                body=StreamInCall if kind is Kind.STREAM else TYPES[kind],
                answer=Applied,
                query={**SIGNED, "take_over": "1: also if files declare it."},
            ),
            Operation(
                method="DELETE",
                path=path,
                summary=f"Remove the {kind}.",
                handler=self._delete(kind),
                answer=Applied,
                query={**SIGNED, "take_over": "1: also if files declare it."},
            ),
        ]

    def _of_keys(self) -> list[Operation]:
        path = "/v1/principals/{name}/keys"
        return [
            Operation(
                method="POST",
                path=path,
                summary="Give the principal a second key, to which its clients change over.",
                handler=self._add_key,
                body=Key,
                answer=Applied,
                query=SIGNED,
            ),
            Operation(
                method="DELETE",
                path=f"{path}/{{key}}",
                summary="Revoke a key: who calls with it is refused from now on.",
                handler=self._revoke_key,
                answer=Applied,
                query=SIGNED,
            ),
        ]

    async def _add_key(self, request: Request) -> Response:
        key = _read(Key, await body_of(request), ("key",))
        return await self._keys(request, "rotate", lambda keys: (*keys, key))

    async def _revoke_key(self, request: Request) -> Response:
        wanted = request.path_params["key"]

        def without(keys: Keys) -> Keys:
            if wanted not in (ids := [id_of(each.sha256) for each in keys]):
                shown = without_keys(wanted)
                raise NotFoundError(f"there is no key {shown!r}: {meant(wanted, ids)}")
            return tuple(each for each in keys if id_of(each.sha256) != wanted)

        return await self._keys(request, f"revoke {wanted}", without)

    async def _keys(self, request: Request, word: str, change: Callable[[Keys], Keys]) -> Response:
        name = PrincipalName(request.path_params["name"])

        def wanted(catalog: Catalog) -> Catalog:
            old = _principal(catalog, name)
            principal = old.model_copy(update={"keys": change(old.keys)})
            others = {**catalog.principals, name: principal}
            return catalog.model_copy(update={"principals": others})

        said = self._signed(request, f"{word} {name}", f"bobr key {word.split(maxsplit=1)[0]}")
        return json_of(await self._changes.make(wanted, self._config.mandate(request, said)))

    def _signed(self, request: Request, message: str, source: str) -> Signed:
        query = request.query_params
        return Signed(
            message=query.get("message", "") or message,
            author=query.get("author", ""),
            source=source,
        )

    def _put(self, kind: Kind) -> Callable[[Request], Any]:
        async def put(request: Request) -> Response:
            name = request.path_params["name"]
            model = StreamInCall if kind is Kind.STREAM else TYPES[kind]
            declaration: Declaration = _read(model, await body_of(request), (kind.member, name))  # type: ignore[assignment]  # it is one of them
            bundle = Bundle(files={})
            if isinstance(declaration, StreamInCall):
                declaration, bundle = _unpacked(declaration)
            wanted = Wanted(owner=API, puts={(kind, name): declaration})
            return await self._change(request, wanted, bundle)

        return put

    def _delete(self, kind: Kind) -> Callable[[Request], Any]:
        async def delete(request: Request) -> Response:
            key = (kind, request.path_params["name"])
            wanted = Wanted(owner=API, puts={}, removes=frozenset({key}))
            return await self._change(request, wanted, Bundle(files={}))

        return delete

    async def _change(self, request: Request, wanted: Wanted, bundle: Bundle) -> Response:
        query = request.query_params
        consent = Consent(allow_delete=True, take_over=query.get("take_over") in ("1", "true"))
        said = Signed(message=query.get("message", ""), author=query.get("author", ""))
        mandate = self._config.mandate(request, said)
        return json_of(await self._changes.change(wanted, bundle, consent, mandate, Care()))

    def _pause(self, word: str, paused: bool) -> Callable[[Request], Any]:
        async def pause(request: Request) -> Response:
            name = DeliveryName(request.path_params["name"])

            def wanted(catalog: Catalog) -> Catalog:
                delivery = _delivery(catalog, name).model_copy(update={"paused": paused})
                others = {**catalog.deliveries, name: delivery}
                return catalog.model_copy(update={"deliveries": others})

            said = self._signed(request, f"{word} {name}", f"bobr delivery {word}")
            return json_of(await self._changes.make(wanted, self._config.mandate(request, said)))

        return pause


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


def _read(model: type[Model], body: bytes, path: tuple[str, ...]) -> Model:
    """ProblemsError: every fault, in the words of configuration files."""
    try:
        return model.model_validate_json(
            body or b"{}", by_name=False, by_alias=True, context=WRITTEN
        )
    except ValidationError as error:
        faults = faults_of(error, model, path)
        raise ProblemsError(in_order([problem_of(NOWHERE, each) for each in faults])) from error


def _unpacked(stream: StreamInCall) -> tuple[StreamInFile, Bundle]:
    """The stream as a file would declare it, and what that file would lie beside."""
    members = {name: getattr(stream, name) for name in StreamInFile.model_fields}
    if not stream.files or stream.proto is None:
        return StreamInFile(**{**members, "proto": None}), Bundle(files={})
    proto = Proto(main=stream.proto, files={name: name for name in stream.files})
    bundle = Bundle(files={}, protos={PROTO: proto}, texts=stream.files)
    return StreamInFile(**{**members, "proto": PROTO}), bundle
