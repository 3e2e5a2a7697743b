"""Descriptors of one schema, in a pool of their own: two versions of one type never meet."""

from collections.abc import Iterator, Mapping

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from bobr.errors import RejectedError


def descriptor_of(files: FileDescriptorSet, message: str) -> tuple[Descriptor, DescriptorPool]:
    """The message type and its new pool. RejectedError: the files do not fit together, or it is not in them."""
    pool = DescriptorPool()
    for file in _imports_first({each.name: each for each in files.file}):
        add(pool, file)
    try:
        return pool.FindMessageTypeByName(message), pool
    except KeyError:
        known = ", ".join(sorted(each.name for each in files.file)) or "no files at all"
        text = f"there is no message {message} in {known}: give its full name, package included"
        raise RejectedError(text) from None


def add(pool: DescriptorPool, file: FileDescriptorProto) -> None:
    """Add a file whose imports are there. RejectedError: it does not fit to what is there."""
    try:
        pool.AddSerializedFile(file.SerializeToString())
    except TypeError as error:
        raise RejectedError(f"the schema can not be used: {file.name}: {error}") from error


def _imports_first(files: Mapping[str, FileDescriptorProto]) -> Iterator[FileDescriptorProto]:
    """Each file once, behind all that it imports. Imports that are not there are left to the pool to complain of."""
    waiting = list(files)[::-1]
    opened: set[str] = set()
    done: set[str] = set()
    while waiting:
        name = waiting[-1]
        missing = [each for each in files[name].dependency if each in files and each not in opened]
        if name in opened or not missing:
            waiting.pop()
            if name not in done:
                yield files[name]
            done.add(name)
        else:
            waiting += missing
        opened.add(name)
