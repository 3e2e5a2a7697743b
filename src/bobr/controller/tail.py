"""Decoded events of a stream, for a person to look at. Slow and exact: google.protobuf's own JSON."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.batch import Positions, StoredBatch
from bobr.catalog import Stream
from bobr.errors import RejectedError
from bobr.ids import Offset, SchemaId, StreamPartition
from bobr.log import Limit, Log
from bobr.schema.json.writer import JsonWriter
from bobr.schema.types import EventTypes

READ = Limit(events=500, nbytes=1024 * 1024)
WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What is asked for. start: `beginning`, `end` or an offset. limit: 0 for none. follow: wait at the end."""

    start: str
    limit: int
    follow: bool


class Tailer:
    """Reads streams for people. Thread-safe; each tail has a reader of its own."""

    def __init__(self, log: Log, descriptors: Callable[[SchemaId], FileDescriptorSet]) -> None:
        """`descriptors`: the registry."""
        self._log = log
        self._types = EventTypes(descriptors)

    def lines(self, stream: Stream, tail: Tail) -> Iterator[str]:
        """One JSON object a line, newline included. Empty lines while following: nothing new, is anybody there?"""
        positions = self._start(stream, tail.start)  # what is wrong is said before the first line
        return self._read(stream, tail, positions)

    def _read(self, stream: Stream, tail: Tail, positions: Positions) -> Iterator[str]:
        reader = self._log.reader()
        try:
            reader.assign(positions)
            yield from self._limited(self._events(reader.read, stream, tail), tail.limit)
        finally:
            reader.close()

    def _start(self, stream: Stream, start: str) -> Positions:
        partitions = self._log.admin().describe(stream.name)
        if start in ("beginning", "end"):
            return {
                StreamPartition(stream.name, number): state.end if start == "end" else state.first
                for number, state in partitions.items()
            }
        if not start.isascii() or not start.isdigit():
            raise RejectedError(f"events are read from beginning, end or an offset, not {start!r}")
        return {StreamPartition(stream.name, number): Offset(int(start)) for number in partitions}

    def _events(
        self, read: Callable[[Limit, float], list[StoredBatch]], stream: Stream, tail: Tail
    ) -> Iterator[str]:
        while True:
            batches = read(READ, WAIT_SECONDS if tail.follow else 0.0)
            if not batches and not tail.follow:
                return
            if not batches:
                yield "\n"
            for batch in batches:
                yield from self._decoded(stream, batch)

    def _decoded(self, stream: Stream, batch: StoredBatch) -> Iterator[str]:
        writer = JsonWriter(self._types.get(stream.message, batch.schema_id).message_class)
        for payload in batch.payloads.to_pylist():
            yield _line(writer, payload)

    def _limited(self, lines: Iterator[str], limit: int) -> Iterator[str]:
        events = 0
        for line in lines:
            yield line
            events += line != "\n"
            if events == limit:
                return


def _line(writer: JsonWriter, payload: bytes) -> str:
    try:
        event = writer.write(payload)
    except RejectedError as error:  # such as Any of a type that the schema does not have
        event = {"undecodable": payload.hex(), "why": str(error)}
    return json.dumps(event, ensure_ascii=False) + "\n"
