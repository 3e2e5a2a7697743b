"""What was sent → schemas ready to be registered: compiled, with their references.

A text may import `buf/validate/validate.proto` or `bobr/v1/options.proto` without bringing them.
Other clients of the registry do not have those, so they get a subject each, and the schema a
reference to it.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.controller.registry.identity import digest_of
from bobr.controller.registry.refusals import Code, RefusedError
from bobr.controller.registry.store import Schema, State, Store
from bobr.schema.source.compile import compile_files, parse_schema
from bobr.schema.source.sources import (
    Reference,
    References,
    brought,
    gather,
    imports_of,
    is_builtin,
    text_of,
)

COMPILED_MAX = 64  # schemas kept compiled, about 0.5 MB each
COMPILERS_MAX = 2  # processes at once

UNPLACED = 0
"""The version in a reference to another draft of the same registration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A schema on its way into a subject. files: compiled, its own last; not to be changed."""

    subject: str
    schema: Schema
    files: FileDescriptorSet


class Drafter:
    """Compiles. Thread-safe; blocks for as long as the compiler runs."""

    def __init__(self, store: Store) -> None:
        """`store`: where references lead to."""
        self._store = store
        self._compilers = threading.BoundedSemaphore(COMPILERS_MAX)
        self._compiled = lru_cache(COMPILED_MAX)(self._compile)

    def compile(self, text: str, references: References, name: str = "") -> FileDescriptorSet:
        """The descriptors, kept for the next who asks. SchemaError, or RefusedError: no schema."""
        if not text.strip():
            raise RefusedError(Code.INVALID_SCHEMA, "The schema is empty; send a .proto text")
        return self._compiled(text, references, name)

    def draft(self, subject: str, text: str, references: References) -> list[Draft]:
        """The schema, last, after the drafts that it needs."""
        files = self.compile(text, references)
        known = {reference.name for reference in references}
        needed = [name for name in imports_of(files.file[-1]) if name not in known]
        added = tuple(_to_draft(name, name) for name in needed if name in brought())
        return [
            *_brought(added),
            _draft(subject, text, (*references, *added), files),
        ]

    def compile_files(self, files: Mapping[str, str], main: str) -> FileDescriptorSet:
        """As the function of that name, in turn with others."""
        with self._compilers:
            return compile_files(files, main)

    def draft_files(
        self, subject: str, files: Mapping[str, str], compiled: FileDescriptorSet
    ) -> list[Draft]:
        """A file of several, last, after the drafts that it needs. compiled: the result of `compile_files`.

        Its imports get subjects below its own: another schema's `common.proto` is another file.
        """
        main = compiled.file[-1].name
        subjects = {name: f"{subject}/{name}" for name in files} | {main: subject}
        subjects |= {name: name for name in brought()}
        drafts: list[Draft] = []
        for file in compiled.file:
            if file.name in files and not is_builtin(file.name):
                imports = (name for name in imports_of(file) if name in subjects)
                references = tuple(_to_draft(name, subjects[name]) for name in imports)
                drafts += _brought(references)
                own = _subset(compiled, file.name)
                drafts.append(
                    _draft(subjects[file.name], files[file.name], references, own, file.name)
                )
        return drafts

    def _compile(self, text: str, references: References, name: str) -> FileDescriptorSet:
        for each in references:
            self._referenced(each)
        texts = gather(references, self._referenced)
        with self._compilers:
            return parse_schema(text, texts, name)

    def _referenced(self, reference: Reference) -> tuple[str, References]:
        for each in self._store.versions(reference.subject, State.DELETED):
            if each.version == reference.version:
                schema = self._store.schema(each.schema_id)
                assert schema is not None
                return schema.text, schema.references
        message = (
            f"Reference {reference.name!r} leads to version {reference.version} of subject "
            f"{reference.subject!r}, which is not here; register it first"
        )
        raise RefusedError(Code.INVALID_SCHEMA, message)


def _draft(
    subject: str,
    text: str,
    references: References,
    files: FileDescriptorSet,
    name: str = "",
) -> Draft:
    schema = Schema(digest=digest_of(files), name=name, text=text, references=references)
    return Draft(subject=subject, schema=schema, files=files)


def _to_draft(name: str, subject: str) -> Reference:
    return Reference(name=name, subject=subject, version=UNPLACED)


def _brought(references: Iterable[Reference]) -> Iterator[Draft]:
    """Of the built-in files among the references."""
    for reference in references:
        if reference.name in brought():
            yield _brought_draft(reference.name)


@cache
def _brought_draft(name: str) -> Draft:
    files = compile_files({}, name)
    return _draft(name, text_of(files.file[-1]), (), files, name)


def _subset(files: FileDescriptorSet, main: str) -> FileDescriptorSet:
    """The file and what it imports, in the same order."""
    by_name = {file.name: file for file in files.file}
    wanted, found = [main], set[str]()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += imports_of(by_name[name])
    return FileDescriptorSet(file=[file for file in files.file if file.name in found])
