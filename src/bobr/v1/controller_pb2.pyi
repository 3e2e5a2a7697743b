from bobr.v1 import configurator_pb2 as _configurator_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Words(_message.Message):
    __slots__ = ("configurator", "number", "words", "gone")
    CONFIGURATOR_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    GONE_FIELD_NUMBER: _ClassVar[int]
    configurator: str
    number: int
    words: _containers.RepeatedCompositeFieldContainer[_configurator_pb2.Word]
    gone: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, configurator: _Optional[str] = ..., number: _Optional[int] = ..., words: _Optional[_Iterable[_Union[_configurator_pb2.Word, _Mapping]]] = ..., gone: _Optional[_Iterable[str]] = ...) -> None: ...

class Feed(_message.Message):
    __slots__ = ("snapshot", "delta", "flush", "heard", "candidate", "withdrawn")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    HEARD_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    snapshot: bytes
    delta: bytes
    flush: int
    heard: int
    candidate: Candidate
    withdrawn: bool
    def __init__(self, snapshot: _Optional[bytes] = ..., delta: _Optional[bytes] = ..., flush: _Optional[int] = ..., heard: _Optional[int] = ..., candidate: _Optional[_Union[Candidate, _Mapping]] = ..., withdrawn: _Optional[bool] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("delta", "instances")
    DELTA_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    delta: bytes
    instances: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, delta: _Optional[bytes] = ..., instances: _Optional[_Iterable[str]] = ...) -> None: ...
