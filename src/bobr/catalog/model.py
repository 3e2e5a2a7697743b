"""Streams and deliveries as frozen values, and their JSON form."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bobr.ids import DeliveryName, Revision, SchemaId, StreamName


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,127}", text):
        message = "a name has small letters, digits, '.', '_' and '-', at most 128, and begins with a letter or digit"
        raise ValueError(message)
    return text


def _table_name(text: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,127}", text):
        message = "a table's name has small letters, digits and '_', at most 128, and does not begin with a digit"
        raise ValueError(message)
    return text


NAME = AfterValidator(_name)
TABLE_NAME = AfterValidator(_table_name)

MIB = 1024 * 1024
TEN_YEARS_SECONDS = 3650 * 24 * 3600
"""Longer times are mistakes, and lead out of the calendar."""


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

    name: Annotated[StreamName, NAME]
    message: str
    """Full name of the protobuf message type, such as `shop.v1.Order`."""
    schema_ids: tuple[SchemaId, ...] = Field(min_length=1)
    """Every schema that its events may be written with, oldest first."""
    retention_seconds: int = Field(default=7 * 24 * 3600, ge=60, le=TEN_YEARS_SECONDS)
    event_bytes_max: int = Field(default=MIB, ge=1, le=3 * MIB)

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

    name: Annotated[DeliveryName, NAME]
    stream: Annotated[StreamName, NAME]
    table: Annotated[str, TABLE_NAME]
    partition_by: PartitionBy = PartitionBy.DAY
    dedup_seconds: int = Field(default=24 * 3600, ge=0, le=TEN_YEARS_SECONDS)
    """Two events of one id that arrive within this time are one; 0: no dedup."""
    flush_seconds: float = Field(default=5.0, gt=0)
    """The oldest event waits no longer than this for its commit."""


class Catalog(_Value):
    """Everything that is declared, at one revision. Revision 0 is empty."""

    revision: Revision = Revision(0)
    streams: Mapping[StreamName, Stream] = {}
    deliveries: Mapping[DeliveryName, Delivery] = {}
