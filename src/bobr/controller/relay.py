"""`bobr.v1.Controller`: configurators bring the words of their parts, and are fed what is wanted of them.

A word that no part says is passed over, with a line: its neighbours are heard.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from google.protobuf.message import DecodeError

from bobr.catalog import diff
from bobr.catalog.change import delta_json
from bobr.controller.parts import Parts, Trial, Wanted
from bobr.errors import RejectedError
from bobr.runtime.public import Context
from bobr.runtime.rpc import CONTROLLER, RpcServer, ended
from bobr.runtime.words import Word, of_wire
from bobr.v1 import configurator_pb2
from bobr.v1 import controller_pb2 as wire

NAME_CHARACTERS_MAX = 64

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What a configurator was told: all of it, and the number of its batch that was heard before."""

    wanted: Wanted | None
    heard: int


class Relay:
    """The handler. Lives in the controller's event loop, as `parts` do."""

    def __init__(self, parts: Parts) -> None:
        """Knows nobody yet."""
        self._parts = parts

    def server(self, secret: str) -> RpcServer:
        """It, served to who knows the secret."""
        return RpcServer(CONTROLLER, {"Relay": self.relay}, secret)

    async def relay(self, requests: AsyncIterator[bytes], _: Context) -> AsyncIterator[bytes]:
        """One configurator, as long as it calls."""
        heard = _Heard()
        hearing = asyncio.create_task(self._hear(requests, heard))
        fed = Fed(wanted=None, heard=0)
        try:
            while True:
                await self._parts.wait_for(partial(self._is_due, fed, heard))
                if heard.has_ended:
                    await hearing  # with what was wrong
                    return
                now = Fed(wanted=self._parts.wanted, heard=heard.number)
                yield feed(fed, now).SerializeToString()
                fed = now
        finally:
            await ended(hearing)

    def _is_due(self, fed: Fed, heard: "_Heard") -> bool:
        is_news = fed.wanted is not self._parts.wanted or fed.heard != heard.number
        return is_news or heard.has_ended

    async def _hear(self, requests: AsyncIterator[bytes], heard: "_Heard") -> None:
        try:
            async for request in requests:
                words = _words(request)
                heard.number = words.number
                await self._parts.hear(_sound(words.words), words.configurator)
                if words.gone:
                    await self._parts.forget(words.gone, words.configurator)
        finally:
            heard.has_ended = True
            await self._parts.wake()


@dataclass(slots=True)
class _Heard:
    """How far the batches of one call were heard."""

    number: int = 0
    has_ended: bool = False


def _words(request: bytes) -> wire.Words:
    try:
        words = wire.Words.FromString(request)
    except DecodeError as error:
        raise RejectedError(f"not words of a configurator: {error}") from error
    if not 0 < len(words.configurator) <= NAME_CHARACTERS_MAX:
        raise RejectedError("words of a configurator that does not say which it is")
    return words


def _sound(said: Sequence[configurator_pb2.Word]) -> Sequence[Word]:
    words = []
    for each in said:
        try:
            words.append(of_wire(each))
        except RejectedError as error:
            log.error("a part's word is passed over", named=each.part[:64], reason=str(error))
    return words


def feed(fed: Fed, now: Fed) -> wire.Feed:
    """What leads from the one to the other. Pure."""
    assert now.wanted is not None
    message = wire.Feed(flush=now.wanted.flush, heard=now.heard, settled=now.wanted.settled)
    before = fed.wanted
    is_new = before is None or before.catalog is not now.wanted.catalog
    if before is None:
        message.snapshot = now.wanted.catalog.model_dump_json().encode()
    elif is_new:
        message.delta = delta_json(diff(before.catalog, now.wanted.catalog)).encode()
    known = None if is_new or before is None else before.trial  # what comes into force ends a trial
    if now.wanted.trial is None and known is not None:
        message.withdrawn = True
    elif now.wanted.trial is not None and now.wanted.trial is not known:
        message.candidate.CopyFrom(_candidate(now.wanted, now.wanted.trial))
    return message


def _candidate(wanted: Wanted, trial: Trial) -> wire.Candidate:
    delta = delta_json(diff(wanted.catalog, trial.catalog)).encode()
    return wire.Candidate(delta=delta, instances=sorted(trial.instances))
