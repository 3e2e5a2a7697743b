"""How long until every part runs a change: 500 watchers on one configurator, a catalog of 4,500 objects."""

import asyncio
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator

import grpc.aio
import psutil

from bobr.catalog import Catalog, apply, diff
from bobr.catalog.change import delta_json, delta_of
from bobr.clock import SystemClock
from bobr.controller.parts import Parts, Wanted
from bobr.controller.relay import Relay
from bobr.runtime.rpc import OPTIONS, WATCH, Peers
from bobr.runtime.secret import SECRET, new_secret
from bobr.runtime.words import PartName, Word, to_wire
from bobr.testing.rollout import changed, large_catalog
from bobr.testing.system import BOBR
from bobr.v1 import configurator_pb2 as wire

WATCHERS = 500
STREAMS = 2250  # with a delivery each: 4,500 objects
CHANGES = 100
START_SECONDS = 60.0
HOST = "127.0.0.1"


def main() -> None:
    """Print the time from `publish` in the controller to the last ACK, and what the configurator is then."""
    print(f"rollout: {WATCHERS} watchers of one configurator, {2 * STREAMS:,} objects")
    catalog = large_catalog(STREAMS)
    _print_work_of_a_part(catalog)
    asyncio.run(_rollout(catalog))


def _print_work_of_a_part(catalog: Catalog) -> None:
    """What each of them does beside the network; here its line alone."""
    content = delta_json(diff(catalog, changed(catalog)))
    taken = min(_milliseconds(catalog, content) for _ in range(20))
    whole = len(catalog.model_dump_json())
    print(f"  a change has {len(content):,} bytes, the whole catalog {whole:,}")
    print(f"  a part applies it in       {taken:8.2f} ms   goal 100 ms")


def _milliseconds(catalog: Catalog, content: str) -> float:
    started = time.perf_counter()
    apply(delta_of(content), catalog)
    return (time.perf_counter() - started) * 1000


async def _rollout(catalog: Catalog) -> None:
    secret = new_secret()
    parts = Parts(clock=SystemClock(), wanted=Wanted(catalog=catalog))
    server = Relay(parts).server(secret)
    relay = f"{HOST}:{await server.start(f'{HOST}:0')}"
    with tempfile.TemporaryDirectory() as folder:
        address = f"{HOST}:{_free_port()}"
        command = ("serve", "configurator", "--dir", folder, "--grpc", address, "--relay", relay)
        child = subprocess.Popen((*BOBR, *command), env={**os.environ, SECRET: secret})
        peers = Peers(addresses=(address,), secret=secret)
        try:
            await parts.wait_until(lambda: bool(parts.living()), START_SECONDS)
            watching = [asyncio.create_task(_watch(peers, number)) for number in range(WATCHERS)]
            await _measure(parts, child.pid)
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        finally:
            child.terminate()
            child.wait()
            await server.stop()


async def _measure(parts: Parts, pid: int) -> None:
    await parts.wait_until(
        lambda: len(parts.living().get(PartName.BROKER, ())) == WATCHERS, START_SECONDS
    )
    await parts.wait_live(parts.catalog.revision, START_SECONDS)
    before = psutil.Process(pid).cpu_times().user
    taken = []
    for _ in range(CHANGES):
        catalog = changed(parts.catalog)
        started = time.perf_counter()
        await parts.publish(catalog)
        await parts.wait_live(catalog.revision, START_SECONDS)
        taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    used = (psutil.Process(pid).cpu_times().user - before) * 1000 / CHANGES
    rss = psutil.Process(pid).memory_info().rss / 1e6
    print(
        f"  all run it: p50 {taken[CHANGES // 2]:.0f} ms, p99 {taken[CHANGES * 99 // 100]:.0f} ms"
    )
    print("    watchers and controller share one core with each other here")
    print(f"  the configurator: RSS      {rss:8.0f} MB   goal 200 MB")
    print(f"    {used:.0f} ms of CPU for each change")


async def _watch(peers: Peers, number: int) -> None:
    """A part that runs whatever it is told, with a connection of its own."""
    words: asyncio.Queue[bytes] = asyncio.Queue()
    words.put_nowait(_word(number, -1))
    async with grpc.aio.insecure_channel(peers.addresses[0], options=OPTIONS) as channel:
        call = channel.stream_stream(WATCH, bytes, bytes)(_said(words), metadata=peers.metadata())
        async for content in call:
            order = wire.Order.FromString(content)
            if order.snapshot:
                words.put_nowait(_word(number, 1))
            elif order.delta:
                words.put_nowait(_word(number, delta_of(order.delta).revision))


async def _said(words: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    """A word, and again when there is no other for a while."""
    last = await words.get()
    while True:
        yield last
        try:
            async with asyncio.timeout(2.0):
                last = await words.get()
        except TimeoutError:
            continue


def _word(number: int, revision: int) -> bytes:
    word = Word.model_validate(
        {
            "instance": f"watcher-{number}",
            "part": "broker",
            "pid": number + 1,
            "number": max(revision, 0),
            "revision": revision,
            "error": None,
            "report": {},
            "flushed": 0,
        }
    )
    return to_wire(word, b"{}").SerializeToString()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
