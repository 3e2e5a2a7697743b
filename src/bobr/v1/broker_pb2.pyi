from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_LOG: _ClassVar[Durability]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_MALFORMED: _ClassVar[Reason]
    REASON_INVALID: _ClassVar[Reason]
    REASON_UNKNOWN_FIELD: _ClassVar[Reason]
    REASON_TOO_LARGE: _ClassVar[Reason]
    REASON_UNKNOWN_STREAM: _ClassVar[Reason]
    REASON_UNKNOWN_SCHEMA: _ClassVar[Reason]
    REASON_UNAVAILABLE: _ClassVar[Reason]
DURABILITY_UNSPECIFIED: Durability
DURABILITY_LOG: Durability
REASON_UNSPECIFIED: Reason
REASON_MALFORMED: Reason
REASON_INVALID: Reason
REASON_UNKNOWN_FIELD: Reason
REASON_TOO_LARGE: Reason
REASON_UNKNOWN_STREAM: Reason
REASON_UNKNOWN_SCHEMA: Reason
REASON_UNAVAILABLE: Reason

class PublishRequest(_message.Message):
    __slots__ = ("stream", "events", "schema_id")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    stream: str
    events: _containers.RepeatedScalarFieldContainer[bytes]
    schema_id: int
    def __init__(self, stream: _Optional[str] = ..., events: _Optional[_Iterable[bytes]] = ..., schema_id: _Optional[int] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("accepted", "durable_in", "rejected", "stopped_at")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DURABLE_IN_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    STOPPED_AT_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    durable_in: Durability
    rejected: _containers.RepeatedCompositeFieldContainer[Rejection]
    stopped_at: int
    def __init__(self, accepted: _Optional[int] = ..., durable_in: _Optional[_Union[Durability, str]] = ..., rejected: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., stopped_at: _Optional[int] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("index", "reason", "field", "rule", "message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    reason: Reason
    field: str
    rule: str
    message: str
    def __init__(self, index: _Optional[int] = ..., reason: _Optional[_Union[Reason, str]] = ..., field: _Optional[str] = ..., rule: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
