"""Turns: order within a stream, nobody behind another's end, and work that is given up."""

import threading
from collections.abc import Iterator

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
        self.turns = Turns("test")

    def work(self, name: str, steps: int) -> Work:
        return Work(
            steps=self._steps(name, steps),
            postpone=lambda: self.late.add(name),
            give_up=lambda: self.said.append(f"{name} up"),
        )

    def endless(self, until: threading.Event) -> Work:
        def steps() -> Iterator[None]:
            while not until.is_set():
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


def test_work_of_one_stream_is_done_in_its_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)  # each step is a turn
    for number in range(20):
        desk.turns.add(SLOW, desk.work(f"{number}", steps=20 - number))
    desk.wait(20)
    assert desk.said == [f"{number}" for number in range(20)]


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
