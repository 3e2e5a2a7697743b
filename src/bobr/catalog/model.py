"""Streams and deliveries as frozen values, and their JSON form."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bobr.ids import DeliveryName, Revision, SchemaId, StreamName

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,127}$")]
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,127}$")]

MIB = 1024 * 1024


class PartitionBy(StrEnum):
    """The period of event time that one table partition holds."""

    NONE = "none"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stream(_Value):
    """A named, typed log of events."""

    name: Annotated[StreamName, Name]
    message: str
    """Full name of the protobuf message type, such as `shop.v1.Order`."""
    schema_ids: tuple[SchemaId, ...] = Field(min_length=1)
    """Every schema that its events may be written with, oldest first."""
    retention_seconds: int = Field(default=7 * 24 * 3600, ge=60)
    event_bytes_max: int = Field(default=MIB, ge=1, le=8 * MIB)

    @property
    def schema_id(self) -> SchemaId:
        """What events are written with when the producer does not say: the newest."""
        return self.schema_ids[-1]

    @property
    def subject(self) -> str:
        """The registry subject that holds the versions of its schema."""
        return f"{self.name}-value"


class Delivery(_Value):
    """Stream → table."""

    name: Annotated[DeliveryName, Name]
    stream: Annotated[StreamName, Name]
    table: Annotated[str, TableName]
    partition_by: PartitionBy = PartitionBy.DAY
    dedup_seconds: int = Field(default=24 * 3600, ge=0)
    """Two events of one id that arrive within this time are one; 0: no dedup."""
    flush_seconds: float = Field(default=5.0, gt=0)
    """The oldest event waits no longer than this for its commit."""


class Catalog(_Value):
    """Everything that is declared, at one revision. Revision 0 is empty."""

    revision: Revision = Revision(0)
    streams: Mapping[StreamName, Stream] = {}
    deliveries: Mapping[DeliveryName, Delivery] = {}
