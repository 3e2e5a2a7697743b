"""The API of introspection: streams and deliveries as they stand."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from bobr.catalog import Catalog
from bobr.controller.introspection.introspector import Introspector
from bobr.controller.introspection.told import Deliveries, DeliveryTold, Streams, StreamTold
from bobr.controller.operations import Body, Operation, Operations
from bobr.controller.status import DeliveryReports
from bobr.ids import DeliveryName, StreamName
from bobr.runtime.access import Caller

Now = tuple[Catalog, DeliveryReports]
"""The catalog in force, and what is told of each of its deliveries."""


class All(Body):
    """`ListStreams` and `ListDeliveries`."""


class GetStream(Body):
    """One."""

    name: StreamName


class GetDelivery(Body):
    """One."""

    name: DeliveryName


class IntrospectionApi:
    """What its operations do. Lives in the controller's event loop."""

    def __init__(self, introspector: Introspector, now: Callable[[], Now]) -> None:
        """`now`: called in the loop."""
        self._introspector = introspector
        self._now = now

    def operations(self) -> Operations:
        """What it can do."""
        return [
            Operation(
                rpc="ListStreams",
                method="GET",
                path="/v1/streams",
                summary="All streams: what they hold, their rates, their readers.",
                ask=All,
                answer=Streams,
                handler=self.list_streams,
            ),
            Operation(
                rpc="GetStream",
                method="GET",
                path="/v1/streams/{name}",
                summary="One stream: partitions, skew, readers and their lag.",
                ask=GetStream,
                answer=StreamTold,
                handler=self.get_stream,
            ),
            Operation(
                rpc="ListDeliveries",
                method="GET",
                path="/v1/deliveries",
                summary="All deliveries: their state and lag.",
                ask=All,
                answer=Deliveries,
                handler=self.list_deliveries,
            ),
            Operation(
                rpc="GetDelivery",
                method="GET",
                path="/v1/deliveries/{name}",
                summary="One delivery: positions, table, lag, watermark, what was dropped.",
                ask=GetDelivery,
                answer=DeliveryTold,
                handler=self.get_delivery,
            ),
        ]

    async def list_streams(self, _: All, __: Caller) -> Streams:
        """All of them."""
        return await run_in_threadpool(self._introspector.streams, *self._now())

    async def get_stream(self, ask: GetStream, _: Caller) -> StreamTold:
        """One. NotFoundError: there is no such stream."""
        catalog, reports = self._now()
        return await run_in_threadpool(self._introspector.stream, catalog, ask.name, reports)

    async def list_deliveries(self, _: All, __: Caller) -> Deliveries:
        """All of them."""
        return await run_in_threadpool(self._introspector.deliveries, *self._now())

    async def get_delivery(self, ask: GetDelivery, _: Caller) -> DeliveryTold:
        """One. NotFoundError: there is no such delivery."""
        catalog, reports = self._now()
        return await run_in_threadpool(self._introspector.delivery, catalog, ask.name, reports)
