"""A folder of configuration, read from disk with the schemas that it names."""

import os
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from bobr.catalog.config.bundle import Bundle, Proto, protos_of
from bobr.catalog.config.load import Loaded, load
from bobr.catalog.config.text import unread
from bobr.errors import NotFoundError, RejectedError, SchemaError
from bobr.schema.source.local import Sources, read_at_most, read_sources

SUFFIXES = (".yaml", ".yml")
PROTO_SUFFIX = ".proto"
FILES_MAX = 10_000
FILE_BYTES_MAX = 8 * 1024 * 1024


def read_bundle(path: Path) -> Bundle:
    """Of a folder all .yaml and .yml files at any depth, also behind links, hidden ones left out; or one file.

    NotFoundError: there is none. RejectedError: they are too many. One that can not be read is a fault beside all
    others, and so is a proto, of who names it.
    """
    bundle, _ = read_and_loaded(path)
    return bundle


def read_and_loaded(path: Path) -> tuple[Bundle, Loaded]:
    """The same, with what the files declare, for who would read it out of them again."""
    files = {each.as_posix(): _text(each) for each in _files(path)}
    loaded = load(files)
    declared, _ = loaded
    protos: dict[str, Proto] = {}
    texts: dict[str, str] = {}
    for each in sorted(set(protos_of(declared).values())):
        protos[each] = _proto(each, path if path.is_dir() else path.parent, texts)
    return Bundle(files=files, protos=protos, texts=texts), loaded


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise NotFoundError(f"{path} is no folder or file: `bobr init` makes conf/ with an example")
    found = sorted(_below(path))
    if not found:
        raise NotFoundError(f"{path} has no .yaml file: `bobr init` makes an example")
    if len(found) > FILES_MAX:
        raise RejectedError(f"{path} has {len(found):,} .yaml files; {FILES_MAX:,} are allowed")
    return found


def _below(path: Path) -> Iterator[Path]:
    """What is called as a file of configuration is, readable or not, and folders that can not be entered.

    Links lead to folders, too; each folder is read once, as itself before as what a link calls it.
    """
    seen: set[str] = set()
    folders = deque([str(path)])
    refused: list[str] = []
    while folders:
        folder = folders.popleft()
        for at, names, files in os.walk(folder, onerror=lambda x: refused.append(x.filename)):
            if (real := os.path.realpath(at)) in seen:
                names.clear()
                continue
            seen.add(real)
            if len(seen) > FILES_MAX:
                raise RejectedError(f"{path} has more than {FILES_MAX:,} folders below it")
            names[:] = [each for each in names if not each.startswith(".")]
            folders.extend(filter(os.path.islink, (f"{at}/{each}" for each in names)))
            yield from (Path(at, each) for each in files if _is_ours(each))
    yield from map(Path, refused)


def _is_ours(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _text(path: Path) -> str:
    """What is in it; of what can not be read, why."""
    try:
        content = read_at_most(path, FILE_BYTES_MAX)
    except OSError as error:
        return unread(f"this can not be read: {error.strerror}")
    if len(content) > FILE_BYTES_MAX:
        return unread(f"the file has more than {FILE_BYTES_MAX:,} bytes: make several of it")
    text = content.removeprefix(BOM_UTF8)
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        at = len(content) - len(text) + error.start
        why = f"this is not UTF-8, at byte {at}: save the file as UTF-8"
        return unread(why, text[: error.start].decode())


def _proto(path: str, root: Path, texts: dict[str, str]) -> Proto:
    """Imports are found beside it, and from the root of the configuration. What is called otherwise is not read."""
    if not path.endswith(PROTO_SUFFIX):
        return Proto(wrong=f"{path} is not a .proto file: name the one that describes the event")
    try:
        sources = read_sources(Path(path), (root,))
    except SchemaError as error:
        return Proto(wrong="; ".join(f"{each.file} {each.message}" for each in error.problems))
    texts |= _texts(sources)
    return Proto(
        main=sources.main,
        files={name: each.as_posix() for name, each in sources.paths.items()},
        searched=tuple(each.as_posix() for each in sources.searched),
        package=sources.package.as_posix(),
    )


def _texts(sources: Sources) -> Mapping[str, str]:
    return {each.as_posix(): sources.files[name] for name, each in sources.paths.items()}
