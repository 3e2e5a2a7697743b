"""What the controller's API can do, as one table: its routes and its OpenAPI description are made of it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SCHEMAS = "#/components/schemas/{model}"


class Fault(BaseModel):
    """One thing wrong. file, line, column: where, as far as it stands in a file; path: of the value."""

    file: str
    line: int
    column: int
    path: str
    rule: str
    message: str


class Reason(BaseModel):
    """Why not. problems: of files or objects, each with its place."""

    message: str
    problems: Sequence[Fault] = ()


class Refusal(BaseModel):
    """The answer to what was not done: 404 there is no such, 409 it does not fit what is there, 422 it can not be."""

    error: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. path: members of it in braces, `:int` after whole numbers. query: parameters, each with its meaning."""

    method: str
    path: str
    summary: str
    handler: Callable[[Request], Awaitable[Response]]
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def route(self) -> Route:
        """As Starlette takes it."""
        return Route(self.path, self.handler, methods=[self.method])


def openapi_route(operations: Sequence[Operation]) -> Route:
    """`GET /openapi.json`."""
    described = openapi(operations)

    async def answer(_: Request) -> Response:
        return JSONResponse(described)

    return Route("/openapi.json", answer)


def openapi(operations: Iterable[Operation]) -> Mapping[str, Any]:
    """The description, version 3.1."""
    operations = tuple(operations)
    bodies = [(each.body, "validation") for each in operations if each.body]
    answers = [(each.answer, "serialization") for each in operations if each.answer]
    modes = [*bodies, *answers, (Refusal, "serialization")]
    references, schemas = models_json_schema(modes, ref_template=SCHEMAS)  # type: ignore[arg-type]  # both are modes
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        described = _described(each, references)
        paths.setdefault(each.path.replace(":int", ""), {})[each.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bobr's controller", "version": version("bobr")},
        "paths": paths,
        "components": {"schemas": schemas.get("$defs", {})},
    }


def _described(each: Operation, references: Mapping[Any, Any]) -> Mapping[str, Any]:
    answer = _content(references[each.answer, "serialization"]) if each.answer else {}
    refusal = _content(references[Refusal, "serialization"])
    described: dict[str, Any] = {
        "operationId": _identifier(each),
        "summary": each.summary,
        "parameters": [*_in_path(each), *_in_query(each)],
        "responses": {
            "200": {"description": "Done.", **answer},
            "default": {"description": "Not done.", **refusal},
        },
    }
    if each.body:
        content = _content(references[each.body, "validation"])
        described["requestBody"] = {"required": True, **content}
    return described


def _identifier(each: Operation) -> str:
    words = each.path.replace("{", "by_").replace("}", "").replace(":int", "").split("/")
    return "_".join([each.method.lower(), *(word for word in words if word not in ("", "v1"))])


def _content(schema: object) -> Mapping[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _in_path(each: Operation) -> list[Mapping[str, Any]]:
    parts = [part[1:-1] for part in each.path.split("/") if part.startswith("{")]
    return [
        {
            "name": part.removesuffix(":int"),
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if part.endswith(":int") else "string"},
        }
        for part in parts
    ]


def _in_query(each: Operation) -> list[Mapping[str, Any]]:
    return [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in each.query.items()
    ]
