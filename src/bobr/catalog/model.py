"""Streams, routes, deliveries, destinations and principals as frozen values.

Their JSON form has the words of configuration files: `from` and not `stream`, `24h` and not 86400. Files, the API, the
store and the parts all speak it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticKnownError

from bobr.catalog.durations import FractionalSeconds, Seconds, written_default
from bobr.catalog.locations import catalog_in, same_catalog
from bobr.catalog.names import FIELD, MESSAGE_TYPE, MOMENT, NAME, NAMESPACE, STREAMS, TABLE, TABLES
from bobr.catalog.references import Text, resolve
from bobr.ids import (
    DeliveryName,
    DestinationName,
    PrincipalName,
    Revision,
    RouteName,
    SchemaId,
    StreamName,
)


def _whole_number(value: object) -> object:
    """'3' and true are none, whatever Python makes of them: so says the JSON Schema, and so say editors."""
    if isinstance(value, str | bool):
        raise PydanticKnownError("int_type")
    return value


def _number(value: object) -> object:
    """Nor is NaN one."""
    if isinstance(value, str | bool) or value != value:  # noqa: PLR0124
        raise PydanticKnownError("float_parsing")
    return value


WholeNumber = Annotated[int, BeforeValidator(_whole_number)]

MIB = 1024 * 1024
TEN_YEARS_SECONDS = 3650 * 24 * 3600
"""Longer times are mistakes, and lead out of the calendar."""
PARTITIONS_MAX = 10_000
API = "api"
"""Owner of what was made by a call and stands in no file."""
KEYS_MAX = 2
"""Of one principal: the old one and the new one while clients change over."""
MOST_A_SECOND = 1e12
"""Of a limit a second: more than any machine takes is a mistake."""
Place = tuple[str | None, ...]
"""Of a table: the same for all that name it."""
LAKE = DestinationName("lake")
"""The destination that every system has: Iceberg in its own data folder."""


class PartitionBy(StrEnum):
    """The period of event time that one table partition holds."""

    NONE = "none"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Value(BaseModel):
    """A frozen value that takes no unknown members."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )


class StreamDeclaration(Value):
    """What a user says of a stream."""

    message: Annotated[str, MESSAGE_TYPE]
    """Full name of the protobuf message type, such as `shop.v1.Order`."""
    partitions: WholeNumber = Field(default=1, ge=1, le=PARTITIONS_MAX)
    """Of the log; it can grow."""
    retention_seconds: Seconds = Field(
        default=7 * 24 * 3600,
        ge=60,
        le=TEN_YEARS_SECONDS,
        validation_alias="retention",
        serialization_alias="retention",
        json_schema_extra=written_default,
    )
    """How long the log keeps events that every table has."""
    key: Annotated[str, FIELD] | None = None
    """The field by which events are spread over partitions; events of one value stay in order."""
    event_bytes_max: WholeNumber = Field(default=MIB, ge=1, le=3 * MIB)
    """A larger event is refused."""


class Stream(StreamDeclaration):
    """A named, typed log of events."""

    name: Annotated[StreamName, NAME]
    schema_ids: tuple[SchemaId, ...] = Field(min_length=1)
    """Every schema that its events may be written with; the last is the one that it carries now."""
    owner: str = API
    """Who declares it: a name of configuration files, or `api`."""

    @property
    def schema_id(self) -> SchemaId:
        """What events are written with when the producer does not say."""
        return self.schema_ids[-1]

    @property
    def subject(self) -> str:
        """The registry subject that holds the versions of its schema."""
        return f"{self.name}-value"


class RouteDeclaration(Value):
    """What a user says of a route."""

    sources: tuple[Annotated[StreamName, NAME], ...] = Field(
        min_length=1, validation_alias="from", serialization_alias="from"
    )
    where: str | None = None
    """A CEL expression over `event`; none: every event passes."""
    to: Annotated[StreamName, NAME]


class Route(RouteDeclaration):
    """Streams → filter → stream; with several sources it is a merge."""

    name: Annotated[RouteName, NAME]
    owner: str = API


class DeliveryDeclaration(Value):
    """What a user says of a delivery."""

    stream: Annotated[StreamName, NAME] = Field(validation_alias="from", serialization_alias="from")
    to: Annotated[DestinationName, NAME] = LAKE
    table: Annotated[str, TABLE]
    """`orders`, or `shop.orders` with the namespace of the destination that it lies in."""
    partition_by: PartitionBy = Field(
        default=PartitionBy.DAY, validation_alias="partition", serialization_alias="partition"
    )
    """The period of event time that one partition of the table holds."""
    dedup_seconds: Seconds = Field(
        default=24 * 3600,
        ge=0,
        le=TEN_YEARS_SECONDS,
        validation_alias="dedup",
        serialization_alias="dedup",
        json_schema_extra=written_default,
    )
    """Two events of one id that arrive within this time are one; 0: no dedup."""
    flush_seconds: FractionalSeconds = Field(
        default=5.0,
        gt=0,
        le=24 * 3600,
        validation_alias="flush",
        serialization_alias="flush",
        json_schema_extra=written_default,
    )
    """The oldest event waits no longer than this for its commit."""
    keep_seconds: Annotated[Seconds, Field(ge=3600, le=TEN_YEARS_SECONDS)] | None = Field(
        default=None,
        validation_alias="keep",
        serialization_alias="keep",
    )
    """Partitions of the table whose period ended longer ago than this are dropped; none: all stay."""


class Delivery(DeliveryDeclaration):
    """Stream → table."""

    name: Annotated[DeliveryName, NAME]
    owner: str = API
    paused: bool = False
    """Nothing is delivered until it is resumed. Said by a command, never by files, which do not undo it either."""


class SqlCatalog(Value):
    """An Iceberg catalog in a SQL database, as Iceberg's JDBC catalog keeps it."""

    type: Literal["sql"] = "sql"
    uri: Text
    """`postgresql+psycopg://user@host/database`, or `sqlite:////srv/lake/catalog.db`."""
    password: Text | None = Field(default=None, repr=False)
    """Goes with the user of the URI; a reference such as ${file:/run/secrets/lake}."""

    def resolved(self) -> "SqlCatalog":
        """With what its references name, as of now; not to be stored. MisconfiguredError: as `resolve`."""
        found = {"uri": resolve(self.uri)}
        if self.password is not None:
            found["password"] = resolve(self.password)
        return self.model_copy(update=found)


class IcebergDeclaration(Value):
    """What a user says of Iceberg tables on a disk."""

    kind: Literal["iceberg"]
    warehouse: Text | None = None
    """Absolute path of the folder that the tables lie in; none: the system's own data folder."""
    catalog: SqlCatalog | None = None
    """None: a SQLite database in the warehouse."""
    namespace: Annotated[str, NAMESPACE] = "bobr"
    """Of tables that are named without one."""


class Destination(IcebergDeclaration):
    """A named place for tables."""

    name: Annotated[DestinationName, NAME]
    owner: str = API

    def qualified(self, table: str) -> str:
        """The table's name with its namespace."""
        return table if "." in table else f"{self.namespace}.{table}"

    def place_of(self, table: str) -> Place:
        """The same for all that name one table: the kind, where the catalog is, and the table with its namespace."""
        return self.kind, self._where, self.qualified(table)

    @property
    def _where(self) -> str | None:
        """The same for all of one catalog. None: in the system's own data folder, which only its transmitter knows."""
        if self.catalog is not None:
            return same_catalog(self.catalog.uri)
        return None if self.warehouse is None else catalog_in(self.warehouse)

    def resolved(self) -> "Destination":
        """With what its references name, as of now; not to be stored. MisconfiguredError: as `resolve`."""
        found: dict[str, object] = {}
        if self.warehouse is not None:
            found["warehouse"] = resolve(self.warehouse)
        if self.catalog is not None:
            found["catalog"] = self.catalog.resolved()
        return self.model_copy(update=found)


class Key(Value):
    """What is kept of an API key. The key itself is kept nowhere."""

    sha256: str
    """Of the key's text, in hexadecimal."""
    created: Annotated[str, MOMENT] | None = None
    """When, as 2026-11-29T15:04:05Z."""


Rate = Annotated[float, Field(gt=0, le=MOST_A_SECOND), BeforeValidator(_number)]
"""A limit, a second."""
StreamPatterns = tuple[Annotated[str, STREAMS], ...]
"""Names of streams, `orders-*` for all that begin so, `*` for all."""
TablePatterns = tuple[Annotated[str, TABLES], ...]
"""Tables with destination and namespace: `lake/shop.orders`, `lake/shop.*` for all that begin so, `*` for all."""


class PrincipalDeclaration(Value):
    """What a user says of a principal: a program or a person that calls."""

    keys: tuple[Key, ...] = ()
    """Two at most, so that one can replace the other without a pause. None: it can not call."""
    publish: StreamPatterns = ()
    """Streams that it may send events to."""
    read: StreamPatterns = ()
    """Streams whose events it may look at."""
    configure: StreamPatterns = ()
    """Streams that it may change, with what leads from and to them; `*`: also destinations, principals, settings, and
    all tables."""
    tables: TablePatterns = ()
    """Tables that it may have its streams delivered to, beside those that they are delivered to already."""
    events_per_second: Rate | None = None
    """That it may publish, with all its keys together; none: no bound."""
    bytes_per_second: Rate | None = None
    """Likewise."""


class Principal(PrincipalDeclaration):
    """Who calls, and what it may do. As long as there is none, everybody may do everything."""

    name: Annotated[PrincipalName, NAME]
    owner: str = API


class LogLevel(StrEnum):
    """How much the parts log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class SettingsDeclaration(Value):
    """What a user says of the whole system."""

    log_level: LogLevel = LogLevel.INFO
    """Of every part."""


class Settings(SettingsDeclaration):
    """What holds for the whole system."""

    owner: str = API


Object = Stream | Route | Delivery | Destination | Principal | Settings


class Catalog(Value):
    """Everything that is declared, at one revision. Revision 0 is empty."""

    revision: Revision = Revision(0)
    streams: Mapping[StreamName, Stream] = {}
    routes: Mapping[RouteName, Route] = {}
    deliveries: Mapping[DeliveryName, Delivery] = {}
    destinations: Mapping[DestinationName, Destination] = {}
    principals: Mapping[PrincipalName, Principal] = {}
    settings: Settings = Settings()

    def destination(self, name: DestinationName) -> Destination | None:
        """The one of that name; `lake` is there without being declared."""
        return self.destinations.get(name) or (BUILT_IN if name == LAKE else None)

    def place_of(self, delivery: Delivery) -> Place:
        """The same for all deliveries to one table, as far as it is known where their destination is."""
        destination = self.destination(delivery.to)
        if destination is None:
            return delivery.to, delivery.table
        return destination.place_of(delivery.table)


BUILT_IN = Destination(name=LAKE, kind="iceberg")
"""The lake of the data folder, unless another destination is declared under its name."""
