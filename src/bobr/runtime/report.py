"""What parts report to the controller, typed: tables and retention depend on it, so nothing odd may come in."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bobr.catalog import Delivery
from bobr.ids import DeliveryName, DestinationName, StreamName

Count = Annotated[int, Field(ge=0, lt=1 << 63)]
PartitionText = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
"""A partition's number, as JSON has it in keys."""
Told = int | str | None


class _Report(BaseModel):
    """Members that the controller does not use itself are shown as they are told."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Told] = Field(init=False)


class StreamReport(_Report):
    """What a broker did for one stream since it started, in events."""

    accepted: Count = 0
    rejected: Count = 0


class DeliveryReport(_Report):
    """One delivery. positions: partition → next offset that the table lacks."""

    state: Annotated[str, Field(min_length=1, max_length=32)]
    reason: str = ""
    stream: StreamName | None = None
    to: DestinationName | None = None
    table: str | None = None
    positions: Mapping[PartitionText, Count] = {}

    def is_of(self, delivery: Delivery) -> bool:
        """Whether the positions are those of this stream in this table."""
        told = (self.stream, self.to, self.table)
        return told == (delivery.stream, delivery.to, delivery.table)


class Report(BaseModel):
    """What a part tells of itself: a broker of streams, a transmitter of deliveries."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    error: str | None = None
    """What keeps all of the part from its work; that of one delivery is its own."""
    streams: Mapping[StreamName, StreamReport] = {}
    deliveries: Mapping[DeliveryName, DeliveryReport] = {}
