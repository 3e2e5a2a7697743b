"""SIGKILL at any moment: what was acknowledged is in the table, once."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.message import Message

from bobr.errors import BobrError
from bobr.schema import EventType
from bobr.schema.compile import compile_files
from bobr.testing.producer import LedgerProducer
from bobr.testing.system import System, running_system

PROTO = """
syntax = "proto3";
package chaos.v1;
message Event { string event_id = 1; int64 number = 2; string filling = 3; }
"""
KILLS = 10
SEED = int(os.environ.get("BOBR_SEED") or random.randrange(1 << 32))

pytestmark = pytest.mark.slow


def encoder(chance: random.Random) -> Callable[[int], bytes]:
    files = compile_files({"chaos.proto": PROTO}, "chaos.proto")
    event = EventType.build(files, "chaos.v1.Event").message_class
    filling = "x" * chance.randrange(20, 200)

    def encode(number: int) -> bytes:
        message: Message = event(event_id=f"e{number}", number=number, filling=filling)
        return message.SerializeToString()

    return encode


def deliver(system: System, folder: Path) -> None:
    proto = folder / "chaos.proto"
    proto.write_text(PROTO)
    system.ok("deliver", str(proto), "--stream", "events")


def assert_each_once(system: System, producer: LedgerProducer) -> None:
    """The table holds every acknowledged event, none twice, and none that was not sent."""
    system.flush()
    (table,) = system.sql(
        f"select count(*) as n, count(distinct number) as numbers, count(distinct event_id) as ids,"
        f" count(*) filter (number < {producer.acknowledged}) as acknowledged,"
        f" count(*) filter (number >= {producer.sent}) as strangers from events"
    )
    assert table["n"] == table["numbers"] == table["ids"], table
    assert table["acknowledged"] == producer.acknowledged, table
    assert table["strangers"] == 0, table


def addresses(system: System) -> dict[str, str]:
    try:
        return dict(system.addresses)
    except BobrError as error:
        raise OSError(str(error)) from error


def test_kill_everything_at_ten_moments(tmp_path: Path) -> None:
    print(f"BOBR_SEED={SEED}")
    chance = random.Random(SEED)
    system = System(root=tmp_path / "data")
    system.up()
    deliver(system, tmp_path)
    per_call = chance.choice([1, 10, 100])
    producer = LedgerProducer(
        "events", encoder(chance), lambda: addresses(system), per_call=per_call
    )
    producer.start()
    try:
        for _ in range(KILLS):
            producer.wait_for(producer.acknowledged + per_call * chance.randrange(1, 60))
            system.kill()
            system.up()
        producer.wait_for(producer.acknowledged + per_call)
    finally:
        producer.stop()
    assert_each_once(system, producer)
    system.down()


def test_kill_single_parts_and_the_system_heals(tmp_path: Path) -> None:
    print(f"BOBR_SEED={SEED}")
    chance = random.Random(SEED)
    with running_system(tmp_path / "data") as system:
        deliver(system, tmp_path)
        producer = LedgerProducer("events", encoder(chance), lambda: addresses(system), per_call=50)
        producer.start()
        try:
            for _ in range(KILLS):
                producer.wait_for(producer.acknowledged + 50 * chance.randrange(1, 30))
                name = chance.choice(["broker", "transmitter", "controller"])
                pid = system.running.parts[name].pid
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
            producer.wait_for(producer.acknowledged + 50)
        finally:
            producer.stop()
        assert_each_once(system, producer)
        parts = system.ok("status", "--json").json()["parts"]
        assert sum(part["restarts"] for part in parts) > 0
