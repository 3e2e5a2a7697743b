"""`bobr imports`: the files that schemas may import without having them, for a producer's own compiler."""

import sys

from bobr.errors import RejectedError


def imports() -> None:
    """Print the files that schemas may import without bringing them, for protoc.

    A descriptor set of buf/validate/validate.proto and bobr/v1/options.proto, with what they import:
    producers of events with rules or options need them to generate their code.

    Example: bobr imports > bobr.binpb && protoc -I . --descriptor_set_in=bobr.binpb --python_out=. shop.proto
    """
    from bobr.schema.source.compile import importable

    if sys.stdout.isatty():
        raise RejectedError("a descriptor set is binary: `bobr imports > bobr.binpb` keeps it")
    sys.stdout.buffer.write(importable().SerializeToString(deterministic=True))
