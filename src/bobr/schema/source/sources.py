"""What a schema is written in: files, by the names that imports use, as texts or as descriptors.

Some files nobody has to bring (`is_builtin`): `google/protobuf/*.proto`, which the compiler has;
`buf/validate/validate.proto`, whose descriptor is in protovalidate's generated module, so that it
is not copied here; and `bobr/v1/options.proto`.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError
from protovalidate._gen.buf.validate import validate_pb

from bobr.errors import Problem, SchemaError
from bobr.v1 import options_pb2

Source = str | FileDescriptorProto
"""One file: its text, or its descriptor."""

MAIN = "schema.proto"
"""What a text is called that comes without a name, as over the registry's API."""

FILES_MAX = 256
SOURCE_BYTES_MAX = 4 * 1024 * 1024  # of all files of one schema

GOOGLE = Path(grpc_tools.__file__).parent / "_proto"
"""Where the compiler keeps `google/protobuf/*.proto`."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,126}(/[A-Za-z0-9_][A-Za-z0-9_.+-]{0,126}){0,31}")
"""Names that mean a file below a folder and nothing else: no way up, no option, no `@file`."""

_BASE64 = re.compile(r"[A-Za-z0-9+/\s]++=*+\s*+")  # possessive: never quadratic


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An import of a registered schema: the file's name, and where the registry has it."""

    name: str
    subject: str
    version: int


References = tuple[Reference, ...]


def gather(
    references: References, fetch: Callable[[Reference], tuple[str, References]]
) -> Mapping[str, str]:
    """Import name → text, of all that the references lead to but built-in files.

    fetch: a reference's text, and its own references. Raises SchemaError when two of them bring
    different files of one name, or all of them too many.
    """
    found: dict[str, str] = {}
    wanted = [each for each in references if not is_builtin(each.name)]
    while wanted:
        reference = wanted.pop()
        text, further = fetch(reference)
        if found.setdefault(reference.name, text) != text:
            raise SchemaError([_problem(reference.name, "is referenced twice with other content")])
        if len(found) > FILES_MAX:
            raise SchemaError([_problem(reference.name, f"is one of more than {FILES_MAX} files")])
        wanted += [x for x in further if x.name not in found and not is_builtin(x.name)]
    return found


def source_of(text: str, name: str = "") -> Source:
    """The text itself, or the descriptor that it holds in base64; `name` replaces its own."""
    if not text.strip() or not _BASE64.fullmatch(text):
        return text
    try:
        file = FileDescriptorProto.FromString(base64.b64decode(text))
    except (binascii.Error, DecodeError):
        return text
    return named(file, name or file.name or MAIN)


def text_of(file: FileDescriptorProto) -> str:
    """The descriptor in base64, without source info: what `format=serialized` asks for."""
    bare = FileDescriptorProto()
    bare.CopyFrom(file)
    bare.ClearField("source_code_info")
    return base64.b64encode(bare.SerializeToString(deterministic=True)).decode("ascii")


def named(source: FileDescriptorProto, name: str) -> FileDescriptorProto:
    """A copy of that name."""
    file = FileDescriptorProto()
    file.CopyFrom(source)
    file.name = name
    return file


def imports_of(file: FileDescriptorProto) -> tuple[str, ...]:
    """Names of the files that it imports itself."""
    return (*file.dependency, *file.option_dependency)


def is_builtin(name: str) -> bool:
    """Whether every schema may import the file without bringing it."""
    return name in brought() or name in _google()


def check_own(main: str) -> None:
    """SchemaError: the file comes with bobr, so it can not be the schema of a stream or subject."""
    if is_builtin(main):
        message = "comes with bobr; put the event's message into a file of your own that imports it"
        raise SchemaError([_problem(main, message)])


@cache
def brought() -> Mapping[str, FileDescriptorProto]:
    """The built-in files that other clients of a registry do not have: they need references."""
    validate = FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    options = FileDescriptorProto.FromString(options_pb2.DESCRIPTOR.serialized_pb)
    return {file.name: file for file in (validate, options)}


@cache
def _google() -> frozenset[str]:
    return frozenset(path.relative_to(GOOGLE).as_posix() for path in GOOGLE.rglob("*.proto"))


def _problem(name: str, message: str) -> Problem:
    return Problem(file=name, line=0, column=0, rule="compile", message=message)
