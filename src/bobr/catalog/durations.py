"""Times as people write them: `90s`, `30m`, `12h`, `7d`; for short ones `500ms`. Pure."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, PlainSerializer, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
AT_LEAST = {"d": 2 * 86400, "h": 3600, "m": 60}
"""Seconds from which a unit is used: nobody says 1d for 24h."""
DURATION = re.compile(r"([0-9]{1,9})\s*(ms|[smhd])|0+")
BARE = re.compile(r"[0-9]{1,9}")
LIKE = "it is a time like 24h, 30m or 7d"
SHOWN_CHARACTERS_MAX = 80
"""Of a wrong value."""


def seconds_of(text: str) -> float:
    """Seconds, whole ones as an int. ValueError: it is no such time, and what to write."""
    match = DURATION.fullmatch(text)
    if match and match[2] == "ms":
        return int(match[1]) / 1000
    if match:
        return int(match[1]) * UNITS[match[2]] if match[2] else 0
    if BARE.fullmatch(text):
        raise ValueError(f"{text} has no unit: write {text}s, {text}m, {text}h or {text}d")
    raise ValueError(f"{LIKE}, not {text[:SHOWN_CHARACTERS_MAX]!r}")


def in_units(seconds: float) -> str:
    """The time in the largest unit that makes it whole, as people say it: 30d, 24h, 90s, 500ms."""
    if seconds != int(seconds):
        return f"{round(seconds * 1000)}ms"
    for unit in ("d", "h", "m"):
        if seconds >= AT_LEAST[unit] and seconds % UNITS[unit] == 0:
            return f"{int(seconds // UNITS[unit])}{unit}"
    return f"{int(seconds)}s"


WRITTEN = "written"
"""Context of a validation: the value was written by a person, who says the unit; code gives seconds."""


def _read(value: object, info: ValidationInfo) -> object:
    if isinstance(value, bool):
        raise ValueError(LIKE)
    if isinstance(value, str) or (isinstance(value, int | float) and info.context == WRITTEN):
        return seconds_of(str(value))
    return value


@dataclass(frozen=True, slots=True)
class _Shape:
    """Its JSON Schema: a text, and 0 needs no unit. Bounds of seconds say nothing of texts, and are left out."""

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        text = {"type": "string", "pattern": _PATTERN, "examples": ["24h"]}
        return text if handler.mode == "serialization" else {"anyOf": [text, {"const": 0}]}


def written_default(schema: dict[str, Any]) -> None:
    """Of a member's JSON Schema, for `json_schema_extra`: its default as users write it, where it is not yet."""
    if not isinstance(default := schema["default"], str):
        schema["default"] = in_units(default)


_PATTERN = r"^([0-9]{1,9}\s*(ms|[smhd])|0+)$"
_FORM = (BeforeValidator(_read), PlainSerializer(in_units, return_type=str), _Shape())
Seconds = Annotated[int, *_FORM]
"""Whole seconds in code, `24h` in files and messages."""
FractionalSeconds = Annotated[float, *_FORM]
"""Likewise, down to a millisecond."""
