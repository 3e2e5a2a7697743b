"""Compatibility levels: which earlier versions a new one is compared with, and in which direction.

The names are Confluent's; the judgement is Bobr's own (`schema/source/evolution.py`).
"""

from collections.abc import Sequence
from enum import StrEnum

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.errors import Problem
from bobr.schema.source.compile import PROBLEMS_MAX
from bobr.schema.source.evolution import check_all, check_reverse, messages_in


class Level(StrEnum):
    """Who must understand whom."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    """The new version reads events of the latest."""
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    """… of all versions."""
    FORWARD = "FORWARD"
    """The latest version reads events of the new one."""
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    """Both."""
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def is_transitive(self) -> bool:
        """Whether all versions count, not the latest alone."""
        return self.value.endswith("_TRANSITIVE")

    @property
    def is_backward(self) -> bool:
        """Whether the new version must read old events."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def is_forward(self) -> bool:
        """Whether old versions must read new events."""
        return self.value.startswith(("FORWARD", "FULL"))


def problems_of(
    level: Level,
    new: FileDescriptorSet,
    earlier: Sequence[FileDescriptorSet],
    messages: Sequence[str] = (),
) -> list[Problem]:
    """Why `new` can not follow any of `earlier` at this level, each once; not more than are read.

    messages: full names; empty: all of the schemas' own files.
    """
    problems: dict[Problem, None] = {}
    for old in earlier:
        if level.is_backward:
            names = messages or messages_in(old.file[-1])
            problems.update(dict.fromkeys(check_all(old, new, names)))
        if level.is_forward:
            names = messages or messages_in(new.file[-1])
            problems.update(dict.fromkeys(check_reverse(old, new, names)))
    return list(problems)[:PROBLEMS_MAX]
