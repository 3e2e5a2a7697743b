"""Schemas from text."""

from collections.abc import Callable
from functools import cache
from textwrap import dedent

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.schema.source.compile import compile_files

PREDEFINED = """
    syntax = "proto2";
    package t.rules;
    import "buf/validate/validate.proto";
    extend buf.validate.Int32Rules {
      optional bool even = 50001 [(buf.validate.predefined).cel = {
        id: "int32.even", message: "must be even", expression: "!rule || this % 2 == 0"
      }];
    }
"""
HEADER = """
    syntax = "proto3";
    package t;
    import "buf/validate/validate.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    import "t/rules.proto";
"""


@cache
def compiled(body: str) -> FileDescriptorSet:
    header = dedent(HEADER)
    if "features." in body:
        header = header.replace('syntax = "proto3"', 'edition = "2023"')
    files = {"t/rules.proto": dedent(PREDEFINED), "t/t.proto": header + dedent(body)}
    return compile_files(files, "t/t.proto")


@pytest.fixture(scope="session")
def schema() -> Callable[[str], FileDescriptorSet]:
    """Compiles messages of package `t`, with rules and well-known types at hand."""
    return compiled
