"""The publishing core: groups of calls → checked batches → log → answers. Runs in an edge's check thread."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from itertools import pairwise

import pyarrow as pa
import structlog

from bobr.batch import Batch
from bobr.broker.calls import Answer, Call, JsonEvents, RawEvents
from bobr.broker.limits import Limits
from bobr.broker.merge import Group, Merger
from bobr.broker.streams import Judges, Streams
from bobr.broker.tally import Tally
from bobr.broker.verdict import (
    Verdict,
    answers,
    innocent,
    judged,
    size_judge,
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
)
from bobr.ids import StreamName
from bobr.log import Appended, Appender
from bobr.outcome import Reason, Rejection

NOWHERE = StreamName("")
"""Where events are counted that name a stream or schema we do not have: names of strangers take no memory."""

log = structlog.get_logger()

Settle = Callable[[Sequence[Call]], None]


class Publisher:
    """Publishes rounds of calls. One thread uses it; the log's threads settle."""

    def __init__(
        self,
        streams: Streams,
        appender: Appender,
        limits: Limits,
        tally: Tally,
        settle: Settle,
    ) -> None:
        """`settle`: called from any thread, with calls that have their outcome; once for each call."""
        self._streams = streams
        self._appender = appender
        self._limits = limits
        self._tally = tally
        self._settle = settle
        self._merger = Merger()
        self._last: Future[Appended] | None = None

    def publish(self, calls: Sequence[Call]) -> None:
        """Check and append everything in these calls; each is settled when its events are durable or refused."""
        for group in self._merger.groups(calls):
            self._supervised(group)
        unreadable = [call for call in calls if isinstance(call.outcome, RejectedError)]
        if unreadable:
            self._settle(unreadable)

    def _supervised(self, group: Group) -> None:
        """A bug that one group's events bring out fails that group; the broker goes on for all others."""
        try:
            self._publish_group(group)
        except Exception as bug:  # the supervisor of groups; nothing of this one was stored
            log.critical("a group could not be published", stream=group.stream, exc_info=bug)
            message = f"the broker failed on these events, which is a bug of ours: {bug!r}; nothing was stored"
            self._fail(group, BrokenError(message))

    def _publish_group(self, group: Group) -> None:
        try:
            stream = self._streams.stream(group.stream)
            judges = self._streams.judges(stream, group.schema_id)
        except NotFoundError as error:
            self._refuse(group, Reason.UNKNOWN_STREAM, str(error))
        except RejectedError as error:
            self._refuse(group, Reason.UNKNOWN_SCHEMA, str(error))
        except RetryableError as error:
            self._fail(group, error)
        else:
            self._append(group, stream, self._check(group, stream, judges))

    def _check(self, group: Group, stream: Stream, judges: Judges) -> Verdict:
        verdict = _read(group, judges)
        sizes = size_judge(stream.event_bytes_max)
        for judge in (sizes, judges.event_type.check, judges.rules.check):
            verdict = judged(verdict, judge)
        return stopped_early(verdict, group.starts, self._limits.rejections_max)

    def _append(self, group: Group, stream: Stream, verdict: Verdict) -> None:
        batch = Batch(
            stream=stream.name,
            schema_id=group.schema_id or stream.schema_id,
            payloads=verdict.payloads,
        )
        try:
            self._last = self._append_when_room(batch)
        except RetryableError as error:
            self._fail(group, error)
        else:
            self._last.add_done_callback(lambda done: self._appended(group, verdict, done))

    def _append_when_room(self, batch: Batch) -> "Future[Appended]":
        """Wait while the log's own queue is full: calls pile up behind, and admission refuses what is too much."""
        while True:
            try:
                return self._appender.append(batch)
            except OverloadedError:
                if self._last is None or self._last.done():
                    raise
                wait([self._last])

    def _appended(self, group: Group, verdict: Verdict, done: "Future[Appended]") -> None:
        error = done.exception()
        if error is None:
            self._count(group.stream, verdict)
            self._answer(group, verdict)
        else:
            assert isinstance(error, BobrError), repr(error)
            self._fail(group, error)

    def _count(self, stream: StreamName, verdict: Verdict) -> None:
        self._tally.add(
            stream,
            accepted=len(verdict.accepted),
            rejected=len(verdict.rejections),
            nbytes=verdict.payloads.nbytes,
        )

    def _refuse(self, group: Group, reason: Reason, message: str) -> None:
        """Refuse every event of the group for one reason."""
        refused = Verdict(
            payloads=pa.array([], pa.binary()),
            accepted=innocent(pa.array([], pa.binary())).accepted,
            rejections=[
                Rejection(index=index, reason=reason, message=message)
                for start, end in pairwise(group.starts.tolist())
                for index in range(start, min(end, start + self._limits.rejections_max + 1))
            ],
        )
        self._count(NOWHERE, refused)
        self._answer(group, stopped_early(refused, group.starts, self._limits.rejections_max))

    def _answer(self, group: Group, verdict: Verdict) -> None:
        for call, answer in zip(group.calls, answers(verdict, group.starts), strict=True):
            call.outcome = (
                answer if isinstance(call.events, RawEvents) else _as_sent(call.events, answer)
            )
        self._settle(group.calls)

    def _fail(self, group: Group, error: BobrError) -> None:
        for call in group.calls:
            call.outcome = error
        self._settle(group.calls)


def _read(group: Group, judges: Judges) -> Verdict:
    """The group's payloads; JSON documents become payloads here."""
    if group.payloads is not None:
        return innocent(group.payloads)
    payloads, accepted, rejections = judges.json.read(list(_documents(group)))
    return Verdict(
        payloads=payloads,
        accepted=pa.array(accepted, pa.int64()).to_numpy(),
        rejections=rejections,
    )


def _documents(group: Group) -> Iterator[bytes]:
    for call in group.calls:
        assert isinstance(call.events, JsonEvents)
        yield from call.events.documents


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
