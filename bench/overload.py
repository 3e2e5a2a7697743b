"""Five minutes of more than the log takes: memory of each part over time, and what clients are told."""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil

from bench.load import MESSAGE, PROTO, events
from bobr.testing.saturation import Saturation
from bobr.testing.system import System, running_system
from bobr.testing.ways import streaming, unary
from bobr.v1 import broker_pb2 as wire

SECONDS = float(os.environ.get("BOBR_OVERLOAD_SECONDS", "300"))
EVERY_SECONDS = 10.0
CLIENTS = 4
MIB = 1024 * 1024


def main() -> None:
    """Print a line every ten seconds."""
    print(
        f"overload: {CLIENTS} streams, 1,000 events a message, as fast as they are read; RSS in MiB"
    )
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder) / "system") as system:
        proto = Path(folder) / "orders.proto"
        proto.write_text(PROTO)
        system.ok("deliver", str(proto), "--message", MESSAGE, "--stream", "orders")
        request = wire.PublishRequest(stream="orders", events=events(1000))
        with Saturation(streaming, system.addresses, request, CLIENTS) as load:
            for seconds, told in _samples(system, request):
                sizes = " ".join(f"{name} {size:5.0f}" for name, size in _sizes(system).items())
                print(
                    f"  {seconds:5.0f} s  {load.answered * 1000:>13,} events  {sizes}  one call: {told}",
                    flush=True,
                )


def _samples(system: System, request: wire.PublishRequest) -> Iterator[tuple[float, str]]:
    """Seconds since the start, and what calls beside the streams were told since the last sample."""
    started = time.monotonic()
    while (seconds := time.monotonic() - started) < SECONDS:
        told: Counter[str] = Counter()
        while time.monotonic() - started < seconds + EVERY_SECONDS:
            told[_one_call(system, request)] += 1
        yield time.monotonic() - started, ", ".join(f"{word} {n}" for word, n in told.items())


def _one_call(system: System, request: wire.PublishRequest) -> str:
    with unary(system.addresses) as publish:
        try:
            next(publish(iter([request])))
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def _sizes(system: System) -> dict[str, float]:
    parts = system.running.parts.items()
    return {name: psutil.Process(part.pid).memory_info().rss / MIB for name, part in parts}


if __name__ == "__main__":
    main()
