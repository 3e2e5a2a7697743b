"""The controller's metrics: the same that status and introspection tell, as numbers."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from bobr.catalog import Catalog
from bobr.controller.introspection import shape
from bobr.controller.introspection.introspector import Introspector
from bobr.controller.introspection.told import DeliveryTold
from bobr.controller.status import DeliveryReports
from bobr.runtime.metrics import Sample

STRANGER = "stranger"


def samples(
    introspector: Introspector,
    catalog: Catalog,
    reports: DeliveryReports,
    status: Mapping[str, Any],
) -> Iterator[Sample]:
    """`status`: as `GET /v1/status` tells it."""
    yield Sample("bobr_controller_well", bool(status["well"]))
    yield Sample("bobr_controller_catalog_revision", catalog.revision)
    yield from _parts(status["parts"])
    for stream in catalog.streams:
        states = introspector.states(stream)
        if states:
            yield from _stream(stream, states)
    for name in catalog.deliveries:
        yield from _delivery(introspector.delivery(catalog, name, reports))


def _parts(parts: Sequence[Mapping[str, Any]]) -> Iterator[Sample]:
    """The supervised ones; somebody's beside them is in `bobr status` alone."""
    for part in parts:
        if part["state"] != STRANGER:
            labels = (part["part"],)
            yield Sample("bobr_controller_part_running", part["state"] == "running", labels)
            yield Sample("bobr_controller_part_restarts_total", part["restarts"], labels)


def _stream(name: str, states: shape.States) -> Iterator[Sample]:
    newest = shape.last_event(states)
    values: dict[str, float | None] = {
        "events": shape.events(states),
        "bytes": shape.nbytes(states),
        "appended_events_total": shape.end(states),
        "skew_ratio": shape.skew(states),
        "last_event_timestamp_seconds": newest.timestamp() if newest else None,
    }
    for what, value in values.items():
        if value is not None:
            yield Sample(f"bobr_controller_stream_{what}", value, (name,))


def _delivery(told: DeliveryTold) -> Iterator[Sample]:
    values: dict[str, float | None] = {
        "lag_events": told.lag,
        "lag_seconds": told.lag_seconds,
        "ingest_watermark_timestamp_seconds": _seconds(told.ingest_watermark),
        "paused": told.paused,
    }
    for what, value in values.items():
        if value is not None:
            labels = told.stream, told.delivery
            yield Sample(f"bobr_controller_delivery_{what}", value, labels)


def _seconds(time: str | None) -> float | None:
    return None if time is None else datetime.fromisoformat(time).timestamp()
