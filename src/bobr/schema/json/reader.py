"""JSON events in, serialized messages out.

Proto JSON exactly as `google.protobuf.json_format` reads it by default: that is the judge. Most events never see it:
`sure.py` reads what it is sure of, at six times the speed. What it is not sure of, and what is wrong, is parsed by
json_format, whose verdict counts; `explain.py` then says where and what is wrong.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Self

import jiter
import pyarrow as pa
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.message_factory import GetMessageClass

from bobr.outcome import Rejection
from bobr.schema.json.complete import can_be_incomplete, types_for_any
from bobr.schema.json.explain import explain, lacking
from bobr.schema.json.sure import UNSURE, message_reader
from bobr.schema.json.values import Json, UnsureError, described_by
from bobr.schema.pool import descriptor_of

MESSAGE_DEPTH_SURE = 90
"""Messages inside each other that protobuf and json_format surely take: their limit is 100."""
JSON_DEPTH_SURE = 30
"""The same for free JSON, where each level is up to three messages."""

Read = tuple[pa.BinaryArray, list[int], tuple[Rejection, ...]]
"""Payloads, the indices of their documents, and the others."""


class JsonReader:
    """Reads events of one message type. Thread-safe; holds the GIL."""

    def __init__(self, message_class: type[Message]) -> None:
        """`message_class`: of any descriptor pool, which is where the types inside Any are looked up."""
        self._class: Callable[..., Message] = message_class
        self._parse = message_class.FromString
        self._descriptor = described_by(message_class)
        self._types_for_any = types_for_any(self._descriptor)
        self._can_be_incomplete = can_be_incomplete(self._descriptor)
        self._sure = message_reader(self._descriptor)
        self._bounded = _is_bounded(self._descriptor)

    @classmethod
    def build(cls, files: FileDescriptorSet, message: str) -> Self:
        """Of the message type of that full name. `files`: with all that they import.

        Raises RejectedError: there is no such message in the files, or they do not fit together.
        """
        return cls(GetMessageClass(descriptor_of(files, message)[0]))

    def read(self, documents: Sequence[bytes | memoryview]) -> Read:
        """One JSON document each → payloads of those that are right, their indices, rejections of the others."""
        steps = self.steps(documents)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                read: Read = end.value
                return read

    def steps(self, documents: Sequence[bytes | memoryview]) -> Generator[None, None, Read]:
        """The same, with a `yield` after each document that took its time: one that is doubtful, or wrong."""
        payloads: list[bytes] = []
        indices: list[int] = []
        rejected: list[Rejection] = []
        for index, document in enumerate(documents):
            text = bytes(document)
            try:
                fate: bytes | Rejection = self._read_surely(text)
            except UNSURE:
                fate = self._judge(index, text)
                yield
            if isinstance(fate, bytes):
                payloads.append(fate)
                indices.append(index)
            else:
                rejected.append(fate)
        return pa.array(payloads, pa.binary()), indices, tuple(rejected)

    def read_quickly(self, documents: Sequence[bytes]) -> list[bytes] | None:
        """The payloads, if all of these documents are right for sure; None: one is doubtful, or wrong."""
        try:
            return [self._read_surely(document) for document in documents]
        except UNSURE:
            return None

    def _read_surely(self, document: bytes) -> bytes:
        tree: Json = jiter.from_json(
            document, allow_inf_nan=False, cache_mode="keys", catch_duplicate_keys=True
        )
        if not self._bounded and _is_deep(document, tree):
            raise UnsureError
        message = self._class(**self._sure(tree))
        if self._can_be_incomplete and not message.IsInitialized():
            raise UnsureError
        return message.SerializeToString()

    def _judge(self, index: int, document: bytes) -> bytes | Rejection:
        message = self._class()
        try:
            json_format.Parse(document, message, descriptor_pool=self._types_for_any)
            if not message.IsInitialized():
                return lacking(index, message)
            payload = message.SerializeToString()
            self._parse(payload)  # json_format builds free JSON deeper than a parser takes back
        except (json_format.ParseError, UnicodeDecodeError, EncodeError, DecodeError) as error:
            return explain(self._descriptor, index, document, error)
        return payload


def _is_bounded(descriptor: Descriptor) -> bool:
    """Whether no event can nest deeper than is sure, whatever it holds. Recursive types are not."""
    level = {descriptor.full_name: descriptor}
    for _ in range(MESSAGE_DEPTH_SURE):
        inner = [field.message_type for each in level.values() for field in each.fields]
        level = {each.full_name: each for each in inner if each is not None}
        if not level:
            return True
    return False


def _is_deep(document: bytes, tree: Json) -> bool:
    """Whether the tree may nest deeper than is sure. Counting brackets settles it for most."""
    if document.count(b"{") + document.count(b"[") <= JSON_DEPTH_SURE:
        return False
    level = [tree]
    for _ in range(JSON_DEPTH_SURE):
        level = [item for value in level for item in _items(value)]
        if not level:
            return False
    return True


def _items(value: Json) -> Sequence[Json]:
    if type(value) is dict:
        return list(value.values())
    return value if type(value) is list else ()
