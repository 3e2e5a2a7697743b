"""Files → what they declare together, and every fault. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bobr.catalog.change import Kind
from bobr.catalog.config import Fault, Path, Place, Places
from bobr.catalog.config.model import FILES, ConfigFile, StreamInFile
from bobr.catalog.config.text import Text, texts
from bobr.catalog.durations import WRITTEN, in_units
from bobr.catalog.keys import without_keys
from bobr.catalog.model import (
    API,
    DeliveryDeclaration,
    IcebergDeclaration,
    PrincipalDeclaration,
    RouteDeclaration,
    SettingsDeclaration,
    Value,
    check_name,
)
from bobr.catalog.nearest import meant
from bobr.catalog.references import faulty
from bobr.errors import Problem
from bobr.ids import DeliveryName, DestinationName, PrincipalName, RouteName, StreamName

SHOWN_CHARACTERS_MAX = 80
TYPES: Mapping[Kind, type[Value]] = {
    Kind.STREAM: StreamInFile,
    Kind.ROUTE: RouteDeclaration,
    Kind.DELIVERY: DeliveryDeclaration,
    Kind.DESTINATION: IcebergDeclaration,
    Kind.PRINCIPAL: PrincipalDeclaration,
}
_SECTIONS = tuple(kind.member for kind in TYPES)
_TIMES = ("retention", "dedup", "flush", "keep")
_BOUNDS = {"le": "{} at most", "ge": "{} at least", "gt": "more than {}", "lt": "less than {}"}
_RIGHT = {
    "int_from_float": "it is whole",
    "int_parsing": "it is a whole number",
    "int_type": "it is a whole number",
    "float_parsing": "it is a number",
    "string_type": "it is a text",
    "bool_parsing": "it is true or false",
    "too_short": "it names one at least",
    "tuple_type": "it is a list",
}
"""Faults that need no more to be told."""
_BOUNDS = {"le": "{} at most", "ge": "{} at least", "gt": "more than {}", "lt": "less than {}"}

Declaration = TypeVar("Declaration", bound=Value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What files declare together, as far as it can be read. files: of each stream, the one that declares it."""

    owner: str
    streams: Mapping[StreamName, StreamInFile]
    routes: Mapping[RouteName, RouteDeclaration]
    deliveries: Mapping[DeliveryName, DeliveryDeclaration]
    destinations: Mapping[DestinationName, IcebergDeclaration]
    principals: Mapping[PrincipalName, PrincipalDeclaration]
    settings: SettingsDeclaration | None
    names: frozenset[tuple[Kind, str]]
    """Everything that is declared, also what is too wrong to be read."""
    places: Places


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
        self._objects: dict[Kind, dict[Any, Any]] = {kind: {} for kind in TYPES}
        self._settings: SettingsDeclaration | None = None
        self._names: set[tuple[Kind, str]] = set()
        self._keys: dict[Path, Place] = {}
        self._values: dict[Path, Place] = {}

    def declared(self) -> Declared:
        return Declared(
            owner=self._owner or FILES,
            streams=self._objects[Kind.STREAM],
            routes=self._objects[Kind.ROUTE],
            deliveries=self._objects[Kind.DELIVERY],
            destinations=self._objects[Kind.DESTINATION],
            principals=self._objects[Kind.PRINCIPAL],
            settings=self._settings,
            names=frozenset(self._names),
            places=Places(keys=self._keys, values=self._values),
        )

    def add(self, text: Text) -> None:
        """One file. What an earlier one has declared stays where that has it."""
        places = Places(keys=text.keys, values=text.values)
        self.problems += [problem_at(place, fault) for place, fault in text.faults]
        if isinstance(text.value, Mapping):
            self._blame(places, *_referring(text.value))
            for key, value in text.value.items():
                self._member(str(key), value, places)
        elif text.value is not None:
            words = f"a configuration has members such as {', '.join(_SECTIONS)}; this is {_shown(text.value)}"
            self._blame(places, Fault(path=(), rule="wrong-value", message=words))
        self._keys = {**text.keys, **self._keys}
        self._values = {**text.values, **self._values}

    def _member(self, key: str, value: object, places: Places) -> None:
        if key in _SECTIONS:
            kind = next(kind for kind in TYPES if kind.member == key)
            self._section(kind, value, places)
        elif key == "settings":
            self._take_settings(value, places)
        elif key == "owner":
            self._take_owner(value, places)
        else:
            words = f"unknown: {meant(key, ConfigFile.model_fields.keys())}"
            fault = Fault(path=(key,), rule="unknown-key", message=words, is_of_key=True)
            self._blame(places, fault)

    def _section(self, kind: Kind, value: object, places: Places) -> None:
        if value is None:
            return
        if not isinstance(value, Mapping):
            words = f"this is a mapping from names to what is said of each, not {_shown(value)}"
            self._blame(places, Fault(path=(kind.member,), rule="wrong-value", message=words))
            return
        for name, members in value.items():
            self._object(kind, str(name), members, places)

    def _object(self, kind: Kind, name: str, members: object, places: Places) -> None:
        path = (kind.member, name)
        if words := self._why_not(kind, name):
            rule = "duplicate-name" if (kind, name) in self._names else "wrong-value"
            self._blame(places, Fault(path=path, rule=rule, message=words, is_of_key=True))
            return
        self._names.add((kind, name))
        found = self._read(TYPES[kind], members, path, places)
        if found is not None:
            self._objects[kind][name] = found

    def _why_not(self, kind: Kind, name: str) -> str | None:
        if (kind, name) in self._names:
            first = self._keys[kind.member, name]
            return f"it is declared in {first.file}:{first.line} already: leave one out"
        try:
            check_name(name)
        except ValueError as error:
            return str(error)
        return None

    def _take_settings(self, value: object, places: Places) -> None:
        if (first := self._keys.get(("settings",))) is not None:
            words = f"they are said in {first.file}:{first.line} already: leave one out"
            fault = Fault(path=("settings",), rule="duplicate-name", message=words, is_of_key=True)
            self._blame(places, fault)
            return
        self._settings = self._read(SettingsDeclaration, value or {}, ("settings",), places)

    def _take_owner(self, value: object, places: Places) -> None:
        path = ("owner",)
        try:
            owner = check_name(str(value))
        except ValueError as error:
            self._blame(places, Fault(path=path, rule="wrong-value", message=str(error)))
            return
        if owner == API:
            words = f"{API!r} is the owner of what is made by calls: choose another name"
            self._blame(places, Fault(path=path, rule="wrong-value", message=words))
        elif self._owner not in (None, owner):
            first = self._keys[path]
            words = (
                f"{self._owner!r} is said in {first.file}:{first.line}: one folder has one owner"
            )
            self._blame(places, Fault(path=path, rule="wrong-value", message=words))
        else:
            self._owner = owner

    def _read(
        self, model: type[Declaration], members: object, path: Path, places: Places
    ) -> Declaration | None:
        try:
            return model.model_validate(
                {} if members is None else members, by_name=False, by_alias=True, context=WRITTEN
            )
        except ValidationError as error:
            self._blame(places, *faults_of(error, model, path))
            return None

    def _blame(self, places: Places, *faults: Fault) -> None:
        self.problems += [problem_of(places, fault) for fault in faults]


def faults_of(error: ValidationError, model: type[Value], path: Path) -> Iterator[Fault]:
    """The faults of one object, in the words of configuration files."""
    for each in error.errors(include_url=False):
        at = (*path, *(str(part) for part in each["loc"]))
        match each["type"]:
            case "extra_forbidden":
                words = f"unknown: {meant(at[-1], _members(model, each['loc']))}"
                yield Fault(path=at, rule="unknown-key", message=words, is_of_key=True)
            case "missing":
                words = f"{at[-1]!r} is missing"
                yield Fault(path=at[:-1], rule="missing-key", message=words, is_of_key=True)
            case _:
                yield Fault(path=at, rule="wrong-value", message=_why(each))


def _members(model: type[Value], location: tuple[int | str, ...]) -> list[str]:
    """The words that the object takes in which that one stands."""
    for part in location[:-1]:
        model = _inner(model, str(part)) or model
    return [str(field.validation_alias or name) for name, field in model.model_fields.items()]


def _inner(model: type[Value], word: str) -> type[Value] | None:
    for name, field in model.model_fields.items():
        if word == (field.validation_alias or name):
            types = (field.annotation, *get_args(field.annotation))
            return next((t for t in types if isinstance(t, type) and issubclass(t, Value)), None)
    return None


def _why(each: ErrorDetails) -> str:
    """In few words: what is there, unless it is secret, and what would be right."""
    context, value, member = each.get("ctx", {}), each["input"], each["loc"][-1:]
    if each["type"] == "model_type":
        return f"this is a mapping of members, not {_shown(value)}"
    is_time = bool(member) and member[0] in _TIMES
    right = _right(each["type"], context, is_time) or each["msg"].removeprefix("Value error, ")
    if "password" in member:
        return right
    says_it = is_time and (isinstance(value, str) or each["type"] == "value_error")
    return right if says_it else f"{_in_words(value, is_time)}: {right}"


def _right(fault: str, context: Mapping[str, Any], is_time: bool) -> str | None:
    if fault in _RIGHT:
        return _RIGHT[fault]
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"it is {words.format(_in_words(context[bound], is_time))}"
    return f"it is {context['expected']}" if "expected" in context else None


def _in_words(value: object, is_time: bool) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return in_units(value) if is_time else f"{value:,}"
    return _shown(value)


def _referring(value: object) -> Iterator[Fault]:
    """References that are none, and such as stand where none can."""
    for path, text in texts(value):
        if "${" not in text:
            continue
        if path[0] != Kind.DESTINATION.member:
            words = "a reference can stand in destinations only: write the value itself"
            yield Fault(path=path, rule="reference", message=words)
        elif wrong := faulty(text):
            words = f"{_shown(wrong[0])} is no reference: write ${{env:NAME}} or ${{file:/absolute/path}}"
            yield Fault(path=path, rule="reference", message=words)


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
        path=without_keys(".".join(fault.path)),  # a key may stand where a name belongs
        rule=fault.rule,
        message=fault.message,
    )


def in_order(problems: list[Problem]) -> list[Problem]:
    """Of files and lines, each once."""
    key = attrgetter("file", "line", "column", "path", "rule", "message")
    return sorted(set(problems), key=key)


def _shown(value: object) -> str:
    text = without_keys(repr(value))
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}…"
