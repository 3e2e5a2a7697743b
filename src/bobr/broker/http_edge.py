"""The HTTP edge: `POST /v1/streams/{stream}/events`, and addresses. A bare ASGI application, for speed."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from bobr.broker.accumulate import DOCUMENT_OVERHEAD, Accumulator
from bobr.broker.admission import Reservation
from bobr.broker.bodies import BodyError, Bound, DisconnectedError, whole
from bobr.broker.calls import Answer, JsonEvents, RawEvents, to_json
from bobr.broker.grants import Grant, Grants
from bobr.broker.limits import Limits
from bobr.broker.lines import LineReader, LongLines
from bobr.broker.long_body import PIECE_DOCUMENTS, OpenRejections, publish_long
from bobr.broker.presence import present
from bobr.errors import (
    BobrError,
    ForbiddenError,
    OverloadedError,
    RejectedError,
    RetryableError,
    UnauthenticatedError,
)
from bobr.ids import SchemaId, StreamName
from bobr.schema.json.splitting import BYTE_ORDER_MARK, split_array
from bobr.v1 import broker_pb2 as wire

EVENTS = re.compile(r"/v1/streams/([^/]+)/events")
JSON, NDJSON, PROTOBUF = b"application/json", b"application/x-ndjson", b"application/x-protobuf"
NAME_CHARACTERS_MAX = 128
"""No stream has a longer name (`catalog/model.py`); what strangers send is not remembered."""
LINE_BYTES_FACTOR = 8
"""A line of JSON may be this much longer than the largest event: names, quotes and base64 take room."""

SCHEMA_ID = re.compile(r"[0-9]{1,10}")
SCHEMA_ID_MAX = 2**32 - 1
"""Of uint32 in `PublishRequest`."""
FLAGS = {"": True, "true": True, "1": True, "false": False, "0": False}

CLOSE = ((b"connection", b"close"),)
"""For who did not send the rest of a body: nothing else can come after it."""

Headers = Mapping[bytes, bytes]
STATUS = {
    OverloadedError: 429,
    RetryableError: 503,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    RejectedError: 400,
}
CHALLENGE = ((b"www-authenticate", b"Bearer"),)
Reply = tuple[int, bytes]


class HttpEdge:
    """The ASGI application. Each request is one call, or several pieces when its body is long."""

    def __init__(
        self,
        accumulator: Accumulator,
        limits: Limits,
        grants: Grants,
        event_bytes_max: Callable[[StreamName], int],
        addresses: Mapping[str, str],
    ) -> None:
        """`accumulator`: started, in the loop that serves. `addresses`: of the whole system, told to who has a key."""
        self._accumulator = accumulator
        self._grants = grants
        self._limits = limits
        self._message_bound = Bound(nbytes=limits.message_bytes_max, seconds=limits.receive_seconds)
        self._bound = Bound(nbytes=limits.body_bytes_max, seconds=limits.receive_seconds)
        self._splitting = asyncio.Lock()
        self._long_lines = LongLines(limits)
        self._open_rejections = OpenRejections(limits)
        self._event_bytes_max = event_bytes_max
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        assert scope["type"] == "http", scope["type"]
        try:
            status, body = await self._reply(scope, receive)
        except DisconnectedError:
            return
        except BodyError as error:
            self._accumulator.meter.failed(error)
            headers = CLOSE if error.status == 408 else ()
            await _send(send, error.status, _error(str(error)), headers)
            return
        except BobrError as error:
            self._accumulator.meter.failed(error)
            await _send(send, *_failure(error))
            return
        await _send(send, status, body)

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        path = scope["path"]
        if path in ("/healthz", "/readyz"):
            return 200, _json({"status": "SERVING"})
        grant = self._grant(scope)
        if match := EVENTS.fullmatch(path):
            if scope["method"] != "POST":
                return 405, _error(f"{path} takes POST")
            stream = StreamName(match[1])
            if len(stream) > NAME_CHARACTERS_MAX:
                return 404, _error("there is no stream of so long a name")
            grant.check(stream)
            grant.admit()
            return await self._events(stream, scope, receive, grant)
        if path == "/v1/addresses":
            return 200, _json(self._addresses)
        return 404, _error(f"nothing is at {path}: events go to POST /v1/streams/STREAM/events")

    def _grant(self, scope: Scope) -> Grant:
        """UnauthenticatedError: nobody knows who sends this."""
        sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        address, _ = scope.get("client") or ("unknown", 0)
        call = f"{scope['method']} {scope['path']}"
        return self._grants.grant(sent.decode("latin-1"), call, address)

    async def _events(
        self, stream: StreamName, scope: Scope, receive: Receive, grant: Grant
    ) -> Reply:
        headers = dict(scope["headers"])
        query = parse_query(scope["query_string"])
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind == PROTOBUF:
            body = await self._whole(headers, receive)
            request = (
                wire.PublishRequest(events=[body]).SerializeToString() if query.single else body
            )
            events = RawEvents(request=request, stream=stream, url_schema_id=query.schema_id)
            grant.enter(grant.events_in(request), len(request))
            return _status(await self._submit(events, len(request), receive, grant))
        if query.single:
            raise BodyError(400, f"`single` is for bodies of {PROTOBUF.decode()}")
        if kind == NDJSON:
            return _status(await self._lines(stream, query.schema_id, headers, receive, grant))
        if kind == JSON:
            return _status(await self._documents(stream, query.schema_id, headers, receive, grant))
        taken = ", ".join(each.decode() for each in (JSON, NDJSON, PROTOBUF))
        message = f"content-type {kind.decode('latin-1')!r} is not taken, but these are: {taken}"
        return 415, _error(message)

    async def _whole(self, headers: Headers, receive: Receive) -> bytes:
        with self._accumulator.reserve() as room:
            return await whole(headers, receive, self._message_bound, room)

    async def _documents(
        self,
        stream: StreamName,
        schema_id: SchemaId,
        headers: Headers,
        receive: Receive,
        grant: Grant,
    ) -> Answer:
        with self._accumulator.reserve() as room:
            body = await whole(headers, receive, self._bound, room)
            documents = await self._split(body.removeprefix(BYTE_ORDER_MARK), room)
            events = JsonEvents(
                stream=stream,
                documents=documents,
                schema_id=schema_id,
                indexes=range(len(documents)),
            )
            grant.enter(len(documents), len(body))
            if len(documents) > PIECE_DOCUMENTS:
                async with present(receive):
                    return await self._long(_stream(events), grant)
        return await self._submit(events, len(body), receive, grant)

    async def _submit(
        self, events: RawEvents | JsonEvents, nbytes: int, receive: Receive, grant: Grant
    ) -> Answer:
        """What is large may take long, and room meanwhile: no longer than its client waits for it."""
        answer = self._accumulator.submit(events, nbytes, permit=grant.permit)
        if nbytes < self._limits.large_bytes:
            return await answer
        async with present(receive):
            return await answer

    async def _split(self, body: bytes, room: Reservation) -> list[bytes]:
        """The body's documents, which are copies. Of many, room is taken for them: OverloadedError if there is none."""
        if body.lstrip()[:1] != b"[":
            return [body]
        if len(body) < self._limits.large_bytes:
            return split_array(body)
        async with self._splitting:  # each takes some times its body while it is split
            documents = await asyncio.to_thread(split_array, body)
            room.grow(len(body) + DOCUMENT_OVERHEAD * len(documents))
        return documents

    async def _lines(
        self,
        stream: StreamName,
        schema_id: SchemaId,
        headers: Headers,
        receive: Receive,
        grant: Grant,
    ) -> Answer:
        reader = LineReader(
            accumulator=self._accumulator,
            limits=self._limits,
            stream=stream,
            schema_id=schema_id,
            line_bytes_max=LINE_BYTES_FACTOR * self._event_bytes_max(stream),
        )
        with self._accumulator.reserve() as room, self._long_lines.one() as line:
            async with present(receive) as ahead:
                pieces = reader.read(headers, ahead, room, line)
                return await self._long(grant.paced(stream, pieces), grant)

    async def _long(self, body: AsyncIterator[JsonEvents], grant: Grant) -> Answer:
        return await publish_long(body, self._accumulator, self._open_rejections, grant.permit)


async def _stream(events: JsonEvents) -> AsyncIterator[JsonEvents]:
    yield events


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What stands behind the `?`. single: the protobuf body is one event, and not a request."""

    schema_id: SchemaId
    single: bool


@lru_cache(maxsize=4096)
def parse_query(query: bytes) -> Query:
    """BodyError: a name or a value that we do not know."""
    values = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    if unknown := ", ".join(sorted(values.keys() - {"schema_id", "single"})):
        raise BodyError(400, f"unknown in the query: {unknown[:128]}; known are schema_id, single")
    return Query(
        schema_id=_schema_id(values.get("schema_id", "0")),
        single=_flag("single", values.get("single", "false")),
    )


def _flag(name: str, text: str) -> bool:
    if text.lower() not in FLAGS:
        raise BodyError(400, f"{name} is true or false, not {text[:128]!r}")
    return FLAGS[text.lower()]


def _schema_id(text: str) -> SchemaId:
    if not SCHEMA_ID.fullmatch(text) or int(text) > SCHEMA_ID_MAX:
        raise BodyError(400, f"schema_id is a number of the registry, not {text[:128]!r}")
    return SchemaId(int(text))


def _status(answer: Answer) -> Reply:
    if not answer.rejections:
        return 200, _all_accepted(answer.accepted)
    return (207 if answer.accepted else 400), _json(to_json(answer))


@lru_cache(maxsize=4096)
def _all_accepted(accepted: int) -> bytes:
    return _json(to_json(Answer(accepted=accepted)))


def _failure(error: BobrError) -> tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    if isinstance(error, RetryableError):
        retry_after = f"{max(1, ceil(error.retry_after_seconds))}".encode()
        return status, _error(str(error)), ((b"retry-after", retry_after),)
    return status, _error(str(error)), CHALLENGE if status == 401 else ()


def _error(message: str) -> bytes:
    return _json({"error": {"message": message}})


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"


async def _send(
    send: Send, status: int, content: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    start = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*start, *headers]})
    await send({"type": "http.response.body", "body": content})
