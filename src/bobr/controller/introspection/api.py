"""The API of introspection: streams and deliveries as they stand. HTTP and JSON."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from bobr.catalog import Catalog
from bobr.controller.http import json_of
from bobr.controller.introspection.introspector import Introspector
from bobr.controller.introspection.told import Deliveries, DeliveryTold, Streams, StreamTold
from bobr.controller.operations import Operation
from bobr.controller.status import DeliveryReports
from bobr.ids import DeliveryName, StreamName

Now = tuple[Catalog, DeliveryReports]
"""The catalog in force, and what is told of each of its deliveries."""


class IntrospectionApi:
    """The handlers. Lives in the controller's event loop."""

    def __init__(self, introspector: Introspector, now: Callable[[], Now]) -> None:
        """`now`: called in the loop."""
        self._introspector = introspector
        self._now = now

    def operations(self) -> list[Operation]:
        """What it can do."""
        return [
            Operation(
                method="GET",
                path="/v1/streams",
                summary="All streams: what they hold, their rates, their readers.",
                handler=self._streams,
                answer=Streams,
            ),
            Operation(
                method="GET",
                path="/v1/streams/{name}",
                summary="One stream: partitions, skew, readers and their lag.",
                handler=self._stream,
                answer=StreamTold,
            ),
            Operation(
                method="GET",
                path="/v1/deliveries",
                summary="All deliveries: their state and lag.",
                handler=self._deliveries,
                answer=Deliveries,
            ),
            Operation(
                method="GET",
                path="/v1/deliveries/{name}",
                summary="One delivery: positions, table, lag, watermark, what was dropped.",
                handler=self._delivery,
                answer=DeliveryTold,
            ),
        ]

    async def _streams(self, _: Request) -> Response:
        return json_of(await run_in_threadpool(self._introspector.streams, *self._now()))

    async def _stream(self, request: Request) -> Response:
        name = StreamName(request.path_params["name"])
        catalog, reports = self._now()
        return json_of(await run_in_threadpool(self._introspector.stream, catalog, name, reports))

    async def _deliveries(self, _: Request) -> Response:
        return json_of(await run_in_threadpool(self._introspector.deliveries, *self._now()))

    async def _delivery(self, request: Request) -> Response:
        name = DeliveryName(request.path_params["name"])
        catalog, reports = self._now()
        return json_of(await run_in_threadpool(self._introspector.delivery, catalog, name, reports))
