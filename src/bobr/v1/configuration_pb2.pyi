from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Problems(_message.Message):
    __slots__ = ("problems", "untold")
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    UNTOLD_FIELD_NUMBER: _ClassVar[int]
    problems: _containers.RepeatedCompositeFieldContainer[Fault]
    untold: int
    def __init__(self, problems: _Optional[_Iterable[_Union[Fault, _Mapping]]] = ..., untold: _Optional[int] = ...) -> None: ...

class Fault(_message.Message):
    __slots__ = ("file", "line", "column", "path", "rule", "message")
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    file: str
    line: int
    column: int
    path: str
    rule: str
    message: str
    def __init__(self, file: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., path: _Optional[str] = ..., rule: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Bundle(_message.Message):
    __slots__ = ("files", "protos", "texts")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ProtosEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Proto
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Proto, _Mapping]] = ...) -> None: ...
    class TextsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FILES_FIELD_NUMBER: _ClassVar[int]
    PROTOS_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    files: _containers.ScalarMap[str, str]
    protos: _containers.MessageMap[str, Proto]
    texts: _containers.ScalarMap[str, str]
    def __init__(self, files: _Optional[_Mapping[str, str]] = ..., protos: _Optional[_Mapping[str, Proto]] = ..., texts: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Proto(_message.Message):
    __slots__ = ("main", "files", "searched", "package", "wrong")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MAIN_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    SEARCHED_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    WRONG_FIELD_NUMBER: _ClassVar[int]
    main: str
    files: _containers.ScalarMap[str, str]
    searched: _containers.RepeatedScalarFieldContainer[str]
    package: str
    wrong: str
    def __init__(self, main: _Optional[str] = ..., files: _Optional[_Mapping[str, str]] = ..., searched: _Optional[_Iterable[str]] = ..., package: _Optional[str] = ..., wrong: _Optional[str] = ...) -> None: ...

class Consent(_message.Message):
    __slots__ = ("allow_delete", "take_over")
    ALLOW_DELETE_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    allow_delete: bool
    take_over: bool
    def __init__(self, allow_delete: _Optional[bool] = ..., take_over: _Optional[bool] = ...) -> None: ...

class ValidateRequest(_message.Message):
    __slots__ = ("bundle", "consent")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    bundle: Bundle
    consent: Consent
    def __init__(self, bundle: _Optional[_Union[Bundle, _Mapping]] = ..., consent: _Optional[_Union[Consent, _Mapping]] = ...) -> None: ...

class PlanRequest(_message.Message):
    __slots__ = ("bundle", "consent")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    bundle: Bundle
    consent: Consent
    def __init__(self, bundle: _Optional[_Union[Bundle, _Mapping]] = ..., consent: _Optional[_Union[Consent, _Mapping]] = ...) -> None: ...

class ApplyRequest(_message.Message):
    __slots__ = ("bundle", "consent", "message", "author", "source", "auto_rollback", "canary", "wait_seconds", "base")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AUTO_ROLLBACK_FIELD_NUMBER: _ClassVar[int]
    CANARY_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    bundle: Bundle
    consent: Consent
    message: str
    author: str
    source: str
    auto_rollback: bool
    canary: int
    wait_seconds: float
    base: int
    def __init__(self, bundle: _Optional[_Union[Bundle, _Mapping]] = ..., consent: _Optional[_Union[Consent, _Mapping]] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., source: _Optional[str] = ..., auto_rollback: _Optional[bool] = ..., canary: _Optional[int] = ..., wait_seconds: _Optional[float] = ..., base: _Optional[int] = ...) -> None: ...

class Validated(_message.Message):
    __slots__ = ("problems", "revision", "objects")
    class ObjectsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    problems: _containers.RepeatedCompositeFieldContainer[Fault]
    revision: int
    objects: _containers.ScalarMap[str, int]
    def __init__(self, problems: _Optional[_Iterable[_Union[Fault, _Mapping]]] = ..., revision: _Optional[int] = ..., objects: _Optional[_Mapping[str, int]] = ...) -> None: ...

class Planned(_message.Message):
    __slots__ = ("plan", "problems")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    plan: Plan
    problems: _containers.RepeatedCompositeFieldContainer[Fault]
    def __init__(self, plan: _Optional[_Union[Plan, _Mapping]] = ..., problems: _Optional[_Iterable[_Union[Fault, _Mapping]]] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("base", "steps")
    BASE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    base: int
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    def __init__(self, base: _Optional[int] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("action", "kind", "name", "members", "touches", "breaks")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    TOUCHES_FIELD_NUMBER: _ClassVar[int]
    BREAKS_FIELD_NUMBER: _ClassVar[int]
    action: str
    kind: str
    name: str
    members: _containers.RepeatedCompositeFieldContainer[Member]
    touches: _containers.RepeatedScalarFieldContainer[str]
    breaks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, action: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., touches: _Optional[_Iterable[str]] = ..., breaks: _Optional[_Iterable[str]] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("member", "before", "after")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    member: str
    before: _struct_pb2.Value
    after: _struct_pb2.Value
    def __init__(self, member: _Optional[str] = ..., before: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., after: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...

class Applied(_message.Message):
    __slots__ = ("revision", "changed", "plan", "rollout", "rolled_back", "live", "stays")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    ROLLED_BACK_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    STAYS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    changed: bool
    plan: Plan
    rollout: _containers.RepeatedCompositeFieldContainer[Answer]
    rolled_back: int
    live: bool
    stays: str
    def __init__(self, revision: _Optional[int] = ..., changed: _Optional[bool] = ..., plan: _Optional[_Union[Plan, _Mapping]] = ..., rollout: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., rolled_back: _Optional[int] = ..., live: _Optional[bool] = ..., stays: _Optional[str] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("part", "instance", "pid", "state", "reason")
    PART_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    part: str
    instance: str
    pid: int
    state: str
    reason: str
    def __init__(self, part: _Optional[str] = ..., instance: _Optional[str] = ..., pid: _Optional[int] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RollbackRequest(_message.Message):
    __slots__ = ("message", "author", "source", "auto_rollback", "canary", "wait_seconds", "revision", "allow_delete")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    AUTO_ROLLBACK_FIELD_NUMBER: _ClassVar[int]
    CANARY_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    ALLOW_DELETE_FIELD_NUMBER: _ClassVar[int]
    message: str
    author: str
    source: str
    auto_rollback: bool
    canary: int
    wait_seconds: float
    revision: int
    allow_delete: bool
    def __init__(self, message: _Optional[str] = ..., author: _Optional[str] = ..., source: _Optional[str] = ..., auto_rollback: _Optional[bool] = ..., canary: _Optional[int] = ..., wait_seconds: _Optional[float] = ..., revision: _Optional[int] = ..., allow_delete: _Optional[bool] = ...) -> None: ...

class ListRevisionsRequest(_message.Message):
    __slots__ = ("limit", "before")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    limit: int
    before: int
    def __init__(self, limit: _Optional[int] = ..., before: _Optional[int] = ...) -> None: ...

class History(_message.Message):
    __slots__ = ("revisions", "on_trial")
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    ON_TRIAL_FIELD_NUMBER: _ClassVar[int]
    revisions: _containers.RepeatedCompositeFieldContainer[Summary]
    on_trial: int
    def __init__(self, revisions: _Optional[_Iterable[_Union[Summary, _Mapping]]] = ..., on_trial: _Optional[int] = ...) -> None: ...

class Summary(_message.Message):
    __slots__ = ("revision", "at", "author", "address", "source", "message", "changes")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    revision: int
    at: str
    author: str
    address: str
    source: str
    message: str
    changes: str
    def __init__(self, revision: _Optional[int] = ..., at: _Optional[str] = ..., author: _Optional[str] = ..., address: _Optional[str] = ..., source: _Optional[str] = ..., message: _Optional[str] = ..., changes: _Optional[str] = ...) -> None: ...

class GetRevisionRequest(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class RevisionTold(_message.Message):
    __slots__ = ("revision", "at", "author", "address", "source", "message", "changes", "diff", "digest")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    DIFF_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    revision: int
    at: str
    author: str
    address: str
    source: str
    message: str
    changes: str
    diff: _containers.RepeatedCompositeFieldContainer[Altered]
    digest: str
    def __init__(self, revision: _Optional[int] = ..., at: _Optional[str] = ..., author: _Optional[str] = ..., address: _Optional[str] = ..., source: _Optional[str] = ..., message: _Optional[str] = ..., changes: _Optional[str] = ..., diff: _Optional[_Iterable[_Union[Altered, _Mapping]]] = ..., digest: _Optional[str] = ...) -> None: ...

class Altered(_message.Message):
    __slots__ = ("kind", "name", "before", "after")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    before: _struct_pb2.Struct
    after: _struct_pb2.Struct
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., before: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., after: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class DiffRequest(_message.Message):
    __slots__ = ("before", "after")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    before: int
    after: int
    def __init__(self, before: _Optional[int] = ..., after: _Optional[int] = ...) -> None: ...

class Difference(_message.Message):
    __slots__ = ("base", "revision", "steps")
    BASE_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    base: int
    revision: int
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    def __init__(self, base: _Optional[int] = ..., revision: _Optional[int] = ..., steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ...) -> None: ...

class PutStreamRequest(_message.Message):
    __slots__ = ("name", "stream", "message", "author", "take_over", "create_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    CREATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    stream: StreamInCall
    message: str
    author: str
    take_over: bool
    create_only: bool
    def __init__(self, name: _Optional[str] = ..., stream: _Optional[_Union[StreamInCall, _Mapping]] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ..., create_only: _Optional[bool] = ...) -> None: ...

class StreamInCall(_message.Message):
    __slots__ = ("message", "partitions", "retention", "key", "event_bytes_max", "proto", "files")
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    EVENT_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    PROTO_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    message: str
    partitions: int
    retention: str
    key: str
    event_bytes_max: int
    proto: str
    files: _containers.ScalarMap[str, str]
    def __init__(self, message: _Optional[str] = ..., partitions: _Optional[int] = ..., retention: _Optional[str] = ..., key: _Optional[str] = ..., event_bytes_max: _Optional[int] = ..., proto: _Optional[str] = ..., files: _Optional[_Mapping[str, str]] = ...) -> None: ...

class DeleteStreamRequest(_message.Message):
    __slots__ = ("name", "message", "author", "take_over")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    author: str
    take_over: bool
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ...) -> None: ...

class PutRouteRequest(_message.Message):
    __slots__ = ("name", "route", "message", "author", "take_over", "create_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    CREATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    route: RouteDeclaration
    message: str
    author: str
    take_over: bool
    create_only: bool
    def __init__(self, name: _Optional[str] = ..., route: _Optional[_Union[RouteDeclaration, _Mapping]] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ..., create_only: _Optional[bool] = ...) -> None: ...

class RouteDeclaration(_message.Message):
    __slots__ = ("where", "to")
    FROM_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    where: str
    to: str
    def __init__(self, where: _Optional[str] = ..., to: _Optional[str] = ..., **kwargs) -> None: ...

class DeleteRouteRequest(_message.Message):
    __slots__ = ("name", "message", "author", "take_over")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    author: str
    take_over: bool
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ...) -> None: ...

class PutDeliveryRequest(_message.Message):
    __slots__ = ("name", "delivery", "message", "author", "take_over", "create_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    CREATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    delivery: DeliveryDeclaration
    message: str
    author: str
    take_over: bool
    create_only: bool
    def __init__(self, name: _Optional[str] = ..., delivery: _Optional[_Union[DeliveryDeclaration, _Mapping]] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ..., create_only: _Optional[bool] = ...) -> None: ...

class DeliveryDeclaration(_message.Message):
    __slots__ = ("to", "table", "partition", "dedup", "flush", "keep")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    DEDUP_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    to: str
    table: str
    partition: str
    dedup: str
    flush: str
    keep: str
    def __init__(self, to: _Optional[str] = ..., table: _Optional[str] = ..., partition: _Optional[str] = ..., dedup: _Optional[str] = ..., flush: _Optional[str] = ..., keep: _Optional[str] = ..., **kwargs) -> None: ...

class DeleteDeliveryRequest(_message.Message):
    __slots__ = ("name", "message", "author", "take_over")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    author: str
    take_over: bool
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ...) -> None: ...

class PutDestinationRequest(_message.Message):
    __slots__ = ("name", "destination", "message", "author", "take_over", "create_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    CREATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    destination: IcebergDeclaration
    message: str
    author: str
    take_over: bool
    create_only: bool
    def __init__(self, name: _Optional[str] = ..., destination: _Optional[_Union[IcebergDeclaration, _Mapping]] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ..., create_only: _Optional[bool] = ...) -> None: ...

class IcebergDeclaration(_message.Message):
    __slots__ = ("kind", "warehouse", "catalog", "namespace")
    KIND_FIELD_NUMBER: _ClassVar[int]
    WAREHOUSE_FIELD_NUMBER: _ClassVar[int]
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    warehouse: str
    catalog: SqlCatalog
    namespace: str
    def __init__(self, kind: _Optional[str] = ..., warehouse: _Optional[str] = ..., catalog: _Optional[_Union[SqlCatalog, _Mapping]] = ..., namespace: _Optional[str] = ...) -> None: ...

class SqlCatalog(_message.Message):
    __slots__ = ("type", "uri", "password")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    type: str
    uri: str
    password: str
    def __init__(self, type: _Optional[str] = ..., uri: _Optional[str] = ..., password: _Optional[str] = ...) -> None: ...

class DeleteDestinationRequest(_message.Message):
    __slots__ = ("name", "message", "author", "take_over")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    author: str
    take_over: bool
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ...) -> None: ...

class PutPrincipalRequest(_message.Message):
    __slots__ = ("name", "principal", "message", "author", "take_over", "create_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    CREATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    principal: PrincipalDeclaration
    message: str
    author: str
    take_over: bool
    create_only: bool
    def __init__(self, name: _Optional[str] = ..., principal: _Optional[_Union[PrincipalDeclaration, _Mapping]] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ..., create_only: _Optional[bool] = ...) -> None: ...

class PrincipalDeclaration(_message.Message):
    __slots__ = ("keys", "publish", "read", "configure", "events_per_second", "bytes_per_second", "tables")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    CONFIGURE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[Key]
    publish: _containers.RepeatedScalarFieldContainer[str]
    read: _containers.RepeatedScalarFieldContainer[str]
    configure: _containers.RepeatedScalarFieldContainer[str]
    events_per_second: float
    bytes_per_second: float
    tables: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[_Union[Key, _Mapping]]] = ..., publish: _Optional[_Iterable[str]] = ..., read: _Optional[_Iterable[str]] = ..., configure: _Optional[_Iterable[str]] = ..., events_per_second: _Optional[float] = ..., bytes_per_second: _Optional[float] = ..., tables: _Optional[_Iterable[str]] = ...) -> None: ...

class Key(_message.Message):
    __slots__ = ("sha256", "created")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    sha256: str
    created: str
    def __init__(self, sha256: _Optional[str] = ..., created: _Optional[str] = ...) -> None: ...

class DeletePrincipalRequest(_message.Message):
    __slots__ = ("name", "message", "author", "take_over")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    author: str
    take_over: bool
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., author: _Optional[str] = ..., take_over: _Optional[bool] = ...) -> None: ...

class AddKeyRequest(_message.Message):
    __slots__ = ("name", "key", "message", "author")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    key: Key
    message: str
    author: str
    def __init__(self, name: _Optional[str] = ..., key: _Optional[_Union[Key, _Mapping]] = ..., message: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class RevokeKeyRequest(_message.Message):
    __slots__ = ("name", "key", "message", "author")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    key: str
    message: str
    author: str
    def __init__(self, name: _Optional[str] = ..., key: _Optional[str] = ..., message: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class PauseDeliveryRequest(_message.Message):
    __slots__ = ("name", "message", "author")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    author: str
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class ResumeDeliveryRequest(_message.Message):
    __slots__ = ("name", "message", "author")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    message: str
    author: str
    def __init__(self, name: _Optional[str] = ..., message: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class GetCatalogRequest(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class Catalog(_message.Message):
    __slots__ = ("revision", "streams", "routes", "deliveries", "destinations", "settings", "principals")
    class StreamsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Stream
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Stream, _Mapping]] = ...) -> None: ...
    class RoutesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Route
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Route, _Mapping]] = ...) -> None: ...
    class DeliveriesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Delivery
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Delivery, _Mapping]] = ...) -> None: ...
    class DestinationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Destination
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Destination, _Mapping]] = ...) -> None: ...
    class PrincipalsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Principal
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Principal, _Mapping]] = ...) -> None: ...
    REVISION_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    DESTINATIONS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    PRINCIPALS_FIELD_NUMBER: _ClassVar[int]
    revision: int
    streams: _containers.MessageMap[str, Stream]
    routes: _containers.MessageMap[str, Route]
    deliveries: _containers.MessageMap[str, Delivery]
    destinations: _containers.MessageMap[str, Destination]
    settings: Settings
    principals: _containers.MessageMap[str, Principal]
    def __init__(self, revision: _Optional[int] = ..., streams: _Optional[_Mapping[str, Stream]] = ..., routes: _Optional[_Mapping[str, Route]] = ..., deliveries: _Optional[_Mapping[str, Delivery]] = ..., destinations: _Optional[_Mapping[str, Destination]] = ..., settings: _Optional[_Union[Settings, _Mapping]] = ..., principals: _Optional[_Mapping[str, Principal]] = ...) -> None: ...

class Stream(_message.Message):
    __slots__ = ("message", "partitions", "retention", "key", "event_bytes_max", "name", "schema_ids", "owner")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    EVENT_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_IDS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    message: str
    partitions: int
    retention: str
    key: str
    event_bytes_max: int
    name: str
    schema_ids: _containers.RepeatedScalarFieldContainer[int]
    owner: str
    def __init__(self, message: _Optional[str] = ..., partitions: _Optional[int] = ..., retention: _Optional[str] = ..., key: _Optional[str] = ..., event_bytes_max: _Optional[int] = ..., name: _Optional[str] = ..., schema_ids: _Optional[_Iterable[int]] = ..., owner: _Optional[str] = ...) -> None: ...

class Route(_message.Message):
    __slots__ = ("where", "to", "name", "owner")
    FROM_FIELD_NUMBER: _ClassVar[int]
    WHERE_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    where: str
    to: str
    name: str
    owner: str
    def __init__(self, where: _Optional[str] = ..., to: _Optional[str] = ..., name: _Optional[str] = ..., owner: _Optional[str] = ..., **kwargs) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("to", "table", "partition", "dedup", "flush", "name", "owner", "paused", "keep")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    DEDUP_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    to: str
    table: str
    partition: str
    dedup: str
    flush: str
    name: str
    owner: str
    paused: bool
    keep: str
    def __init__(self, to: _Optional[str] = ..., table: _Optional[str] = ..., partition: _Optional[str] = ..., dedup: _Optional[str] = ..., flush: _Optional[str] = ..., name: _Optional[str] = ..., owner: _Optional[str] = ..., paused: _Optional[bool] = ..., keep: _Optional[str] = ..., **kwargs) -> None: ...

class Destination(_message.Message):
    __slots__ = ("kind", "warehouse", "catalog", "namespace", "name", "owner")
    KIND_FIELD_NUMBER: _ClassVar[int]
    WAREHOUSE_FIELD_NUMBER: _ClassVar[int]
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    kind: str
    warehouse: str
    catalog: SqlCatalog
    namespace: str
    name: str
    owner: str
    def __init__(self, kind: _Optional[str] = ..., warehouse: _Optional[str] = ..., catalog: _Optional[_Union[SqlCatalog, _Mapping]] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., owner: _Optional[str] = ...) -> None: ...

class Principal(_message.Message):
    __slots__ = ("keys", "publish", "read", "configure", "events_per_second", "bytes_per_second", "name", "owner", "tables")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    CONFIGURE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[Key]
    publish: _containers.RepeatedScalarFieldContainer[str]
    read: _containers.RepeatedScalarFieldContainer[str]
    configure: _containers.RepeatedScalarFieldContainer[str]
    events_per_second: float
    bytes_per_second: float
    name: str
    owner: str
    tables: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[_Union[Key, _Mapping]]] = ..., publish: _Optional[_Iterable[str]] = ..., read: _Optional[_Iterable[str]] = ..., configure: _Optional[_Iterable[str]] = ..., events_per_second: _Optional[float] = ..., bytes_per_second: _Optional[float] = ..., name: _Optional[str] = ..., owner: _Optional[str] = ..., tables: _Optional[_Iterable[str]] = ...) -> None: ...

class Settings(_message.Message):
    __slots__ = ("log_level", "owner")
    LOG_LEVEL_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    log_level: str
    owner: str
    def __init__(self, log_level: _Optional[str] = ..., owner: _Optional[str] = ...) -> None: ...

class ListStreamsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Streams(_message.Message):
    __slots__ = ("streams",)
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    streams: _containers.RepeatedCompositeFieldContainer[StreamRow]
    def __init__(self, streams: _Optional[_Iterable[_Union[StreamRow, _Mapping]]] = ...) -> None: ...

class StreamRow(_message.Message):
    __slots__ = ("stream", "partitions", "events", "MB", "events_per_second", "last_event", "readers", "largest_lag", "largest_lag_seconds")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    MB_FIELD_NUMBER: _ClassVar[int]
    EVENTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_FIELD_NUMBER: _ClassVar[int]
    READERS_FIELD_NUMBER: _ClassVar[int]
    LARGEST_LAG_FIELD_NUMBER: _ClassVar[int]
    LARGEST_LAG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    stream: str
    partitions: int
    events: int
    MB: float
    events_per_second: float
    last_event: str
    readers: int
    largest_lag: int
    largest_lag_seconds: float
    def __init__(self, stream: _Optional[str] = ..., partitions: _Optional[int] = ..., events: _Optional[int] = ..., MB: _Optional[float] = ..., events_per_second: _Optional[float] = ..., last_event: _Optional[str] = ..., readers: _Optional[int] = ..., largest_lag: _Optional[int] = ..., largest_lag_seconds: _Optional[float] = ...) -> None: ...

class GetStreamRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class StreamTold(_message.Message):
    __slots__ = ("stream", "message", "owner", "events", "MB", "events_per_second", "measured_seconds", "last_event", "skew", "ingest_watermark", "schemas", "partitions", "readers")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    MB_FIELD_NUMBER: _ClassVar[int]
    EVENTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    MEASURED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_FIELD_NUMBER: _ClassVar[int]
    SKEW_FIELD_NUMBER: _ClassVar[int]
    INGEST_WATERMARK_FIELD_NUMBER: _ClassVar[int]
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    READERS_FIELD_NUMBER: _ClassVar[int]
    stream: str
    message: str
    owner: str
    events: int
    MB: float
    events_per_second: float
    measured_seconds: float
    last_event: str
    skew: float
    ingest_watermark: str
    schemas: _containers.RepeatedScalarFieldContainer[int]
    partitions: _containers.RepeatedCompositeFieldContainer[PartitionTold]
    readers: _containers.RepeatedCompositeFieldContainer[Reading]
    def __init__(self, stream: _Optional[str] = ..., message: _Optional[str] = ..., owner: _Optional[str] = ..., events: _Optional[int] = ..., MB: _Optional[float] = ..., events_per_second: _Optional[float] = ..., measured_seconds: _Optional[float] = ..., last_event: _Optional[str] = ..., skew: _Optional[float] = ..., ingest_watermark: _Optional[str] = ..., schemas: _Optional[_Iterable[int]] = ..., partitions: _Optional[_Iterable[_Union[PartitionTold, _Mapping]]] = ..., readers: _Optional[_Iterable[_Union[Reading, _Mapping]]] = ...) -> None: ...

class PartitionTold(_message.Message):
    __slots__ = ("partition", "first", "end", "events", "MB", "last_event", "share")
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    MB_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENT_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    partition: int
    first: int
    end: int
    events: int
    MB: float
    last_event: str
    share: float
    def __init__(self, partition: _Optional[int] = ..., first: _Optional[int] = ..., end: _Optional[int] = ..., events: _Optional[int] = ..., MB: _Optional[float] = ..., last_event: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class Reading(_message.Message):
    __slots__ = ("name", "kind", "state", "positions", "lag", "lag_seconds", "ingest_watermark")
    class PositionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    LAG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    INGEST_WATERMARK_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    state: str
    positions: _containers.ScalarMap[str, int]
    lag: int
    lag_seconds: float
    ingest_watermark: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[str] = ..., positions: _Optional[_Mapping[str, int]] = ..., lag: _Optional[int] = ..., lag_seconds: _Optional[float] = ..., ingest_watermark: _Optional[str] = ...) -> None: ...

class ListDeliveriesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Deliveries(_message.Message):
    __slots__ = ("deliveries",)
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[DeliveryRow]
    def __init__(self, deliveries: _Optional[_Iterable[_Union[DeliveryRow, _Mapping]]] = ...) -> None: ...

class DeliveryRow(_message.Message):
    __slots__ = ("delivery", "stream", "destination", "table", "paused", "state", "reason", "rows", "lag", "lag_seconds", "last_commit")
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    LAG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LAST_COMMIT_FIELD_NUMBER: _ClassVar[int]
    delivery: str
    stream: str
    destination: str
    table: str
    paused: bool
    state: str
    reason: str
    rows: int
    lag: int
    lag_seconds: float
    last_commit: str
    def __init__(self, delivery: _Optional[str] = ..., stream: _Optional[str] = ..., destination: _Optional[str] = ..., table: _Optional[str] = ..., paused: _Optional[bool] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., rows: _Optional[int] = ..., lag: _Optional[int] = ..., lag_seconds: _Optional[float] = ..., last_commit: _Optional[str] = ...) -> None: ...

class GetDeliveryRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeliveryTold(_message.Message):
    __slots__ = ("delivery", "stream", "destination", "table", "paused", "state", "reason", "rows", "lag", "lag_seconds", "last_commit", "positions", "ingest_watermark", "files", "bytes", "rows_committed", "commits", "held", "duplicates", "undecodable", "lost", "fenced", "retries", "partition", "dedup", "flush", "keep", "rows_retired", "last_retired")
    class PositionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    LAG_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LAST_COMMIT_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    INGEST_WATERMARK_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    ROWS_COMMITTED_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    UNDECODABLE_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    FENCED_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    DEDUP_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    ROWS_RETIRED_FIELD_NUMBER: _ClassVar[int]
    LAST_RETIRED_FIELD_NUMBER: _ClassVar[int]
    delivery: str
    stream: str
    destination: str
    table: str
    paused: bool
    state: str
    reason: str
    rows: int
    lag: int
    lag_seconds: float
    last_commit: str
    positions: _containers.ScalarMap[str, int]
    ingest_watermark: str
    files: int
    bytes: int
    rows_committed: int
    commits: int
    held: int
    duplicates: int
    undecodable: int
    lost: int
    fenced: int
    retries: int
    partition: str
    dedup: str
    flush: str
    keep: str
    rows_retired: int
    last_retired: str
    def __init__(self, delivery: _Optional[str] = ..., stream: _Optional[str] = ..., destination: _Optional[str] = ..., table: _Optional[str] = ..., paused: _Optional[bool] = ..., state: _Optional[str] = ..., reason: _Optional[str] = ..., rows: _Optional[int] = ..., lag: _Optional[int] = ..., lag_seconds: _Optional[float] = ..., last_commit: _Optional[str] = ..., positions: _Optional[_Mapping[str, int]] = ..., ingest_watermark: _Optional[str] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., rows_committed: _Optional[int] = ..., commits: _Optional[int] = ..., held: _Optional[int] = ..., duplicates: _Optional[int] = ..., undecodable: _Optional[int] = ..., lost: _Optional[int] = ..., fenced: _Optional[int] = ..., retries: _Optional[int] = ..., partition: _Optional[str] = ..., dedup: _Optional[str] = ..., flush: _Optional[str] = ..., keep: _Optional[str] = ..., rows_retired: _Optional[int] = ..., last_retired: _Optional[str] = ...) -> None: ...
