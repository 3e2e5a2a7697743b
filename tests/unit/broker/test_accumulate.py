"""Calls gathered to rounds: who waits for whom, and that each is settled once."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from bobr.broker.accumulate import Accumulator
from bobr.broker.admission import Admission
from bobr.broker.calls import Answer, Call, RawEvents
from bobr.broker.limits import Limits
from bobr.errors import OverloadedError, UnavailableError
from bobr.ids import StreamName

DONE = Answer(accepted=1)
S = StreamName("s")


class Rounds:
    """Publishes by writing down the round; settles when told to, from a thread of its own, as a log does."""

    def __init__(self, limits: Limits) -> None:
        self.admission = Admission(limits)
        self.accumulator = Accumulator("test", limits, self.admission)
        self.sizes: list[int] = []
        self.outcome: Answer | UnavailableError = DONE
        self.go_on = threading.Event()

    def publish(self, calls: Sequence[Call]) -> None:
        self.sizes.append(len(calls))

        def settle() -> None:
            self.go_on.wait()
            for call in calls:
                call.outcome = self.outcome
            self.accumulator.settle(calls)

        threading.Thread(target=settle).start()

    def submit(self, nbytes: int = 1) -> "asyncio.Future[Answer]":
        return self.accumulator.submit(RawEvents(request=b"", stream=S), nbytes)


def test_calls_of_one_moment_make_one_round() -> None:
    async def run() -> list[int]:
        rounds = Rounds(Limits())
        rounds.go_on.set()
        rounds.accumulator.start(rounds.publish)
        answers = [rounds.submit() for _ in range(100)]
        assert set(await asyncio.gather(*answers)) == {DONE}
        await rounds.accumulator.close()
        assert rounds.admission.pending == (0, 0)
        return rounds.sizes

    assert asyncio.run(run()) == [100]


def test_calls_that_come_during_a_round_are_the_next() -> None:
    async def run() -> list[int]:
        rounds = Rounds(Limits(linger_seconds=0.0))
        rounds.accumulator.start(rounds.publish)
        answers = [rounds.submit()]
        while not rounds.sizes:
            await asyncio.sleep(0)
        for _ in range(5):
            answers.append(rounds.submit())
            await asyncio.sleep(0)  # each could linger to its end
        rounds.go_on.set()
        await asyncio.gather(*answers)
        await rounds.accumulator.close()
        return rounds.sizes

    assert asyncio.run(run()) == [1, 5]


def test_a_large_call_does_not_wait_for_the_round_under_way() -> None:
    async def run() -> None:
        rounds = Rounds(Limits(linger_seconds=0.0, piece_bytes=100))
        rounds.accumulator.start(rounds.publish)
        answers = [rounds.submit()]
        while not rounds.sizes:
            await asyncio.sleep(0)
        answers.append(rounds.submit(100))
        while len(rounds.sizes) < 2:  # the round is made in another thread
            await asyncio.sleep(0)
        rounds.go_on.set()
        await asyncio.gather(*answers)
        await rounds.accumulator.close()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_close_publishes_what_was_gathered() -> None:
    async def run() -> list[int]:
        rounds = Rounds(Limits(linger_seconds=3600))
        rounds.go_on.set()
        rounds.accumulator.start(rounds.publish)
        answers = [rounds.submit() for _ in range(3)]
        await rounds.accumulator.close()
        await asyncio.gather(*answers)
        return rounds.sizes

    assert asyncio.run(run()) == [3]


def test_a_failed_round_fails_each_of_its_calls_and_leaves_room() -> None:
    async def run() -> None:
        rounds = Rounds(Limits(pending_calls_max=4))
        rounds.outcome = UnavailableError("the log is away")
        rounds.accumulator.start(rounds.publish)
        answers = [rounds.submit(), rounds.submit()]
        with pytest.raises(OverloadedError):
            rounds.submit()
        room = asyncio.ensure_future(rounds.accumulator.room(S))
        rounds.go_on.set()
        for answer in answers:
            with pytest.raises(UnavailableError):
                await answer
        await room
        rounds.submit()
        await rounds.accumulator.close()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_a_client_that_went_away_disturbs_nobody() -> None:
    async def run() -> None:
        rounds = Rounds(Limits())
        rounds.accumulator.start(rounds.publish)
        gone, stays = rounds.submit(), rounds.submit()
        gone.cancel()
        rounds.go_on.set()
        assert await stays == DONE
        await rounds.accumulator.close()
        assert rounds.admission.pending == (0, 0)

    asyncio.run(run())
