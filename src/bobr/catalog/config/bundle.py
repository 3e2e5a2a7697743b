"""A folder of configuration as it is sent to the controller: its files, and the schemas that they name. Pure."""

import posixpath
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bobr.catalog.change import Kind
from bobr.catalog.config.load import Declared
from bobr.ids import StreamName
from bobr.schema.source.local import Sources


class Proto(BaseModel):
    """A .proto file with what it imports. files: the path of each by its import name; main: its own import name.

    searched: where imports were looked for. package: the folders that its package asks for. wrong: why it can not be
    read; there is nothing else then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    main: str = ""
    files: Mapping[str, str] = {}
    searched: tuple[str, ...] = ()
    package: str = ""
    wrong: str | None = None


class Bundle(BaseModel):
    """files: texts of configuration, by path. protos: by path. texts: of all the files of those, by path.

    Paths are as their reader knows them, with slashes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: Mapping[str, str]
    protos: Mapping[str, Proto] = {}
    texts: Mapping[str, str] = {}

    def proto(self, path: str) -> Proto:
        """What was sent of it. Where that is not all, it is `wrong`."""
        proto = self.protos.get(path)
        if proto is None:
            return Proto(wrong=f"{path} is not among `protos` of what was sent")
        if proto.wrong is not None:
            return proto
        if proto.main not in proto.files:
            return Proto(wrong=f"{path}: `main` {proto.main!r} is not among its `files`")
        if missing := next((at for at in proto.files.values() if at not in self.texts), None):
            return Proto(wrong=f"{path}: {missing!r} is not among `texts` of what was sent")
        return proto

    def sources(self, path: str) -> Sources:
        """Of a proto that could be read."""
        proto = self.protos[path]
        return Sources(
            files={name: self.texts[at] for name, at in proto.files.items()},
            main=proto.main,
            paths={name: Path(at) for name, at in proto.files.items()},
            searched=tuple(map(Path, proto.searched)),
            package=Path(proto.package),
        )


def protos_of(declared: Declared) -> Mapping[StreamName, str]:
    """The path of the proto that each stream names, from the file that declares the stream."""
    return {
        name: _beside(declared.places.keys[Kind.STREAM.member, name].file, stream.proto)
        for name, stream in declared.streams.items()
        if stream.proto is not None
        and not declared.gaps.covers((Kind.STREAM.member, name, "proto"))
    }


def _beside(file: str, proto: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), proto))
