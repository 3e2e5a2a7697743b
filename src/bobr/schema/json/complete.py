"""Keeps incomplete messages away from protobuf's encoder.

upb (protobuf 7.36) can crash the process when it lists the required fields that a message lacks, if there are maps in
it: `SerializeToString` does so, `FindInitializationErrors` too. `IsInitialized()` only looks, and is safe.
"""

from dataclasses import dataclass
from typing import cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool

from bobr.schema.mapping import closure


def can_be_incomplete(descriptor: Descriptor) -> bool:
    """Whether a message of the type, or one in it, can lack a required field. Extensions may have such."""
    types = closure(descriptor)
    return any(
        each.is_extendable or any(field.is_required for field in each.fields) for each in types
    )


def types_for_any(descriptor: Descriptor) -> DescriptorPool:
    """The types that json_format may put into an Any: it encodes them without a look.

    Types that can be incomplete are as good as unknown to it.
    """
    return cast("DescriptorPool", _CompleteTypes(descriptor.file.pool))


@dataclass(frozen=True, slots=True)
class _CompleteTypes:
    """Of a pool, what json_format asks for."""

    pool: DescriptorPool

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802  # protobuf's name
        """KeyError: not there, or not for use in an Any."""
        descriptor = self.pool.FindMessageTypeByName(full_name)
        if can_be_incomplete(descriptor):
            raise KeyError(full_name)
        return descriptor
