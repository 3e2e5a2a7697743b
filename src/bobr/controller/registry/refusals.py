"""What the registry refuses, with the numbers that the Confluent REST API gives it."""

from collections.abc import Sequence
from enum import IntEnum

from bobr.errors import NotFoundError, Problem, RejectedError, SchemaError


class Code(IntEnum):
    """`error_code` of an answer. The first three digits are the HTTP status."""

    INVALID_REQUEST = 400
    TOO_SLOW = 408
    INCOMPATIBLE = 409
    BODY_TOO_LARGE = 413
    UNAUTHENTICATED = 40101
    FORBIDDEN = 40301
    SUBJECT_MISSING = 40401
    VERSION_MISSING = 40402
    SCHEMA_MISSING = 40403
    SUBJECT_DELETED = 40404
    SUBJECT_NOT_DELETED = 40405
    VERSION_DELETED = 40406
    VERSION_NOT_DELETED = 40407
    NO_OWN_LEVEL = 40408
    NO_OWN_MODE = 40409
    INVALID_SCHEMA = 42201
    INVALID_VERSION = 42202
    INVALID_LEVEL = 42203
    INVALID_MODE = 42204
    NOT_PERMITTED = 42205
    REFERENCED = 42206
    INVALID_SUBJECT = 42208
    OVERLOADED = 42901
    FAILED = 50001
    UNAVAILABLE = 50301

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(str(self.value)[:3])


class RefusedError(RejectedError):
    """The registry's rules forbid it."""

    def __init__(self, code: Code, message: str) -> None:
        """`code`: what REST clients are told."""
        super().__init__(message)
        self.code = code


class MissingError(NotFoundError):
    """No such subject, version or schema."""

    def __init__(self, code: Code, message: str) -> None:
        """`code`: what REST clients are told."""
        super().__init__(message)
        self.code = code


class IncompatibleError(SchemaError):
    """The schema is good, but can not follow what its subject has."""

    def __init__(self, subject: str, problems: Sequence[Problem]) -> None:
        """`problems`: as `SchemaError`'s."""
        super().__init__(problems)
        self.subject = subject
