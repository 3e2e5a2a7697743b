"""Full load on one edge, and the other edge and both health checks go on being answered."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.testing import ways
from bobr.testing.saturation import Saturation
from bobr.testing.system import System
from bobr.testing.trial import Trial
from bobr.testing.ways import Way, http, streaming, unary
from bobr.v1 import broker_pb2 as wire

ROUNDS = 30
CALL_SECONDS = 20.0
COSTLY_CALLS = 4

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


COSTLY = """
syntax = "proto3";
package fair.v1;
import "buf/validate/validate.proto";
message Costly {
  repeated int32 items = 1 [(buf.validate.field).cel = {
    id: "pairs", message: "no pair is 0",
    expression: "this.all(a, this.all(b, a * b != 0))"
  }];
}
message Ruled { int32 size = 1 [(buf.validate.field).int32.gte = 0]; }
"""


@pytest.fixture
def costly(trial: Trial) -> wire.PublishRequest:
    """Seconds of work for a rule; beside it there is a stream with a cheap rule, `ruled`."""
    proto = trial.folder / "fair.proto"
    proto.write_text(COSTLY)
    for message in ("Costly", "Ruled"):
        options = ("--message", f"fair.v1.{message}", "--stream", message.lower())
        trial.system.ok("deliver", str(proto), *options)
    files = compile_files({"fair.proto": COSTLY}, "fair.proto")
    event = EventType.build(files, "fair.v1.Costly").message_class(items=[1] * 90)
    return wire.PublishRequest(stream="costly", events=[event.SerializeToString()] * 1000)


@pytest.mark.parametrize("way", [unary, streaming, http])
def test_no_rule_holds_up_the_other_streams(
    trial: Trial, costly: wire.PublishRequest, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one stream's events are judged, other streams of the same edge are answered, with rules or without."""
    for seconds in ("CALL_SECONDS", "STREAM_SECONDS"):
        monkeypatch.setattr(ways, seconds, 300.0)

    def publish_costly(_: int) -> int:
        with way(trial.system.addresses) as publish:
            return next(publish(iter([costly]))).accepted

    with ThreadPoolExecutor(COSTLY_CALLS) as pool, way(trial.system.addresses) as publish:
        slow = [pool.submit(publish_costly, number) for number in range(COSTLY_CALLS)]
        answered = 0
        while not any(call.done() for call in slow):
            for stream in (trial.stream, "ruled"):
                answer = next(publish(iter([wire.PublishRequest(stream=stream, events=[b""])])))
                answered += answer.accepted
        assert answered >= ROUNDS, "the others waited for the end of it"
        assert [call.result() for call in slow] == [len(costly.events)] * COSTLY_CALLS


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
