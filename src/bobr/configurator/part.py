"""The configurator as a running part: one event loop, parts on one side, the controller on the other."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial

from bobr.catalog import Catalog, Principal
from bobr.clock import Clock
from bobr.configurator.upstream import Upstream
from bobr.configurator.watch import Watch
from bobr.configurator.watchers import Watchers
from bobr.ids import PrincipalName
from bobr.runtime.loops import LoopThread, Running
from bobr.runtime.metrics import Sample
from bobr.runtime.revisions import WRITE_SECONDS, Revisions
from bobr.runtime.rpc import Peers


class Configurator:
    """Serves from `start` to `stop`."""

    def __init__(self, peers: Peers, revisions: Revisions, clock: Clock) -> None:
        """peers: the controller; parts are known by its secret, too."""
        self._peers = peers
        self._revisions = revisions
        self._thread: LoopThread | None = None
        self._watchers = Watchers(clock)
        self.port = 0
        """On which it serves, from `start` on."""

    def start(self, address: str) -> None:
        """Serve on `host:port`; returns when it answers. MisconfiguredError: the address is taken."""
        self._thread = LoopThread("configurator", partial(self.serve, address))
        self._thread.start()

    def stop(self) -> None:
        """Break off all calls and end."""
        if self._thread is not None:
            self._thread.ask_to_stop()
            self._thread.join()

    @property
    def is_ready(self) -> bool:
        """Whether it has a catalog to hand out."""
        return self._watchers.catalog is not None

    @property
    def principals(self) -> Mapping[PrincipalName, Principal] | None:
        """Who has keys. None: we know no catalog yet."""
        catalog = self._watchers.catalog
        return None if catalog is None else catalog.principals

    def samples(self) -> Iterator[Sample]:
        """For Prometheus."""
        watching, is_connected = self._watchers.counts
        yield Sample("bobr_configurator_watching_parts", watching)
        yield Sample("bobr_configurator_controller_connected", is_connected)
        if (catalog := self._watchers.catalog) is not None:
            yield Sample("bobr_configurator_catalog_revision", catalog.revision)

    async def serve(self, address: str, running: Running) -> None:
        """In the running event loop, until asked to stop."""
        watchers = self._watchers
        kept = next(self._revisions.newest_first(), None)
        if kept is not None:
            watchers.start_from(kept)
        server = Watch(watchers).server(self._peers.secret)
        self.port = await server.start(address)
        async with asyncio.TaskGroup() as tasks:
            working = [
                tasks.create_task(Upstream(self._peers, watchers).run()),
                tasks.create_task(self._keep(watchers, kept)),
            ]
            running.started()
            await running.asked_to_stop.wait()
            for task in working:
                task.cancel()
        await server.stop()

    async def _keep(self, watchers: Watchers, kept: Catalog | None) -> None:
        """Have on disk what is in force, a second later at most; `kept` is there already."""
        while True:
            await watchers.changed.wait()
            watchers.changed.clear()
            catalog = watchers.catalog
            if catalog is not None and catalog is not kept:
                written = await asyncio.to_thread(self._revisions.write, catalog)
                kept = catalog if written else None  # what was kept before may be gone
                if not written:
                    watchers.changed.set()  # a disk that is full is tried again
            await asyncio.sleep(WRITE_SECONDS)
