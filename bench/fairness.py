"""How long the other edge and the health checks take while one edge is under full load, beside an idle system."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
import httpx2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.load import MESSAGE, PROTO, events
from bobr.testing.saturation import Saturation
from bobr.testing.system import System, running_system
from bobr.testing.ways import http, unary
from bobr.v1 import broker_pb2 as wire

SAMPLES = 200
CLIENTS = 3
Probe = tuple[str, Callable[[], object]]


def main() -> None:
    """Print p50 and p99 of each, idle and under load."""
    print(
        f"fairness: p50 / p99 in ms of {SAMPLES} calls; load: {CLIENTS} clients, 1,000 events a call"
    )
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder) / "system") as system:
        _deliver(system, Path(folder))
        request = wire.PublishRequest(stream="orders", events=events(1000))
        addresses = system.addresses
        with (
            grpc.insecure_channel(addresses["grpc"]) as channel,
            httpx2.Client(base_url=f"http://{addresses['http']}", trust_env=False) as client,
            unary(addresses) as by_grpc,
            http(addresses) as by_http,
        ):
            one = wire.PublishRequest(stream="orders", events=events(1))
            health = health_pb2_grpc.HealthStub(channel)
            probes: Sequence[Probe] = [
                ("gRPC health", lambda: health.Check(health_pb2.HealthCheckRequest())),
                ("HTTP health", lambda: client.get("/healthz")),
                ("gRPC publish of one", lambda: next(by_grpc(iter([one])))),
                ("HTTP publish of one", lambda: next(by_http(iter([one])))),
            ]
            _print("idle", probes)
            for name, way in (("gRPC is full", unary), ("HTTP is full", http)):
                with Saturation(way, addresses, request, CLIENTS) as load:
                    while load.answered < CLIENTS:
                        health.Check(health_pb2.HealthCheckRequest())
                    first, started = load.answered, time.perf_counter()
                    _print(name, probes)
                    rate = (load.answered - first) * 1000 / (time.perf_counter() - started)
                    print(f"    meanwhile {rate:,.0f} events/s of load", flush=True)


def _deliver(system: System, folder: Path) -> None:
    proto = folder / "orders.proto"
    proto.write_text(PROTO)
    system.ok("deliver", str(proto), "--message", MESSAGE, "--stream", "orders")


def _print(when: str, probes: Sequence[Probe]) -> None:
    for name, probe in probes:
        taken = sorted(_milliseconds(probe) for _ in range(SAMPLES))
        p50, p99 = taken[SAMPLES // 2], taken[SAMPLES * 99 // 100]
        print(f"  {when:<14} {name:<22} {p50:8.1f} / {p99:8.1f}", flush=True)


def _milliseconds(probe: Callable[[], object]) -> float:
    started = time.perf_counter()
    probe()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
