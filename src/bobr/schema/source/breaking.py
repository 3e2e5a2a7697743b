"""What two versions of a message mean to each other on the wire, as `buf breaking` judges it.

Of the old version only what the message reaches is compared: a change elsewhere in a shared file is
no business of this stream. The rest of the judgement, tables and event options, is `evolution.py`.
"""

import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Collection, Iterator, Mapping, MutableSequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorSet,
)

from bobr.errors import MisconfiguredError, Problem, UnavailableError
from bobr.schema.source.places import Written, scope_of, types_of

BUF_SECONDS_MAX = 30.0  # an ordinary check takes 0.1
REMOVALS = (
    "ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED",
    "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED",
    "FIELD_NO_DELETE_UNLESS_NAME_RESERVED",
    "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED",
    "RESERVED_ENUM_NO_DELETE",
    "RESERVED_MESSAGE_NO_DELETE",
)
"""buf's rules on what is gone."""

_FOUND_SOME = 100  # buf's exit status when a rule is broken
_ADVICE = {
    "FIELD_NO_DELETE": "reserve both its number and its name, or keep it",
    "ENUM_VALUE_NO_DELETE": "reserve both its number and its name, or keep it",
    "ENUM_VALUE_SAME_NAME": "keep the name, and add a new value for the new meaning",
    "FIELD_SAME_JSON_NAME": "keep the name, and add a new field for the new meaning",
    "FIELD_SAME_NAME": "keep the name, and add a new field for the new meaning",
    "FIELD_SAME_ONEOF": "keep it where it is, and add a new field in the oneof",
    "FIELD_WIRE": "keep the type, and add a new field with a number of its own",
    "RESERVED": "what was reserved once stays reserved",
}
_LINK = re.compile(r"\s*See https?://.*$")


def breaking(
    old: FileDescriptorSet,
    new: FileDescriptorSet,
    messages: Collection[str],
    *,
    category: str,
    removals: bool = True,
) -> list[Problem]:
    """What breaks readers of `messages` (full names) written with `old` and read with `new`.

    category: buf's, `WIRE_JSON` or `WIRE`. removals: whether what is gone must be reserved.
    Files, lines and columns are those of `new`, in their order.
    """
    rules: dict[str, object] = {"use": [category]}
    if not removals:
        rules["except"] = REMOVALS
    config = {"version": "v2", "breaking": rules}
    return sorted(set(_found(_run_buf(reached(old, messages), new, config))), key=_place)


def reached(files: FileDescriptorSet, messages: Collection[str]) -> FileDescriptorSet:
    """The same files with only the types that `messages` reach; without source info."""
    kept = _closure(types_of(files), messages)
    pruned = FileDescriptorSet()
    for file in files.file:
        copy = pruned.file.add()
        copy.CopyFrom(file)
        for unused in ("service", "extension", "source_code_info"):
            copy.ClearField(unused)
        _prune(copy.message_type, scope_of(file), kept)
        _keep(copy.enum_type, scope_of(file), kept)
    return pruned


def _closure(types: Mapping[str, Written], messages: Collection[str]) -> frozenset[str]:
    found: set[str] = set()
    wanted = [f".{name}" for name in messages]
    while wanted:
        name = wanted.pop()
        if name not in types or name in found:
            continue
        found.add(name)
        if isinstance(message := types[name].type, DescriptorProto):
            wanted += [field.type_name for field in message.field if field.type_name]
    return frozenset(found)


def _prune(messages: MutableSequence[DescriptorProto], scope: str, kept: frozenset[str]) -> None:
    """Drop what is not kept; what only holds something kept stays as an empty shell."""
    for index in reversed(range(len(messages))):
        message = messages[index]
        name = f"{scope}.{message.name}"
        _prune(message.nested_type, name, kept)
        _keep(message.enum_type, name, kept)
        message.ClearField("extension")
        if name in kept:
            continue
        for part in ("field", "oneof_decl", "reserved_range", "reserved_name"):
            message.ClearField(part)
        if not message.nested_type and not message.enum_type:
            del messages[index]


def _keep(enums: MutableSequence[EnumDescriptorProto], scope: str, kept: frozenset[str]) -> None:
    for index in reversed(range(len(enums))):
        if f"{scope}.{enums[index].name}" not in kept:
            del enums[index]


def _run_buf(old: FileDescriptorSet, new: FileDescriptorSet, config: Mapping[str, object]) -> str:
    """buf's findings, one JSON object a line. Without environment and network."""
    try:
        with TemporaryDirectory(prefix="bobr-buf-") as folder:
            Path(folder, "old.binpb").write_bytes(old.SerializeToString())
            Path(folder, "new.binpb").write_bytes(new.SerializeToString())
            command = [_buf(), "breaking", "new.binpb", "--against", "old.binpb"]
            command += ["--error-format", "json", "--config", json.dumps(config)]
            return _output(command, folder)
    except OSError as error:
        message = f"schemas can not be compared: {error}; make room in the temporary folder"
        raise UnavailableError(message) from error


def _output(command: list[str], folder: str) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={"HOME": folder},
            capture_output=True,
            timeout=BUF_SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"schemas were not compared within {BUF_SECONDS_MAX:.0f} s; try again"
        raise UnavailableError(message) from error
    if done.returncode not in (0, _FOUND_SOME):
        raise MisconfiguredError(
            f"buf can not compare schemas, it ended with {done.returncode}: "
            f"{done.stderr.decode('utf-8', 'replace').strip()[:500]}"
        )
    return done.stdout.decode("utf-8", "replace")


@cache
def _buf() -> str:
    """The binary that the package `buf-bin` puts beside the interpreter's scripts."""
    beside = Path(sysconfig.get_path("scripts"), "buf")
    found = str(beside) if beside.is_file() else shutil.which("buf")
    if not found:
        raise MisconfiguredError("there is no buf, which compares schemas: pip install buf-bin")
    return found


def _found(output: str) -> Iterator[Problem]:
    for line in output.splitlines():
        finding = json.loads(line)
        rule = finding["type"]
        advice = next((text for start, text in _ADVICE.items() if rule.startswith(start)), "")
        message = _LINK.sub("", finding["message"]).rstrip(".")
        yield Problem(
            file=finding.get("path", ""),
            line=finding.get("start_line", 0),
            column=finding.get("start_column", 0),
            rule=rule,
            message=f"{message}; {advice}" if advice else message,
        )


def _place(problem: Problem) -> tuple[str, int, int, str, str]:
    return (problem.file, problem.line, problem.column, problem.rule, problem.message)
