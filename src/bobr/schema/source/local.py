"""Schemas on a user's disk: a `.proto` file with what it imports, and errors in terms of the paths that were typed."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bobr.errors import Problem, SchemaError
from bobr.schema.source.sources import FILES_MAX, NAME, SOURCE_BYTES_MAX, is_builtin

NOT_FOUND = "File not found."
"""protoc's words for an import that is nowhere."""

_STRING = r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
_STRING_OR_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_BEGIN = r"(?:\A|(?<=[;}]))\s*"
"""Of a statement, in a text without comments."""
_IMPORT = re.compile(
    _BEGIN + r"""import\s*(?:(?:public|weak|option)\s*)?["']([^"'\n]+)["']\s*(?=;)"""
)
_PACKAGE = re.compile(_BEGIN + r"package\s+([\w.]+)\s*;")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """A file with the local files that it imports.

    files: texts by import name; main: the file's own name. paths: by import name, as a user would write them.
    searched: the folders in which imports were looked for. package: folders that the main file's package asks for.
    """

    files: Mapping[str, str]
    main: str
    paths: Mapping[str, Path]
    searched: Sequence[Path]
    package: Path

    def told(self, error: SchemaError) -> SchemaError:
        """The same problems by the paths that the user knows; of imports that are not found nothing but that."""
        return SchemaError([self._told(problem) for problem in _roots(error.problems)])

    def _told(self, problem: Problem) -> Problem:
        if problem.message == NOT_FOUND:
            return replace(problem, message=self._how_to_find(problem.file))
        path = self.paths.get(problem.file)
        return problem if path is None else replace(problem, file=str(path))

    def _how_to_find(self, name: str) -> str:
        """In words for who wrote an import of that name."""
        where = ", ".join(dict.fromkeys(str(each) for each in self.searched))
        words = f"is imported, and not found in {where}; name the folder that has it with -I"
        main = self.paths[self.main]
        if not self.package.parts or _is_below(main, self.package):
            return words
        return (
            f"{words}, or move {main} to {self.package / main.name} below that folder: the path of a "
            "file that ends as its package does tells where imports begin"
        )


def read_sources(path: Path, roots: Sequence[Path] = ()) -> Sources:
    """A file with the local files it imports, also indirectly.

    Imports are looked for in the file's own folder, then in `roots`, then where its `package` says
    that its root is (`shop/v1/order.proto` of package `shop.v1` lies two below). What is not found
    is left to the compiler to report. Raises SchemaError for a file that can not be read, is not
    UTF-8 or is too large.
    """
    text = _read(path)
    package = _package(text)
    places = (path.parent, *roots, _package_root(path, package))
    main = _name_of(path, places[1:])
    files, paths = {main: text}, {main: path}
    wanted = imports_in(text)
    while wanted and len(files) <= FILES_MAX:
        name = wanted.pop()
        found = None if name in files or is_builtin(name) else _find(name, places)
        if found:
            files[name], paths[name] = _read(found), found
            wanted += imports_in(files[name])
    return Sources(files=files, main=main, paths=paths, searched=places, package=package)


def imports_in(text: str) -> list[str]:
    """Names in a text's imports, in order."""
    return _IMPORT.findall(_without_comments(text))


def _without_comments(text: str) -> str:
    return _STRING_OR_COMMENT.sub(lambda found: found[1] or " ", text)


def _roots(problems: Sequence[Problem]) -> Iterator[Problem]:
    """Without those that only follow from an import that is not found."""
    missing = [problem for problem in problems if problem.message == NOT_FOUND]
    yield from missing or problems


def read_at_most(path: Path, bytes_max: int) -> bytes:
    """What is in a file; of a larger one, a byte more than `bytes_max`.

    OSError: it can not be read, or is none. A pipe or a device may keep who reads it for ever.
    """
    try:
        with open(path, "rb", opener=_at_once) as file:  # Path.open takes no opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is no file, but a pipe, a device or a folder")
            return file.read(bytes_max + 1)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"no file has such a name: {error}") from error


def _at_once(path: str, flags: int) -> int:
    """Open it, and do not wait for who writes into a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read(path: Path) -> str:
    try:
        content = read_at_most(path, SOURCE_BYTES_MAX)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise SchemaError([_problem(path, f"can not be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 at byte {error.start}; save it as UTF-8"
        raise SchemaError([_problem(path, message)]) from error
    if len(content) > SOURCE_BYTES_MAX:
        raise SchemaError([_problem(path, f"has more than {SOURCE_BYTES_MAX} bytes")])
    return text


def _name_of(path: Path, roots: Sequence[Path]) -> str:
    """The file's name from the first folder that it is in; the link to it is in the last, at least."""
    found = (path.resolve(), path.parent.resolve() / path.name)
    places = ((whole, root.resolve()) for whole in found for root in roots)
    return next(
        whole.relative_to(root).as_posix() for whole, root in places if whole.is_relative_to(root)
    )


def _package(text: str) -> Path:
    """The folders that the file's package asks for; none without one."""
    package = _PACKAGE.search(_without_comments(text))
    return Path(*package[1].split(".")) if package else Path()


def _package_root(path: Path, package: Path) -> Path:
    """Where the file's package says that names start; else the file's own folder."""
    if not package.parts or not _is_below(path, package):
        return path.parent
    root = path.resolve().parents[len(package.parts)]
    return root if path.is_absolute() else Path(os.path.relpath(root))


def _is_below(path: Path, package: Path) -> bool:
    """Whether it lies in these folders."""
    return path.resolve().parent.parts[-len(package.parts) :] == package.parts


def _find(name: str, places: Sequence[Path]) -> Path | None:
    """Never outside of the places: a name that climbs is not found."""
    if not NAME.fullmatch(name):
        return None
    return next((place / name for place in places if (place / name).is_file()), None)


def _problem(path: Path, message: str) -> Problem:
    return Problem(file=str(path), line=0, column=0, rule="compile", message=message)
