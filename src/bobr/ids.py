"""Typed names and numbers: the words of the catalog and of the log."""

from typing import NamedTuple, NewType

StreamName = NewType("StreamName", str)
RouteName = NewType("RouteName", str)
DeliveryName = NewType("DeliveryName", str)
DestinationName = NewType("DestinationName", str)
PrincipalName = NewType("PrincipalName", str)
SchemaId = NewType("SchemaId", int)
"""Number of a schema in the registry, from 1; every event in a log carries one."""
Partition = NewType("Partition", int)
"""Number of a partition of a stream, from 0."""
Offset = NewType("Offset", int)
"""Number of an event in its partition, from 0, never reused; gaps are possible (Kafka's transaction markers)."""
Revision = NewType("Revision", int)
"""Number of a catalog, from 0 (empty); each change makes the next."""


class StreamPartition(NamedTuple):
    """One partition of one stream: what a position belongs to."""

    stream: StreamName
    partition: Partition
