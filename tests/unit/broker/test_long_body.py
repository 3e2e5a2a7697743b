"""Long JSON bodies: pieces a few at a time, one honest answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from bobr.broker.accumulate import Accumulator
from bobr.broker.admission import Admission
from bobr.broker.calls import Answer, Call, JsonEvents
from bobr.broker.limits import Limits
from bobr.broker.long_body import PIECES_AHEAD, OpenRejections, in_pieces, publish_long
from bobr.errors import BobrError, UnavailableError
from bobr.ids import SchemaId, StreamName
from bobr.outcome import Reason, Rejection

PER_PIECE = 4


class Judge:
    """Publishes at once: `bad` documents are refused, and a piece with `away` in it meets a log that is away."""

    def __init__(self) -> None:
        self.accumulator = Accumulator("test", Limits(linger_seconds=0.0), Admission(Limits()))
        self.most_at_once = 0

    def publish(self, calls: Sequence[Call]) -> None:
        self.most_at_once = max(self.most_at_once, len(calls))
        for call in calls:
            assert isinstance(call.events, JsonEvents)
            call.outcome = self._fate(call.events)
        self.accumulator.settle(calls)

    def _fate(self, events: JsonEvents) -> Answer | BobrError:
        if b"away" in events.documents:
            return UnavailableError("the log is away")
        rejections = tuple(
            Rejection(index=index, reason=Reason.INVALID, message="bad")
            for index, document in zip(events.indexes, events.documents, strict=True)
            if document == b"bad"
        )
        return Answer(accepted=len(events.documents) - len(rejections), rejections=rejections)


def publish(documents: list[bytes], rejections_max: int = 100) -> tuple[Answer, Judge]:
    whole = JsonEvents(
        stream=StreamName("s"),
        documents=documents,
        schema_id=SchemaId(0),
        indexes=range(len(documents)),
    )

    async def body() -> AsyncIterator[JsonEvents]:
        for piece in in_pieces(whole, PER_PIECE):
            yield piece

    async def run() -> tuple[Answer, Judge]:
        judge = Judge()
        judge.accumulator.start(judge.publish)
        rejections = OpenRejections(Limits(rejections_max=rejections_max))
        answer = await publish_long(body(), judge.accumulator, rejections)
        await judge.accumulator.close()
        return answer, judge

    return asyncio.run(run())


def test_pieces_are_answered_as_one() -> None:
    documents = [b"bad" if number % 10 == 3 else b"good" for number in range(95)]
    answer, judge = publish(documents)
    assert answer.accepted == 85
    assert [each.index for each in answer.rejections] == list(range(3, 95, 10))
    assert answer.stopped_at is None
    assert judge.most_at_once <= PIECES_AHEAD


def test_reading_stops_where_nearly_all_is_refused() -> None:
    answer, _ = publish([b"bad"] * 100, rejections_max=10)
    assert answer.stopped_at is not None
    assert answer.stopped_at == len(answer.rejections) <= 10 + PIECES_AHEAD * PER_PIECE
    assert answer.accepted == 0


def test_what_was_not_stored_is_listed_event_by_event() -> None:
    answer, _ = publish([*[b"good"] * 4, b"away", b"good", b"good", b"good", *[b"good"] * 4])
    assert answer.accepted == 8
    assert [(each.index, each.reason) for each in answer.rejections] == [
        (index, Reason.UNAVAILABLE) for index in range(4, 8)
    ]


def test_a_body_of_which_nothing_was_stored_fails_as_a_whole() -> None:
    with pytest.raises(UnavailableError):
        publish([b"away"] * 8)


def test_what_was_refused_before_is_listed_once_also_alone() -> None:
    refused = (Rejection(index=0, reason=Reason.TOO_LARGE, message="long"),)
    lines = JsonEvents(
        stream=StreamName("s"), documents=[], schema_id=SchemaId(0), indexes=(), refused=refused
    )
    assert [piece.refused for piece in in_pieces(lines, 2)] == [refused]
    more = replace(lines, documents=[b"good"] * 5, indexes=range(1, 6))
    assert [len(piece.refused) for piece in in_pieces(more, 2)] == [1, 0, 0]


def test_what_was_refused_before_is_in_the_piece_where_it_was() -> None:
    """Else a body that stops would list events that were not looked at."""
    refused = tuple(
        Rejection(index=index, reason=Reason.TOO_LARGE, message="long") for index in (3, 9, 10, 11)
    )
    whole = JsonEvents(
        stream=StreamName("s"),
        documents=[b"%d" % index for index in (0, 1, 2, 4, 5, 6, 7, 8)],
        schema_id=SchemaId(0),
        indexes=[0, 1, 2, 4, 5, 6, 7, 8],
        refused=refused,
    )
    pieces = [
        sorted([*map(int, piece.documents), *(each.index for each in piece.refused)])
        for piece in in_pieces(whole, PER_PIECE)
    ]
    assert pieces == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_who_goes_away_leaves_nothing_to_judge() -> None:
    """Pieces that nobody waits for any more are cancelled, those that others wait for are not."""
    taken: list[Call] = []

    async def run() -> None:
        accumulator = Accumulator("test", Limits(linger_seconds=0.0), Admission(Limits()))
        accumulator.start(taken.extend)

        async def endless() -> AsyncIterator[JsonEvents]:
            while True:
                yield JsonEvents(
                    stream=StreamName("s"), documents=[b"x"], schema_id=SchemaId(0), indexes=[0]
                )

        body = publish_long(endless(), accumulator, OpenRejections(Limits()))
        publishing = asyncio.ensure_future(body)
        while len(taken) < PIECES_AHEAD:
            await asyncio.sleep(0)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        await accumulator.close()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert [call.future.cancelled() for call in taken] == [True] * PIECES_AHEAD
    assert len({call.sender for call in taken}) == 1, "its events keep their order"


def test_a_body_has_one_piece_ahead_while_the_stream_is_full() -> None:
    taken: list[Call] = []

    async def run() -> None:
        limits = Limits(linger_seconds=0.0, pending_bytes_max=100)
        accumulator = Accumulator("test", limits, Admission(limits))
        accumulator.start(taken.extend)

        async def large() -> AsyncIterator[JsonEvents]:
            for _ in range(2):
                yield JsonEvents(
                    stream=StreamName("s"),
                    documents=[b"{}"] * 100,
                    schema_id=SchemaId(0),
                    indexes=range(100),
                )

        body = publish_long(large(), accumulator, OpenRejections(limits))
        publishing = asyncio.ensure_future(body)
        done, _ = await asyncio.wait([publishing], timeout=0.1)
        assert not done
        publishing.cancel()
        await accumulator.close()

    asyncio.run(asyncio.wait_for(run(), 60))
    assert len(taken) == 1


def test_an_empty_body() -> None:
    answer, _ = publish([])
    assert answer == Answer(accepted=0)


class Feed:
    """A body that a test feeds, and its answer."""

    def __init__(self, judge: Judge, open_rejections: OpenRejections) -> None:
        self._documents: asyncio.Queue[list[bytes]] = asyncio.Queue()
        self._index = 0
        body = publish_long(self._pieces(), judge.accumulator, open_rejections)
        self.answer = asyncio.ensure_future(body)

    def send(self, *documents: bytes) -> None:
        self._documents.put_nowait(list(documents))

    async def _pieces(self) -> AsyncIterator[JsonEvents]:
        while documents := await self._documents.get():
            yield JsonEvents(
                stream=StreamName("s"),
                documents=documents,
                schema_id=SchemaId(0),
                indexes=range(self._index, self._index + len(documents)),
            )
            self._index += len(documents)


def test_when_all_bodies_have_many_refused_events_the_one_with_most_ends() -> None:
    """Be it idle; the others go on, and what it had is room for theirs."""
    limits = Limits(rejections_max=100, open_rejections_max=60, linger_seconds=0.0)

    async def run() -> tuple[Answer, Answer]:
        judge = Judge()
        judge.accumulator.start(judge.publish)
        open_rejections = OpenRejections(limits)
        idle, user = Feed(judge, open_rejections), Feed(judge, open_rejections)
        for _ in range(PIECES_AHEAD):  # that so many are under way is when the first is counted
            idle.send(b"good", *[b"bad"] * 12)
        for _ in range(30):
            user.send(b"bad", b"good")
        ended = await idle.answer
        for _ in range(10):
            user.send(b"bad", b"good")
        user.send()
        went_on = await user.answer
        await judge.accumulator.close()
        return ended, went_on

    ended, went_on = asyncio.run(asyncio.wait_for(run(), 60))
    assert (ended.accepted, len(ended.rejections), ended.stopped_at) == (4, 48, 52)
    assert (went_on.accepted, len(went_on.rejections), went_on.stopped_at) == (40, 40, None)


def test_a_body_that_is_to_end_and_has_ended_is_looked_at_whole() -> None:
    limits = Limits(rejections_max=100, open_rejections_max=10, linger_seconds=0.0)

    async def run() -> Answer:
        judge = Judge()
        judge.accumulator.start(judge.publish)
        body = Feed(judge, OpenRejections(limits))
        body.send(*[b"bad"] * 20)
        body.send()
        answer = await body.answer
        await judge.accumulator.close()
        return answer

    answer = asyncio.run(asyncio.wait_for(run(), 60))
    assert (len(answer.rejections), answer.stopped_at) == (20, None)
