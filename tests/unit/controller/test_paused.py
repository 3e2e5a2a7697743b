"""What the controller makes of a paused delivery: it is well, behind, and not waited for."""

import asyncio
from typing import Any

import pyarrow as pa
import pytest

from bobr.batch import Batch
from bobr.catalog import Catalog, Delivery, Stream
from bobr.clock import SystemClock
from bobr.controller.flushing import Flusher
from bobr.controller.parts import Parts, Wanted
from bobr.controller.status import status
from bobr.ids import Revision, SchemaId, StreamName
from bobr.runtime.folder import PartProcess
from bobr.runtime.words import PartName, Word
from bobr.testing.log import MemoryLog

ORDERS = StreamName("orders")
FOR_EVER = 3000.0
"""Longer than a test may take."""


def delivery(name: str, *, paused: bool) -> Delivery:
    return Delivery.model_validate({"name": name, "from": ORDERS, "table": name, "paused": paused})


def report(name: str, state: str, position: int) -> dict[str, Any]:
    reason = state if state == "paused" else ""
    of = {"stream": ORDERS, "to": "lake", "table": name}
    return {"state": state, "reason": reason, "positions": {"0": position}, **of}


@pytest.fixture
def log() -> MemoryLog:
    """Of three orders."""
    log = MemoryLog()
    log.create(ORDERS)
    payloads = pa.array([b"1", b"2", b"3"], pa.binary())
    log.appender().append(Batch(stream=ORDERS, schema_id=SchemaId(1), payloads=payloads)).result()
    return log


@pytest.fixture
def catalog() -> Catalog:
    return Catalog(
        revision=Revision(1),
        streams={ORDERS: Stream(name=ORDERS, message="Order", schema_ids=(SchemaId(1),))},
        deliveries={
            each.name: each for each in (delivery("a", paused=False), delivery("b", paused=True))
        },
    )


def word(flushed: int, **deliveries: dict[str, Any]) -> Word:
    return Word.model_validate(
        {
            "instance": "t",
            "part": PartName.TRANSMITTER,
            "number": flushed,
            "pid": 1,
            "revision": 1,
            "error": None,
            "report": {"deliveries": deliveries},
            "flushed": flushed,
        }
    )


def test_a_flush_does_not_wait_for_it_and_says_what_it_lacks(
    log: MemoryLog, catalog: Catalog
) -> None:
    async def flush() -> Any:
        parts = Parts(clock=SystemClock(), wanted=Wanted(catalog=catalog))
        paused = report("b", "paused", 1)
        await parts.hear([word(0, a=report("a", "running", 0), b=paused)], "c")
        flushing = asyncio.create_task(Flusher(parts, log.admin(), SystemClock()).flush(FOR_EVER))
        while not parts.wanted.flush:
            await asyncio.sleep(0)
        done = word(parts.wanted.flush, a=report("a", "running", 3), b=paused)
        await parts.hear([done], "c")
        return await flushing

    behind = asyncio.run(flush())
    assert behind == {"b": {"events": 2, "state": "paused", "reason": "paused"}}


def test_it_is_well_and_its_lag_is_told(log: MemoryLog, catalog: Catalog) -> None:
    async def told() -> Any:
        parts = Parts(clock=SystemClock(), wanted=Wanted(catalog=catalog))
        said = word(0, a=report("a", "running", 3), b=report("b", "paused", 1))
        await parts.hear([said], "c")
        process = PartProcess(state="running", pid=1, restarts=0, last_exit=None)
        return status(catalog, log.admin(), parts.living(), {"transmitter": process})

    body = asyncio.run(told())
    _, paused = body["deliveries"]
    assert (paused["state"], paused["reason"], paused["lag"]) == ("paused", "paused", 2)
    assert body["well"] is True
