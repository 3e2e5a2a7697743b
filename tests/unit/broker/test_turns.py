"""Turns: order within a stream, nobody behind another's end, and work that is given up."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from bobr.broker import turns
from bobr.broker.turns import Turns, Work
from bobr.ids import StreamName

SLOW, QUICK = StreamName("slow"), StreamName("quick")


class Desk:
    """Work that writes down its steps."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.late: set[str] = set()
        self.done = threading.Semaphore(0)
        self.gone: set[str] = set()
        self.steps = 0
        self.turns = Turns("test")

    def work(self, name: str, steps: int) -> Work:
        return Work(
            steps=self._steps(name, steps),
            postpone=lambda: self.late.add(name),
            give_up=lambda: self._given_up(name),
            is_wanted=lambda: name not in self.gone,
        )

    def _given_up(self, name: str) -> None:
        self.said.append(f"{name} up")
        self.done.release()

    def endless(self, until: threading.Event) -> Work:
        def steps() -> Iterator[None]:
            while not until.is_set():
                self.steps += 1
                yield
            self.said.append("slow ends")
            self.done.release()

        return Work(
            steps=steps(),
            postpone=lambda: self.late.add("slow"),
            give_up=lambda: self.said.append("slow up"),
        )

    def _steps(self, name: str, steps: int) -> Iterator[None]:
        for _ in range(steps):
            yield
        self.said.append(name)
        self.done.release()

    def wait(self, works: int) -> None:
        for _ in range(works):
            assert self.done.acquire(timeout=60)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.turns.close()


def test_work_of_one_sender_is_done_in_its_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)  # each step is a turn
    for number in range(20):
        senders = ("both", "first") if number < 10 else ("both",)
        desk.turns.add(SLOW, desk.work(f"{number}", steps=20 - number), senders)
    desk.wait(20)
    assert desk.said == [f"{number}" for number in range(20)]
    assert desk.turns.lane("both") is desk.turns.lane("first") is None


def test_no_sender_waits_for_the_end_of_another(desk: Desk) -> None:
    until = threading.Event()
    desk.turns.add(SLOW, desk.endless(until), ("bad",))
    desk.turns.add(SLOW, desk.work("behind", steps=1), ("bad",))
    for number in range(5):
        desk.turns.add(SLOW, desk.work(f"{number}", steps=3), ("good",))
    desk.wait(5)
    assert desk.said == [f"{number}" for number in range(5)]
    assert desk.turns.lane("bad") is not None
    until.set()
    desk.wait(2)
    assert desk.said[-2:] == ["slow ends", "behind"]


def test_many_slow_senders_leave_every_second_turn_to_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)
    until = threading.Event()
    passed: list[int] = []

    def quick() -> Iterator[None]:
        passed.append(desk.steps)
        desk.done.release()
        yield from ()

    for number in range(50):
        desk.turns.add(SLOW, desk.endless(until), (number,))
    for _ in range(20):
        work = replace(desk.work("quick", steps=0), steps=quick())
        desk.turns.add(SLOW, work, ("good",))
    desk.wait(20)
    until.set()
    desk.wait(50)
    assert max(after - before for before, after in pairwise(passed[1:])) == 1


def test_what_nobody_waits_for_is_not_done(desk: Desk) -> None:
    until = threading.Event()
    desk.turns.add(SLOW, desk.endless(until), ("gone",))
    for number in range(5):
        desk.turns.add(SLOW, desk.work(f"{number}", steps=1), ("gone",))
    desk.gone = {f"{number}" for number in range(4)}
    until.set()
    desk.wait(6)
    assert desk.said == ["slow ends", *(f"{number} up" for number in range(4)), "4"]


def test_no_stream_waits_for_the_end_of_another(desk: Desk) -> None:
    until = threading.Event()
    desk.turns.add(SLOW, desk.endless(until))
    for number in range(5):
        desk.turns.add(QUICK, desk.work(f"{number}", steps=3))
    desk.wait(5)
    assert desk.said == [f"{number}" for number in range(5)]
    until.set()
    desk.wait(1)
    assert desk.said[-1] == "slow ends"
    assert "slow" in desk.late


def test_what_is_done_in_one_turn_is_not_late(desk: Desk) -> None:
    for number in range(5):
        desk.turns.add(QUICK, desk.work(f"{number}", steps=3))
        desk.wait(1)
    assert not desk.late


def test_what_is_not_done_at_the_end_is_given_up() -> None:
    desk = Desk()
    desk.turns.add(SLOW, desk.endless(threading.Event()))
    desk.turns.add(SLOW, desk.work("never begun", steps=1))
    desk.turns.close()
    assert desk.said == ["slow up", "never begun up"]
