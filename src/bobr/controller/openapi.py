"""The OpenAPI description of the controller's operations, made of their table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bobr.controller.operations import WHOLE, Operation, Operations, Refusal, in_path

KEYS: Mapping[str, Any] = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, as `bobr key create` prints it. Every call needs one once there is a principal.",
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A call that only reads, and whose answer has no model. query: by name, what each is for and its type."""

    path: str
    summary: str
    query: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    media_type: str = "application/json"


PLAIN = (
    Plain(path="/v1/addresses", summary="Where the ports of the system are."),
    Plain(path="/v1/status", summary="How the system stands, as `bobr status --json` prints it."),
    Plain(
        path="/v1/streams/{stream}/events",
        summary="Decoded events, one a line; empty lines while nothing comes.",
        query={
            "from": ("string", "beginning, end or an offset; left out: end."),
            "limit": ("integer", "Stop after so many; 0: never."),
            "follow": ("boolean", "0: stop at the end."),
        },
        media_type="application/x-ndjson",
    ),
)
SCHEMAS = "#/components/schemas/{model}"


def openapi_route(operations: Operations) -> Route:
    """`GET /openapi.json`."""
    described = openapi(operations)

    async def answer(_: Request) -> Response:
        return JSONResponse(described)

    return Route("/openapi.json", answer)


def openapi(operations: Operations) -> Mapping[str, Any]:
    """The description, version 3.1."""
    bodies = [(body, "validation") for each in operations if (body := _body(each))]
    answers = [(each.answer, "serialization") for each in operations]
    modes = [*bodies, *answers, (Refusal, "serialization")]
    references, schemas = models_json_schema(modes, ref_template=SCHEMAS)  # type: ignore[arg-type]  # both are modes
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        described = _described(each, references)
        paths.setdefault(each.path.replace(":int", ""), {})[each.method.lower()] = described
    for plain in PLAIN:
        paths[plain.path] = {"get": _plain(plain, references)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bobr's controller", "version": version("bobr")},
        "security": [{name: []} for name in KEYS] + [{}],  # none, while there is no principal
        "paths": paths,
        "components": {"schemas": schemas.get("$defs", {}), "securitySchemes": KEYS},
    }


def _plain(each: Plain, references: Mapping[Any, Any]) -> Mapping[str, Any]:
    """As `_described`."""
    is_json = each.media_type == "application/json"
    in_query = [
        {"name": name, "in": "query", "description": what, "schema": {"type": kind}}
        for name, (kind, what) in each.query.items()
    ]
    content = {each.media_type: {"schema": {"type": "object" if is_json else "string"}}}
    return {
        "operationId": _identifier("GET", each.path),
        "summary": each.summary,
        "parameters": [*_in_path(in_path(each.path)), *in_query],
        "responses": {
            "200": {"description": "Done.", "content": content},
            "default": _refused(references),
        },
    }


def _refused(references: Mapping[Any, Any]) -> Mapping[str, Any]:
    return {"description": "Not done.", **_content(references[Refusal, "serialization"])}


def _body(each: Operation[Any, Any]) -> type[BaseModel] | None:
    """Of the request."""
    if each.body is None or each.body == WHOLE:
        whole: type[BaseModel] = each.ask
        return whole if each.body else None
    member = each.ask.model_fields[each.body].annotation
    assert isinstance(member, type)
    assert issubclass(member, BaseModel)
    return member


def _described(each: Operation[Any, Any], references: Mapping[Any, Any]) -> Mapping[str, Any]:
    answer = _content(references[each.answer, "serialization"])
    described: dict[str, Any] = {
        "operationId": _identifier(each.method, each.path),
        "summary": each.summary,
        "parameters": [*_in_path(in_path(each.path)), *_in_query(each)],
        "responses": {
            "200": {"description": "Done.", **answer},
            "default": _refused(references),
        },
    }
    if body := _body(each):
        content = _content(references[body, "validation"])
        described["requestBody"] = {"required": True, **content}
    return described


def _identifier(method: str, path: str) -> str:
    words = path.replace("{", "by_").replace("}", "").replace(":int", "").split("/")
    return "_".join([method.lower(), *(word for word in words if word not in ("", "v1"))])


def _content(schema: object) -> Mapping[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _in_path(members: Mapping[str, bool]) -> Sequence[Mapping[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if is_number else "string"},
        }
        for name, is_number in members.items()
    ]


def _in_query(each: Operation[Any, Any]) -> Iterator[Mapping[str, Any]]:
    """All members that are neither in the path nor in the body."""
    if each.body == WHOLE:
        return
    schema = each.ask.model_json_schema()
    for name, value in schema.get("properties", {}).items():
        if name not in in_path(each.path) and name != each.body:
            shape = {key: value[key] for key in value if key not in ("title", "description")}
            yield {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": value.get("description", ""),
                "schema": shape,
            }
