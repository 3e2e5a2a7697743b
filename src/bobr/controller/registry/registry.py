"""The registry: subjects, versions and ids of schemas, and what may follow what.

Registration is three steps: compile what was sent (nothing is taken on the sender's word), judge it
against the subject's versions, store all of it or nothing. The REST API (`api.py`) and the
controller use this alike.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.controller.registry.compatibility import Level, problems_of
from bobr.controller.registry.drafts import UNPLACED, Draft, Drafter
from bobr.controller.registry.identity import digest_of
from bobr.controller.registry.refusals import (
    Code,
    IncompatibleError,
    MissingError,
    RefusedError,
)
from bobr.controller.registry.settings import Mode, Settings
from bobr.controller.registry.store import Schema, State, Store, Version
from bobr.errors import Problem
from bobr.ids import SchemaId
from bobr.schema.source.sources import Reference, brought, check_own

LATEST = -1
SUBJECT_CHARACTERS_MAX = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A version of a subject, with its schema."""

    id: SchemaId
    subject: str
    version: int
    schema: Schema


class Registry:
    """Thread-safe; blocks for as long as the compiler runs. One for each store.

    Raises SchemaError (also IncompatibleError), RefusedError, MissingError, and what the store and
    the compiler raise when this machine fails them.
    """

    def __init__(self, store: Store) -> None:
        """`store`: open; the owner closes it."""
        self.settings = Settings(store)
        self._store = store
        self._drafter = Drafter(store)
        self._writing = threading.Lock()

    def register(self, subject: str, text: str, references: Sequence[Reference] = ()) -> SchemaId:
        """The id of the schema, after making it the subject's newest version if it is not in it.

        text: `.proto`, or a FileDescriptorProto in base64. The same schema has one id in all
        subjects.
        """
        check_subject(subject)
        return self._store_all(self._drafter.draft(subject, text, tuple(references)))

    def register_files(
        self, subject: str, files: Mapping[str, str], main: str, message: str = ""
    ) -> SchemaId:
        """As `register`, of one file of several, each by its import name.

        message: its full name; only changes of what this message reaches are judged then.
        """
        check_own(main)
        compiled = self._drafter.compile_files(files, main)
        return self.register_compiled(subject, files, compiled, message)

    def register_compiled(
        self, subject: str, files: Mapping[str, str], compiled: FileDescriptorSet, message: str
    ) -> SchemaId:
        """As `register_files`, for who has compiled them already."""
        check_subject(subject)
        return self._store_all(self._drafter.draft_files(subject, files, compiled), message)

    def lookup(
        self,
        subject: str,
        text: str,
        references: Sequence[Reference] = (),
        worst: State = State.LIVE,
    ) -> Registered:
        """The newest version of the subject that is this schema. MissingError: there is none."""
        versions = self._versions(subject, worst)
        files = self._drafter.compile(text, tuple(references))
        schema_id = self._store.id_of(digest_of(files))
        found = [each for each in versions if each.schema_id == schema_id]
        if not found:
            raise MissingError(Code.SCHEMA_MISSING, "Schema not found")
        return self._registered(found[-1])

    def find(self, subject: str, digest: bytes) -> SchemaId | None:
        """The id of the schema of that `digest_of`, if the subject has it in a live version."""
        schema_id = self._store.id_of(digest)
        live = self._store.versions(subject)
        return schema_id if any(each.schema_id == schema_id for each in live) else None

    def newest(self, subject: str) -> SchemaId | None:
        """The id of the subject's newest live version; None: it has none."""
        live = self._store.versions(subject)
        return live[-1].schema_id if live else None

    def descriptors(self, schema_id: SchemaId) -> FileDescriptorSet:
        """The compiled schema: what it imports first, itself last. Shared: not to be changed."""
        schema = self.schema(schema_id)
        return self._drafter.compile(schema.text, schema.references, schema.name)

    def schema(self, schema_id: SchemaId) -> Schema:
        """As it was sent first. MissingError: no such id."""
        schema = self._store.schema(schema_id)
        if schema is None:
            raise MissingError(Code.SCHEMA_MISSING, f"Schema {schema_id} not found")
        return schema

    def version(self, subject: str, version: int, worst: State = State.LIVE) -> Registered:
        """A version of a subject, or its `LATEST`."""
        return self._registered(self._version(subject, version, worst))

    def versions(self, subject: str, worst: State = State.LIVE) -> list[int]:
        """Numbers, rising. MissingError: the subject has none."""
        return [each.version for each in self._versions(subject, worst)]

    def subjects(self, worst: State = State.LIVE) -> list[str]:
        """Names, sorted."""
        return self._store.subjects(worst)

    def usages(self, schema_id: SchemaId, worst: State = State.LIVE) -> list[Version]:
        """Where the schema is. MissingError: no such id."""
        self.schema(schema_id)
        return self._store.usages(schema_id, worst)

    def referenced_by(self, subject: str, version: int) -> list[SchemaId]:
        """Ids of the live schemas that import the version."""
        found = self._version(subject, version, State.DELETED)
        return self._store.referenced_by(subject, found.version, State.LIVE)

    def problems(
        self,
        subject: str,
        text: str,
        references: Sequence[Reference] = (),
        version: int | None = None,
    ) -> list[Problem]:
        """Why the schema can not follow that version, or, with None, what the subject has."""
        files = self._drafter.compile(text, tuple(references))
        if version is None:
            earlier = self._store.versions(subject)
        elif version == LATEST:
            earlier = self._store.versions(subject)[-1:]
        else:
            earlier = [self._version(subject, version, State.LIVE)]
        return self._judged(subject, files, earlier)

    def refusals(
        self, subject: str, compiled: FileDescriptorSet, message: str = ""
    ) -> list[Problem]:
        """Why `register_compiled` would refuse it, if it is not in the subject already. Nothing is registered."""
        messages = [message] if message else []
        return self._judged(subject, compiled, self._store.versions(subject), messages)

    def delete_version(self, subject: str, version: int, permanent: bool = False) -> int:
        """Hide a version; with `permanent`, one that is hidden already, for good. Its number.

        Its schema stays under its id: events that carry the id stay readable.
        """
        self._check_mode(subject)
        with self._writing:
            found = self._version(subject, version, State.DELETED)
            _check_deletable(found, permanent)
            self._delete([found], permanent)
        return found.version

    def delete_subject(self, subject: str, permanent: bool = False) -> list[int]:
        """As `delete_version`, of all its versions."""
        self._check_mode(subject)
        with self._writing:
            found = self._versions(subject, State.DELETED)
            live = [each for each in found if each.state is State.LIVE]
            _check_subject_deletable(subject, live, permanent)
            self._delete(found if permanent else live, permanent)
        return [each.version for each in found if permanent or each in live]

    def _delete(self, versions: Sequence[Version], permanent: bool) -> None:
        """For good only what no schema at all imports: it would not compile again."""
        worst = None if permanent else State.LIVE
        for each in versions:
            if by := self._store.referenced_by(each.subject, each.version, worst):
                message = f"Subject {each.subject!r} version {each.version} is imported by schemas "
                raise RefusedError(Code.REFERENCED, f"{message}{by}; delete those first")
        self._store.mark(versions, State.GONE if permanent else State.DELETED)

    def _store_all(self, drafts: Sequence[Draft], message: str = "") -> SchemaId:
        """The id of the last draft, the only one that is judged: the others are its imports."""
        with self._writing:
            placed: dict[str, int] = {}
            new: list[tuple[str, int, Schema]] = []
            for draft in drafts:
                if draft.subject in placed:
                    continue
                there = self._there(draft)
                if there is None:
                    self._check_mode(draft.subject)
                    version = 1 + max(self._taken(draft.subject), default=0)
                    new.append((draft.subject, version, _placed(draft.schema, placed)))
                placed[draft.subject] = there.version if there else version
            if there:
                return there.schema_id
            self._check_follows(drafts[-1], message)
            return self._store.add(new)[-1]

    def _there(self, draft: Draft) -> Version | None:
        """The subject's newest live version that is this schema already."""
        schema_id = self._store.id_of(draft.schema.digest)
        live = self._store.versions(draft.subject)
        return next((each for each in reversed(live) if each.schema_id == schema_id), None)

    def _taken(self, subject: str) -> list[int]:
        return [each.version for each in self._store.versions(subject, State.GONE)]

    def _check_follows(self, draft: Draft, message: str) -> None:
        if problems := self.refusals(draft.subject, draft.files, message):
            raise IncompatibleError(draft.subject, problems)

    def _judged(
        self,
        subject: str,
        files: FileDescriptorSet,
        earlier: Sequence[Version],
        messages: Sequence[str] = (),
    ) -> list[Problem]:
        """Against `earlier`, oldest first, as far as the subject's level asks for it."""
        level = Level.NONE if subject in brought() else self.settings.level(subject)
        if level is Level.NONE:
            return []
        compared = earlier if level.is_transitive else earlier[-1:]
        descriptors = [self.descriptors(each.schema_id) for each in compared]
        return problems_of(level, files, descriptors, messages)

    def _check_mode(self, subject: str) -> None:
        if self.settings.mode(subject) is Mode.READONLY:
            message = f"Subject {subject!r} is in mode READONLY; set READWRITE first"
            raise RefusedError(Code.NOT_PERMITTED, message)

    def _registered(self, version: Version) -> Registered:
        return Registered(
            id=version.schema_id,
            subject=version.subject,
            version=version.version,
            schema=self.schema(version.schema_id),
        )

    def _versions(self, subject: str, worst: State) -> list[Version]:
        found = self._store.versions(subject, worst)
        if not found:
            raise MissingError(Code.SUBJECT_MISSING, f"Subject {subject!r} not found")
        return found

    def _version(self, subject: str, version: int, worst: State) -> Version:
        found = self._versions(subject, State.LIVE if version == LATEST else worst)
        if version == LATEST:
            return found[-1]
        for each in found:
            if each.version == version:
                return each
        message = f"Version {version} of subject {subject!r} not found"
        raise MissingError(Code.VERSION_MISSING, message)


def check_subject(subject: str) -> None:
    """RefusedError: no schema may be registered under that name."""
    if not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX or not subject.isprintable():
        message = f"A subject has 1 to {SUBJECT_CHARACTERS_MAX} printable characters"
    elif subject.startswith(":"):
        message = f"Subject {subject!r} names a context; this registry has the default one only"
    elif "versions" in subject.split("/")[1:]:
        message = f"Subject {subject!r} can not be told from a path of the API; rename it"
    else:
        return
    raise RefusedError(Code.INVALID_SUBJECT, message)


def _placed(schema: Schema, versions: Mapping[str, int]) -> Schema:
    """With the versions that the drafts before it have got."""
    references = (
        replace(each, version=versions[each.subject]) if each.version == UNPLACED else each
        for each in schema.references
    )
    return replace(schema, references=tuple(references))


def _check_deletable(version: Version, permanent: bool) -> None:
    what = f"Subject {version.subject!r} version {version.version} was"
    if version.state is State.DELETED and not permanent:
        message = f"{what} deleted already; set permanent=true to delete it for good"
        raise MissingError(Code.VERSION_DELETED, message)
    if version.state is State.LIVE and permanent:
        message = f"{what} not deleted first; delete it without permanent=true"
        raise MissingError(Code.VERSION_NOT_DELETED, message)


def _check_subject_deletable(subject: str, live: Sequence[Version], permanent: bool) -> None:
    if not live and not permanent:
        message = f"Subject {subject!r} was deleted already; set permanent=true to delete for good"
        raise MissingError(Code.SUBJECT_DELETED, message)
    if live and permanent:
        message = f"Subject {subject!r} was not deleted first; delete it without permanent=true"
        raise MissingError(Code.SUBJECT_NOT_DELETED, message)
