"""Compiled schemas kept in a folder: a part that starts needs the registry only for those that it never had."""

from collections.abc import Callable
from pathlib import Path

import structlog
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from bobr.errors import BrokenError
from bobr.ids import SchemaId
from bobr.sealed import read_sealed, write_sealed

log = structlog.get_logger()


class KeptSchemas:
    """Descriptors by schema id, a file each. Ids mean the same for ever, so a file never changes. Thread-safe."""

    def __init__(self, folder: Path, ask: Callable[[SchemaId], FileDescriptorSet]) -> None:
        """`folder`: made when needed. `ask`: the registry."""
        self._folder = folder
        self._ask = ask

    def descriptors(self, schema_id: SchemaId) -> FileDescriptorSet:
        """The compiled schema; raises what the registry raises, if it has to be asked."""
        kept = self._kept(schema_id)
        if kept is not None:
            return kept
        asked = self._ask(schema_id)
        self._keep(schema_id, asked)
        return asked

    def _kept(self, schema_id: SchemaId) -> FileDescriptorSet | None:
        path = self._path(schema_id)
        try:
            return FileDescriptorSet.FromString(read_sealed(path, _kind(schema_id)))
        except FileNotFoundError:
            return None
        except (OSError, BrokenError, DecodeError) as error:
            log.warning("a kept schema can not be used: asked for again", reason=str(error))
            return None

    def _keep(self, schema_id: SchemaId, descriptors: FileDescriptorSet) -> None:
        content = descriptors.SerializeToString(deterministic=True)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_sealed(self._path(schema_id), _kind(schema_id), content)
        except OSError as error:
            log.warning("a schema can not be kept", schema_id=schema_id, reason=str(error))

    def _path(self, schema_id: SchemaId) -> Path:
        return self._folder / f"{schema_id}.schema"


def _kind(schema_id: SchemaId) -> str:
    return f"schema {schema_id}"
