"""How far a stream is read ahead of its client."""

import asyncio

from bobr.broker.ahead import FEW, Ahead
from bobr.broker.calls import Answer
from bobr.broker.limits import Limits
from bobr.outcome import Reason, Rejection

GOOD = Answer(accepted=1)
BAD = Answer(
    accepted=0,
    rejections=tuple(
        Rejection(index=index, reason=Reason.MALFORMED, message="")
        for index in range(Limits().rejections_min)
    ),
)


class Reader:
    """Reads calls, each of which is answered at once, as fast as it may."""

    def __init__(self, ahead: Ahead) -> None:
        self.ahead = ahead
        self.answer = GOOD
        self.untaken = 0
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while True:
            coming: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            coming.set_result(self.answer)
            self.untaken += 1
            await self.ahead.put(coming)

    async def untaken_after(self, takes: int) -> int:
        """Calls that are read and not taken, when it is stopped after so many were taken."""
        for _ in range(takes):
            answer = await self.ahead.get()
            assert answer is not None
            self.ahead.taken(answer)
            self.untaken -= 1
        seen = -1
        while self.untaken != seen:
            seen = self.untaken
            await asyncio.sleep(0)
        return self.untaken


def test_who_takes_answers_is_read_further_ahead_and_who_makes_many_refusals_is_not() -> None:
    async def run() -> None:
        most = Limits().stream_calls_max
        reader = Reader(Ahead(Limits()))
        assert await reader.untaken_after(0) == FEW
        assert await reader.untaken_after(1) == 2 * FEW
        assert await reader.untaken_after(1) == 4 * FEW
        assert await reader.untaken_after(10) == most
        reader.answer = BAD
        assert await reader.untaken_after(most) == most, "as many as were read already"
        assert await reader.untaken_after(most) == FEW
        reader.answer = GOOD
        assert await reader.untaken_after(FEW) == FEW
        assert await reader.untaken_after(1) == 2 * FEW

    asyncio.run(asyncio.wait_for(run(), 30))


def test_errors_and_the_end_come_in_order() -> None:
    async def run() -> None:
        ahead = Ahead(Limits())
        coming: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        await ahead.put(coming)
        ahead.end()
        coming.set_result(GOOD)
        assert await ahead.get() == GOOD
        assert await ahead.get() is None

    asyncio.run(asyncio.wait_for(run(), 30))
