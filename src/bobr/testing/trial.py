"""A trial: a running system, a stream of numbered events in it, and the oracle that says what its table must hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
from google.protobuf.message import Message

from bobr.errors import BobrError
from bobr.schema import EventType
from bobr.schema.source.compile import compile_files
from bobr.testing.producer import LedgerProducer
from bobr.testing.system import System
from bobr.testing.waiting import GIVE_UP_SECONDS, wait_until
from bobr.testing.ways import Way, unary

PROTO = """
syntax = "proto3";
package trial.v1;
message Event { string event_id = 1; int64 number = 2; string filling = 3; }
"""

Status = Mapping[str, Any]


@cache
def _event_class() -> Callable[..., Message]:
    files = compile_files({"trial.proto": PROTO}, "trial.proto")
    return EventType.build(files, "trial.v1.Event").message_class


@dataclass(slots=True, kw_only=True)
class Trial:
    """`stream` and its table of the same name are made by `deliver`. filling: what makes events as large as wanted."""

    system: System
    folder: Path
    stream: str = "events"
    filling: str = "x" * 100
    _event: Callable[..., Message] = field(default_factory=_event_class)

    def deliver(self, *options: str) -> None:
        """Make stream and table."""
        proto = self.folder / "trial.proto"
        proto.write_text(PROTO)
        self.system.ok("deliver", str(proto), "--stream", self.stream, *options)

    def encode(self, number: int, event_id: str | None = None) -> bytes:
        """An event; its id is made from its number, unless it is given."""
        some_id = f"e{number}" if event_id is None else event_id
        event = self._event(event_id=some_id, number=number, filling=self.filling)
        return event.SerializeToString()

    def producer(self, *, per_call: int, way: Way = unary) -> LedgerProducer:
        """Not started."""
        return LedgerProducer(self.stream, self.encode, self.addresses, per_call=per_call, way=way)

    def addresses(self) -> Mapping[str, str]:
        """Of the system now; OSError while none runs."""
        try:
            return dict(self.system.addresses)
        except BobrError as error:
            raise OSError(str(error)) from error

    def status(self) -> Status:
        """As the controller tells it; OSError while it does not."""
        url = f"http://{self.addresses()['control']}/v1/status"
        try:
            state: Status = httpx2.get(url, trust_env=False, timeout=10.0).raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise OSError(str(error)) from error
        return state

    def part(self, name: str) -> Status:
        """What the status says of the part that the supervisor keeps."""
        return next(part for part in self.status()["parts"] if part["part"] == name)

    def delivery(self) -> Status:
        """What the status says of our table."""
        return next(each for each in self.status()["deliveries"] if each["table"] == self.stream)

    def wait_until(
        self, holds: Callable[[], bool], timeout_seconds: float = GIVE_UP_SECONDS
    ) -> None:
        """Wait until it holds; while it raises OSError it does not."""
        wait_until(holds, timeout_seconds)

    def assert_each_once(self, producer: LedgerProducer) -> None:
        """The table holds every acknowledged event, none twice, and none that was not sent."""
        self.system.flush()
        (found,) = self.system.sql(
            "select count(*) as n, count(distinct number) as numbers, count(distinct event_id) as ids,"
            f" count(*) filter (number < {producer.acknowledged}) as acknowledged,"
            f" count(*) filter (number >= {producer.sent}) as strangers from {self.stream}"
        )
        assert found["n"] == found["numbers"] == found["ids"], found
        assert found["acknowledged"] == producer.acknowledged, found
        assert found["strangers"] == 0, found
