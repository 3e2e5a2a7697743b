"""The configurator's line to the controller: words of parts there, the catalog back. Calls again, for ever."""

import asyncio
import os
import uuid
from contextlib import suppress
from typing import Any

import grpc
import grpc.aio
import structlog

from bobr.catalog import Catalog
from bobr.catalog.change import delta_of
from bobr.configurator.watchers import Watchers
from bobr.errors import RejectedError
from bobr.ids import Revision
from bobr.runtime.report import Report
from bobr.runtime.rpc import NOT_HEARD, OPTIONS, RELAY, SILENCE_SECONDS, Backoff, Peers, ended
from bobr.runtime.words import NOTHING_YET, QUIET_SECONDS, PartName, Word, to_wire
from bobr.v1 import configurator_pb2
from bobr.v1 import controller_pb2 as wire

LINGER_SECONDS = 0.005
"""Words that come within it go in one message: all parts acknowledge a change at once."""

NO_REPORT = Report().model_dump_json().encode()

log = structlog.get_logger()


class Upstream:
    """Lives in the configurator's event loop."""

    def __init__(self, peers: Peers, watchers: Watchers) -> None:
        """peers: the controller."""
        self._peers = peers
        self._watchers = watchers
        self._instance = uuid.uuid4().hex
        self._words = 0
        self._is_refused = False
        self._is_silent = False

    async def run(self) -> None:
        """Until cancelled."""
        backoff = Backoff()
        while True:
            for address in self._peers.addresses:
                if await self._call(address):
                    backoff.succeeded()
                await asyncio.sleep(backoff.seconds())

    async def _call(self, address: str) -> bool:
        """One call, to its end; whether anything was heard."""
        feeding = _Feeding(self._watchers)
        try:
            async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
                await self._relay(channel, feeding)
        except grpc.aio.AioRpcError as error:
            self._note(error)
        except TimeoutError:
            if not self._is_silent:
                log.warning("the controller is silent: parts keep what they have")
            self._is_silent = True
        except (RejectedError, ValueError) as error:
            log.error("what the controller says does not fit; it is asked anew", reason=str(error))
        finally:
            self._watchers.disconnected()
        return feeding.is_fed

    async def _relay(self, channel: grpc.aio.Channel, feeding: "_Feeding") -> None:
        call: Any = channel.stream_stream(RELAY, bytes, bytes)(
            None, metadata=self._peers.metadata()
        )
        self._watchers.connected()
        sending = asyncio.create_task(self._send(call))
        try:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    content = await call.read()
                if not isinstance(content, bytes):  # grpc.aio.EOF
                    return
                feeding.take(wire.Feed.FromString(content))
                self._is_refused = self._is_silent = False
        finally:
            call.cancel()
            await ended(sending)

    def _note(self, error: grpc.aio.AioRpcError) -> None:
        """One line when the controller begins to refuse us: nothing else would tell why no part runs anything."""
        is_refused = error.code() in NOT_HEARD
        if is_refused and not self._is_refused:
            log.error("the controller does not hear us", reason=error.details())
        self._is_refused = is_refused

    async def _send(self, call: Any) -> None:
        """The call's other half ends when this does not go on: the reader says why."""
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await call.write(self._batch().SerializeToString())
                with suppress(TimeoutError):
                    async with asyncio.timeout(QUIET_SECONDS):
                        await self._watchers.news.wait()
                await asyncio.sleep(LINGER_SECONDS)

    def _batch(self) -> wire.Words:
        number, words, gone = self._watchers.batch()
        return wire.Words(
            configurator=self._instance, number=number, words=[*words, self._own()], gone=gone
        )

    def _own(self) -> configurator_pb2.Word:
        """Our own: we run what we hand out."""
        self._words += 1
        catalog = self._watchers.catalog
        word = Word(
            instance=self._instance,
            part=PartName.CONFIGURATOR,
            pid=os.getpid(),
            number=self._words,
            revision=NOTHING_YET if catalog is None else Revision(catalog.revision),
            error=None,
            report=Report(),
            flushed=0,
        )
        return to_wire(word, NO_REPORT)


class _Feeding:
    """What one call brings."""

    def __init__(self, watchers: Watchers) -> None:
        self.is_fed = False
        self._watchers = watchers

    def take(self, feed: wire.Feed) -> None:
        """RejectedError, ValueError: it does not fit what came before."""
        match feed.WhichOneof("catalog"):
            case "snapshot":
                self._watchers.take(Catalog.model_validate_json(feed.snapshot))
            case "delta":
                self._watchers.follow(delta_of(feed.delta))
        match feed.WhichOneof("trial"):
            case "candidate":
                instances = frozenset(feed.candidate.instances)
                self._watchers.propose(delta_of(feed.candidate.delta), instances)
            case "withdrawn":
                self._watchers.withdraw()
        self._watchers.ordered(feed.flush)
        self._watchers.heard(feed.heard)
        self.is_fed = True
