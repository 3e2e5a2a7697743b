"""A client of schema registries: the embedded one, and others with Confluent's REST API.

A registry is asked for ids, texts and references only. Its own compiling, its `format=serialized`
and its compatibility check are not relied on: registries differ there, and some lose options.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote

import httpx2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from bobr.errors import (
    BobrError,
    MisconfiguredError,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from bobr.ids import SchemaId
from bobr.schema.source.compile import compile_files, parse_schema
from bobr.schema.source.sources import (
    Reference,
    References,
    brought,
    check_own,
    gather,
    imports_of,
    is_builtin,
    text_of,
)

TIMEOUT_SECONDS = 10.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
CACHED_MAX = 256  # schemas, about 0.5 MB each

_ACCEPT = "application/vnd.schemaregistry.v1+json, application/json"
_Answer = TypeVar("_Answer")


class Registered(BaseModel):
    """A version of a subject, as a registry tells of it."""

    id: SchemaId
    version: int


class _Reference(BaseModel):
    name: str
    subject: str
    version: int


class _Schema(BaseModel):
    text: str = Field(alias="schema")
    kind: str = Field(alias="schemaType", default="AVRO")
    references: list[_Reference] | None = None


class _Id(BaseModel):
    id: SchemaId


class RegistryClient:
    """Thread-safe. Never retries.

    Each method raises UnavailableError when the registry does not answer or says that it can not
    now, MisconfiguredError when it is no registry or does not let us in, NotFoundError, and
    RejectedError with the registry's own words.
    """

    def __init__(
        self,
        url: str,
        authorization: str | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`url`: what the API's paths are added to; may hold `user:password@`. `authorization`: a header, or none."""
        self._http = httpx2.Client(
            base_url=url.rstrip("/") + "/",
            timeout=TIMEOUT_SECONDS,
            transport=transport,
            headers={"Accept": _ACCEPT, **_authorized(authorization)},
        )
        self._name = str(self._http.base_url.copy_with(username=None, password=None))
        self._cached = lru_cache(CACHED_MAX)(self._descriptors)

    def close(self) -> None:
        """Release the connections. Idempotent."""
        self._http.close()

    def descriptors(self, schema_id: SchemaId) -> FileDescriptorSet:
        """The compiled schema, what it imports first, itself last. Shared: not to be changed.

        Ids mean the same for ever, so it is asked for and compiled once. SchemaError: what the
        registry has under this id does not compile.
        """
        return self._cached(schema_id)

    def register(self, subject: str, text: str, references: Sequence[Reference] = ()) -> SchemaId:
        """The id of the schema, a `.proto` text or a descriptor in base64, in that subject."""
        path = f"subjects/{_quoted(subject)}/versions"
        return self._post(path, _Id, _body(text, references)).id

    def lookup(self, subject: str, text: str, references: Sequence[Reference] = ()) -> Registered:
        """The version of the subject that is this schema."""
        return self._post(f"subjects/{_quoted(subject)}", Registered, _body(text, references))

    def register_files(self, subject: str, files: Mapping[str, str], main: str) -> SchemaId:
        """As `register`, of one file of several, each by its import name, after its imports.

        Imports get subjects below `subject`; built-in files that registries do not have, one of
        their own name. SchemaError: it does not compile; nothing was registered.
        """
        check_own(main)
        compiled = compile_files(files, main)
        placed: dict[str, Reference] = {}
        for file in compiled.file[:-1]:
            if file.name in brought() or not is_builtin(file.name):
                self._place(subject, file, files, placed)
        return self.register(subject, files[main], _placed(compiled.file[-1], placed))

    def _place(
        self,
        subject: str,
        file: FileDescriptorProto,
        files: Mapping[str, str],
        placed: dict[str, Reference],
    ) -> None:
        """Register an import, and note where it is."""
        is_brought = file.name in brought()
        below = file.name if is_brought else f"{subject}/{file.name}"
        text = text_of(file) if is_brought else files[file.name]
        references = _placed(file, placed)
        self.register(below, text, references)
        version = self.lookup(below, text, references).version
        placed[file.name] = Reference(name=file.name, subject=below, version=version)

    def _descriptors(self, schema_id: SchemaId) -> FileDescriptorSet:
        text, references = self._schema(f"schemas/ids/{schema_id}")
        return parse_schema(text, gather(references, self._referenced))

    def _referenced(self, reference: Reference) -> tuple[str, References]:
        subject = _quoted(reference.subject)
        return self._schema(f"subjects/{subject}/versions/{reference.version}?deleted=true")

    def _schema(self, path: str) -> tuple[str, References]:
        schema = self._answer("GET", path, _Schema)
        if schema.kind != "PROTOBUF":
            message = f"{self._name}{path} is {schema.kind}; events need PROTOBUF schemas"
            raise RejectedError(message)
        found = schema.references or []
        return schema.text, tuple(Reference(**each.model_dump()) for each in found)

    def _post(self, path: str, kind: type[_Answer], body: Mapping[str, object]) -> _Answer:
        return self._answer("POST", path, kind, body)

    def _answer(
        self, method: str, path: str, kind: type[_Answer], body: Mapping[str, object] | None = None
    ) -> _Answer:
        content = self._exchange(method, path, body)
        try:
            return TypeAdapter(kind).validate_json(content)
        except ValidationError as error:
            message = f"{self._name}{path} does not answer as a schema registry: {error}"
            raise MisconfiguredError(message) from error

    def _exchange(self, method: str, path: str, body: Mapping[str, object] | None) -> bytes:
        """The answer's body; not more than is allowed."""
        try:
            with self._http.stream(method, path, json=body) as response:
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > ANSWER_BYTES_MAX:
                        message = (
                            f"{self._name}{path} answers with more than {ANSWER_BYTES_MAX} bytes"
                        )
                        raise RejectedError(message)
        except httpx2.HTTPError as error:
            message = f"the schema registry at {self._name} does not answer: {error}"
            raise UnavailableError(message) from error
        if not response.is_success:
            raise _refusal(response.status_code, bytes(content), f"{self._name}{path}")
        return bytes(content)


def _authorized(authorization: str | None) -> Mapping[str, str]:
    return {} if authorization is None else {"Authorization": authorization}


def _body(text: str, references: Sequence[Reference]) -> Mapping[str, object]:
    found = [asdict(reference) for reference in references]
    return {"schema": text, "schemaType": "PROTOBUF", "references": found}


def _placed(file: FileDescriptorProto, placed: Mapping[str, Reference]) -> References:
    return tuple(placed[name] for name in imports_of(file) if name in placed)


def _quoted(subject: str) -> str:
    return quote(subject, safe="")


class _Refusal(BaseModel):
    message: str = ""


def _refusal(status: int, content: bytes, url: str) -> BobrError:
    try:
        said = _Refusal.model_validate_json(content).message
    except ValidationError:
        said = content[:200].decode("utf-8", "replace")
    message = f"the schema registry answers {status} to {url}: {said}"
    if status in (408, 429) or status >= 500:
        return UnavailableError(message)
    if status in (401, 403):
        return MisconfiguredError(message)
    return NotFoundError(message) if status == 404 else RejectedError(message)
