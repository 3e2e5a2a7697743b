"""How names, and patterns of names, are written: checked here, and told to editors. Pure."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from bobr.catalog.keys import ANYWHERE

ALL = "*"
"""The pattern of every name."""


@dataclass(frozen=True, slots=True)
class Form:
    """Of a text. In `Annotated` it is a validator, and the pattern of the JSON Schema."""

    pattern: str
    """A regular expression of the whole text, of what Python and JSON Schema understand alike."""
    message: str
    """To those who wrote something else."""

    def fits(self, text: str) -> bool:
        """Whether it is written so, and is no API key: some have the form of a message's or a field's name."""
        return re.fullmatch(self.pattern, text) is not None and not ANYWHERE.search(text)

    def check(self, text: str) -> str:
        """The text. ValueError: it is not written so."""
        if not self.fits(text):
            raise ValueError(self.message)
        return text

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(core), "pattern": f"^({self.pattern})$"}


_NAME = "[a-z0-9][a-z0-9_.-]{0,127}"
_COLUMN = "[a-z_][a-z0-9_]{0,127}"
_DOTTED = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"

NAME = Form(
    _NAME,
    "a name has small letters, digits, '.', '_' and '-', at most 128, and begins with a letter or digit",
)
"""Of an object of the catalog."""
TABLE = Form(
    rf"({_COLUMN}\.)?{_COLUMN}",
    "a table's name has small letters, digits and '_', at most 128, may have a namespace before it "
    "(shop.orders), and does not begin with a digit",
)
NAMESPACE = Form(
    _COLUMN,
    "a namespace has small letters, digits and '_', at most 128, and does not begin with a digit",
)
MESSAGE_TYPE = Form(_DOTTED, "a message has a full name such as shop.v1.Order")
FIELD = Form(_DOTTED, "a field has a name such as customer_id, or customer.id inside another")
MOMENT = Form(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
    "a time is written as 2026-11-29T15:04:05Z",
)
TABLES = Form(
    rf"\*|{_NAME}/(\*|{_COLUMN}\*|{_COLUMN}\.\*|{_COLUMN}\.{_COLUMN}\*?)",
    "tables are written with their destination and namespace: lake/shop.orders, lake/shop.* for all that "
    "begin so, lake/* for all of a destination, * for all",
)
"""Several at once."""


@dataclass(frozen=True, slots=True)
class _Streams(Form):
    def check(self, text: str) -> str:
        if ALL in text[:-1]:
            raise ValueError(self.message)
        if text != ALL:
            NAME.check(text.removesuffix(ALL))
        return text


STREAMS = _Streams(
    rf"\*|{_NAME}\*?",
    "* stands at the end alone: orders-* for all streams that begin so, * for all there are",
)
"""Several at once; what begins a name has the same faults."""
