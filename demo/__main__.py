"""`make demo`, from the root of the repository: the system up, real events in, a table out, SQL, the system down."""

import json
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pyarrow as pa
import pyarrow.compute as pc

from bobr.runtime.folder import Folder, is_held
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.v1 import broker_pb2
from demo.source import events, flights

HERE = Path("demo")
DIRECTORY = Path(".bobr") / "demo"
BOBR = Path(sys.executable).with_name("bobr")
CALL_EVENTS = 1_000
CALLS_AHEAD = 8
Result = TypeVar("Result")
PUBLISH = "/bobr.v1.Broker/Publish"
COUNT = "select count(*) as flights, count(departure_delay) as departed from flights"
DELAYS = """
select carrier.code as carrier, count(*) as flights, round(avg(departure_delay), 2) as delay
from flights group by 1 order by delay desc limit 5"""


def main() -> None:
    """The demo, step by step, from an empty folder."""
    if is_held(Folder(root=DIRECTORY)):
        raise SystemExit(
            f"a system runs in {DIRECTORY}: end it first with `bobr down --dir {DIRECTORY}`"
        )
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    source = flights()
    with _system():
        names = ("--message", "flights.v1.Flight", "--stream", "flights")
        _bobr("deliver", str(HERE / "flights.proto"), *names, "--partition", "month")
        payloads = _stage("events made by the producer", source.num_rows, lambda: _encode(source))
        _stage("published and in the table", len(payloads), lambda: _deliver(payloads))
        same = _compare(source)
    _try_next()
    sys.exit(0 if same else 1)


@contextmanager
def _system() -> Iterator[None]:
    _bobr("up", "--port", "0", "--detach")
    try:
        yield
    finally:
        _bobr("down")


def _deliver(payloads: Sequence[bytes]) -> None:
    _stage("published, durable", len(payloads), lambda: _publish(payloads))
    _bobr("flush", "--timeout", "120")


def _encode(source: pa.Table) -> list[bytes]:
    files = compile_files({"flights.proto": (HERE / "flights.proto").read_text()}, "flights.proto")
    flight = EventType.build(files, "flights.v1.Flight").message_class
    return list(events(source, flight))


def _publish(payloads: Sequence[bytes]) -> None:
    """As any gRPC client would: 1,000 events a call, a few calls ahead of their answers."""
    address = json.loads((DIRECTORY / "running.json").read_text())["addresses"]["grpc"]
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            PUBLISH,
            request_serializer=broker_pb2.PublishRequest.SerializeToString,
            response_deserializer=broker_pb2.PublishResponse.FromString,
        )
        ahead: deque[Any] = deque()
        for start in range(0, len(payloads), CALL_EVENTS):
            piece = payloads[start : start + CALL_EVENTS]
            ahead.append(call.future(broker_pb2.PublishRequest(stream="flights", events=piece)))
            if len(ahead) == CALLS_AHEAD:
                _accepted(ahead.popleft().result())
        while ahead:
            _accepted(ahead.popleft().result())


def _accepted(response: broker_pb2.PublishResponse) -> None:
    if response.rejected:
        raise SystemExit(f"the broker refused an event: {response.rejected[0]}")


def _compare(source: pa.Table) -> bool:
    """The table's answers beside the source's own."""
    (count,) = _sql(COUNT)
    own_count = {
        "flights": source.num_rows,
        "departed": source.num_rows - source["dep_delay"].null_count,
    }
    delays, own_delays = _sql(DELAYS), _own_delays(source)
    print(f"\n  count(*)       table {count['flights']:>9,}   source {own_count['flights']:>9,}")
    print("  mean departure delay in minutes, the five worst carriers:")
    for row, own in zip(delays, own_delays, strict=True):
        print(
            f"    {row['carrier']}  table {row['delay']:>7} of {row['flights']:>6,} flights"
            f"   source {own['delay']:>7} of {own['flights']:>6,} flights"
        )
    same = count == own_count and delays == own_delays
    print("  the table and the source agree" if same else "  THE TABLE AND THE SOURCE DIFFER")
    return same


def _own_delays(source: pa.Table) -> list[dict[str, Any]]:
    sums = source.group_by("carrier").aggregate([("dep_delay", "mean"), ("flight_id", "count")])
    worst = sums.sort_by([("dep_delay_mean", "descending")]).slice(0, 5)
    means = pc.round(worst["dep_delay_mean"], 2).to_pylist()
    rows = zip(
        worst["carrier"].to_pylist(), worst["flight_id_count"].to_pylist(), means, strict=True
    )
    return [{"carrier": carrier, "flights": count, "delay": mean} for carrier, count, mean in rows]


def _stage(what: str, count: int, work: Callable[[], Result]) -> Result:
    started = time.monotonic()
    result = work()
    seconds = time.monotonic() - started
    print(f"  {what:<28} {count:>9,} events  {seconds:6.2f} s  {count / seconds:>9,.0f} events/s")
    return result


def _sql(query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_bobr("sql", query, "--json", show=False))
    return rows


def _bobr(command: str, *arguments: str, show: bool = True) -> str:
    line = [str(BOBR), command, *arguments, "--dir", str(DIRECTORY)]
    if show:
        print("$", "bobr", *line[1:], flush=True)
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True)
    if show and done.stdout:
        print(done.stdout, end="", flush=True)
    return done.stdout


def _try_next() -> None:
    print("\nTry next:")
    for command in (
        "up --detach",
        "sql 'select origin.code, count(*) from flights group by 1 order by 2 desc'",
        "tail flights --from beginning --limit 3",
        "down",
    ):
        print(f"  .venv/bin/bobr {command} --dir {DIRECTORY}")
    print("It is kept in that folder until the next `make demo`.")


if __name__ == "__main__":
    main()
