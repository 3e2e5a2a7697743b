"""One object of plain values → its declaration, as far as it can be understood, and every fault in it. Pure.

What is wrong is told, and taken out: a member that may be left out is as if it were not there, and where something
must stand, something stands that is valid and means nothing. `Read.unread` says where, so that nothing is concluded
from either.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bobr.catalog.config import Fault, Path
from bobr.catalog.config.text import texts
from bobr.catalog.durations import LIKE, WRITTEN, in_units
from bobr.catalog.model import Value
from bobr.catalog.names import Form
from bobr.catalog.nearest import Hints
from bobr.catalog.secrets import check_wrong, shown

STAND_IN = "unknown"
"""Of a text that must be there: it may be the name of anything."""
ALL_STAND_IN = "*"
"""Where that is none: a pattern."""
_ROUNDS = 8
"""Of taking out what is wrong: two do, unless something is wrong because of a stand-in, and then what has it goes."""
_TIMES = ("retention", "dedup", "flush", "keep")
_HIDING = (("password",), ("uri",), ("catalog",))
"""Members whose wrong values are not shown: often they have a password in them, or are one."""
_BOUNDS = {"le": "{} at most", "ge": "{} at least", "gt": "more than {}", "lt": "less than {}"}
QUOTED = "it is a text: quote it"
"""Of a number that stands for one, such as a name of digits."""
_RIGHT = {
    "int_from_float": "it is whole",
    "int_parsing": "it is a whole number",
    "int_type": "it is a whole number",
    "float_parsing": "it is a number",
    "float_type": "it is a number",
    "bool_type": "it is true or false",
    "string_too_short": "it is not empty",
    "string_type": "it is a text",
    "bool_parsing": "it is true or false",
    "too_short": "it names one at least",
    "tuple_type": "it is a list",
}
"""Faults that need no more to be told."""
_NO_TIME = ("int_type", "float_type")
"""Of what is neither a text nor a number, where a time is meant."""

_UNKNOWN = "extra_forbidden"
Declaration_co = TypeVar("Declaration_co", bound=Value, covariant=True)
Location = tuple[int | str, ...]
"""Of a value in an object, in pydantic's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Generic[Declaration_co]):
    """What became of an object. declaration: None, nothing of it is understood. unread: where nothing is."""

    declaration: Declaration_co | None
    faults: Sequence[Fault] = ()
    unread: frozenset[Path] = frozenset()


def read(
    model: type[Declaration_co], members: object, path: Path, hints: Hints | None = None
) -> Read[Declaration_co]:
    """The object that the members declare, in the words of files. path: to it. hints: those of all that is read."""
    members = {} if members is None else members
    try:
        return Read(declaration=_valid(model, members))
    except ValidationError as error:
        return read_of(error, model, members, path, hints)


def read_of(
    error: ValidationError,
    model: type[Declaration_co],
    members: object,
    path: Path,
    hints: Hints | None = None,
) -> Read[Declaration_co]:
    """The same, where it is known already what is wrong."""
    mending = _Mending(model, members, hints or Hints())
    mending.take_out(error.errors(include_url=False))
    faults = [mending.fault(each, path) for each in mending.told]
    faults += [fault for each in mending.told for fault in _secrets(each, path)]
    for _ in range(_ROUNDS):
        if () in mending.unread:
            break
        try:
            declaration = _valid(model, mending.members)
        except ValidationError as more:
            mending.take_out_around(more.errors(include_url=False))
        else:
            unread = frozenset((*path, *map(str, each)) for each in mending.unread)
            return Read(declaration=declaration, faults=faults, unread=unread)
    return Read(declaration=None, faults=faults, unread=frozenset({path}))


def _valid(model: type[Declaration_co], members: object) -> Declaration_co:
    return model.model_validate(members, by_name=False, by_alias=True, context=WRITTEN)


class _Mending:
    """An object's members, without what is wrong. told: what is, each once."""

    def __init__(self, model: type[Value], members: object, hints: Hints) -> None:
        self.members: Any = copy.deepcopy(members)
        self.told: list[ErrorDetails] = []
        self.unread: set[Location] = set()
        self._model = model
        self._hints = hints
        self._close: dict[Location, str | None] = {}

    def fault(self, each: ErrorDetails, path: Path) -> Fault:
        """One of those that are told, in the words of configuration files. path: of the object."""
        location = each["loc"]
        if each["type"] != _UNKNOWN:
            return _fault(each, path)
        names = frozenset(fields_of(self._model, location[:-1]))
        return Fault(
            path=(*path, *map(str, location)),
            rule="unknown-key",
            message=f"unknown: {self._hints.told(self._close[location], names)}",
            is_of_key=True,
        )

    def take_out(self, errors: Sequence[ErrorDetails]) -> None:
        """Those of a validation of these members. A name that is unknown may be that of a member that is missing."""
        for each in sorted(errors, key=lambda each: each["type"] != _UNKNOWN):
            location = each["loc"]
            if each["type"] == _UNKNOWN:
                self._leave_out(location)
            elif location in self.unread:
                continue
            else:
                self._replace(location)
            self.told.append(each)

    def take_out_around(self, errors: Sequence[ErrorDetails]) -> None:
        """Those of a validation of these members mended: where no stand-in fits, what has the value goes as well."""
        gone: set[Location] = set()
        for each in errors:
            location = each["loc"]
            if any(location[:depth] in gone for depth in range(len(location) + 1)):
                continue
            while location in self.unread:
                location = location[:-1]
            self._replace(location)
            gone.add(location)

    def _leave_out(self, location: Location) -> None:
        """If nobody looks for what is meant any more, it may be any member that is not there."""
        above = location[:-1]
        members, names = self._at(above), frozenset(fields_of(self._model, above))
        del members[location[-1]]
        word = self._hints.nearest(str(location[-1]), names)
        self._close[location] = word
        may_be = names if self._hints.are_used_up else names & {word}
        for each in may_be:
            if each not in members and (*above, each) not in self.unread:
                self._replace((*above, each))

    def _replace(self, location: Location) -> None:
        self.unread.add(location)
        if not location:
            return
        members, last = self._at(location[:-1]), location[-1]
        field = fields_of(self._model, location[:-1]).get(str(last))
        if field is not None and not field.is_required():
            members.pop(last, None)
        else:
            members[last] = _stand_in(_type_at(self._model, location))

    def _at(self, location: Location) -> Any:
        found = self.members
        for part in location:
            found = found[part]
        return found


def fields_of(model: type[Value], location: Location = ()) -> Mapping[str, FieldInfo]:
    """What may stand in the object at that location, by the words of files; nothing, where there is no object."""
    found = _type_at(model, location)
    return _fields(found) if _is_object(found) else {}


@cache
def _fields(model: type[Value]) -> Mapping[str, FieldInfo]:
    return {str(each.validation_alias or name): each for name, each in model.model_fields.items()}


def _type_at(model: type[Value], location: Location) -> Any:
    found: Any = model
    for part in location:
        if _is_object(found):
            found = _without_none(_fields(found)[str(part)].annotation)
        else:  # of a tuple the first says what is in it, of a mapping the second
            found = get_args(found)[isinstance(part, str)]
    return found


def _is_object(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Value)


def _without_none(found: Any) -> Any:
    """Of an object or none, the object."""
    return (
        next(filter(_is_object, get_args(found)), found) if NoneType in get_args(found) else found
    )


def _stand_in(of: Any) -> object:
    """The least that is valid where a value of that type must stand."""
    if get_origin(of) is Literal:
        return get_args(of)[0]
    if get_origin(of) is tuple:
        return [_stand_in(get_args(of)[0])]
    if _is_object(of):
        return {
            word: _stand_in(field.annotation)
            for word, field in _fields(of).items()
            if field.is_required()
        }
    forms = (each for each in getattr(of, "__metadata__", ()) if isinstance(each, Form))
    return STAND_IN if all(each.fits(STAND_IN) for each in forms) else ALL_STAND_IN


def _fault(each: ErrorDetails, path: Path) -> Fault:
    """Of what is not an unknown name, in the words of configuration files."""
    at = (*path, *(str(part) for part in each["loc"]))
    if each["type"] == "missing":
        words = f"{at[-1]!r} is missing"
        return Fault(path=at[:-1], rule="missing-key", message=words, is_of_key=True)
    return Fault(path=at, rule="wrong-value", message=_why(each))


def _secrets(each: ErrorDetails, path: Path) -> Iterator[Fault]:
    """In a value that is wrong; what is missing is in no value."""
    if each["type"] != "missing":
        at = (*path, *map(str, each["loc"]))
        for inner, text in texts(each["input"], at):
            yield from check_wrong(inner, text)


def _why(each: ErrorDetails) -> str:
    """In few words: what is there, unless it is secret, and what would be right."""
    context, value, member = each.get("ctx", {}), each["input"], each["loc"][-1:]
    hides = _is_hidden(each["loc"])
    if each["type"] == "model_type":
        return f"this is a mapping of members, not {_kind(value) if hides else shown(value)}"
    is_time = bool(member) and member[0] in _TIMES
    if each["type"] == "string_type" and isinstance(value, int | float):
        written = shown(value).lower() if isinstance(value, bool) else shown(value)
        return QUOTED if hides else f"{written}: {QUOTED}"
    right = _right(each["type"], context, is_time) or each["msg"].removeprefix("Value error, ")
    if hides:
        return right
    says_it = is_time and (isinstance(value, str) or each["type"] == "value_error")
    return right if says_it else f"{_in_words(value, is_time)}: {right}"


def _is_hidden(location: Location) -> bool:
    """Whether what stands there may be a secret, whatever it looks like."""
    return (location[:1] == ("keys",) and location[-1] != "created") or location[-1:] in _HIDING


def _kind(value: object) -> str:
    """What a value is that must not be shown."""
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "a number or the like"


def _right(fault: str, context: Mapping[str, Any], is_time: bool) -> str | None:
    if is_time and fault in _NO_TIME:
        return LIKE
    if fault in _RIGHT:
        return _RIGHT[fault]
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"it is {words.format(_in_words(context[bound], is_time))}"
    return f"it is {context['expected']}" if "expected" in context else None


def _in_words(value: object, is_time: bool) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return in_units(value) if is_time else f"{value:,}"
    return shown(value)
