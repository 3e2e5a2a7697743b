"""Which schema each stream is to carry, as far as that can be found out before anything is registered. Blocks.

Each is compiled, judged against what the stream carries already, and found in the registry or not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bobr.catalog import Catalog, Kind, Stream
from bobr.catalog.config import Fault
from bobr.catalog.config.bundle import Bundle
from bobr.catalog.config.gaps import Gaps
from bobr.catalog.config.model import StreamInFile
from bobr.catalog.names import NAME
from bobr.catalog.request import UNREGISTERED, Typed
from bobr.controller.candidate import (
    Candidate,
    Files,
    Missing,
    check_registrable,
    message_of,
    successor,
)
from bobr.controller.registry import Registry
from bobr.errors import Problem, SchemaError
from bobr.ids import SchemaId, StreamName
from bobr.schema.source.compile import check_size, compile_all
from bobr.schema.source.key import key_fault
from bobr.schema.source.local import NOT_FOUND, Sources
from bobr.schema.source.sources import check_own


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemas:
    """What was found out, by stream. candidates: those that the stream does not carry yet.

    untyped: streams whose message could not be found out, so that nothing follows from it.
    """

    untyped: frozenset[StreamName]
    typed: Mapping[StreamName, Typed]
    candidates: Mapping[StreamName, Candidate]
    faults: Sequence[Fault]
    problems: Sequence[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Streams that a configuration declares. protos: of each that names one, its path in the bundle."""

    streams: Mapping[StreamName, StreamInFile]
    protos: Mapping[StreamName, str]
    bundle: Bundle
    gaps: Gaps

    def is_clear(self, stream: StreamName) -> bool:
        """Whether it is understood of which message the stream is."""
        path = (Kind.STREAM.member, stream)
        return not any(self.gaps.touches((*path, each)) for each in ("message", "proto"))


def resolve(asked: Asked, current: Catalog, registry: Registry | None) -> Schemas:
    """Find out what each stream carries. registry: None, nobody can be asked, and nothing can be compared."""
    return _Resolving(asked, current, registry).resolve()


@dataclass(slots=True)
class _Resolving:
    """One question, and what is found."""

    asked: Asked
    current: Catalog
    registry: Registry | None
    untyped: set[StreamName] = field(default_factory=set)
    typed: dict[StreamName, Typed] = field(default_factory=dict)
    candidates: dict[StreamName, Candidate] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    problems: dict[Problem, None] = field(default_factory=dict)
    _built: dict[tuple[str, str], Candidate] = field(default_factory=dict)

    def resolve(self) -> Schemas:
        compiled = self._compiled()
        for name, stream in self.asked.streams.items():
            path = self.asked.protos.get(name)
            if not self.asked.is_clear(name):
                self.untyped.add(name)
            elif path is None:
                self._from_registry(name, stream)
            elif path in compiled:
                self._from_sources(name, stream, path, compiled[path])
            else:  # a message that it says may be none of that schema's
                self.untyped.add(name)
        return Schemas(
            untyped=frozenset(self.untyped),
            typed=self.typed,
            candidates=self.candidates,
            faults=tuple(self.faults),
            problems=tuple(self.problems),
        )

    def _compiled(self) -> Mapping[str, Files]:
        """By path, of what compiles."""
        bundle = self.asked.bundle
        for name, path in self.asked.protos.items():
            if (wrong := bundle.proto(path).wrong) is not None:
                self._fault(name, "proto", "message", wrong)
        paths = dict.fromkeys(self.asked.protos.values())
        readable = [path for path in paths if bundle.proto(path).wrong is None]
        found: dict[str, Files] = {}
        for group in _groups(bundle, readable):
            found |= self._compile(group)
        return found

    def _compile(self, paths: Sequence[str]) -> Mapping[str, Files]:
        """All at once; where some do not compile, halves of them, until the guilty are alone."""
        every = [self.asked.bundle.sources(path) for path in paths]
        files = {name: text for sources in every for name, text in sources.files.items()}
        try:
            for sources in every:
                check_own(sources.main)
                check_size(sources.files, sources.main)
            compiled = compile_all(files, [each.main for each in every])
        except SchemaError as error:
            if len(paths) == 1:
                self._told(every[0], error)
                return {}
            half = len(paths) // 2
            return {**self._compile(paths[:half]), **self._compile(paths[half:])}
        return {
            path: Files(compiled.of(sources.main))
            for path, sources in zip(paths, every, strict=True)
        }

    def _from_sources(
        self, name: StreamName, stream: StreamInFile, path: str, files: Files
    ) -> None:
        old = self.current.streams.get(name)
        message = message_of(files, stream.message or "", old.message if old else "")
        if isinstance(message, Missing):
            self._miss(name, f"{path}: {message}")
            return
        self._check_key(name, stream, files, message)
        found = self.registry.find(f"{name}-value", files.digest) if self.registry else None
        self.typed[name] = Typed(message=message, schema_id=found or UNREGISTERED)
        if not self._carries(name, self.typed[name]):
            try:
                self._take(name, files, lambda: self._candidate(path, message, files))
            except SchemaError as error:
                self._told(self.asked.bundle.sources(path), error)
                if old is not None and found in old.schema_ids:
                    self._fault(name, "proto", "former-schema", _taken_back(path, found, old))

    def _from_registry(self, name: StreamName, stream: StreamInFile) -> None:
        if self.registry is None or stream.message is None:
            return
        if not NAME.fits(name):  # no subject of the right name is known
            self.untyped.add(name)
            return
        found = self.registry.newest(f"{name}-value")
        if found is None:
            words = f"its schema is not known: say `proto`, or register it as subject {name + '-value'!r}"
            self._fault(name, "message", "message", words)
            return
        files = Files(self.registry.descriptors(found))
        said = Typed(message=stream.message, schema_id=found)
        if not self._carries(name, said):
            message = message_of(files, said.message, "")
            if isinstance(message, Missing):
                self._miss(name, f"subject {name + '-value'!r}: {message}")
                return
        self._check_key(name, stream, files, said.message)
        self.typed[name] = said
        if not self._carries(name, said):
            try:
                self._take(name, files, lambda: Candidate.of(files.descriptors, said.message))
            except SchemaError as error:
                self.problems |= dict.fromkeys(error.problems)

    def _miss(self, name: StreamName, words: str) -> None:
        self._fault(name, "message", "message", words)
        self.untyped.add(name)

    def _carries(self, name: StreamName, typed: Typed) -> bool:
        """Whether the stream does now, as its newest."""
        old = self.current.streams.get(name)
        return old is not None and (old.message, old.schema_id) == (typed.message, typed.schema_id)

    def _candidate(self, path: str, message: str, files: Files) -> Candidate:
        """Of several streams with one message of one file the same."""
        key = (path, message)
        if key not in self._built:
            self._built[key] = Candidate.of(files.descriptors, message)
        return self._built[key]

    def _take(self, name: StreamName, files: Files, build: Callable[[], Candidate]) -> None:
        """SchemaError: the stream can not carry it, with every reason."""
        old = self.current.streams.get(name)
        typed = self.typed[name]
        if old is None or self.registry is None or old.message != typed.message:
            candidate = build()
        else:
            candidate = successor(self.registry, old, files, build)
        if self.registry is not None and typed.schema_id == UNREGISTERED:
            check_registrable(self.registry, f"{name}-value", candidate)
        self.candidates[name] = candidate

    def _check_key(
        self, name: StreamName, stream: StreamInFile, files: Files, message: str
    ) -> None:
        """Unless it is the one that the stream has, which was looked at then."""
        old = self.current.streams.get(name)
        if stream.key is None or (old is not None and old.key == stream.key):
            return
        if wrong := key_fault(files.types, message, stream.key):
            self._fault(name, "key", "message", wrong)

    def _told(self, sources: Sources, error: SchemaError) -> None:
        """By the paths that the user knows; of an import that is not found, where it stands."""
        missing = {each.file for each in error.problems if each.message == NOT_FOUND}
        where = ", ".join(dict.fromkeys(map(str, sources.searched)))
        imports = {
            f'Import "{name}" was not found or had errors.': f"import {name!r} is not found in {where}: put it there"
            for name in missing
        }
        told = [
            replace(each, message=imports[each.message])
            for each in error.problems
            if each.message in imports
        ]
        self.problems |= dict.fromkeys(sources.told(SchemaError(told or error.problems)).problems)

    def _fault(self, name: StreamName, member: str, rule: str, words: str) -> None:
        self.faults.append(Fault(path=("streams", name, member), rule=rule, message=words))


def _groups(bundle: Bundle, paths: Sequence[str]) -> Iterator[list[str]]:
    """Protos that can be compiled together: no import name means two files."""
    left = list(paths)
    while left:
        names: dict[str, str] = {}
        together, others = [], []
        for path in left:
            files = bundle.protos[path].files
            if all(names.get(name, at) == at for name, at in files.items()):
                names |= files
                together.append(path)
            else:
                others.append(path)
        yield together
        left = others


def _taken_back(path: str, former: SchemaId, stream: Stream) -> str:
    """In words for who reverts files."""
    return (
        f"{path} is schema {former}, which the stream carried before schema {stream.schema_id}: files do not take "
        "a schema back. `bobr rollback` does, and then they change nothing"
    )
