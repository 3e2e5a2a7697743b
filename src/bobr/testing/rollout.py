"""A controller's side and configurators over real gRPC, in one event loop of this process: parts are the caller's."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bobr.catalog import Catalog, Delivery, Stream
from bobr.clock import SystemClock
from bobr.configurator.part import Configurator
from bobr.controller.parts import Parts, Wanted
from bobr.controller.relay import Relay
from bobr.ids import DeliveryName, Revision, SchemaId, StreamName
from bobr.runtime.loops import LoopThread, Running
from bobr.runtime.revisions import Revisions
from bobr.runtime.rpc import Peers, RpcServer
from bobr.runtime.secret import new_secret
from bobr.runtime.words import PartName, Word

HOST = "127.0.0.1"
PATIENCE_SECONDS = 60.0
FIRST = Catalog(revision=Revision(1))
T = TypeVar("T")


class Rollout:
    """From `with` to its end. Each configurator keeps its port and its disk while it is stopped and started."""

    def __init__(self, folder: Path, *, configurators: int = 1, catalog: Catalog = FIRST) -> None:
        """`folder`: of the configurators' disks."""
        self.secret = new_secret()
        self._folder = folder
        self._count = configurators
        self._first = catalog
        self._running: dict[int, tuple[Running, asyncio.Task[None]]] = {}
        self._ports: dict[int, int] = {}
        self._relay_port = 0
        self._server: RpcServer | None = None
        self._thread = LoopThread("rollout", self._serve)
        self._loop: asyncio.AbstractEventLoop
        self.parts: Parts

    def __enter__(self) -> "Rollout":
        """All run."""
        self._thread.start()
        self.start_controller(self._first)
        for number in range(self._count):
            self.start_configurator(number)
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing does."""
        for number in list(self._running):
            self.stop_configurator(number)
        self.stop_controller()
        self._thread.ask_to_stop()
        self._thread.join()

    @property
    def relay(self) -> str:
        """Where the controller is."""
        return f"{HOST}:{self._relay_port}"

    def peers(self, *numbers: int) -> Peers:
        """To those configurators, or to all."""
        some = numbers or tuple(self._ports)
        addresses = tuple(f"{HOST}:{self._ports[number]}" for number in some)
        return Peers(addresses=addresses, secret=self.secret)

    def start_controller(self, catalog: Catalog) -> None:
        """It knows no part, and has this catalog."""
        self.do(self._start_controller(catalog))

    def stop_controller(self) -> None:
        """It is gone."""
        if self._server is not None:
            self.do(self._server.stop())
            self._server = None

    def start_configurator(self, number: int) -> None:
        """It has its disk."""
        self.do(self._start_configurator(number))

    def stop_configurator(self, number: int) -> None:
        """It is gone."""
        self.do(self._stop_configurator(number))

    def disk(self, number: int) -> Revisions:
        """Of that configurator."""
        return Revisions(self._folder / str(number))

    def publish(self, catalog: Catalog) -> None:
        """As the controller does."""
        self.do(self.parts.publish(catalog))

    def propose(self, catalog: Catalog, instances: Collection[str]) -> None:
        """As the controller does."""
        self.do(self.parts.propose(catalog, instances))

    def withdraw(self) -> None:
        """As the controller does."""
        self.do(self.parts.withdraw())

    def order_flush(self) -> int:
        """As the controller does."""
        return self.do(self.parts.order_flush())

    def wait_live(self, revision: Revision) -> None:
        """As the controller does."""
        self.do(self.parts.wait_live(revision, PATIENCE_SECONDS))

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds; looked at after each word of any part."""
        there = self.do(self.parts.wait_until(holds, PATIENCE_SECONDS))
        assert there, self.voices()

    def said(self, holds: Callable[[Word], bool], part: PartName = PartName.BROKER) -> None:
        """Wait until some instance of the part speaks so."""
        self.until(lambda: any(map(holds, self.voices(part))))

    def voices(self, part: PartName = PartName.BROKER) -> Sequence[Word]:
        """The last words of those that live."""
        return [voice.word for voice in self.parts.living().get(part, ())]

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """In the loop, to its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * PATIENCE_SECONDS)

    async def _serve(self, running: Running) -> None:
        self._loop = asyncio.get_running_loop()
        running.started()
        await running.asked_to_stop.wait()

    async def _start_controller(self, catalog: Catalog) -> None:
        self.parts = Parts(clock=SystemClock(), wanted=Wanted(catalog=catalog))
        self._server = Relay(self.parts).server(self.secret)
        self._relay_port = await self._server.start(f"{HOST}:{self._relay_port}")

    async def _start_configurator(self, number: int) -> None:
        peers = Peers(addresses=(self.relay,), secret=self.secret)
        configurator = Configurator(peers, self.disk(number), SystemClock())
        running = Running()
        address = f"{HOST}:{self._ports.get(number, 0)}"
        serving = asyncio.ensure_future(configurator.serve(address, running))
        await asyncio.wrap_future(running.ready)
        self._ports[number] = configurator.port
        self._running[number] = (running, serving)

    async def _stop_configurator(self, number: int) -> None:
        running, serving = self._running.pop(number)
        running.asked_to_stop.set()
        await serving


def large_catalog(streams: int, revision: int = 1) -> Catalog:
    """So many streams, each with a delivery."""
    names = [f"stream-{number}" for number in range(streams)]
    return Catalog(
        revision=Revision(revision),
        streams={StreamName(name): _stream(name, 1) for name in names},
        deliveries={
            DeliveryName(name): Delivery(
                name=DeliveryName(name), stream=StreamName(name), table=name.replace("-", "_")
            )
            for name in names
        },
    )


def changed(catalog: Catalog, number: int = 0) -> Catalog:
    """The next revision, with another schema of one stream."""
    name = StreamName(f"stream-{number}")
    stream = _stream(name, catalog.revision + 1)
    return catalog.model_copy(
        update={
            "revision": Revision(catalog.revision + 1),
            "streams": {**catalog.streams, name: stream},
        }
    )


def _stream(name: str, schema_id: int) -> Stream:
    return Stream(name=StreamName(name), message="shop.v1.Order", schema_ids=(SchemaId(schema_id),))
