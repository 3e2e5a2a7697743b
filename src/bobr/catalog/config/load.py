"""Files → what they declare together, and every fault. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import cast

from bobr.catalog.change import SYSTEM as NAME_OF_SETTINGS
from bobr.catalog.change import Kind
from bobr.catalog.config import Fault, Path, Place, Places
from bobr.catalog.config.gaps import Gaps, covered
from bobr.catalog.config.model import FILES, ConfigFile, StreamInFile
from bobr.catalog.config.read import QUOTED, read
from bobr.catalog.config.text import Text, texts
from bobr.catalog.model import (
    API,
    DeliveryDeclaration,
    IcebergDeclaration,
    PrincipalDeclaration,
    RouteDeclaration,
    SettingsDeclaration,
    StreamDeclaration,
    Value,
)
from bobr.catalog.names import NAME
from bobr.catalog.nearest import Hints
from bobr.catalog.secrets import check_references, shown, without_secrets
from bobr.errors import Problem
from bobr.ids import StreamName

TYPES: Mapping[Kind, type[Value]] = {
    Kind.STREAM: StreamInFile,
    Kind.ROUTE: RouteDeclaration,
    Kind.DELIVERY: DeliveryDeclaration,
    Kind.DESTINATION: IcebergDeclaration,
    Kind.PRINCIPAL: PrincipalDeclaration,
}
_SECTIONS = tuple(kind.member for kind in TYPES)
_WORDS = frozenset(ConfigFile.model_fields)

Declaration = (
    StreamDeclaration
    | RouteDeclaration
    | DeliveryDeclaration
    | IcebergDeclaration
    | PrincipalDeclaration
    | SettingsDeclaration
)
Key = tuple[Kind, str]
SYSTEM: Key = (Kind.SETTINGS, NAME_OF_SETTINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What files declare together. partial: what has faults, as far as it is understood; stand-ins are in `gaps`.

    names: everything that is declared, also what nothing more is known of.
    """

    owner: str
    objects: Mapping[Key, Declaration]
    partial: Mapping[Key, Declaration]
    names: frozenset[Key]
    gaps: Gaps
    places: Places

    @property
    def streams(self) -> Mapping[StreamName, StreamInFile]:
        """Also those that have faults."""
        every = {**self.objects, **self.partial}
        return {
            StreamName(name): each
            for (_, name), each in every.items()
            if isinstance(each, StreamInFile)
        }


Loaded = tuple[Declared, list[Problem]]


def load(files: Mapping[str, str]) -> Loaded:
    """files: the text of each by its name. Every problem, in the order of files and lines."""
    loading = _Loading()
    for name in sorted(files):
        loading.add(Text(name, files[name]))
    return loading.declared(), in_order(loading.problems)


class _Loading:
    """What is gathered while files are read."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._owner: str | None = None
        self._objects: dict[Key, Declaration] = {}
        self._partial: dict[Key, Declaration] = {}
        self._names: set[Key] = set()
        self._unread: set[Path] = set()
        self._open: set[str] = set()
        self._keys: dict[Path, Place] = {}
        self._values: dict[Path, Place] = {}
        self._hints = Hints()

    def declared(self) -> Declared:
        if self._owner is None and "owner" in self._open:
            self._unread.add(("owner",))
        return Declared(
            owner=self._owner or FILES,
            objects=self._objects,
            partial=self._partial,
            names=frozenset(self._names),
            gaps=Gaps(values=frozenset(self._unread), sections=frozenset(self._open)),
            places=Places(keys=self._keys, values=self._values),
        )

    def add(self, text: Text) -> None:
        """One file. What an earlier one has declared stays where that has it."""
        self.problems += [problem_at(place, fault) for place, fault in text.faults]
        if isinstance(text.value, dict):
            self._rename_unknown(text, text.value.keys())
            self._blame_references(text)
            for key, value in text.value.items():
                self._member(key, value, text)
        elif text.value is not None:
            words = f"a configuration has members such as {', '.join(_SECTIONS)}; this is {shown(text.value)}"
            self._blame(text, Fault(path=(), rule="wrong-value", message=words))
            text.partial.add(())
        for path in text.partial:
            self._open |= set(path[:1]) or _WORDS
        for known, more in ((self._keys, text.keys), (self._values, text.values)):
            for path, place in more.items():
                known.setdefault(path, place)

    def _rename_unknown(self, text: Text, keys: Collection[str]) -> None:
        """What stands under a name that is like a section's is declared all the same."""
        words: dict[str, str] = {}
        taken = set(keys)
        for key in sorted(taken - _WORDS):
            word = self._hints.nearest(key, _WORDS)
            said = f"unknown: {self._hints.told(word, _WORDS)}"
            fault = Fault(path=(key,), rule="unknown-key", message=said, is_of_key=True)
            self._blame(text, fault)
            if self._hints.are_used_up:  # it may be any
                self._open |= _WORDS
            elif word in taken:
                self._open.add(word)
            elif word is not None:
                words[key] = word
                taken.add(word)
        text.rename(words)

    def _blame_references(self, text: Text) -> None:
        for fault in _referring(text.value):
            self._blame(text, fault)
            self._unread.add(fault.path)

    def _member(self, key: str, value: object, text: Text) -> None:
        if key in _SECTIONS:
            kind = next(kind for kind in TYPES if kind.member == key)
            self._section(kind, value, text)
        elif key == "settings":
            self._take_settings(value, text)
        elif key == "owner":
            self._take_owner(value, text)

    def _section(self, kind: Kind, value: object, text: Text) -> None:
        if value is None:
            return
        if not isinstance(value, Mapping):
            words = f"this is a mapping from names to what is said of each, not {shown(value)}"
            self._blame(text, Fault(path=(kind.member,), rule="wrong-value", message=words))
            self._open.add(kind.member)
            return
        for name, members in value.items():
            self._object(kind, str(name), members, text)

    def _object(self, kind: Kind, name: str, members: object, text: Text) -> None:
        key, path = (kind, name), (kind.member, name)
        if key in self._names:
            first = self._keys[path]
            words = f"it is declared in {first.file}:{first.line} already: leave one out"
            fault = Fault(path=path, rule="duplicate-name", message=words, is_of_key=True)
            self._blame(text, fault)
            return
        self._names.add(key)
        self._take(key, TYPES[kind], members, path, text)
        if wrong := _wrong_name(name):
            self._blame(text, Fault(path=path, rule="wrong-value", message=wrong, is_of_key=True))
            if key in self._objects:
                self._partial[key] = self._objects.pop(key)

    def _take(self, key: Key, model: type[Value], members: object, path: Path, text: Text) -> None:
        found = read(model, members, path, self._hints)
        self._blame(text, *(each for each in found.faults if not self._is_told(each, text)))
        if path in text.touched:
            self._unread.add(path)
            return
        self._unread |= found.unread
        if found.declaration is not None:
            target = self._partial if found.faults else self._objects
            target[key] = cast("Declaration", found.declaration)  # as TYPES says

    def _is_told(self, fault: Fault, text: Text) -> bool:
        """Whether it rests on what is told by itself: a reference, or what may say more than was understood."""
        if fault.rule == "unknown-key":
            return False
        is_of_gap = not fault.is_of_key and covered(fault.path, self._unread)
        return is_of_gap or fault.path in text.partial

    def _take_settings(self, value: object, text: Text) -> None:
        path = ("settings",)
        if (first := self._keys.get(path)) is not None:
            words = f"they are said in {first.file}:{first.line} already: leave one out"
            fault = Fault(path=path, rule="duplicate-name", message=words, is_of_key=True)
            self._blame(text, fault)
            return
        self._names.add(SYSTEM)
        self._take(SYSTEM, SettingsDeclaration, value, path, text)

    def _take_owner(self, value: object, text: Text) -> None:
        path, owner = ("owner",), value
        first = self._keys.get(path)
        if owner is None:
            return
        if not isinstance(owner, str):
            words = f"{shown(owner)}: {QUOTED}"
        elif wrong := _wrong_name(owner):
            words = wrong
        elif owner == API:
            words = f"{API!r} is the owner of what is made by calls: choose another name"
        elif first is not None and self._owner not in (None, owner):
            words = (
                f"{self._owner!r} is said in {first.file}:{first.line}: one folder has one owner"
            )
        else:
            self._owner = owner
            return
        self._blame(text, Fault(path=path, rule="wrong-value", message=words))
        self._unread.add(path)

    def _blame(self, text: Text, *faults: Fault) -> None:
        places = Places(keys=text.keys, values=text.values)
        self.problems += [problem_of(places, fault) for fault in faults]


def _wrong_name(name: str) -> str | None:
    """Why nothing can have it."""
    try:
        NAME.check(name)
    except ValueError as error:
        return str(error)
    return None


def _referring(value: object) -> Iterator[Fault]:
    """References that are none, and such as stand where none can."""
    for path, text in texts(value):
        if "${" not in text:
            continue
        if path[0] != Kind.DESTINATION.member:
            words = "a reference can stand in destinations only: write the value itself"
            yield Fault(path=path, rule="reference", message=words)
        else:
            yield from check_references(path, text)


def problem_of(places: Places, fault: Fault) -> Problem:
    """The fault, where it stands: what is not there itself stands where what it belongs to does, or nowhere."""
    if not fault.path and () in places.values:
        return problem_at(places.values[()], fault)
    for depth in range(len(fault.path), 0, -1):
        at = fault.path[:depth]
        is_key = fault.is_of_key or depth < len(fault.path)
        place = (places.keys if is_key else places.values).get(at) or places.values.get(at)
        if place is not None:
            return problem_at(place, fault)
    return problem_at(Place(file="", line=0, column=0), fault)


def problem_at(place: Place, fault: Fault) -> Problem:
    """The fault at a place that is known."""
    return Problem(
        file=place.file,
        line=place.line,
        column=place.column,
        path=without_secrets(".".join(fault.path)),  # a key may stand where a name belongs
        rule=fault.rule,
        message=without_secrets(fault.message),  # it may repeat what somebody wrote
    )


def in_order(problems: list[Problem]) -> list[Problem]:
    """Of files and lines, each once."""
    key = attrgetter("file", "line", "column", "path", "rule", "message")
    return sorted(set(problems), key=key)
