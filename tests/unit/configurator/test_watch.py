"""Parts, configurators and a controller over real gRPC: who is heard, who is told, who goes on without whom."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from bobr.catalog import Catalog
from bobr.ids import Revision
from bobr.runtime.control import ControlLine
from bobr.runtime.revisions import Revisions
from bobr.runtime.rpc import RELAY, WATCH, Peers
from bobr.runtime.secret import authorization, new_secret
from bobr.runtime.words import PartName
from bobr.testing.rollout import PATIENCE_SECONDS, Rollout, changed, large_catalog
from bobr.v1 import configurator_pb2 as wire

FIRST = large_catalog(3)
SECOND = changed(FIRST)
REPORT = {"deliveries": {"orders": {"state": "running", "positions": {"0": 5}, "rows": 5}}}
PARTS = 50
CHANGES = 20


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    with Rollout(tmp_path / "configurators", configurators=2, catalog=FIRST) as rollout:
        yield rollout


@dataclass(slots=True)
class Part:
    """It runs whatever it is told, and remembers."""

    revisions: list[Revision] = field(default_factory=list)

    def apply(self, catalog: Catalog, *, settled: bool) -> None:
        self.revisions.append(catalog.revision)


@contextmanager
def parts(
    rollout: Rollout, folder: Path, peers_of_each: Sequence[Peers]
) -> Iterator[Sequence[Part]]:
    """A part for each; all run what is in force when it begins."""
    some = [Part() for _ in peers_of_each]
    lines = [
        ControlLine(peers, PartName.BROKER, part.apply, dict, Revisions(folder / f"part-{number}"))
        for number, (peers, part) in enumerate(zip(peers_of_each, some, strict=True))
    ]
    for line in lines:
        line.start()
    try:
        rollout.until(lambda: len(rollout.voices()) == len(some))
        rollout.wait_live(rollout.parts.catalog.revision)
        yield some
    finally:
        with ExitStack() as closing:
            for line in lines:
                closing.callback(line.close)


def word(**changes: object) -> bytes:
    members: dict[str, object] = {
        "instance": "a",
        "part": "transmitter",
        "pid": 7,
        "revision": -1,
        "told": -1,
        "report": json.dumps(REPORT).encode(),
    }
    return wire.Word(**{**members, **changes}).SerializeToString()  # type: ignore[arg-type]  # fields


def called(
    rollout: Rollout, method: str, *said: bytes, metadata: Sequence[tuple[str, str]] | None = None
) -> tuple[grpc.StatusCode, str]:
    """Say that, and how the call ends."""
    address = rollout.relay if method == RELAY else rollout.peers(0).addresses[0]
    known = rollout.peers().metadata() if metadata is None else metadata
    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream(method, bytes, bytes)(
            iter(said), metadata=tuple(known), timeout=60
        )
        try:
            list(call)
        except grpc.RpcError as error:
            return error.code(), error.details() or ""
    return call.code(), call.details()


@pytest.mark.parametrize("method", [WATCH, RELAY])
@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("x-secret", "SECRET"),), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", ""),), grpc.StatusCode.PERMISSION_DENIED),
        ((("authorization", "SECRET"),), grpc.StatusCode.PERMISSION_DENIED),
        ((("authorization", "Bearer"),), grpc.StatusCode.PERMISSION_DENIED),
        ((("authorization", "Bearer SECRETx"),), grpc.StatusCode.PERMISSION_DENIED),
        (
            (("authorization", authorization(new_secret())),),
            grpc.StatusCode.PERMISSION_DENIED,
        ),
    ],
)
def test_who_does_not_know_the_secret_is_not_heard(
    rollout: Rollout, method: str, metadata: Sequence[tuple[str, str]], code: grpc.StatusCode
) -> None:
    sent = [(name, value.replace("SECRET", rollout.secret)) for name, value in metadata]
    found, details = called(rollout, method, word(), metadata=sent)
    assert found is code
    assert rollout.secret not in details
    assert PartName.TRANSMITTER not in rollout.parts.living()


def test_a_part_is_heard_with_its_report(rollout: Rollout) -> None:
    with grpc.insecure_channel(rollout.peers(0).addresses[0]) as channel:
        there = threading.Event()
        call = channel.stream_stream(WATCH, bytes, bytes)(
            staying(word(), there), metadata=rollout.peers().metadata()
        )
        orders = map(wire.Order.FromString, call)
        told = list(until(orders, lambda order: bool(order.snapshot)))
        assert Catalog.model_validate_json(told[-1].snapshot) == FIRST
        assert any(each.HasField("settled") for each in told[:-1]), (
            "else it might refuse what stays"
        )
        there.set()
        last = [each for each in orders if each.snapshot or each.delta]
        assert last == [], "it has nothing more to say, which ends the call"
    with grpc.insecure_channel(rollout.peers(0).addresses[0]) as channel:
        there = threading.Event()
        call = channel.stream_stream(WATCH, bytes, bytes)(
            staying(word(instance="b"), there), metadata=rollout.peers().metadata()
        )
        rollout.said(lambda said: said.instance == "b", PartName.TRANSMITTER)
        (voice,) = rollout.voices(PartName.TRANSMITTER)
        assert voice.report.model_dump()["deliveries"]["orders"] == {
            **REPORT["deliveries"]["orders"],
            **dict.fromkeys(("stream", "to", "table")),
            "reason": "",
        }
        there.set()
        list(call)
    rollout.until(lambda: not rollout.voices(PartName.TRANSMITTER))


def until(
    orders: Iterator[wire.Order], is_last: Callable[[wire.Order], bool]
) -> Iterator[wire.Order]:
    """Those up to the last one, with it: how many there are depends on what the configurator knows by then."""
    for order in orders:
        yield order
        if is_last(order):
            return


def staying(first: bytes, there: threading.Event) -> Iterator[bytes]:
    """A part that says one thing, and ends later."""
    yield first
    there.wait(PATIENCE_SECONDS)


def delivery(**members: object) -> dict[str, object]:
    return report({"deliveries": {"orders": {"state": "running", **members}}})


def report(content: object) -> dict[str, object]:
    return {"report": json.dumps(content).encode()}


WRONG = [
    *({"instance": each} for each in ("", "x" * 65)),
    *({"part": each} for each in ("", "controller", "intruder", "Broker", "\0")),
    {"pid": -1},
    {"pid": 0},
    {"number": -1},
    {"revision": -2},
    {"flushed": -1},
    {"told": -2},
    *({"report": each} for each in (b"", b"\xff", b"[" * 100_000, b'"\\ud800"', b"{}" * 9)),
    report([]),
    report({"deliveries": []}),
    report({"deliveries": {"orders": {}}}),
    report({"streams": {"orders": {"accepted": "many"}}}),
    report({"streams": {"orders": {"accepted": 1, "bytes": {}}}}),
    *(delivery(positions={"0": each}) for each in (-1, 1 << 63, None)),
    delivery(positions={"zero": 1}),
    delivery(positions=[1]),
    delivery(state=""),
    delivery(rows=[[[]]]),
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_odd_word_is_refused_with_the_reason(rollout: Rollout, wrong: dict[str, object]) -> None:
    code, details = called(rollout, WATCH, word(**wrong))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert details.startswith("not a word of a part")
    rollout.order_flush()
    assert not rollout.voices(PartName.TRANSMITTER)


@pytest.mark.parametrize("content", [b"\xff", b"\x0a\xff\xff", b"{}" * 1000])
def test_what_is_no_word_at_all_is_refused(rollout: Rollout, content: bytes) -> None:
    assert called(rollout, WATCH, content)[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert called(rollout, WATCH, word(), content)[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert called(rollout, WATCH, word(), word(instance="b"))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_parts_of_several_configurators_run_the_same(rollout: Rollout, tmp_path: Path) -> None:
    peers_of_each = [rollout.peers(0), rollout.peers(1), rollout.peers(0, 1)]
    with parts(rollout, tmp_path, peers_of_each) as some:
        rollout.publish(SECOND)
        rollout.wait_live(SECOND.revision)
        assert [part.revisions for part in some] == [[1, 2]] * 3
        assert [word.revision for word in rollout.voices(PartName.CONFIGURATOR)] == [2, 2]


def test_a_candidate_runs_where_it_shall_until_it_is_withdrawn_or_in_force(
    rollout: Rollout, tmp_path: Path
) -> None:
    with parts(rollout, tmp_path, [rollout.peers(0), rollout.peers(1), rollout.peers(1)]) as some:
        canary = rollout.voices()[0].instance
        rollout.propose(SECOND, {canary})
        rollout.said(lambda word: (word.instance, word.revision) == (canary, 2))
        rollout.withdraw()
        rollout.said(lambda word: (word.instance, word.revision) == (canary, 1))
        third = changed(SECOND)
        rollout.propose(third, {canary})
        rollout.said(lambda word: (word.instance, word.revision) == (canary, 3))
        rollout.publish(third)
        rollout.wait_live(third.revision)
        assert sorted(part.revisions for part in some) == [[1, 2, 1, 3], [1, 3], [1, 3]]


def test_a_candidate_ends_with_the_controller_that_wanted_it(
    rollout: Rollout, tmp_path: Path
) -> None:
    with parts(rollout, tmp_path, [rollout.peers(0)]) as (part,):
        (canary,) = rollout.voices()
        rollout.propose(SECOND, {canary.instance})
        rollout.said(lambda word: word.revision == 2)
        rollout.stop_controller()
        rollout.start_controller(FIRST)
        rollout.said(lambda word: word.revision == 1)
        assert part.revisions == [1, 2, 1]


def test_parts_start_and_come_back_while_the_controller_is_down(
    rollout: Rollout, tmp_path: Path
) -> None:
    """A configurator that starts meanwhile has its disk."""
    rollout.until(lambda: len(rollout.voices(PartName.CONFIGURATOR)) == 2)
    while next(rollout.disk(0).newest_first(), None) != FIRST:
        rollout.until(lambda: True)
    rollout.stop_controller()
    rollout.stop_configurator(0)
    rollout.start_configurator(0)
    part = Part()
    disk = Revisions(tmp_path / "part")
    line = ControlLine(rollout.peers(0), PartName.BROKER, part.apply, dict, disk)
    line.start()
    assert line.wait_ready(threading.Event())
    rollout.start_controller(FIRST)
    rollout.said(lambda word: word.revision == 1)
    line.close()
    assert part.revisions == [1]


def test_a_configurator_whose_disk_takes_nothing_tries_again(tmp_path: Path) -> None:
    folder = tmp_path / "configurators"
    folder.mkdir()
    (folder / "0").write_text("a file where the folder should be")
    with Rollout(folder, catalog=FIRST) as rollout, capture_logs() as lines:
        rollout.until(
            lambda: "the catalog can not be kept on disk" in [each["event"] for each in lines]
        )
        (folder / "0").unlink()
        rollout.until(lambda: next(rollout.disk(0).newest_first(), None) == FIRST)


def test_an_older_database_takes_everybody_back(rollout: Rollout, tmp_path: Path) -> None:
    with parts(rollout, tmp_path, [rollout.peers(0), rollout.peers(1)]) as some:
        for catalog in (SECOND, changed(SECOND)):
            rollout.publish(catalog)
            rollout.wait_live(catalog.revision)
        rollout.stop_controller()
        rollout.start_controller(FIRST)
        rollout.until(lambda: [word.revision for word in rollout.voices()] == [1, 1])
        assert [part.revisions for part in some] == [[1, 2, 3, 1]] * 2


def test_a_configurator_that_starts_again_with_an_old_disk_takes_nobody_back(
    rollout: Rollout, tmp_path: Path
) -> None:
    with parts(rollout, tmp_path, [rollout.peers(0)]) as (part,):
        for catalog in (SECOND, changed(SECOND)):
            rollout.publish(catalog)
            rollout.wait_live(catalog.revision)
        rollout.stop_configurator(0)
        assert rollout.disk(0).write(FIRST)
        rollout.start_configurator(0)
        rollout.until(lambda: len(rollout.voices(PartName.CONFIGURATOR)) == 2)
        (before,) = rollout.voices()
        rollout.said(lambda word: word.number > before.number + 1)
        assert part.revisions == [1, 2, 3]


def test_words_of_a_configurator_that_are_none_end_its_call(rollout: Rollout) -> None:
    for content in (b"\xff", b""):
        assert called(rollout, RELAY, content)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_fifty_parts_follow_every_change(rollout: Rollout, tmp_path: Path) -> None:
    """The time is printed, and judged by a person."""
    peers_of_each = [rollout.peers(number % 2) for number in range(PARTS)]
    with parts(rollout, tmp_path, peers_of_each) as some:
        taken = []
        for _ in range(CHANGES):
            catalog = changed(rollout.parts.catalog)
            started = time.perf_counter()
            rollout.publish(catalog)
            rollout.wait_live(catalog.revision)
            taken.append((time.perf_counter() - started) * 1000)
        taken.sort()
        print(f"{PARTS} parts run a change: p50 {taken[CHANGES // 2]:.0f} ms, most {taken[-1]:.0f}")
        assert {part.revisions[-1] for part in some} == {CHANGES + 1}
        assert {len(part.revisions) for part in some} == {CHANGES + 1}
