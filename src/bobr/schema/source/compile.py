"""Sources → descriptors, by protoc, in a process of its own: sources come from strangers.

A copy of a built-in file (`sources.is_builtin`) that comes along is ignored, so that nobody can
change what `google.protobuf.Timestamp` is. Nothing here knows about registries or evolution.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from bobr.errors import Problem, SchemaError, UnavailableError
from bobr.schema.source.sources import (
    FILES_MAX,
    GOOGLE,
    MAIN,
    NAME,
    SOURCE_BYTES_MAX,
    Source,
    brought,
    imports_of,
    is_builtin,
    named,
    source_of,
)

COMPILE_SECONDS_MAX = 30.0  # an ordinary schema takes 0.06
PROBLEMS_MAX = 100

_PROTOC = "import sys; from grpc_tools import protoc; sys.exit(protoc.main(sys.argv))"
_PLACED = re.compile(r"^([^:\n]+\.proto):(\d+):(\d+): (.*)$")
_UNDEFINED = re.compile(r'"\.?google\.protobuf\.(\w+)[\w.]*" is not defined')
_UNPLACED = re.compile(r"^([^:\n]+\.proto): (.*)$")

_Encoded = bytes | FileDescriptorProto


def compile_files(files: Mapping[str, Source], main: str) -> FileDescriptorSet:
    """The descriptors of `main` and all it imports: dependencies first, `main` last.

    The order is always the same. With source info where a file is a text. Raises SchemaError with
    every problem of names and sizes, or else with protoc's; UnavailableError when this machine can
    not write a temporary folder.
    """
    _refuse(_problems_of_names(files, main))
    own = {name: _encoded(name, each) for name, each in files.items() if not is_builtin(name)}
    _refuse(_problems_of_size(own, main))
    return _compiled(own, [main])


def check_size(files: Mapping[str, str], main: str) -> None:
    """SchemaError: a schema has more files, or is longer with its imports, than what is compiled."""
    _refuse(
        _problems_of_size(
            {name: each for name, each in files.items() if not is_builtin(name)}, main
        )
    )


class Compiled:
    """What one run of the compiler made of many files."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        """`files`: with all that they import."""
        self._files = {file.name: file for file in files}

    def of(self, main: str) -> FileDescriptorSet:
        """As `compile_files` of that one."""
        return FileDescriptorSet(file=_closure(self._files, main))


def compile_all(files: Mapping[str, str], mains: Sequence[str]) -> Compiled:
    """All of the mains by one run of the compiler, which takes 60 ms to start, and 3 for a file.

    SchemaError: one does not compile; which others do is not known then.
    """
    for main in mains:
        _refuse(_problems_of_names(files, main))
    own = {name: _encoded(name, each) for name, each in files.items() if not is_builtin(name)}
    return Compiled(_compiled(own, mains).file if mains else ())


def _closure(files: Mapping[str, FileDescriptorProto], main: str) -> Iterator[FileDescriptorProto]:
    """The file behind all that it imports, in the order of the compiler."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[FileDescriptorProto]:
        if name in done:
            return
        done.add(name)
        for imported in imports_of(files[name]):
            yield from visit(imported)
        yield files[name]

    yield from visit(main)


def importable() -> FileDescriptorSet:
    """The built-in files that other compilers do not have, each after what it imports."""
    found: dict[str, FileDescriptorProto] = {}
    for name in brought():
        found |= {file.name: file for file in compile_files({}, name).file}
    return FileDescriptorSet(file=found.values())


def parse_schema(text: str, references: Mapping[str, str], name: str = "") -> FileDescriptorSet:
    """As `compile_files`, from what a registry keeps: `.proto` texts, or descriptors in base64.

    references: import name → text, of all files imported, also indirectly. name: of the schema's
    own file; empty: the descriptor's own, or `schema.proto`.
    """
    source = source_of(text)
    files = {each: source_of(reference, each) for each, reference in references.items()}
    main = name or (MAIN if isinstance(source, str) else source.name)
    while main in files:
        main = f"_{main}"
    return compile_files({**files, main: source}, main)


def _problems_of_names(files: Mapping[str, Source], main: str) -> Iterator[Problem]:
    if main not in files and not is_builtin(main):
        yield _problem(main, "is not among the files")
    for name in files:
        if not NAME.fullmatch(name):
            yield _problem(
                repr(name), "can not be the name of a file; use one like shop/v1/order.proto"
            )
        elif not name.endswith(".proto"):
            yield _problem(name, "is not a .proto file; give the one that describes the event")
        elif any(folder.as_posix() in files for folder in PurePosixPath(name).parents):
            yield _problem(name, "is a file in a folder that is a file itself; rename one")


def _encoded(name: str, source: Source) -> _Encoded:
    try:
        return source.encode() if isinstance(source, str) else named(source, name)
    except UnicodeEncodeError as error:
        message = f"has half a character (a lone surrogate) at {error.start}; send UTF-8"
        raise SchemaError([_problem(name, message)]) from error


def _problems_of_size(files: Mapping[str, _Encoded | str], main: str) -> Iterator[Problem]:
    if len(files) > FILES_MAX:
        yield _problem(main, f"comes with {len(files)} files; {FILES_MAX} are allowed")
    nbytes = sum(
        x.ByteSize() if isinstance(x, FileDescriptorProto) else len(x) for x in files.values()
    )
    if nbytes > SOURCE_BYTES_MAX:
        yield _problem(main, f"has {nbytes} bytes with its imports; {SOURCE_BYTES_MAX} are allowed")


def _compiled(files: Mapping[str, _Encoded], mains: Sequence[str]) -> FileDescriptorSet:
    try:
        with TemporaryDirectory(prefix="bobr-protoc-") as folder:
            return _compiled_in(Path(folder), files, mains)
    except OSError as error:
        message = f"{mains[0]} can not be compiled: {error}; make room in the temporary folder"
        raise UnavailableError(message) from error


def _compiled_in(
    folder: Path, files: Mapping[str, _Encoded], mains: Sequence[str]
) -> FileDescriptorSet:
    sources = folder / "sources"
    sources.mkdir()
    known = FileDescriptorSet(file=brought().values())
    for name, source in files.items():
        if isinstance(source, bytes):
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            (sources / name).write_bytes(source)
        else:
            known.file.append(source)
    (folder / "known").write_bytes(known.SerializeToString())
    _run_protoc(sources, mains)
    return _bare(FileDescriptorSet.FromString((folder / "compiled").read_bytes()))


def _run_protoc(sources: Path, mains: Sequence[str]) -> None:
    """Isolated (`-I`): neither the environment nor the sources bring code into the process."""
    command = [sys.executable, "-I", "-c", _PROTOC, "-I.", f"-I{GOOGLE}", *mains]
    command += ["--descriptor_set_in=../known", "--descriptor_set_out=../compiled"]
    command += ["--include_imports", "--include_source_info"]
    try:
        done = subprocess.run(
            command, cwd=sources, capture_output=True, timeout=COMPILE_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired as error:
        message = f"did not compile within {COMPILE_SECONDS_MAX:.0f} s; make it smaller"
        raise SchemaError([_problem(mains[0], message)]) from error
    if done.returncode:
        output = done.stderr.decode("utf-8", "replace")
        raise SchemaError(_problems_in(output, mains[0], done.returncode))


def _problems_in(output: str, main: str, status: int) -> list[Problem]:
    """protoc's complaints, each once; its warnings are not problems."""
    found: dict[Problem, None] = {}
    for line in output.splitlines():
        problem = _parsed(line)
        if problem and not problem.message.startswith("warning:"):
            found[problem] = None
    rest = output.strip()[:500] or f"the compiler ended with status {status}"
    return list(found)[:PROBLEMS_MAX] or [_problem(main, rest)]


def _parsed(line: str) -> Problem | None:
    if placed := _PLACED.match(line):
        file, at, column, message = placed.groups()
        return Problem(
            file=file, line=int(at), column=int(column), rule="compile", message=_hinted(message)
        )
    if unplaced := _UNPLACED.match(line):
        return _problem(unplaced[1], unplaced[2])
    return None


def _hinted(message: str) -> str:
    """With the import that is missing, where the name is one of google's."""
    if undefined := _UNDEFINED.match(message):
        for path in sorted((GOOGLE / "google/protobuf").glob("*.proto")):
            if f"\nmessage {undefined[1]} " in path.read_text():
                return f'{message} Add: import "google/protobuf/{path.name}";'
    return message


def _bare(files: FileDescriptorSet) -> FileDescriptorSet:
    """Without the source info of built-in files: half of the bytes, and nobody asks for it."""
    for file in files.file:
        if is_builtin(file.name):
            file.ClearField("source_code_info")
    return files


def _problem(file: str, message: str) -> Problem:
    return Problem(file=file, line=0, column=0, rule="compile", message=message)


def _refuse(problems: Iterator[Problem]) -> None:
    if found := list(problems):
        raise SchemaError(found[:PROBLEMS_MAX])
