"""Schemas in few words, and a registry of one's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.controller.registry import Registry, Store
from bobr.schema.source.compile import compile_files

HEAD = """syntax = "proto3";
package p;
import "bobr/v1/options.proto";
import "google/protobuf/timestamp.proto";
"""
"""Four lines: what a test gives begins in line 5."""


@pytest.fixture
def text() -> Callable[[str], str]:
    """A whole file from its messages."""
    return lambda messages: HEAD + messages


@pytest.fixture
def compiled(text: Callable[[str], str]) -> Callable[[str], FileDescriptorSet]:
    """The descriptors of a file `p.proto` with these messages, of package `p`."""
    return lambda messages: compile_files({"p.proto": text(messages)}, "p.proto")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty one."""
    store = Store(tmp_path / "registry.sqlite")
    yield store
    store.close()


@pytest.fixture
def registry(store: Store) -> Registry:
    """An empty one."""
    return Registry(store)
