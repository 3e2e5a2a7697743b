"""The Confluent Schema Registry REST API, for protobuf, as stock clients use it.

One small function a path, over `Registry`; `front.py` runs them in threads and tells of errors.
Names with a slash in them work: clients send it escaped, and the longest path is matched first.
"""

from dataclasses import asdict

from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from bobr.controller.registry.front import (
    MEDIA_TYPE,
    Ask,
    Call,
    Front,
    Handler,
    anybody,
    no_such_path,
)
from bobr.controller.registry.refusals import Code, RefusedError
from bobr.controller.registry.registry import LATEST, Registered, Registry
from bobr.controller.registry.settings_api import SettingsApi
from bobr.controller.registry.store import Schema, State
from bobr.ids import SchemaId
from bobr.schema.source.sources import Reference, text_of

PROTOBUF = "PROTOBUF"


class ReferenceBody(BaseModel):
    """An import. version: -1 means the latest."""

    name: str
    subject: str
    version: int


class SchemaBody(BaseModel):
    """A schema as clients send it."""

    text: str = Field(alias="schema")
    kind: str = Field(alias="schemaType", default="AVRO")
    references: list[ReferenceBody] | None = None
    metadata: dict[str, object] | None = None
    rules: dict[str, object] | None = Field(alias="ruleSet", default=None)


def registry_app(registry: Registry, ask: Ask = anybody) -> Starlette:
    """An application of the registry alone, at whatever path it is mounted. ask: who may change what."""
    handlers = {HTTPException: no_such_path}
    return Starlette(routes=registry_routes(registry, ask), exception_handlers=handlers)


def registry_routes(registry: Registry, ask: Ask = anybody) -> list[Route]:
    """The registry's paths, for an application that has others too."""
    front = Front(ask)
    paths = [*SchemasApi(registry).paths(), *SettingsApi(registry.settings).paths()]
    return [front.route(method, path, handler) for method, path, handler in paths]


class SchemasApi:
    """What the paths of schemas and subjects do."""

    def __init__(self, registry: Registry) -> None:
        """`registry`: decides."""
        self._registry = registry

    def paths(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler; longer paths before their beginnings."""
        return [
            ("GET", "/schemas/types", lambda _: [PROTOBUF]),
            ("GET", "/schemas/ids/{id}", self.schema),
            ("GET", "/schemas/ids/{id}/schema", self.schema_text),
            ("GET", "/schemas/ids/{id}/subjects", self.schema_subjects),
            ("GET", "/schemas/ids/{id}/versions", self.schema_versions),
            ("GET", "/subjects", self.subjects),
            ("GET", "/subjects/{subject:path}/versions/{version}/referencedby", self.referenced_by),
            ("GET", "/subjects/{subject:path}/versions/{version}/schema", self.version_text),
            ("GET", "/subjects/{subject:path}/versions/{version}", self.version),
            ("DELETE", "/subjects/{subject:path}/versions/{version}", self.delete_version),
            ("GET", "/subjects/{subject:path}/versions", self.versions),
            ("POST", "/subjects/{subject:path}/versions", self.register),
            ("POST", "/subjects/{subject:path}", self.lookup),
            ("DELETE", "/subjects/{subject:path}", self.delete_subject),
            ("POST", "/compatibility/subjects/{subject:path}/versions", self.is_compatible),
            (
                "POST",
                "/compatibility/subjects/{subject:path}/versions/{version}",
                self.is_compatible,
            ),
            ("GET", "/contexts", lambda _: ["."]),
        ]

    def register(self, call: Call) -> object:
        """The schema's id, after registering it in the subject."""
        text, references = self._sent(call)
        return {"id": self._registry.register(call.subject, text, references)}

    def lookup(self, call: Call) -> object:
        """The subject's version that is the schema."""
        text, references = self._sent(call)
        found = self._registry.lookup(call.subject, text, references, call.worst)
        return self._described(found, call)

    def schema(self, call: Call) -> object:
        """A schema by its id."""
        schema_id = call.id
        return self._schema(schema_id, self._registry.schema(schema_id), call)

    def schema_text(self, call: Call) -> object:
        """A schema's text alone."""
        schema_id = call.id
        return _plain(self._text(schema_id, self._registry.schema(schema_id), call))

    def schema_subjects(self, call: Call) -> object:
        """Where a schema is."""
        usages = self._registry.usages(call.id, call.worst)
        return call.page(list(dict.fromkeys(each.subject for each in usages)))

    def schema_versions(self, call: Call) -> object:
        """Where a schema is, with versions."""
        usages = self._registry.usages(call.id, call.worst)
        return call.page([{"subject": x.subject, "version": x.version} for x in usages])

    def subjects(self, call: Call) -> object:
        """Names that begin with `subjectPrefix`."""
        prefix = call.query.get("subjectPrefix", "").removeprefix(":*:").removeprefix(":.:")
        names = self._registry.subjects(call.worst)
        if call.flag("deletedOnly") or call.flag("deleted_only"):
            names = sorted({*self._registry.subjects(State.DELETED)} - {*self._registry.subjects()})
        return call.page([name for name in names if name.startswith(prefix)])

    def versions(self, call: Call) -> object:
        """A subject's version numbers."""
        return call.page(self._registry.versions(call.subject, call.worst))

    def version(self, call: Call) -> object:
        """A version with its schema."""
        found = self._registry.version(call.subject, call.version, call.worst)
        return self._described(found, call)

    def version_text(self, call: Call) -> object:
        """A version's text alone."""
        found = self._registry.version(call.subject, call.version, call.worst)
        return _plain(self._text(found.id, found.schema, call))

    def referenced_by(self, call: Call) -> object:
        """Ids of schemas that import the version."""
        return call.page(self._registry.referenced_by(call.subject, call.version))

    def delete_version(self, call: Call) -> object:
        """The number of the version that is no more."""
        permanent = call.flag("permanent")
        return self._registry.delete_version(call.subject, call.version, permanent)

    def delete_subject(self, call: Call) -> object:
        """The numbers of the versions that are no more."""
        return self._registry.delete_subject(call.subject, call.flag("permanent"))

    def is_compatible(self, call: Call) -> object:
        """Whether the schema could be registered now; with `verbose`, why not."""
        text, references = self._sent(call)
        version = call.version if "version" in call.path else None
        problems = self._registry.problems(call.subject, text, references, version)
        answer: dict[str, object] = {"is_compatible": not problems}
        if call.flag("verbose"):
            answer["messages"] = [str(problem) for problem in problems]
        return answer

    def _sent(self, call: Call) -> tuple[str, list[Reference]]:
        """The text and references of the request's schema."""
        body = call.read(SchemaBody, Code.INVALID_SCHEMA)
        if body.kind != PROTOBUF:
            message = f"Schemas are of type {PROTOBUF} here, not {body.kind}; send schemaType"
            raise RefusedError(Code.INVALID_SCHEMA, message)
        if body.metadata or body.rules:
            message = "This registry keeps no metadata and no ruleSet; write rules into the schema"
            raise RefusedError(Code.INVALID_SCHEMA, message)
        return body.text, [self._reference(each) for each in body.references or []]

    def _reference(self, body: ReferenceBody) -> Reference:
        version = body.version
        if version == LATEST:
            version = self._registry.version(body.subject, LATEST).version
        return Reference(name=body.name, subject=body.subject, version=version)

    def _described(self, found: Registered, call: Call) -> dict[str, object]:
        where = {"subject": found.subject, "version": found.version, "id": found.id}
        return {**where, **self._schema(found.id, found.schema, call)}

    def _schema(self, schema_id: SchemaId, schema: Schema, call: Call) -> dict[str, object]:
        answer: dict[str, object] = {"schemaType": PROTOBUF}
        if schema.references:
            answer["references"] = [asdict(each) for each in schema.references]
        return {**answer, "schema": self._text(schema_id, schema, call)}

    def _text(self, schema_id: SchemaId, schema: Schema, call: Call) -> str:
        """As it was sent, or, asked for `serialized`, as a descriptor in base64."""
        if call.query.get("format") != "serialized":
            return schema.text
        return text_of(self._registry.descriptors(schema_id).file[-1])


def _plain(text: str) -> Response:
    return Response(text, media_type=MEDIA_TYPE)
