"""The wish of `bobr deliver`, carried out whole or not at all: schema, stream and delivery."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from pydantic import BaseModel, ConfigDict, Field

from bobr.catalog import Catalog, Delivery, PartitionBy, Stream
from bobr.controller.registry import Registry
from bobr.errors import Problem, RejectedError, SchemaError
from bobr.ids import DeliveryName, SchemaId, StreamName
from bobr.schema import EventType
from bobr.schema.json.reader import JsonReader
from bobr.schema.source.compile import compile_files
from bobr.schema.source.evolution import check, check_columns
from bobr.schema.source.sources import check_own
from bobr.validation import Rules

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}
DURATION = re.compile(r"(\d{1,9})\s*([smhd]?)")


class Wish(BaseModel):
    """What a user wants. Empty or 0: as it is, or by default.

    files: the sources, by the names that imports use; main: the file of the message.
    """

    model_config = ConfigDict(extra="forbid")

    files: Annotated[Mapping[str, str], Field(min_length=1)]
    main: str
    stream: str
    message: str = ""
    table: str = ""
    partition_by: str = ""
    dedup: str = ""
    retention: str = ""
    event_bytes_max: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A schema that compiled and can be a stream's."""

    message: str
    files: FileDescriptorSet
    event_type: EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilled:
    """The catalog as wished, not yet stored, and what is new in it, a line for a person each."""

    catalog: Catalog
    changes: tuple[str, ...]


class Deliverer:
    """Turns wishes into catalogs. Blocking; one at a time."""

    def __init__(self, registry: Registry) -> None:
        """`registry`: also holds the schemas registered before."""
        self._registry = registry

    def fulfil(self, wish: Wish, catalog: Catalog) -> Fulfilled:
        """Judge everything first, then register the schema. SchemaError, RejectedError: nothing was changed."""
        candidate = _candidate(wish)
        old = catalog.streams.get(StreamName(wish.stream))
        if old is not None:
            self._judge(old, candidate)
        # What can not be is refused before anything is registered.
        _stream(wish, candidate, old, SchemaId(0))
        delivery = _delivery(wish, catalog)
        schema_id = self._registry.register_files(
            f"{wish.stream}-value", wish.files, wish.main, candidate.message
        )
        stream = _stream(wish, candidate, old, schema_id)
        return Fulfilled(
            catalog=catalog.model_copy(
                update={
                    "streams": {**catalog.streams, stream.name: stream},
                    "deliveries": {**catalog.deliveries, delivery.name: delivery},
                }
            ),
            changes=tuple(_changes(catalog, stream, delivery, schema_id)),
        )

    def _judge(self, stream: Stream, candidate: Candidate) -> None:
        """Against the newest schema by all rules, against older ones by their columns: the table has them all."""
        if stream.message != candidate.message:
            message = (
                f"stream {stream.name!r} carries {stream.message}, not {candidate.message}: "
                "deliver another message to a stream of its own"
            )
            raise RejectedError(message)
        problems: list[Problem] = []
        newest, *older = (self._event_type(stream, each) for each in reversed(stream.schema_ids))
        problems += check(
            self._registry.descriptors(stream.schema_id),
            candidate.files,
            candidate.message,
            columns=(newest.columns, candidate.event_type.columns),
        )
        for event_type in older:
            problems += _column_problems(event_type, candidate)
        if problems:
            raise SchemaError(list(dict.fromkeys(problems)))

    def _event_type(self, stream: Stream, schema_id: SchemaId) -> EventType:
        return EventType.build(self._registry.descriptors(schema_id), stream.message)


def _candidate(wish: Wish) -> Candidate:
    check_own(wish.main)
    files = compile_files(wish.files, wish.main)
    message = wish.message or _only_message(files.file[-1], wish)
    event_type = EventType.build(files, message)
    Rules.build(files, message)
    JsonReader.build(files, message)
    return Candidate(message=message, files=files, event_type=event_type)


def _only_message(file: FileDescriptorProto, wish: Wish) -> str:
    names = [f"{file.package}.{message.name}".lstrip(".") for message in file.message_type]
    if len(names) != 1:
        choices = ", ".join(names) or "none"
        message = (
            f"{wish.main} has these messages: {choices}: say with --message which is the event"
        )
        raise RejectedError(message)
    return names[0]


def _column_problems(old: EventType, candidate: Candidate) -> list[Problem]:
    return check_columns(
        old.columns,
        candidate.event_type.columns,
        message=candidate.message,
        files=candidate.files,
    )


def _stream(wish: Wish, candidate: Candidate, old: Stream | None, schema_id: SchemaId) -> Stream:
    others = () if old is None else tuple(each for each in old.schema_ids if each != schema_id)
    members: dict[str, object] = {} if old is None else old.model_dump()
    members |= {
        "name": wish.stream,
        "message": candidate.message,
        "schema_ids": (*others, schema_id),
    }
    if wish.retention:
        members["retention_seconds"] = _seconds("retention", wish.retention)
    if wish.event_bytes_max:
        members["event_bytes_max"] = wish.event_bytes_max
    return Stream.model_validate(members)


def _delivery(wish: Wish, catalog: Catalog) -> Delivery:
    table = wish.table or re.sub(r"[^a-z0-9_]", "_", wish.stream)
    old = catalog.deliveries.get(DeliveryName(table))
    if old is None:
        return Delivery(
            name=DeliveryName(table),
            stream=StreamName(wish.stream),
            table=table,
            partition_by=PartitionBy(_partition_by(wish) or PartitionBy.DAY),
            **_dedup(wish),
        )
    if old.stream != wish.stream:
        message = f"table {table!r} is delivered from stream {old.stream!r} already: choose another --table"
        raise RejectedError(message)
    if _partition_by(wish) not in ("", old.partition_by):
        message = (
            f"table {table!r} is partitioned by {old.partition_by} already, which can not change: "
            "deliver to another --table"
        )
        raise RejectedError(message)
    return Delivery.model_validate({**old.model_dump(), **_dedup(wish)})


def _partition_by(wish: Wish) -> str:
    if wish.partition_by and wish.partition_by not in list(PartitionBy):
        choices = ", ".join(PartitionBy)
        raise RejectedError(f"a table is partitioned by {choices}, not by {wish.partition_by!r}")
    return wish.partition_by


def _dedup(wish: Wish) -> dict[str, int]:
    return {"dedup_seconds": _seconds("dedup", wish.dedup)} if wish.dedup else {}


def _seconds(what: str, text: str) -> int:
    match = DURATION.fullmatch(text)
    if not match:
        raise RejectedError(f"{what} is a time like 24h, 30m or 7d, not {text!r}")
    return int(match[1]) * UNITS[match[2]]


def _changes(
    catalog: Catalog, stream: Stream, delivery: Delivery, schema_id: SchemaId
) -> list[str]:
    old_stream = catalog.streams.get(stream.name)
    old_delivery = catalog.deliveries.get(delivery.name)
    lines = []
    if old_stream is None:
        lines.append(f"stream {stream.name}: made, carries {stream.message}")
    elif old_stream.model_copy(update={"schema_ids": stream.schema_ids}) != stream:
        lines.append(
            f"stream {stream.name}: retention is {stream.retention_seconds} s, "
            f"events have up to {stream.event_bytes_max:,} bytes now"
        )
    if old_stream is None or old_stream.schema_id != schema_id:
        lines.append(f"schema {schema_id}: registered as {stream.subject}")
    if old_delivery is None:
        lines.append(f"table {delivery.table}: made from {stream.name}, by {delivery.partition_by}")
    elif old_delivery != delivery:
        lines.append(f"delivery {delivery.name}: dedup is {delivery.dedup_seconds} s now")
    return lines
