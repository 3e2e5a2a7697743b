"""YAML texts as plain values, each with the place where it stands. Pure.

YAML 1.2's core schema, so that `no` is a text; anchors and `<<` merges as everybody uses them. A key that stands twice
is a fault, not the last one's win. What a text can unfold to is bounded. What is wrong in one place is told, and the
rest is read; only a text that is no YAML at all has nothing to say.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TypeVar

import yaml

from bobr.catalog.config import Fault, Path, Place
from bobr.catalog.secrets import SHOWN_CHARACTERS_MAX, shown, without_secrets

VALUES_MAX = 250_000
"""Of one file; each takes a path and a place."""
REPEATED_MAX = 100_000
"""Of these that aliases bring: aliases of aliases have no end."""
DEPTH_MAX = 32

UNREAD = "\ufffd "
"""How a text begins that stands for a file which its reader could not read: why follows.

It is U+FFFD, by which decoders replace what they do not understand, so that no sound file begins so.
"""
_ANOTHER = "but found another document"
"""libyaml's words for a second `---`."""
_UNDEFINED = "found undefined alias"
_ALIAS = re.compile(r"\*([^\s,\[\]{}]{1,80})")
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_INT = re.compile(r"[-+]?[0-9]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_MERGE = "<<"
_LINE_END = re.compile(r"\r\n|\r|\n")
_NO_LINE_END = re.compile("[\x85\u2028\u2029]")
"""Of YAML 1.2; libyaml, which has YAML 1.1, ends a line there."""
Name = TypeVar("Name")
Said = TypeVar("Said")
_PREFIX = "tag:yaml.org,2002:"
_INNER = ("seq", "map", "str", "int", "float", "bool", "null", "merge", "timestamp", "value")


class _EndlessError(Exception):
    """A text unfolds to more than is read."""

    def __init__(self, node: yaml.Node, why: str) -> None:
        super().__init__(why)
        self.node = node


class _Whole(int):
    """Shown as it is written: 007."""

    def __new__(cls, text: str | int) -> "_Whole":
        found = super().__new__(cls, text)
        found.text = str(text)
        return found

    text: str

    def __repr__(self) -> str:
        return self.text


class _Fraction(float):
    """Likewise: 1e3."""

    def __new__(cls, text: str | float) -> "_Fraction":
        found = super().__new__(cls, text)
        found.text = str(text)
        return found

    text: str

    def __repr__(self) -> str:
        return self.text


class Text:
    """One file, read: its value, the places in it, its faults.

    partial: mappings that say more than was understood, by path; the empty path, the file does.
    """

    def __init__(self, name: str, content: str) -> None:
        """`name`: as a user would write it."""
        self.name = name
        self.value: object = None
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self.faults: list[tuple[Place, Fault]] = []
        self.partial: set[Path] = set()
        self._seen: set[int] = set()
        self._count = 0
        if content.lstrip().startswith(UNREAD):
            self._blame_reader(content)
            return
        if (found := _NO_LINE_END.search(content)) is not None:
            self._blame_line_end(content, found.start())
            return
        try:
            node = yaml.compose(content, Loader=yaml.CSafeLoader)
            if node is not None:
                self.value = self._unfold(node, (), 0)
        except _EndlessError as error:
            self._blame_for_part(error.node, (), str(error))
        except yaml.YAMLError as error:
            self.faults.append(self._syntax(error, content))
            self.partial.add(())

    def _blame_reader(self, content: str) -> None:
        before, _, why = content.partition(UNREAD)
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        place = Place(file=self.name, line=line, column=column)
        self.faults.append((place, Fault(path=(), rule="unreadable", message=why)))
        self.partial.add(())

    def _blame_line_end(self, content: str, position: int) -> None:
        line, column = _place_in(content, position)
        code = f"{ord(content[position]):04X}"
        words = f"U+{code} ends a line for some that read YAML, and for others it does not: leave it out"
        place = Place(file=self.name, line=line + 1, column=column + 1)
        self.faults.append((place, Fault(path=(), rule="syntax", message=words)))
        self.partial.add(())

    def rename(self, words: Mapping[str, str]) -> None:
        """Give members of the file other names, by which they stand where they stood."""
        if not words:
            return
        assert isinstance(self.value, dict), "what has members"

        def renamed(path: Path) -> Path:
            return (*(words.get(each, each) for each in path[:1]), *path[1:])

        self.value = {words.get(key, key): each for key, each in self.value.items()}
        self.keys = {renamed(path): place for path, place in self.keys.items()}
        self.values = {renamed(path): place for path, place in self.values.items()}
        self.partial = set(map(renamed, self.partial))

    @cached_property
    def touched(self) -> frozenset[Path]:
        """What is partial, and all that has it in it. To be asked when the file is read."""
        return frozenset(path[:depth] for path in self.partial for depth in range(len(path) + 1))

    def _enter(self, node: yaml.Node, depth: int) -> None:
        self._count += 1
        self._seen.add(id(node))
        if depth > DEPTH_MAX:
            raise _EndlessError(node, f"is deeper than {DEPTH_MAX} mappings and lists")
        if self._count > VALUES_MAX:
            raise _EndlessError(node, f"more than {VALUES_MAX:,} values in one file: make several")
        if self._count - len(self._seen) > REPEATED_MAX:
            why = f"aliases repeat more than {REPEATED_MAX:,} values in one file: make several"
            raise _EndlessError(node, why)

    def _unfold(self, node: yaml.Node, path: Path, depth: int) -> object:
        self._enter(node, depth)
        if node.tag.removeprefix(_PREFIX) not in _INNER:
            words = f"the tag {node.tag[:SHOWN_CHARACTERS_MAX]!r} means nothing here: leave it out"
            self._blame(node, (), "syntax", words)
        self.values[path] = self._place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._unfold(each, (*path, str(index)), depth + 1)
                for index, each in enumerate(node.value)
            ]
        assert isinstance(node, yaml.ScalarNode), "what is neither mapping nor sequence"
        return node.value if node.style else plain(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._blame_for_part(key, path, "a key is a name, not a list or a mapping")
                continue
            if key.value == _MERGE and not key.style:
                merged |= self._merged(value, path, depth + 1)
                continue
            if key.value in found:
                first = self.keys[*path, key.value].line
                words = f"{shown(key.value)} stands here again; it is in line {first} already: leave one out"
                self._blame(key, (*path, key.value), "duplicate-key", words)
                self._complete(found, key.value, value, path)
                continue
            self.keys[*path, key.value] = self._place(key)
            found[key.value] = self._unfold(value, (*path, key.value), depth + 1)
        return {**merged, **found}

    def _complete(self, found: dict[str, object], key: str, node: yaml.Node, path: Path) -> None:
        """A section that is said again declares what the first does not: who names that is not wrong."""
        first = found[key]
        if path:
            return
        if isinstance(first, dict) and isinstance(node, yaml.MappingNode):
            _complete(first, self._beside(node, (key,), 1))
        else:
            self.partial.add((key,))

    def _merged(self, node: yaml.Node, path: Path, depth: int) -> dict[str, object]:
        """What `<<` brings; of several the first goes before. Own keys do, too, and keep their places."""
        self._enter(node, depth)
        if isinstance(node, yaml.SequenceNode):
            found: dict[str, object] = {}
            for each in node.value:
                _complete(found, self._merged(each, path, depth + 1))
            return found
        if not isinstance(node, yaml.MappingNode):
            self._blame_for_part(node, path, "<< takes a mapping, or a list of mappings")
            return {}
        return self._beside(node, path, depth)

    def _beside(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, object]:
        """A mapping for a place where another is, which keeps its own places."""
        keys, values = self.keys, self.values
        self.keys, self.values = {}, {}
        brought = self._mapping(node, path, depth)
        _complete(keys, self.keys)
        _complete(values, self.values)
        self.keys, self.values = keys, values
        return brought

    def _place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(file=self.name, line=mark.line + 1, column=mark.column + 1)

    def _blame(self, node: yaml.Node, path: Path, rule: str, message: str) -> None:
        fault = Fault(path=path, rule=rule, message=message)
        self.faults.append((self._place(node), fault))

    def _blame_for_part(self, node: yaml.Node, path: Path, message: str) -> None:
        self._blame(node, (), "syntax", message)
        self.partial.add(path)

    def _syntax(self, error: yaml.YAMLError, content: str) -> tuple[Place, Fault]:
        line, column = _mark(error, content)
        lines = _LINE_END.split(content)
        text = lines[line] if line < len(lines) else ""
        hint = ": indent with spaces, not with tabs" if "\t" in text[: column + 1] else ""
        place = Place(file=self.name, line=line + 1, column=column + 1)
        why = _unknown_alias(error, text[column:]) or _why(error)
        return place, Fault(path=(), rule="syntax", message=f"{why}{hint}")


def _complete(found: dict[Name, Said], more: Mapping[Name, Said]) -> None:
    """What is there already stays."""
    for key, value in more.items():
        found.setdefault(key, value)


def _unknown_alias(error: yaml.YAMLError, text: str) -> str | None:
    """What is wrong, where an alias stands that is none. text: from it on; libyaml does not say its name."""
    if getattr(error, "problem", None) != _UNDEFINED or (found := _ALIAS.match(text)) is None:
        return None
    return f"{shown(found[0])} repeats what is called &{without_secrets(found[1])} above it, and nothing is"


def _mark(error: yaml.YAMLError, content: str) -> tuple[int, int]:
    """Line and column from 0."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            return mark.line, mark.column
    octets = content.encode(errors="surrogatepass")[: getattr(error, "position", 0)]
    return _place_in(content, len(octets.decode(errors="ignore")))


def _place_in(content: str, position: int) -> tuple[int, int]:
    """Line and column from 0."""
    lines = _LINE_END.split(content[:position])
    return len(lines) - 1, len(lines[-1])


def _why(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        if error.problem == _ANOTHER:
            return (
                "another document begins here, and a file has one: put it into another file; what has another owner, "
                "into another folder (`bobr show --out FOLDER` makes one for each)"
            )
        return "; ".join(part for part in (error.problem, error.context) if part)
    return str(getattr(error, "reason", "can not be read as YAML"))


def is_text(unquoted: str) -> bool:
    """Whether it is read as that text, and needs no quotes."""
    return isinstance(plain(unquoted), str) and not _NO_LINE_END.search(unquoted)


def plain(text: str) -> object:
    """An unquoted scalar by YAML 1.2's core schema."""
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return _Whole(text)
    return _Fraction(text) if _FLOAT.fullmatch(text) else text


def unread(why: str, before: str = "") -> str:
    """What is sent instead of a file that can not be read. before: as much of it as could be, to know the place."""
    line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
    return "\n" * line + " " * column + UNREAD + why


def texts(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts(each, (*path, str(key)))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from texts(each, (*path, str(index)))
