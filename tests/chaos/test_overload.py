"""A minute of more than the log takes: unary clients are told when to come again, streams wait, memory stays flat.

The streams alone never have a unary call refused: they leave room. Unary calls do, when there are too many of them.
"""

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx2
import psutil
import pytest

from bobr.testing.saturation import Saturation
from bobr.testing.system import System
from bobr.testing.trial import Trial
from bobr.testing.ways import streaming
from bobr.v1 import broker_pb2 as wire

SECONDS = 60.0
WARM_UP_SECONDS = 15.0
CLIENTS = 4
UNARY_CLIENTS = 40
CALL_BYTES = 2_000_000
"""So that the calls which the streams may have ahead are far more than the broker may hold."""
GROWTH_BYTES_MAX = 64 * 1024 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Sizes = dict[str, list[int]]


@pytest.fixture
def trial(system: System, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    folder = tmp_path_factory.mktemp("overload")
    trial = Trial(system=system, folder=folder, stream="overload", filling="x" * 1000)
    trial.deliver()
    return trial


@pytest.fixture
def publish_once(trial: Trial, request_of_much: wire.PublishRequest) -> Iterator[Callable[[], str]]:
    """One unary call, by gRPC and by HTTP in turn; what became of it."""
    addresses = trial.system.addresses
    url = f"http://{addresses['http']}/v1/streams/{trial.stream}/events"
    body = request_of_much.SerializeToString()
    with (
        grpc.insecure_channel(addresses["grpc"]) as channel,
        httpx2.Client(trust_env=False, timeout=60.0) as client,
    ):
        call = channel.unary_unary(
            "/bobr.v1.Broker/Publish",
            wire.PublishRequest.SerializeToString,
            wire.PublishResponse.FromString,
        )

        def by_grpc() -> str:
            try:
                return f"grpc {call(request_of_much).accepted > 0}"
            except grpc.RpcError as error:
                keys = [entry.key for entry in error.trailing_metadata()]
                return f"grpc {error.code().name} {'retry-after' in keys}"

        def by_http() -> str:
            answer = client.post(
                url, content=body, headers={"content-type": "application/x-protobuf"}
            )
            return f"http {answer.status_code} {'retry-after' in answer.headers}"

        yield lambda: f"{by_grpc()}, {by_http()}"


@pytest.fixture
def request_of_much(trial: Trial) -> wire.PublishRequest:
    event = trial.encode(0, event_id="")
    return wire.PublishRequest(stream=trial.stream, events=[event] * (CALL_BYTES // len(event)))


def test_a_minute_of_overload(
    trial: Trial, request_of_much: wire.PublishRequest, publish_once: Callable[[], str]
) -> None:
    sizes: Sizes = defaultdict(list)
    told: Counter[str] = Counter()
    with Saturation(streaming, trial.system.addresses, request_of_much, CLIENTS) as load:
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < SECONDS:
            answers = publish_once().split(", ")
            assert set(answers) <= ACCEPTED, "streams leave room for single calls"
            told.update(publish_at_once(publish_once))
            if elapsed > WARM_UP_SECONDS:
                measure(trial, sizes)
        assert load.answered > CLIENTS, "the streams were served, too"
    print(dict(told))
    assert set(told) <= EXPECTED, told
    assert told["grpc RESOURCE_EXHAUSTED True"] > 0
    assert told["http 429 True"] > 0
    for part, samples in sizes.items():
        assert growth(samples) < GROWTH_BYTES_MAX, (part, samples)


ACCEPTED = {"grpc True", "http 200 False"}
EXPECTED = ACCEPTED | {"grpc RESOURCE_EXHAUSTED True", "http 429 True"}


def publish_at_once(publish_once: Callable[[], str]) -> list[str]:
    """What became of more calls than there is room for."""
    with ThreadPoolExecutor(UNARY_CLIENTS) as pool:
        told = pool.map(lambda _: publish_once(), range(UNARY_CLIENTS))
        return [answer for answers in told for answer in answers.split(", ")]


def measure(trial: Trial, sizes: Sizes) -> None:
    for name, part in trial.system.running.parts.items():
        sizes[name].append(psutil.Process(part.pid).memory_info().rss)


def growth(samples: Sequence[int]) -> float:
    """From the middle of the first half to that of the second: single peaks do not count, a slope does."""
    half = len(samples) // 2
    return statistics.median(samples[half:]) - statistics.median(samples[:half])
