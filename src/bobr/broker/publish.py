"""The publishing core: groups of calls → checked batches → log → answers. Runs in an edge's check thread."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from itertools import chain, pairwise
from typing import Protocol

import pyarrow as pa
import structlog

from bobr.batch import Batch
from bobr.broker.calls import Answer, Call, JsonEvents, RawEvents
from bobr.broker.judging import judge
from bobr.broker.limits import Limits
from bobr.broker.merge import Group, by_doubt, groups
from bobr.broker.streams import Judges, Streams
from bobr.broker.tally import Tally
from bobr.broker.turns import TURN_SECONDS, Turns, Work
from bobr.broker.verdict import (
    Verdict,
    answers,
    innocent,
    stopped_early,
)
from bobr.catalog import Stream
from bobr.errors import (
    BobrError,
    BrokenError,
    NotFoundError,
    OverloadedError,
    RejectedError,
    RetryableError,
    UnavailableError,
)
from bobr.ids import StreamName
from bobr.log import Appended, Appender, batch_id
from bobr.outcome import Reason, Rejection

NOWHERE = StreamName("")
"""Where events are counted that name a stream or schema we do not have: names of strangers take no memory."""

SMALL_DOCUMENTS = 64
"""A JSON call of more is judged by itself: alone a millisecond of work, so that company would save little."""

ENDING = UnavailableError("the broker ends: this was not stored, send it again")

log = structlog.get_logger()


class Callers(Protocol):
    """Those who wait for calls. Told from any thread."""

    def settle(self, calls: Sequence[Call]) -> None:
        """These have their outcome; once for each call."""

    def set_aside(self, calls: Sequence[Call]) -> None:
        """These take their time; once at most, and before they are settled."""


class Publisher:
    """Publishes rounds of calls. One thread uses it; the threads of the log and of `Turns` settle."""

    def __init__(
        self,
        name: str,
        streams: Streams,
        appender: Appender,
        limits: Limits,
        tally: Tally,
        callers: Callers,
    ) -> None:
        """`name`: of the edge."""
        self._name = name
        self._streams = streams
        self._appender = appender
        self._limits = limits
        self._tally = tally
        self._callers = callers
        self._turns = Turns(f"{name}-rules")
        self._last: Future[Appended] | None = None
        self._patient_until = 0.0

    def publish(self, calls: Sequence[Call]) -> None:
        """Check and append everything in these calls; each is settled when its events are durable or refused."""
        self._patient_until = time.monotonic() + TURN_SECONDS
        with self._isolated("", calls):
            events_max = self._limits.call_events_max
            together, *apart = (list(groups(part, events_max)) for part in self._parts(calls))
            unreadable = [call for call in calls if call.outcome is not None]
            if unreadable:
                self._callers.settle(unreadable)
            together = [part for group in together for part in self._by_doubt(group)]
            together.sort(key=lambda group: group.payloads is None)  # doubts come last
            for group in chain(together, *apart):
                with self._isolated(group.stream, group.calls):
                    self._publish_group(group)

    def _parts(self, calls: Sequence[Call]) -> Iterator[Sequence[Call]]:
        """Calls that are judged together: first all that keep nobody waiting, then those of each other sender.

        These are who has work in turns, and who sent a large JSON call, which needs no company and may be all bad.
        """
        together: list[Call] = []
        apart: defaultdict[Hashable, list[Call]] = defaultdict(list)
        for call in calls:
            sender = call.sender
            waits = sender is not None and (sender in apart or self._turns.lane(sender) is not None)
            if waits or _is_large(call.events):
                apart[id(call) if sender is None else sender].append(call)
            else:
                together.append(call)
        yield together
        yield from apart.values()

    def _by_doubt(self, group: Group) -> Sequence[Group]:
        """A bad document may take as long as thousands of good ones: JSON calls of others do not stand behind it."""
        if group.payloads is not None or len(group.calls) == 1:
            return (group,)
        with self._isolated(group.stream, group.calls):
            try:
                stream = self._streams.stream(group.stream)
                judges = self._streams.judges(stream, group.schema_id)
            except BobrError:  # as is said when it is published
                return (group,)
            return list(by_doubt(group, judges.json.read_quickly))
        return ()  # they failed

    def close(self) -> None:
        """Give up what is not judged yet. Nothing may be published after this."""
        self._turns.close()

    @contextlib.contextmanager
    def _isolated(self, stream: str, calls: Sequence[Call]) -> Iterator[None]:
        """A bug that one group's events bring out fails that group; the broker goes on for all others."""
        try:
            yield
        except Exception as bug:  # the supervisor of groups; nothing of this one was stored
            log.critical("a group could not be published", stream=stream, exc_info=bug)
            message = f"the broker failed on these events, which is a bug of ours: {bug!r}; nothing was stored"
            self._fail(calls, BrokenError(message))

    def _publish_group(self, group: Group) -> None:
        try:
            stream = self._streams.stream(group.stream)
            judges = self._streams.judges(stream, group.schema_id)
        except NotFoundError as error:
            self._refuse(group, Reason.UNKNOWN_STREAM, str(error))
        except RejectedError as error:
            self._refuse(group, Reason.UNKNOWN_SCHEMA, str(error))
        except RetryableError as error:
            self._fail(group.calls, error)
        else:
            self._judge_and_append(group, stream, judges)

    def _judge_and_append(self, group: Group, stream: Stream, judges: Judges) -> None:
        """At once, or when it is the stream's turn.

        That is if there are rules, for nobody knows how long one takes; if bad events have taken a turn's time already;
        and behind what of the same senders waits for its turn, so that the order stays.
        """
        steps = self._steps(group, stream, judges)
        senders = _senders(group)
        waits = judges.rules.has_rules or any(
            self._turns.lane(sender) is not None for sender in senders
        )
        if not waits and not self._is_late(group) and self._is_done_now(steps):
            return
        work = Work(
            steps=steps,
            postpone=lambda: self._callers.set_aside(group.calls),
            give_up=lambda: self._fail(group.calls, ENDING),
            is_wanted=lambda: not all(call.future.cancelled() for call in group.calls),
        )
        self._turns.add(stream.name, work, senders)

    def _steps(self, group: Group, stream: Stream, judges: Judges) -> Iterator[None]:
        with self._isolated(group.stream, group.calls):
            listed = self._listed(group)
            verdict = yield from judge(group, judges, stream.event_bytes_max, listed)
            self._append(group, stream, verdict)

    def _is_late(self, group: Group) -> bool:
        """Of small JSON calls: each may take a tenth of a second, and a round has thousands."""
        is_small = group.payloads is None and group.starts[-1] <= SMALL_DOCUMENTS
        return is_small and time.monotonic() >= self._patient_until

    def _is_done_now(self, steps: Iterator[None]) -> bool:
        return all(time.monotonic() < self._patient_until for _ in steps)

    def _append(self, group: Group, stream: Stream, verdict: Verdict) -> None:
        verdict = stopped_early(verdict, group.starts, self._listed(group))
        batch = Batch(
            stream=stream.name,
            schema_id=group.schema_id or stream.schema_id,
            payloads=verdict.payloads,
        )
        given = time.monotonic()
        try:
            appended = self._append_when_room(batch)
        except RetryableError as error:
            self._fail(group.calls, error)
            return
        if len(batch):
            self._last = appended
        appended.add_done_callback(lambda done: self._appended(group, verdict, given, done))

    def _append_when_room(self, batch: Batch) -> "Future[Appended]":
        """Wait while the log's own queue is full: calls pile up behind, and admission refuses what is too much."""
        while True:
            try:
                return self._appender.append(batch)
            except OverloadedError:
                last = self._last  # two threads append
                if last is None or last.done():
                    raise
                wait([last])

    def _appended(
        self, group: Group, verdict: Verdict, given: float, done: "Future[Appended]"
    ) -> None:
        error = done.exception()
        if error is None:
            if len(verdict.payloads):
                self._tally.note_log(None)
                self._tell_stored(group, done.result(), time.monotonic() - given)
            self._count(group.stream, verdict, _refused_before(group))
            self._answer(group, verdict)
        else:
            assert isinstance(error, BobrError), repr(error)
            if not isinstance(error, RejectedError):  # nor is a stream that the log lacks its fault
                self._tally.note_log(str(error))
            self._fail(group.calls, _temporary(error))

    def _tell_stored(self, group: Group, appended: Appended, seconds: float) -> None:
        """The line that a row's stream, partition and offset lead to (docs/adr/0012)."""
        self._tally.note_append(seconds)
        log.debug(
            "stored",
            batch=batch_id(appended),
            edge=self._name,
            calls=len(group.calls),
            seconds=round(seconds, 4),
        )

    def _count(
        self, stream: StreamName, verdict: Verdict, refused_before: Iterable[Rejection]
    ) -> None:
        self._tally.add(
            stream,
            accepted=len(verdict.accepted),
            rejected=[each.reason for each in chain(verdict.rejections, refused_before)],
            nbytes=verdict.payloads.nbytes,
        )

    def _refuse(self, group: Group, reason: Reason, message: str) -> None:
        """Refuse every event of the group for one reason."""
        listed = self._listed(group)
        refused = Verdict(
            payloads=pa.array([], pa.binary()),
            accepted=innocent(pa.array([], pa.binary())).accepted,
            rejections=[
                Rejection(index=index, reason=reason, message=message)
                for (start, end), most in zip(pairwise(group.starts.tolist()), listed, strict=True)
                for index in range(start, min(end, start + most + 1))
            ],
        )
        self._count(NOWHERE, refused, _refused_before(group))
        self._answer(group, stopped_early(refused, group.starts, listed))

    def _listed(self, group: Group) -> Sequence[int]:
        """Refused events that the answers to these calls list; pieces of JSON bodies are cut to less before."""
        return [
            self._limits.rejections_listed(call.nbytes)
            if isinstance(call.events, RawEvents)
            else self._limits.rejections_max
            for call in group.calls
        ]

    def _answer(self, group: Group, verdict: Verdict) -> None:
        for call, answer in zip(group.calls, answers(verdict, group.starts), strict=True):
            call.outcome = (
                answer if isinstance(call.events, RawEvents) else _as_sent(call.events, answer)
            )
        self._callers.settle(group.calls)

    def _fail(self, calls: Sequence[Call], error: BobrError) -> None:
        for call in calls:
            call.outcome = error
        self._callers.settle(calls)


def _temporary(error: BobrError) -> BobrError:
    """A stream of the catalog's that the log has not is none of the producer's mistakes: it comes when it is mended."""
    if isinstance(error, NotFoundError):
        return UnavailableError(f"nothing was stored, send it again later: {error}")
    return error


def _is_large(events: RawEvents | JsonEvents) -> bool:
    return isinstance(events, JsonEvents) and len(events.documents) > SMALL_DOCUMENTS


def _senders(group: Group) -> Sequence[Hashable]:
    """Whose order counts: of JSON calls, those who said so; of protobuf, all that send to the stream are one."""
    if isinstance(group.calls[0].events, RawEvents):
        return (group.stream,)
    return tuple({call.sender for call in group.calls} - {None})


def _refused_before(group: Group) -> Iterator[Rejection]:
    """Lines that were no documents."""
    for call in group.calls:
        if isinstance(call.events, JsonEvents):
            yield from call.events.refused


def _as_sent(events: JsonEvents, answer: Answer) -> Answer:
    """The answer with indexes as the producer counts: of a piece of a JSON body, those of the body."""
    rejections = [
        *(
            replace(rejection, index=events.indexes[rejection.index])
            for rejection in answer.rejections
        ),
        *events.refused,
    ]
    stop = answer.stopped_at
    return replace(
        answer,
        rejections=tuple(sorted(rejections, key=lambda rejection: rejection.index)),
        stopped_at=None if stop is None else events.indexes[stop],
    )
