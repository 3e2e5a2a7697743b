"""The JSON Schema that editors have of configuration files takes what Bobr takes, and its defaults are of its own."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bobr.catalog.config.model import json_schema
from bobr.catalog.config.read import read
from bobr.catalog.model import DeliveryDeclaration, PrincipalDeclaration, StreamDeclaration, Value
from bobr.catalog.names import NAME

SCHEMA = json_schema()
MODELS: Mapping[str, tuple[type[Value], Mapping[str, object]]] = {
    "StreamInFile": (StreamDeclaration, {"message": "shop.v1.Order"}),
    "DeliveryDeclaration": (DeliveryDeclaration, {"from": "orders", "table": "orders"}),
    "PrincipalDeclaration": (PrincipalDeclaration, {}),
}
TIMES = {"retention", "dedup", "flush", "keep"}
TYPES = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "null": (type(None),),
}


def takes(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value fits, by as much of JSON Schema as the members of these objects use."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        return any(takes(each, value) for each in schema["anyOf"])
    if "const" in schema:
        return not isinstance(value, bool) and bool(value == schema["const"])
    return _is_of(schema["type"], value) and all(_bounds(schema, value))


def matches(pattern: str, text: str) -> bool:
    """As JSON Schema has it: there `$` is not before a newline at the end, as it is in Python."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), text) is not None


def _is_of(kind: str, value: Any) -> bool:
    if kind == "object" or isinstance(value, bool):
        return False  # nothing here draws one, and no member is a boolean
    return isinstance(value, TYPES[kind]) or (
        kind == "integer" and isinstance(value, float) and value.is_integer()
    )


def _bounds(schema: Mapping[str, Any], value: Any) -> Iterator[bool]:
    yield "enum" not in schema or value in schema["enum"]
    yield "pattern" not in schema or matches(schema["pattern"], value)
    yield "minimum" not in schema or value >= schema["minimum"]
    yield "maximum" not in schema or value <= schema["maximum"]
    yield "exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"]
    if isinstance(value, list):
        yield len(value) >= schema.get("minItems", 0)
        yield all(takes(schema["items"], each) for each in value)


def members() -> Sequence[tuple[str, str]]:
    return [(model, member) for model in MODELS for member in SCHEMA["$defs"][model]["properties"]]


def is_valid(model: str, member: str, value: object) -> bool:
    """Whether Bobr takes it."""
    declaration, others = MODELS[model]
    return not read(declaration, {**others, member: value}, ("x",)).faults


@pytest.mark.parametrize(("model", "member"), members())
def test_a_default_is_one_that_the_schema_takes(model: str, member: str) -> None:
    shape = SCHEMA["$defs"][model]["properties"][member]
    if "default" in shape:
        assert takes(shape, shape["default"])
        if member in TIMES and shape["default"] is not None:
            assert is_valid(model, member, shape["default"])


NUMBERS = st.integers(-2, 5_000_000) | st.floats(-1, 1e13, allow_nan=False)
WRITTEN = st.sampled_from(
    ["0", "24h", "5s", "500ms", "7d", "1 h", "86400", "24", "h", "1w", "", "3", "true", "1.5h"]
)
VALUES = st.none() | st.booleans() | NUMBERS | WRITTEN | st.sampled_from([0, 0.5, 1, 60, 86400])


@given(VALUES)
@pytest.mark.parametrize(
    ("model", "member"), [each for each in members() if each[1] not in {"proto", "keys"}]
)
def test_what_bobr_takes_the_schema_takes(model: str, member: str, value: object) -> None:
    if is_valid(model, member, value):
        assert takes(SCHEMA["$defs"][model]["properties"][member], value)


WORDS = st.lists(st.sampled_from([*"aZ9_.-*/", "lake/", "a" * 127, "é", "\n"]), max_size=5).map(
    "".join
)
NAMED = [
    ("StreamInFile", "message"),
    ("StreamInFile", "key"),
    ("DeliveryDeclaration", "from"),
    ("DeliveryDeclaration", "table"),
]
PATTERNS = [("PrincipalDeclaration", each) for each in ("publish", "read", "configure", "tables")]


@given(WORDS)
@pytest.mark.parametrize(("model", "member"), NAMED)
def test_names_are_the_same_for_both(model: str, member: str, word: str) -> None:
    taken = takes(SCHEMA["$defs"][model]["properties"][member], word)
    assert is_valid(model, member, word) == taken


@given(WORDS)
@pytest.mark.parametrize(("model", "member"), PATTERNS)
def test_patterns_of_names_are_the_same_for_both(model: str, member: str, word: str) -> None:
    taken = takes(SCHEMA["$defs"][model]["properties"][member], [word])
    assert is_valid(model, member, [word]) == taken


@given(WORDS)
def test_the_name_of_an_object_is_the_same_for_both(word: str) -> None:
    streams = SCHEMA["properties"]["streams"]
    assert NAME.fits(word) == matches(streams["propertyNames"]["pattern"], word)
    assert streams["additionalProperties"] == {"$ref": "#/$defs/StreamInFile"}


NUMERIC = {"partitions", "event_bytes_max", "events_per_second", "bytes_per_second"}


@given(VALUES)
@pytest.mark.parametrize(("model", "member"), [each for each in members() if each[1] in NUMERIC])
def test_numbers_are_the_same_for_both(model: str, member: str, value: object) -> None:
    taken = takes(SCHEMA["$defs"][model]["properties"][member], value)
    assert is_valid(model, member, value) == taken


@pytest.mark.parametrize("value", [0, "0", "24h", "90s", "30m", "7d"])
def test_a_time_that_is_long_enough_is_the_same_for_both(value: object) -> None:
    assert takes(SCHEMA["$defs"]["DeliveryDeclaration"]["properties"]["dedup"], value)
    assert is_valid("DeliveryDeclaration", "dedup", value)


@pytest.mark.parametrize("value", [86400, 1, 5.0, True, "86400", "1w", ""])
@pytest.mark.parametrize("member", ["dedup", "flush", "keep"])
def test_what_is_no_time_is_none_for_both(member: str, value: object) -> None:
    assert not takes(SCHEMA["$defs"]["DeliveryDeclaration"]["properties"][member], value)
    assert not is_valid("DeliveryDeclaration", member, value)
