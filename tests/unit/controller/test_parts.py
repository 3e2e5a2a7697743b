"""Instances of parts: who lives, who is new, who is told what, and how that looks in the status."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from bobr.catalog import Catalog, Delivery, Stream
from bobr.controller.flushing import Behind, Flusher
from bobr.controller.parts import Parts, Wanted
from bobr.controller.status import delivery_reports, lag, lag_of, status
from bobr.errors import UnavailableError
from bobr.ids import DeliveryName, Offset, Partition, Revision, SchemaId, StreamName
from bobr.log import LogAdmin, PartitionState
from bobr.runtime.folder import PartProcess
from bobr.runtime.report import DeliveryReport
from bobr.runtime.words import GONE_SECONDS, PartName, Word
from bobr.testing.clock import ManualClock
from bobr.testing.log import MemoryLog
from bobr.testing.log_contract import append, numbered

ORDERS = StreamName("orders")
CATALOG = Catalog(
    revision=Revision(3),
    streams={ORDERS: Stream(name=ORDERS, message="Order", schema_ids=(SchemaId(1),))},
    deliveries={
        DeliveryName("orders"): Delivery(name=DeliveryName("orders"), stream=ORDERS, table="orders")
    },
)


PATIENCE = 60.0
"""For what must happen: long enough for any machine, never waited for when all is well."""


def word(instance: str, pid: int = 1, **changes: object) -> Word:
    members: dict[str, object] = {
        "instance": instance,
        "pid": pid,
        "revision": 3,
        "error": None,
        "report": {},
        "flushed": 0,
        "part": "broker",
    }
    return Word.model_validate({**members, **changes})


def delivering(position: int, state: str = "running") -> Mapping[str, object]:
    return {"deliveries": {"orders": {"state": state, "positions": {"0": position}}}}


def process(pid: int | None, state: str = "running") -> PartProcess:
    return PartProcess(state=state, pid=pid, restarts=1, last_exit="signal 9")


def parts(clock: ManualClock) -> Parts:
    return Parts(clock=clock, wanted=Wanted(catalog=CATALOG))


async def hear(known: Parts, part: PartName, word: Word, through: str = "c") -> None:
    await known.hear([word.model_copy(update={"part": part})], through)


def test_who_is_silent_is_gone() -> None:
    async def run() -> list[list[str]]:
        clock = ManualClock()
        known = parts(clock)
        await hear(known, PartName.BROKER, word("a"))
        clock.move(timedelta(seconds=GONE_SECONDS - 1))
        await hear(known, PartName.BROKER, word("b"))
        both = known.living()
        clock.move(timedelta(seconds=2))
        return [
            [voice.word.instance for voice in each[PartName.BROKER]]
            for each in (both, known.living())
        ]

    assert asyncio.run(run()) == [["a", "b"], ["b"]]


def test_a_change_waits_for_every_living_part_and_names_who_is_late() -> None:
    async def run() -> None:
        known = parts(ManualClock())
        await hear(known, PartName.BROKER, word("a"))
        await known.wait_live(Revision(3), 0.0)
        await hear(known, PartName.TRANSMITTER, word("t", revision=2, error="no such type"))
        with pytest.raises(UnavailableError, match="transmitter: no such type"):
            await known.wait_live(Revision(3), 0.0)
        waiting = asyncio.ensure_future(known.wait_live(Revision(3), 3600))
        await hear(known, PartName.TRANSMITTER, word("t"))
        await waiting

    asyncio.run(asyncio.wait_for(run(), 30))


def test_who_runs_what_is_no_more_is_late_too() -> None:
    """An older database was put back, and one part has not heard of that."""

    async def run() -> None:
        known = parts(ManualClock())
        await hear(known, PartName.BROKER, word("a", revision=9))
        with pytest.raises(UnavailableError, match="broker: no answer yet"):
            await known.wait_live(Revision(3), 0.0)
        await hear(known, PartName.BROKER, word("a"))
        await known.wait_live(Revision(3), 0.0)

    asyncio.run(run())


def instances(known: Parts) -> list[str]:
    return [voice.word.instance for voices in known.living().values() for voice in voices]


def test_a_part_is_forgotten_when_its_line_ends_unless_it_speaks_through_another_by_then() -> None:
    async def run() -> None:
        known = parts(ManualClock())
        for instance in ("a", "b"):
            await hear(known, PartName.BROKER, word(instance, number=1), through="one")
        await hear(known, PartName.BROKER, word("b", number=2), through="two")
        await known.forget(["a", "b"], "one")
        assert instances(known) == ["b"]
        await known.forget(["b"], "two")
        assert instances(known) == []

    asyncio.run(run())


def test_a_word_that_was_overtaken_on_another_way_is_too_late() -> None:
    async def run() -> None:
        known = parts(ManualClock())
        await hear(known, PartName.BROKER, word("a", number=8, revision=3), through="two")
        await hear(known, PartName.BROKER, word("a", number=7, revision=2), through="one")
        await known.wait_live(Revision(3), 0.0)
        await known.forget(["a"], "one")
        assert instances(known) == ["a"]

    asyncio.run(run())


def test_a_configurator_that_is_gone_takes_its_parts_with_it_in_time() -> None:
    """Those that came back through another stay."""

    async def run() -> None:
        clock = ManualClock()
        known = parts(clock)
        for instance in ("a", "b"):
            await hear(known, PartName.BROKER, word(instance), through="one")
        clock.move(timedelta(seconds=GONE_SECONDS - 1))
        await hear(known, PartName.BROKER, word("b", number=1), through="two")
        assert instances(known) == ["a", "b"]
        clock.move(timedelta(seconds=2))
        assert instances(known) == ["b"]

    asyncio.run(run())


def test_flush_orders_of_a_controller_that_starts_again_go_on_from_the_former_ones() -> None:
    async def run() -> None:
        clock = ManualClock()
        before, after = parts(clock), parts(clock)
        former = [await before.order_flush() for _ in range(3)]
        assert former == sorted(set(former))
        clock.move(timedelta(seconds=1))
        assert await after.order_flush() > former[-1]

    asyncio.run(run())


def shown(known: Parts, processes: Mapping[str, PartProcess]) -> list[tuple[object, ...]]:
    body = status(CATALOG, log_admin(), known.living(), processes)
    rows = body["parts"]
    assert isinstance(rows, list)
    return [(row["part"], row["state"], row["pid"]) for row in rows]


def log_admin() -> LogAdmin:
    log = MemoryLog()
    log.admin().create(ORDERS)
    return log.admin()


def test_a_part_is_shown_as_its_process_is() -> None:
    async def run() -> None:
        clock = ManualClock()
        known = parts(clock)
        assert shown(known, {"broker": process(5)}) == [("broker", "silent", 5)]
        await hear(known, PartName.BROKER, word("a", pid=5))
        assert shown(known, {"broker": process(5)}) == [("broker", "running", 5)]
        assert shown(known, {"broker": process(None, "waiting")}) == [("broker", "waiting", None)]
        assert shown(known, {"broker": process(6)}) == [("broker", "silent", 6)]
        await hear(known, PartName.BROKER, word("b", pid=6))
        assert shown(known, {"broker": process(6)}) == [("broker", "running", 6)], "no ghost"

    asyncio.run(run())


def test_a_revision_is_shown_once_there_is_one() -> None:
    """The controller's own is the newest; a part that starts has none."""

    async def run() -> dict[object, object]:
        known = parts(ManualClock())
        await hear(known, PartName.BROKER, word("b", pid=5))
        await hear(known, PartName.TRANSMITTER, word("t", pid=6, revision=-1))
        processes = {
            "controller": process(4),
            "broker": process(5),
            "transmitter": process(6),
        }
        rows = status(CATALOG, log_admin(), known.living(), processes)["parts"]
        assert isinstance(rows, list)
        return {row["part"]: row["revision"] for row in rows}

    shown = asyncio.run(run())
    assert shown == {"controller": 3, "broker": 3, "transmitter": None}


def test_an_instance_beside_the_supervised_one_is_a_stranger() -> None:
    async def run() -> None:
        clock = ManualClock()
        known = parts(clock)
        await hear(known, PartName.TRANSMITTER, word("a", pid=5))
        await hear(known, PartName.TRANSMITTER, word("b", pid=9))
        clock.move(timedelta(seconds=1))
        await hear(known, PartName.TRANSMITTER, word("b", pid=9))
        assert shown(known, {"transmitter": process(5)}) == [
            ("transmitter", "running", 5),
            ("transmitter", "stranger", 9),
        ]

    asyncio.run(run())


def test_a_second_configurator_is_as_good_as_the_first() -> None:
    async def run() -> None:
        clock = ManualClock()
        known = parts(clock)
        for pid in (5, 9):
            await hear(known, PartName.CONFIGURATOR, word(str(pid), pid=pid))
        clock.move(timedelta(seconds=1))
        await hear(known, PartName.CONFIGURATOR, word("9", pid=9))
        assert shown(known, {"configurator": process(5)}) == [
            ("configurator", "running", 5),
            ("configurator", "running", 9),
        ]

    asyncio.run(run())


def test_of_two_transmitters_the_furthest_positions_count() -> None:
    async def run() -> None:
        known = parts(ManualClock())
        await hear(known, PartName.TRANSMITTER, word("a", pid=5, report=delivering(10, "waiting")))
        await hear(known, PartName.TRANSMITTER, word("b", pid=9, report=delivering(30)))
        (report,) = delivery_reports(known.living(), {"transmitter": process(5)}).values()
        assert (report.state, report.positions) == ("waiting", {"0": 30})

    asyncio.run(run())


def test_a_system_is_well_when_all_runs_and_moves() -> None:
    async def run() -> None:
        known = parts(ManualClock())
        processes = {"transmitter": process(5)}
        for report, well in (
            (delivering(0), True),
            (delivering(0, "waiting"), True),
            (delivering(0, "broken"), False),
            ({}, False),
        ):
            await hear(known, PartName.TRANSMITTER, word("a", pid=5, report=report))
            body = status(CATALOG, log_admin(), known.living(), processes)
            assert body["well"] is well, report

    asyncio.run(run())


def test_what_a_silent_broker_has_accepted_is_not_known() -> None:
    """Rather than none: that would be a counter that has begun anew."""

    async def run() -> list[object]:
        known = parts(ManualClock())
        seen: list[object] = []
        for said in (None, {}, {ORDERS: {"accepted": 3, "rejected": 2, "bytes": 10}}):
            if said is not None:
                await hear(known, PartName.BROKER, word("b", pid=5, report={"streams": said}))
            rows = status(CATALOG, log_admin(), known.living(), {"broker": process(5)})["streams"]
            assert isinstance(rows, list)
            seen += [(row["accepted"], row["rejected"]) for row in rows]
        return seen

    assert asyncio.run(run()) == [(None, None), (0, 0), (3, 2)]


def test_a_system_whose_broker_can_not_store_events_is_not_well() -> None:
    async def run() -> list[object]:
        known = parts(ManualClock())
        processes = {"broker": process(5), "transmitter": process(6)}
        seen: list[object] = []
        for error in ("disk full", None):
            report = {"error": error}
            await hear(known, PartName.BROKER, word("b", pid=5, report=report))
            await hear(known, PartName.TRANSMITTER, word("t", pid=6, report=delivering(0)))
            body = status(CATALOG, log_admin(), known.living(), processes)
            rows = body["parts"]
            assert isinstance(rows, list)
            seen.append((rows[0]["error"], body["well"]))
        return seen

    assert asyncio.run(run()) == [("disk full", False), (None, True)]


@pytest.mark.parametrize(
    ("first", "end", "position", "lag"),
    [(0, 0, None, 0), (0, 9, None, 9), (0, 9, 4, 5), (5, 9, 0, 4), (0, 9, 20, 0)],
)
def test_lag_counts_what_the_log_has_and_the_table_lacks(
    first: int, end: int, position: int | None, lag: int
) -> None:
    state = PartitionState(first=Offset(first), end=Offset(end), nbytes=0, last_ingest_time=None)
    positions = {} if position is None else {"0": position}
    assert lag_of({Partition(0): state}, positions) == {Partition(0): lag}


def filled_log() -> MemoryLog:
    log = MemoryLog()
    log.admin().create(ORDERS)
    append(log, numbered(0, 7))
    return log


@pytest.mark.parametrize(
    ("told", "state", "behind_by"),
    [
        (None, "unknown", None),
        ({}, "unknown", None),
        ({"deliveries": {"orders": {"state": "opening"}}}, "opening", None),
        ({"deliveries": {"orders": {"state": "running"}}}, "running", 7),
        (delivering(4, "opening"), "opening", 3),
        (delivering(7), "running", 0),
        (
            delivering(8, "broken"),
            "broken",
            None,
        ),  # in a log that had more: this one is an older copy
    ],
)
def test_a_lag_is_told_only_when_it_is_known(
    told: Mapping[str, object] | None, state: str, behind_by: int | None
) -> None:
    """An alarm on it would sound at each restart of the transmitter otherwise."""

    async def run() -> None:
        known = parts(ManualClock())
        log = filled_log()
        if told is not None:
            await hear(known, PartName.TRANSMITTER, word("a", pid=5, report=told))
        rows = status(CATALOG, log.admin(), known.living(), {})["deliveries"]
        assert isinstance(rows, list)
        assert [(row["state"], row["lag"]) for row in rows] == [(state, behind_by)]
        behind = await Flusher(known, log.admin(), ManualClock()).flush(0.0)
        assert [word["events"] for word in behind.values()] == (
            [] if behind_by == 0 else [behind_by]
        )

    asyncio.run(run())


def test_nothing_is_behind_where_the_log_is_empty() -> None:
    report = DeliveryReport(state="unknown")
    assert lag(log_admin().describe(ORDERS), report) == 0


async def ordered(known: Parts, before: int = 0) -> int:
    """The number of the next flush order."""

    async def wait() -> int:
        while known.wanted.flush == before:
            await asyncio.sleep(0)
        return known.wanted.flush

    return await asyncio.wait_for(wait(), PATIENCE)


def test_a_flush_ends_though_more_came_and_was_delivered_meanwhile() -> None:
    async def run() -> Behind:
        known, log = parts(ManualClock()), filled_log()
        await hear(known, PartName.TRANSMITTER, word("a", pid=5, report=delivering(3)))
        flush = asyncio.create_task(Flusher(known, log.admin(), ManualClock()).flush(60.0))
        order = await ordered(known)
        append(log, numbered(7, 9))
        done = word("a", pid=5, report=delivering(9), flushed=order)
        await hear(known, PartName.TRANSMITTER, done)
        return await flush

    assert asyncio.run(run()) == {}


def test_a_flush_has_tables_looked_at_that_seem_to_have_everything() -> None:
    """Another engine may have rolled one back, or dropped it."""

    async def run() -> Behind:
        known, log = parts(ManualClock()), filled_log()
        await hear(known, PartName.TRANSMITTER, word("a", report=delivering(7)))
        flush = asyncio.create_task(Flusher(known, log.admin(), ManualClock()).flush(60.0))
        order = 0
        for position in (3, 7):
            order = await ordered(known, before=order)
            said = word("a", report=delivering(position), flushed=order)
            await hear(known, PartName.TRANSMITTER, said)
        return await flush

    assert asyncio.run(run()) == {}


def test_a_flush_says_that_the_transmitter_does_not_answer() -> None:
    async def run() -> Behind:
        known = parts(ManualClock())
        return await Flusher(known, filled_log().admin(), ManualClock()).flush(0.0)

    reason = "the transmitter does not answer"
    assert asyncio.run(run()) == {"orders": {"events": None, "state": "unknown", "reason": reason}}
