"""Full load on one edge, and the other edge and both health checks go on being answered."""

from collections.abc import Callable, Iterator

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bobr.testing.saturation import Saturation
from bobr.testing.system import System
from bobr.testing.trial import Trial
from bobr.testing.ways import Way, http, streaming, unary
from bobr.v1 import broker_pb2 as wire

ROUNDS = 30
CALL_SECONDS = 20.0

pytestmark = pytest.mark.slow


@pytest.fixture
def trial(system: System, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    trial = Trial(system=system, folder=tmp_path_factory.mktemp("fair"), stream="fair")
    trial.deliver()
    return trial


@pytest.fixture
def probes(system: System) -> Iterator[list[Callable[[], object]]]:
    """One look at each thing that must go on: both health checks, one event by each edge."""
    event = wire.PublishRequest(stream="fair", events=[b""])
    addresses = system.addresses
    with (
        grpc.insecure_channel(addresses["grpc"]) as channel,
        httpx2.Client(
            base_url=f"http://{addresses['http']}", timeout=CALL_SECONDS, trust_env=False
        ) as client,
        unary(addresses) as by_grpc,
        http(addresses) as by_http,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        yield [
            lambda: health.Check(health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS),
            lambda: client.get("/healthz").raise_for_status(),
            lambda: next(by_grpc(iter([event]))),
            lambda: next(by_http(iter([event]))),
        ]


@pytest.mark.parametrize("way", [unary, streaming, http])
def test_no_edge_starves_the_other(
    trial: Trial, probes: list[Callable[[], object]], way: Way
) -> None:
    events = [trial.encode(number) for number in range(1000)]
    request = wire.PublishRequest(stream=trial.stream, events=events)
    with Saturation(way, trial.system.addresses, request, clients=3) as load:
        for _ in range(ROUNDS):
            before = load.answered
            for probe in probes:
                probe()  # raises when it is not answered in time
            while load.answered == before:
                probes[0]()  # the load is served as well: it is not the probes that starve it
    assert load.answered >= ROUNDS
