"""Event types from `.proto` text."""

from collections.abc import Callable
from functools import cache

import pytest

from bobr.schema import EventType
from bobr.schema.source.compile import compile_files

KNOWN = ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
IMPORTS = "".join(f'import "google/protobuf/{name}.proto";\n' for name in KNOWN)

Build = Callable[..., EventType]


@cache
def _built(body: str, syntax: str) -> EventType:
    text = f'{syntax};\npackage t;\n{IMPORTS}import "bobr/v1/options.proto";\n{body}'
    return EventType.build(compile_files({"test.proto": text}, "test.proto"), "t.M")


@pytest.fixture
def build() -> Build:
    """The event type `t.M` of the messages in a text; `syntax` is the statement that the file begins with."""

    def of(body: str, syntax: str = 'syntax = "proto3"') -> EventType:
        return _built(body, syntax)

    return of
