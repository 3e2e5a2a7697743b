"""Decoded events of a stream, for a person to look at. Slow and exact: google.protobuf's own JSON."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.batch import Positions, StoredBatch
from bobr.catalog import Stream
from bobr.errors import RejectedError
from bobr.ids import Offset, Partition, SchemaId, StreamName, StreamPartition
from bobr.log import Limit, Log, PartitionState
from bobr.schema.json.writer import JsonWriter
from bobr.schema.types import EventTypes

READ = Limit(events=500, nbytes=1024 * 1024)
WAIT_SECONDS = 0.5
DIGITS_MAX = 19
"""Of an offset; the largest that a log can have has so many."""


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
        return {
            StreamPartition(stream.name, number): offset
            for number, offset in offsets(stream.name, partitions, start).items()
        }

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
            if limit and events == limit:
                return


def offsets(
    stream: StreamName, partitions: Mapping[Partition, PartitionState], start: str
) -> Mapping[Partition, Offset]:
    """Where each partition is read from. RejectedError: an offset that no partition has reached, or no offset.

    What retention has removed is passed over; the offset of the event that comes next waits for it.
    """
    if start == "beginning":
        return {number: state.first for number, state in partitions.items()}
    if start == "end":
        return {number: state.end for number, state in partitions.items()}
    if not (start.isascii() and start.isdigit()):
        shown = start[:DIGITS_MAX]
        raise RejectedError(f"events are read from beginning, end or an offset, not {shown!r}")
    end = max(state.end for state in partitions.values())
    if len(start) > DIGITS_MAX or int(start) > end:
        raise RejectedError(_past_the_end(stream, partitions, start))
    return {number: min(Offset(int(start)), state.end) for number, state in partitions.items()}


def _past_the_end(
    stream: StreamName, partitions: Mapping[Partition, PartitionState], start: str
) -> str:
    first = min(state.first for state in partitions.values())
    end = max(state.end for state in partitions.values())
    held = f"has the offsets {first} to {end - 1}" if first < end else "has no events"
    return (
        f"offset {start[:DIGITS_MAX]} lies past the end of stream {stream!r}, which {held}; "
        f"the next event gets {end}: read from that, or from end, to wait for it"
    )


def _line(writer: JsonWriter, payload: bytes) -> str:
    try:
        event = writer.write(payload)
    except RejectedError as error:  # such as Any of a type that the schema does not have
        event = {"undecodable": payload.hex(), "why": str(error)}
    return json.dumps(event, ensure_ascii=False) + "\n"
