"""What one pipeline is to do: a delivery of the catalog, with the stream and the destination that it names. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from bobr.catalog import API, LAKE, Catalog, Delivery, Destination, Stream
from bobr.errors import MisconfiguredError, RejectedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Plans of two catalogs are equal where nothing has changed for the pipeline."""

    delivery: Delivery
    stream: Stream
    destination: Destination
    """As declared: with its references."""
    refused: str = ""
    """Why it can not be run, whatever its table says; empty: nothing is known against it."""

    @property
    def place(self) -> tuple[str | None, ...]:
        """What two plans for one table have in common."""
        return self.destination.place_of(self.delivery.table)

    def has_positions_of(self, other: "Plan") -> bool:
        """Whether how far the one is says how far the other is."""
        return self.stream.name == other.stream.name and self.place == other.place

    def goes_on_as(self, other: "Plan") -> bool:
        """Whether a session that was opened for this one can follow to the other without being opened anew."""
        return _opened_with(self) == _opened_with(other)

    def ends_before(self, new: "Plan") -> bool:
        """Whether a session of this one can not follow to the new one, or is not to."""
        return new.delivery.paused or not self.goes_on_as(new)

    def resolved(self) -> Destination:
        """The destination with what its references name, as of now.

        MisconfiguredError: one names nothing; which delivery and destination is said.
        """
        try:
            return self.destination.resolved()
        except MisconfiguredError as error:
            raise MisconfiguredError(f"{self}: {error}") from error

    def __str__(self) -> str:
        """For errors."""
        return f"delivery {self.delivery.name!r} to destination {self.destination.name!r}"


def plans_of(catalog: Catalog) -> Iterator[Plan]:
    """One for each delivery. RejectedError: it names what is not there."""
    for delivery in catalog.deliveries.values():
        stream = catalog.streams.get(delivery.stream)
        destination = catalog.destination(delivery.to)
        if stream is None:
            raise RejectedError(
                f"delivery {delivery.name!r}: there is no stream {delivery.stream!r}"
            )
        if destination is None:
            raise RejectedError(
                f"delivery {delivery.name!r}: there is no destination {delivery.to!r}"
            )
        yield Plan(delivery=delivery, stream=stream, destination=destination)


def _opened_with(plan: Plan) -> tuple[Delivery, Stream, Destination, str]:
    """The plan without what a session follows while it is open, and what is nothing to it."""
    return (
        plan.delivery.model_copy(update={"owner": API, "flush_seconds": 1.0, "keep_seconds": None}),
        plan.stream.model_copy(
            update={
                "owner": API,
                "schema_ids": (),
                "retention_seconds": 60,
                "event_bytes_max": 1,
                "key": None,
            }
        ),
        plan.destination.model_copy(update={"owner": API, "name": LAKE}),
        plan.refused,
    )
