from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Word(_message.Message):
    __slots__ = ("instance", "part", "pid", "number", "revision", "error", "report", "flushed", "told")
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    FLUSHED_FIELD_NUMBER: _ClassVar[int]
    TOLD_FIELD_NUMBER: _ClassVar[int]
    instance: str
    part: str
    pid: int
    number: int
    revision: int
    error: str
    report: bytes
    flushed: int
    told: int
    def __init__(self, instance: _Optional[str] = ..., part: _Optional[str] = ..., pid: _Optional[int] = ..., number: _Optional[int] = ..., revision: _Optional[int] = ..., error: _Optional[str] = ..., report: _Optional[bytes] = ..., flushed: _Optional[int] = ..., told: _Optional[int] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("snapshot", "delta", "flush", "settled", "trial")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    snapshot: bytes
    delta: bytes
    flush: int
    settled: int
    trial: bool
    def __init__(self, snapshot: _Optional[bytes] = ..., delta: _Optional[bytes] = ..., flush: _Optional[int] = ..., settled: _Optional[int] = ..., trial: _Optional[bool] = ...) -> None: ...
