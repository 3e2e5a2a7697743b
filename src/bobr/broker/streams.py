"""The streams that this broker accepts events for: the catalog, made ready to check with."""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.broker.calls import clipped
from bobr.catalog import Catalog, Stream
from bobr.errors import NotFoundError, RejectedError
from bobr.ids import SchemaId, StreamName
from bobr.schema import EventType
from bobr.schema.json.reader import JsonReader
from bobr.validation import Rules

NAME_BYTES_SHOWN = 128
"""Of a name that is no stream's: it is repeated for each event of the call."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """Everything that judges events written with one schema."""

    event_type: EventType
    rules: Rules
    json: JsonReader

    @classmethod
    def build(cls, files: FileDescriptorSet, message: str) -> "Judges":
        """Compile them from the descriptors of the schema."""
        return cls(
            event_type=EventType.build(files, message),
            rules=Rules.build(files, message),
            json=JsonReader.build(files, message),
        )


class Streams:
    """Streams by name, replaced as a whole. Any thread may read; one thread applies catalogs."""

    def __init__(self, descriptors: Callable[[SchemaId], FileDescriptorSet]) -> None:
        """`descriptors`: the registry; may raise UnavailableError."""
        self._descriptors = descriptors
        self._streams: Mapping[StreamName, Stream] = {}
        self._judges: dict[tuple[str, SchemaId], Judges] = {}
        self._lock = threading.Lock()

    def apply(self, catalog: Catalog, *, settled: bool = False) -> None:
        """Make the current schema of each stream ready, then take all of them over at once.

        UnavailableError, RejectedError: a schema can not be had; nothing is changed. settled: a schema that no events
        can be read with is no reason to accept none of the other streams; calls that need it are told what is wrong.
        """
        for stream in catalog.streams.values():
            try:
                self._load(stream, stream.schema_id)
            except RejectedError as error:
                if not settled:
                    raise
                log.error("no schema for a stream", stream=stream.name, reason=str(error))
        self._streams = catalog.streams

    @property
    def names(self) -> Collection[StreamName]:
        """Of those that the catalog has."""
        return self._streams.keys()

    def stream(self, name: StreamName) -> Stream:
        """NotFoundError: the catalog has no such stream."""
        try:
            return self._streams[name]
        except KeyError:
            message = (
                f"there is no stream {clipped(name, NAME_BYTES_SHOWN)!r}: "
                "`bobr deliver` makes one, `bobr status` lists them"
            )
            raise NotFoundError(message) from None

    def judges(self, stream: Stream, schema_id: SchemaId) -> Judges:
        """The judges of events of this stream with this schema id, 0 for the current.

        RejectedError: the schema is not one of the stream's. An old schema is loaded on first use: UnavailableError.
        """
        wanted = schema_id or stream.schema_id
        if wanted not in stream.schema_ids:
            known = ", ".join(map(str, stream.schema_ids))
            message = f"schema {wanted} is not one of stream {stream.name!r}, which has {known}"
            raise RejectedError(message)
        return self._load(stream, wanted)

    def _load(self, stream: Stream, schema_id: SchemaId) -> Judges:
        key = (stream.message, schema_id)
        judges = self._judges.get(key)
        if judges is None:
            with self._lock:
                judges = self._judges.get(key) or Judges.build(
                    self._descriptors(schema_id), stream.message
                )
                self._judges[key] = judges
        return judges
