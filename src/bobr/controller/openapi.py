"""The OpenAPI description of the controller's operations, made of their table."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bobr.controller.operations import WHOLE, Operation, Operations, Refusal, in_path

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
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bobr's controller", "version": version("bobr")},
        "paths": paths,
        "components": {"schemas": schemas.get("$defs", {})},
    }


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
    if body := _body(each):
        content = _content(references[body, "validation"])
        described["requestBody"] = {"required": True, **content}
    return described


def _identifier(each: Operation[Any, Any]) -> str:
    words = each.path.replace("{", "by_").replace("}", "").replace(":int", "").split("/")
    return "_".join([each.method.lower(), *(word for word in words if word not in ("", "v1"))])


def _content(schema: object) -> Mapping[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def _in_path(each: Operation[Any, Any]) -> Sequence[Mapping[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if is_number else "string"},
        }
        for name, is_number in in_path(each).items()
    ]


def _in_query(each: Operation[Any, Any]) -> Iterator[Mapping[str, Any]]:
    """All members that are neither in the path nor in the body."""
    if each.body == WHOLE:
        return
    schema = each.ask.model_json_schema()
    for name, value in schema.get("properties", {}).items():
        if name not in in_path(each) and name != each.body:
            shape = {key: value[key] for key in value if key not in ("title", "description")}
            yield {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": value.get("description", ""),
                "schema": shape,
            }
