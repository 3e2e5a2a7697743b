"""The publishing core over a real log: merging, isolation of groups, and honest failures."""

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.batch import Batch
from bobr.broker.calls import Answer, Call, JsonEvents, RawEvents
from bobr.broker.limits import Limits
from bobr.broker.publish import NOWHERE, SMALL_DOCUMENTS, Publisher
from bobr.broker.streams import Streams
from bobr.broker.tally import Tally
from bobr.catalog import Catalog, Stream
from bobr.errors import BrokenError, OverloadedError, RejectedError, UnavailableError
from bobr.ids import Partition, SchemaId, StreamName
from bobr.log import Appended, Appender
from bobr.log.sqlite import SqliteLog
from bobr.outcome import Reason
from bobr.schema.source.compile import compile_files
from bobr.testing.log import MemoryLog
from bobr.testing.log_contract import payloads, read_all, reader_at
from bobr.v1 import broker_pb2 as wire

FILES = compile_files({"e.proto": 'syntax = "proto3"; message E { string s = 1; }'}, "e.proto")
GOOD, BAD = b"\x0a\x01x", b"\x0a\xff"
MANY = 20_000


def stream(name: str, *schema_ids: int) -> Stream:
    ids = tuple(SchemaId(number) for number in schema_ids)
    return Stream(name=StreamName(name), message="E", schema_ids=ids)


def descriptors(schema_id: SchemaId) -> FileDescriptorSet:
    if schema_id == 7:
        raise UnavailableError("the registry is away")
    return FILES


class Desk:
    """A publisher; calls that are settled are kept."""

    def __init__(
        self,
        appender: Appender,
        descriptors: Callable[[SchemaId], FileDescriptorSet] = descriptors,
    ) -> None:
        streams = Streams(descriptors)
        both = {each.name: each for each in (stream("a", 1, 2), stream("b", 7, 2))}
        streams.apply(Catalog(streams=both))
        self.settled: list[Call] = []
        self._done = threading.Semaphore(0)
        self.tally = Tally()
        self.publisher = Publisher("test", streams, appender, Limits(), self.tally, self)

    def settle(self, calls: Sequence[Call]) -> None:
        self.settled += calls
        for _ in calls:
            self._done.release()

    def wait(self, calls: int) -> None:
        for _ in range(calls):
            assert self._done.acquire(timeout=60)

    def set_aside(self, calls: Sequence[Call]) -> None:
        """Nobody waits."""

    def publish(self, *events: RawEvents | JsonEvents, sender: Hashable = None) -> list[object]:
        calls = [Call(events=each, nbytes=1, sender=sender, future=Future()) for each in events]  # type: ignore[arg-type]  # no loop here
        self.publisher.publish(calls)
        return [call.outcome for call in calls]


def raw(name: str, *events: bytes, schema_id: int = 0) -> RawEvents:
    request = wire.PublishRequest(stream=name, events=events, schema_id=schema_id)
    return RawEvents(request=request.SerializeToString(), stream=StreamName(name))


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    log.create(StreamName("a"))
    log.create(StreamName("b"))
    return log


@pytest.fixture
def desk(log: MemoryLog) -> Iterator[Desk]:
    appender = log.appender()
    yield Desk(appender)
    appender.close()


def test_calls_to_several_streams_have_their_own_answers(desk: Desk, log: MemoryLog) -> None:
    asked = [raw("a", GOOD, BAD), raw("b", GOOD), raw("nowhere", GOOD), raw("a"), raw("a", GOOD)]
    desk.publish(*asked)
    desk.wait(len(asked))
    told = {id(call.events): call.outcome for call in desk.settled}
    assert len(told) == len(asked)
    first, second, third, fourth, fifth = (told[id(each)] for each in asked)
    assert isinstance(first, Answer)
    assert (first.accepted, [each.index for each in first.rejections]) == (1, [1])
    assert second == fifth == Answer(accepted=1)
    assert fourth == Answer(accepted=0)
    assert isinstance(third, Answer)
    assert third.rejections[0].reason is Reason.UNKNOWN_STREAM
    assert log.describe(StreamName("a"))[Partition(0)].end == 2
    report = desk.tally.report()
    assert report["a"] == {"accepted": 2, "rejected": 1, "bytes": report["a"]["bytes"]}
    assert report[NOWHERE]["rejected"] == 1


def test_an_old_schema_that_can_not_be_had_now_is_tried_later(desk: Desk) -> None:
    desk.publish(raw("b", GOOD, schema_id=7), raw("b", GOOD, schema_id=3))
    away, unknown = (call.outcome for call in desk.settled)
    assert isinstance(away, UnavailableError)
    assert isinstance(unknown, Answer)
    assert unknown.rejections[0].reason is Reason.UNKNOWN_SCHEMA


def test_what_is_no_request_does_not_touch_its_neighbours(desk: Desk) -> None:
    broken = RawEvents(request=b"\x0a\xff", stream=StreamName(""))
    desk.publish(broken, raw("a", GOOD))
    desk.wait(2)
    told = {call.events: call.outcome for call in desk.settled}
    assert isinstance(told[broken], RejectedError)
    assert Answer(accepted=1) in told.values()


def test_json_and_protobuf_meet_in_one_round(desk: Desk) -> None:
    documents = [b'{"s": "x"}', b'{"t": 1}']
    lines = JsonEvents(
        stream=StreamName("a"), documents=documents, schema_id=SchemaId(0), indexes=[10, 12]
    )
    desk.publish(lines, raw("a", GOOD))
    desk.wait(2)
    told = {id(call.events): call.outcome for call in desk.settled}
    answer = told[id(lines)]
    assert isinstance(answer, Answer)
    assert (answer.accepted, [each.index for each in answer.rejections]) == (1, [12])


RULED = compile_files(
    {
        "e.proto": """syntax = "proto3"; import "buf/validate/validate.proto";
        message E { string s = 1 [(buf.validate.field).string.max_len = 9]; }"""
    },
    "e.proto",
)


def test_calls_without_rules_do_not_pass_those_that_wait_for_theirs(tmp_path: Path) -> None:
    """The stream's schema lost its rules: what comes now stands behind what came before."""
    log = SqliteLog(tmp_path / "log.sqlite")
    log.admin().create(StreamName("a"))
    desk = Desk(log.appender(), lambda schema_id: RULED if schema_id == 1 else FILES)
    desk.publish(raw("a", *[GOOD] * MANY, schema_id=1))
    desk.publish(raw("a", GOOD, schema_id=2))
    desk.wait(2)
    answers = [call.outcome for call in desk.settled]
    log.close()
    assert answers == [Answer(accepted=MANY), Answer(accepted=1)]


def test_bad_events_keep_no_other_stream_waiting(desk: Desk) -> None:
    """Many calls of few bad events each: a second of work, which other streams do not stand behind."""
    bad = [raw("a", *[BAD] * 17) for _ in range(4_000)]
    desk.publish(*bad, raw("a", GOOD), raw("b", GOOD, schema_id=2))
    desk.wait(len(bad) + 2)
    outcomes = [(call.events.stream, call.outcome) for call in desk.settled]
    assert outcomes[0] == ("b", Answer(accepted=1))
    assert outcomes[-1] == ("a", Answer(accepted=1)), "in its order"


def documents(*each: bytes) -> JsonEvents:
    return JsonEvents(
        stream=StreamName("a"), documents=each, schema_id=SchemaId(0), indexes=range(len(each))
    )


@pytest.mark.parametrize("more", [1, SMALL_DOCUMENTS])
def test_bad_documents_of_one_body_keep_no_other_waiting(desk: Desk, more: int) -> None:
    bad = [documents(*[b"x"] * 5_000) for _ in range(3)]
    first, second = documents(*[b"{}"] * more), documents(*[b'{"s": "x"}'] * more)
    desk.publish(*bad, sender="bad body")
    desk.publish(first, sender="good body")
    desk.publish(second)
    desk.publish(documents(b"{}"), sender="bad body")
    desk.wait(6)
    told = [call.events for call in desk.settled]
    assert set(map(id, told[:2])) == {id(first), id(second)}
    assert told[2:5] == bad, "each body in its own order"


@pytest.mark.parametrize("per_call", [1, SMALL_DOCUMENTS])
def test_bad_documents_of_many_calls_keep_no_other_waiting(desk: Desk, per_call: int) -> None:
    """Calls so small that they are judged together, if nothing speaks against it."""
    bad = [documents(*[b"x"] * per_call) for _ in range(2_000 // per_call)]
    good = [documents(b"{}"), documents(b'{"s": "x"}')]
    desk.publish(good[0], *bad, good[1])
    desk.wait(len(bad) + 2)
    assert [call.outcome for call in desk.settled[:2]] == [Answer(accepted=1)] * 2


def test_bad_documents_do_not_change_the_order_of_a_body(desk: Desk, log: MemoryLog) -> None:
    """Its first piece has one, and is judged behind what others sent."""
    body = [documents(b"x", b'{"s": "1"}'), documents(b'{"s": "2"}')]
    calls = [Call(events=each, nbytes=1, sender="body", future=Future()) for each in body]  # type: ignore[arg-type]  # no loop here
    others = [Call(events=documents(b"x"), nbytes=1, future=Future()) for _ in range(2_000)]  # type: ignore[arg-type]  # as above
    desk.publisher.publish([*others, *calls])
    desk.wait(len(others) + 2)
    stored = read_all(reader_at(log, stream=StreamName("a")))
    assert payloads(stored) == [b"\x0a\x011", b"\x0a\x012"]


def test_what_a_client_that_went_away_sent_is_not_judged(desk: Desk, log: MemoryLog) -> None:
    desk.publish(documents(*[b"x"] * 5_000), sender="body")
    gone = [documents(*[b"{}"] * 100) for _ in range(3)]
    calls = [Call(events=each, nbytes=1, sender="body", future=Future()) for each in gone]  # type: ignore[arg-type]  # no loop here
    for call in calls:
        call.future.cancel()
    desk.publisher.publish(calls)
    desk.wait(4)
    assert log.describe(StreamName("a"))[Partition(0)].end == 0
    assert {type(call.outcome) for call in calls} == {UnavailableError}


def test_a_stream_that_the_log_has_not_fails_its_calls_once(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    desk = Desk(log.appender())
    for _ in range(20):
        desk.publish(raw("a", GOOD), raw("a", GOOD))
    log.appender().close()
    log.close()
    assert len(desk.settled) == 40
    assert {type(call.outcome) for call in desk.settled} == {UnavailableError}, "they come again"
    assert desk.tally.log_error is None, "the log itself is well"


class FailingAppender:
    """An appender whose log fails in one way; what a full disk, a full queue and a bug look like from here."""

    def __init__(self, error: Exception, *, at_once: bool) -> None:
        self.error = error
        self.at_once = at_once

    def append(self, batch: Batch) -> "Future[Appended]":
        del batch
        if self.at_once:
            raise self.error
        future: Future[Appended] = Future()
        future.set_exception(self.error)
        return future

    def close(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("error", [OverloadedError("full"), UnavailableError("away")])
def test_a_log_that_fails_fails_the_whole_call(error: Exception, at_once: bool) -> None:
    desk = Desk(FailingAppender(error, at_once=at_once))
    desk.publish(raw("a", GOOD, BAD))
    desk.wait(1)
    assert [call.outcome for call in desk.settled] == [error]
    assert desk.tally.report() == {}


class FillingAppender:
    """An appender to a disk that is full while `full` is set."""

    def __init__(self, log: MemoryLog) -> None:
        self.full = False
        self._log = log.appender()
        self._failing = FailingAppender(OverloadedError("disk full"), at_once=False)

    def append(self, batch: Batch) -> "Future[Appended]":
        is_refused = self.full and len(batch)
        return self._failing.append(batch) if is_refused else self._log.append(batch)

    def close(self) -> None:
        """Nothing to release."""


def test_that_the_log_takes_no_events_is_told_until_it_does_again(log: MemoryLog) -> None:
    appender = FillingAppender(log)
    desk = Desk(appender)
    told = []
    for full, event in ((False, GOOD), (True, GOOD), (True, BAD), (False, BAD), (False, GOOD)):
        appender.full = full
        desk.publish(raw("a", event))
        told.append(desk.tally.log_error)
    assert told == [None, *("disk full",) * 3, None], "of events that were refused it says nothing"


def test_a_bug_fails_the_calls_that_bring_it_out_and_no_others() -> None:
    broken = Desk(FailingAppender(ZeroDivisionError("a bug"), at_once=True))
    broken.publish(raw("a", GOOD), raw("nowhere", GOOD))
    outcomes = [call.outcome for call in broken.settled]
    assert any(isinstance(outcome, BrokenError) for outcome in outcomes)
    assert any(isinstance(outcome, Answer) for outcome in outcomes)


def test_what_was_answered_is_in_a_real_log(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    log.admin().create(StreamName("a"))
    appender = log.appender()
    desk = Desk(appender)
    desk.publish(*(raw("a", *[GOOD] * number) for number in range(10)))
    appender.close()
    assert sorted(
        call.outcome.accepted for call in desk.settled if isinstance(call.outcome, Answer)
    ) == list(range(10))
    assert log.admin().describe(StreamName("a"))[Partition(0)].end == 45
    log.close()
