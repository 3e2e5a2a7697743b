"""The API of single objects: one call makes a stream, a route, a delivery or a destination, no file needed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from bobr.catalog import API, Catalog, Kind
from bobr.catalog import Delivery as DeliveryValue
from bobr.catalog.config import Places
from bobr.catalog.config.bundle import Bundle, Proto
from bobr.catalog.config.load import TYPES, faults_of, in_order, problem_of
from bobr.catalog.config.model import StreamInFile
from bobr.catalog.model import DeliveryDeclaration, IcebergDeclaration, RouteDeclaration, Value
from bobr.catalog.nearest import meant
from bobr.catalog.request import Declaration, Request
from bobr.controller.changes import Applied, Care, Changes
from bobr.controller.config_api import ConfigApi, Said
from bobr.controller.operations import Caller, Operation, Operations
from bobr.controller.proposal import Consent
from bobr.errors import NotFoundError, ProblemsError
from bobr.ids import DeliveryName

PROTO = "source"
"""Path of the one schema that a call brings, in its bundle."""
NOWHERE = Places(keys={}, values={})


class StreamInCall(StreamInFile):
    """What a call says of a stream: as a file, with the schema itself."""

    files: Mapping[str, str] = {}
    """Texts of .proto files, by the names that imports use; `proto` names the one that has the message."""


def _in_words_of_files(kind: Kind, model: type[Value]) -> WrapValidator:
    """Of a declaration in a call. ProblemsError: every fault, in the words of configuration files."""

    def read(value: object, read_on: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return read_on(value)
        except ValidationError as error:
            faults = faults_of(error, model, (kind.member, info.data.get("name", "")))
            raise ProblemsError(in_order([problem_of(NOWHERE, each) for each in faults])) from error

    return WrapValidator(read)


class Pause(Said):
    """`PauseDelivery` and `ResumeDelivery`."""

    name: str


class Named(Pause):
    """One object, to be changed."""

    take_over: bool = Field(default=False, description="1: also if files declare it.")


class PutStream(Named):
    """A stream as it shall be."""

    stream: Annotated[StreamInCall, _in_words_of_files(Kind.STREAM, StreamInCall)]


class PutRoute(Named):
    """A route as it shall be."""

    route: Annotated[RouteDeclaration, _in_words_of_files(Kind.ROUTE, RouteDeclaration)]


class PutDelivery(Named):
    """A delivery as it shall be."""

    delivery: Annotated[DeliveryDeclaration, _in_words_of_files(Kind.DELIVERY, DeliveryDeclaration)]


class PutDestination(Named):
    """A destination as it shall be."""

    destination: Annotated[
        IcebergDeclaration, _in_words_of_files(Kind.DESTINATION, IcebergDeclaration)
    ]


PUTS: Mapping[Kind, type[Named]] = {
    Kind.STREAM: PutStream,
    Kind.ROUTE: PutRoute,
    Kind.DELIVERY: PutDelivery,
    Kind.DESTINATION: PutDestination,
}
"""What is asked for, by kind: it has a member of that name."""


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
            self._pausing("pause", "Deliver nothing until it is resumed.", self.pause_delivery),
            self._pausing(
                "resume", "Deliver again, from where the table is.", self.resume_delivery
            ),
        ]

    def _pausing(
        self, word: str, summary: str, handler: Callable[[Pause, Caller], Awaitable[Applied]]
    ) -> Operation[Pause, Applied]:
        return Operation(
            rpc=f"{word.title()}Delivery",
            method="POST",
            path=f"/v1/deliveries/{{name}}/{word}",
            summary=summary,
            ask=Pause,
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
                ask=Named,
                answer=Applied,
                handler=self._delete(kind),
            ),
        ]

    def _put(self, kind: Kind) -> Callable[[Any, Caller], Awaitable[Applied]]:
        async def put(ask: Named, caller: Caller) -> Applied:
            declaration, bundle = getattr(ask, kind.value), Bundle(files={})
            if isinstance(declaration, StreamInCall):
                declaration, bundle = _unpacked(declaration)
            puts: Mapping[tuple[Kind, str], Declaration] = {(kind, ask.name): declaration}
            return await self._change(ask, caller, Request(owner=API, puts=puts), bundle)

        return put

    def _delete(self, kind: Kind) -> Callable[[Named, Caller], Awaitable[Applied]]:
        async def delete(ask: Named, caller: Caller) -> Applied:
            removes = frozenset({(kind, ask.name)})
            wanted = Request(owner=API, puts={}, removes=removes)
            return await self._change(ask, caller, wanted, Bundle(files={}))

        return delete

    async def _change(self, ask: Named, caller: Caller, wanted: Request, bundle: Bundle) -> Applied:
        consent = Consent(allow_delete=True, take_over=ask.take_over)
        stamp = self._config.stamp(ask, "", caller)
        return await self._changes.change(wanted, bundle, consent, stamp, Care())

    async def pause_delivery(self, ask: Pause, caller: Caller) -> Applied:
        """Deliver nothing. NotFoundError: there is no such delivery."""
        return await self._set_paused(ask, caller, "pause", paused=True)

    async def resume_delivery(self, ask: Pause, caller: Caller) -> Applied:
        """Deliver again. NotFoundError: there is no such delivery."""
        return await self._set_paused(ask, caller, "resume", paused=False)

    async def _set_paused(self, ask: Pause, caller: Caller, word: str, *, paused: bool) -> Applied:
        name = DeliveryName(ask.name)

        def wanted(catalog: Catalog) -> Catalog:
            delivery = _delivery(catalog, name).model_copy(update={"paused": paused})
            others = {**catalog.deliveries, name: delivery}
            return catalog.model_copy(update={"deliveries": others})

        said = Said(message=ask.message or f"{word} {name}", author=ask.author)
        stamp = self._config.stamp(said, f"bobr delivery {word}", caller)
        return await self._changes.make(wanted, stamp)


def _delivery(catalog: Catalog, name: DeliveryName) -> DeliveryValue:
    found = catalog.deliveries.get(name)
    if found is None:
        raise NotFoundError(f"there is no delivery {name!r}: {meant(name, catalog.deliveries)}")
    return found


def _unpacked(stream: StreamInCall) -> tuple[StreamInFile, Bundle]:
    """The stream as a file would declare it, and what that file would lie beside."""
    members = {name: getattr(stream, name) for name in StreamInFile.model_fields}
    if not stream.files or stream.proto is None:
        return StreamInFile(**{**members, "proto": None}), Bundle(files={})
    proto = Proto(main=stream.proto, files={name: name for name in stream.files})
    bundle = Bundle(files={}, protos={PROTO: proto}, texts=stream.files)
    return StreamInFile(**{**members, "proto": PROTO}), bundle
