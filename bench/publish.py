"""Publish → durable ack, over both edges, beside a raw SQLite append of the same bytes in the same run.

Under a figure below its goal stands where the broker's time goes.
"""

import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from bench.load import (
    MESSAGE,
    PROTO,
    Rate,
    event_type,
    events,
    post,
    publish_calls,
    publish_messages,
    ruled_proto,
)
from bench.sampling import show_profile
from bobr.testing.system import System, running_system

CALLS = 300_000


def main() -> None:
    """Print one line for each way in."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        payloads = events(CALLS)
        mean = sum(map(len, payloads)) // len(payloads)
        print(f"publish → durable ack; {mean}-byte events, client on the same cores")
        limit = _raw_append(root / "raw.sqlite", payloads)
        with running_system(root / "system") as system:
            _deliver(system, root, "orders", PROTO)
            _deliver(system, root, "ruled", ruled_proto())
            for what, goal, work in _ways(system, payloads):
                before = _cpu_seconds(system)
                rate = work()
                _print(what, goal, rate, limit, _cpu_seconds(system) - before)
                if rate.per_second < goal:
                    show_profile(system.running.parts["broker"].pid, work)


def _ways(
    system: System, payloads: Sequence[bytes]
) -> Sequence[tuple[str, int, Callable[[], Rate]]]:
    grpc, http = system.addresses["grpc"], system.addresses["http"]
    path = "/v1/streams/orders/events"
    single = payloads[:20_000]
    documents = _json(payloads[:20_000])
    lines = [
        b"\n".join(documents[start : start + 1000]) for start in range(0, len(documents), 1000)
    ]
    return [
        (
            "gRPC, 1,000 events a call",
            300_000,
            lambda: publish_calls(grpc, "orders", payloads, 1000),
        ),
        ("gRPC, 100 events a call", 90_000, lambda: publish_calls(grpc, "orders", payloads, 100)),
        ("gRPC stream, 1 event a message", 8_000, lambda: publish_messages(grpc, "orders", single)),
        (
            "HTTP, 1 event a request",
            5_000,
            lambda: post(http, f"{path}?single", "application/x-protobuf", single),
        ),
        (
            "HTTP JSON, 1 event a request",
            0,
            lambda: post(http, path, "application/json", documents),
        ),
        (
            "HTTP NDJSON, 1,000 a request",
            40_000,
            lambda: _scaled(post(http, path, "application/x-ndjson", lines, 4), 1000),
        ),
        (
            "gRPC, ten rules, 1,000 a call",
            60_000,
            lambda: publish_calls(grpc, "ruled", payloads[:60_000], 1000),
        ),
    ]


def _print(what: str, goal: int, rate: Rate, limit: Rate, cpu_seconds: float) -> None:
    share = rate.per_second / limit.per_second
    cpu = cpu_seconds / rate.count * 1e6
    wanted = f"goal {goal // 1000} k/s" if goal else ""
    print(
        f"  {what:<32} {rate.per_second:>10,.0f} events/s  {share:>6.1%} of raw SQLite  "
        f"{cpu:>6.1f} broker CPU µs an event  {wanted}",
        flush=True,
    )


def _cpu_seconds(system: System) -> float:
    times = psutil.Process(system.running.parts["broker"].pid).cpu_times()
    return times.user + times.system


def _raw_append(path: Path, payloads: Sequence[bytes]) -> Rate:
    """The limit: the same bytes, 16,000 events a row and commit, no server, no checks."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE chunk (id INTEGER PRIMARY KEY, body BLOB)")
    started = time.perf_counter()
    for start in range(0, len(payloads), 16_000):
        body = b"".join(payloads[start : start + 16_000])
        database.execute("INSERT INTO chunk (body) VALUES (?)", (body,))
    rate = Rate(count=len(payloads), seconds=time.perf_counter() - started)
    database.close()
    print(f"  {'raw SQLite append':<32} {rate.per_second:>10,.0f} events/s")
    return rate


def _deliver(system: System, root: Path, stream: str, proto: str) -> None:
    file = root / f"{stream}.proto"
    file.write_text(proto)
    system.ok("deliver", str(file), "--message", MESSAGE, "--stream", stream)


def _json(payloads: Sequence[bytes]) -> list[bytes]:
    from google.protobuf.json_format import MessageToDict

    parse = event_type().message_class.FromString
    return [json.dumps(MessageToDict(parse(payload))).encode() for payload in payloads]


def _scaled(rate: Rate, factor: int) -> Rate:
    return Rate(count=rate.count * factor, seconds=rate.seconds)


if __name__ == "__main__":
    main()
