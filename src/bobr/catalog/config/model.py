"""What may stand in a configuration file, and its JSON Schema for editors."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from bobr.catalog.model import (
    DeliveryDeclaration,
    IcebergDeclaration,
    PrincipalDeclaration,
    RouteDeclaration,
    SettingsDeclaration,
    StreamDeclaration,
    Value,
)
from bobr.catalog.names import MESSAGE_TYPE, NAME
from bobr.ids import DeliveryName, DestinationName, PrincipalName, RouteName, StreamName

FILES = "files"
"""Owner of what stands in files that do not name another."""


class StreamInFile(StreamDeclaration):
    """What a file says of a stream."""

    message: Annotated[str, MESSAGE_TYPE] | None = None  # type: ignore[assignment]  # it may follow
    """Full name of the protobuf message type, such as `shop.v1.Order`. May be left out where `proto` has one alone."""
    proto: str | None = Field(default=None, min_length=1)
    """The .proto file that has the message, relative to this file. None: the message's schema is in the registry, as
    the newest version of subject `<stream>-value`."""


class ConfigFile(Value):
    """A configuration file of Bobr. All files of a folder are one configuration."""

    owner: Annotated[str, NAME] | None = None
    """Who declares it, where several repositories configure one system; the same in all files of a folder."""
    streams: Mapping[Annotated[StreamName, NAME], StreamInFile] = {}
    """Named, typed logs of events."""
    routes: Mapping[Annotated[RouteName, NAME], RouteDeclaration] = {}
    """Streams → filter → stream."""
    deliveries: Mapping[Annotated[DeliveryName, NAME], DeliveryDeclaration] = {}
    """Streams → tables."""
    destinations: Mapping[Annotated[DestinationName, NAME], IcebergDeclaration] = {}
    """Places for tables. `lake` is there without being declared."""
    principals: Mapping[Annotated[PrincipalName, NAME], PrincipalDeclaration] = {}
    """Who calls, and what it may do. As long as there is none, everybody may do everything."""
    settings: SettingsDeclaration | None = None
    """What holds for the whole system."""


class _ForEditors(GenerateJsonSchema):
    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """A name of another form is told, and what stands under it is completed nevertheless."""
        found = super().dict_schema(schema)
        if patterns := found.pop("patternProperties", None):
            [(pattern, values)] = patterns.items()
            found |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}
        return found


def json_schema() -> Mapping[str, Any]:
    """Of a configuration file, for editors: JSON Schema 2020-12."""
    schema = ConfigFile.model_json_schema(by_alias=True, schema_generator=_ForEditors)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
