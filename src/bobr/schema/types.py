"""Event types by message and schema id, each built once."""

import threading
from collections.abc import Callable

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.ids import SchemaId
from bobr.schema.event_type import EventType


class EventTypes:
    """Builds an EventType on first use and keeps it: schema ids never change what they mean. Thread-safe."""

    def __init__(self, descriptors: Callable[[SchemaId], FileDescriptorSet]) -> None:
        """`descriptors`: the registry; may raise UnavailableError or NotFoundError."""
        self._descriptors = descriptors
        self._types: dict[tuple[str, SchemaId], EventType] = {}
        self._lock = threading.Lock()

    def get(self, message: str, schema_id: SchemaId) -> EventType:
        """The type of that full name in that schema; raises what the registry raises."""
        key = (message, schema_id)
        with self._lock:
            if key not in self._types:
                self._types[key] = EventType.build(self._descriptors(schema_id), message)
            return self._types[key]
