"""What a call asks for of a single object, and what it wants of the catalog. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from bobr.catalog import API, Kind
from bobr.catalog.config import Fault, Path, Places
from bobr.catalog.config.bundle import Bundle, Proto
from bobr.catalog.config.gaps import Gaps
from bobr.catalog.config.load import Key as ObjectKey
from bobr.catalog.config.load import in_order, problem_of
from bobr.catalog.config.model import StreamInFile
from bobr.catalog.config.read import Read, read_of
from bobr.catalog.model import (
    DeliveryDeclaration,
    IcebergDeclaration,
    Key,
    PrincipalDeclaration,
    RouteDeclaration,
    Value,
)
from bobr.catalog.names import NAME
from bobr.catalog.request import Request
from bobr.catalog.secrets import shown
from bobr.controller.config_api import Said
from bobr.errors import Problem, ProblemsError

PROTO = "source"
"""Path of the one schema that a call brings, in its bundle."""
NOWHERE = Places(keys={}, values={})


class StreamInCall(StreamInFile):
    """What a call says of a stream: as a file, with the schema itself."""

    files: Mapping[str, str] = {}
    """Texts of .proto files, by the names that imports use; `proto` names the one that has the message."""


def _read(model: type[Value], kind: Kind) -> WrapValidator:
    """Of an object that a call declares: a `Read` of it, in the words of files."""

    def read(value: object, read_on: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return Read(declaration=read_on(value))
        except ValidationError as error:
            return read_of(error, model, value, (kind.member, str(info.data.get("name", ""))))

    return WrapValidator(read)


def _whole(model: type[Value]) -> WrapValidator:
    """Of what a call says of an object. ProblemsError: every fault, in the words of files."""

    def read(value: object, read_on: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
        try:
            return read_on(value)
        except ValidationError as error:
            faults = read_of(error, model, value, (str(info.field_name),)).faults
            raise ProblemsError(_problems(faults)) from error

    return WrapValidator(read)


class Named(Said):
    """One object."""

    name: str


class Owned(Named):
    """One object, which files may have declared."""

    take_over: bool = Field(default=False, description="1: also if files declare it.")


class Put(Owned):
    """One object as it shall be."""

    create_only: bool = Field(
        default=False,
        description="1: only if there is none of that name; so says the header If-None-Match: *, too.",
    )


class PutStream(Put):
    """A stream as it shall be."""

    stream: Annotated[StreamInCall, _read(StreamInCall, Kind.STREAM)]


class PutRoute(Put):
    """A route as it shall be."""

    route: Annotated[RouteDeclaration, _read(RouteDeclaration, Kind.ROUTE)]


class PutDelivery(Put):
    """A delivery as it shall be."""

    delivery: Annotated[DeliveryDeclaration, _read(DeliveryDeclaration, Kind.DELIVERY)]


class PutDestination(Put):
    """A destination as it shall be."""

    destination: Annotated[IcebergDeclaration, _read(IcebergDeclaration, Kind.DESTINATION)]


class PutPrincipal(Put):
    """A principal as it shall be."""

    principal: Annotated[PrincipalDeclaration, _read(PrincipalDeclaration, Kind.PRINCIPAL)]


class AddKey(Named):
    """Of a principal."""

    key: Annotated[Key, _whole(Key)]


class RevokeKey(Named):
    """key: its id."""

    key: str


PUTS: Mapping[Kind, type[Put]] = {
    Kind.STREAM: PutStream,
    Kind.ROUTE: PutRoute,
    Kind.DELIVERY: PutDelivery,
    Kind.DESTINATION: PutDestination,
    Kind.PRINCIPAL: PutPrincipal,
}
"""What is asked for, by kind: it has a member of that name."""


def request_of(kind: Kind, name: str, read: Read[Any]) -> tuple[Request, Bundle]:
    """What the call asks for, and the schema that it brings."""
    path, declaration, bundle = (kind.member, name), read.declaration, Bundle(files={})
    lacking: tuple[Fault, ...] = ()
    unread = set(read.unread)
    if isinstance(declaration, StreamInCall):
        lacking = tuple(_faults_of_files(path, declaration, read.unread))
        declaration, bundle = _unpacked(declaration)
        if lacking or Gaps(values=read.unread).touches((*path, "files")):
            unread.add((*path, "proto"))
    gaps = Gaps(values=frozenset(unread))
    faults = (*read.faults, *lacking, *_faults_of_name(path, name))
    key: ObjectKey = (kind, name)
    if declaration is None:
        wanted = Request(owner=API, unread=frozenset({key}), gaps=gaps, faults=faults)
    elif faults:
        wanted = Request(owner=API, partial={key: declaration}, gaps=gaps, faults=faults)
    else:
        wanted = Request(owner=API, puts={key: declaration})
    return wanted, bundle


def _faults_of_name(path: Path, name: str) -> Iterator[Fault]:
    try:
        NAME.check(name)
    except ValueError as error:
        yield Fault(path=path, rule="wrong-value", message=str(error), is_of_key=True)


def _faults_of_files(path: Path, stream: StreamInCall, unread: frozenset[Path]) -> Iterator[Fault]:
    if stream.proto is None or stream.files:
        return
    gaps = Gaps(values=unread)
    if not any(gaps.touches((*path, each)) for each in ("proto", "files")):
        words = f"there is no text of {shown(stream.proto)}: send it in `files`"
        yield Fault(path=(*path, "proto"), rule="missing-key", message=words)


def _problems(faults: Iterable[Fault]) -> list[Problem]:
    """Of what stands in no file."""
    return in_order([problem_of(NOWHERE, each) for each in faults])


def _unpacked(stream: StreamInCall) -> tuple[StreamInFile, Bundle]:
    """The stream as a file would declare it, and what that file would lie beside."""
    members = {name: getattr(stream, name) for name in StreamInFile.model_fields}
    if not stream.files or stream.proto is None:
        return StreamInFile(**{**members, "proto": None}), Bundle(files={})
    proto = Proto(main=stream.proto, files={name: name for name in stream.files})
    bundle = Bundle(files={}, protos={PROTO: proto}, texts=stream.files)
    return StreamInFile(**{**members, "proto": PROTO}), bundle
