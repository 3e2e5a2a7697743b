"""One producer's call and its answer, as values."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from bobr.errors import BobrError
from bobr.ids import SchemaId, StreamName
from bobr.outcome import Rejection
from bobr.v1 import broker_pb2 as wire

ANSWER_BYTES_MAX = 3 * 1024 * 1024
"""Texts of all rejections of one answer; stock gRPC clients take 4 MiB."""

STREAM_TAG = wire.PublishRequest.STREAM_FIELD_NUMBER << 3 | 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a call. `stopped_at`: see `bobr.v1.PublishResponse`."""

    accepted: int
    rejections: tuple[Rejection, ...] = ()
    stopped_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvents:
    """A call whose events are still inside a serialized `bobr.v1.PublishRequest`.

    stream: as far as it is known before the request is read (`addressee`); for fair shares of room.
    url_schema_id: None unless a URL named the stream, which then counts, as does its schema id if it is not 0.
    """

    request: bytes
    stream: StreamName
    url_schema_id: SchemaId | None = None

    def address(self, request: wire.PublishRequest) -> tuple[StreamName, SchemaId]:
        """Where the events go, now that the request is read."""
        if self.url_schema_id is None:
            return StreamName(request.stream), SchemaId(request.schema_id)
        return self.stream, SchemaId(self.url_schema_id or request.schema_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonEvents:
    """A call, or a piece of one, whose events are JSON documents, one object each.

    refused: those that were found wrong before they were documents (such as a line that is too long).
    read_bytes: of a piece, of the body that it was read from, with what is no document.
    """

    stream: StreamName
    documents: Sequence[bytes]
    schema_id: SchemaId
    indexes: Sequence[int]
    refused: tuple[Rejection, ...] = ()
    read_bytes: int = 0


Permit = Callable[[StreamName], None]
"""Asked once it is known where a call's events go. BobrError: they may not."""


def free(_: StreamName) -> None:
    """Permits all."""


@dataclass(slots=True, kw_only=True)
class Call:
    """A call on its way; the loop that owns `future` gets an Answer, or a BobrError when nothing of it was stored."""

    events: RawEvents | JsonEvents
    nbytes: int
    future: "asyncio.Future[Answer]"
    at: float = 0.0
    """When it was here (monotonic seconds)."""
    permit: Permit = free
    sender: Hashable = None
    """Whose events keep their order from call to call; None: nobody's do."""
    outcome: Answer | BobrError | None = None
    is_set_aside: bool = False
    """Takes its time: the next round does not wait for it."""


def addressee(request: bytes) -> StreamName:
    """The stream of a PublishRequest when it is written first, as serializers do; else the empty name."""
    if len(request) < 2 or request[0] != STREAM_TAG or request[1] >= 0x80:
        return StreamName("")
    return StreamName(request[2 : 2 + request[1]].decode(errors="replace"))


def to_wire(answer: Answer) -> bytes:
    """The answer as a serialized PublishResponse."""
    if not answer.rejections:
        return _all_accepted(answer.accepted)
    return _message(answer).SerializeToString()


@lru_cache(maxsize=4096)
def _all_accepted(accepted: int) -> bytes:
    return _message(Answer(accepted=accepted)).SerializeToString()


def _message(answer: Answer) -> wire.PublishResponse:
    response = wire.PublishResponse(accepted=answer.accepted, stopped_at=answer.stopped_at)
    if answer.accepted:
        response.durable_in = wire.DURABILITY_LOG
    response.rejected.extend(_rejection(rejection) for rejection in _bounded(answer.rejections))
    return response


def _bounded(rejections: Sequence[Rejection]) -> Sequence[Rejection]:
    """The same with shorter texts, the shorter the more there are: every gRPC client takes the answer."""
    nbytes = ANSWER_BYTES_MAX // max(1, len(rejections))
    return [
        replace(
            rejection,
            field=clipped(rejection.field, nbytes // 4),
            rule=clipped(rejection.rule, nbytes // 8),
            message=clipped(rejection.message, nbytes // 2),
        )
        for rejection in rejections
    ]


def clipped(text: str, nbytes: int) -> str:
    """At most so many bytes of the text, in UTF-8."""
    if len(text) * 4 <= nbytes:
        return text
    encoded = text.encode()
    return text if len(encoded) <= nbytes else encoded[: nbytes - 3].decode(errors="ignore") + "…"


def _rejection(rejection: Rejection) -> wire.Rejection:
    return wire.Rejection(
        index=rejection.index,
        reason=_reason(rejection),
        field=rejection.field,
        rule=rejection.rule,
        message=rejection.message,
    )


def _reason(rejection: Rejection) -> str:
    return f"REASON_{rejection.reason.name}"


def to_json(answer: Answer) -> dict[str, object]:
    """The answer as the JSON form of PublishResponse, every member present."""
    body: dict[str, object] = {
        "accepted": answer.accepted,
        "durable_in": "DURABILITY_LOG" if answer.accepted else "DURABILITY_UNSPECIFIED",
        "rejected": [
            {
                "index": rejection.index,
                "reason": _reason(rejection),
                "field": rejection.field,
                "rule": rejection.rule,
                "message": rejection.message,
            }
            for rejection in _bounded(answer.rejections)
        ],
    }
    if answer.stopped_at is not None:
        body["stopped_at"] = answer.stopped_at
    return body
