"""When two schemas are one: what the compiler made of them says the same."""

import hashlib

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bobr.schema.source.sources import is_builtin

_OPTIONS = "google/protobuf/descriptor.proto"


def digest_of(files: FileDescriptorSet) -> bytes:
    """32 bytes, the same for a text and a descriptor that mean the same.

    files: compiled, the schema itself last. Comments, layout and the schema's own file name do not
    count; options, custom ones too, and all that it imports do. Built-in files do not, so that a
    newer Bobr, which brings newer ones, knows its old schemas again.
    """
    *imports, main = files.file
    own = {file.name: file for file in imports if not is_builtin(file.name)}
    read = _file_class(files)
    whole = hashlib.sha256(_meaning(main, "", read))
    for name, file in sorted(own.items()):
        whole.update(hashlib.sha256(_meaning(file, name, read)).digest())
    return whole.digest()


def _meaning(file: FileDescriptorProto, name: str, read: type[Message]) -> bytes:
    bare = FileDescriptorProto()
    bare.CopyFrom(file)
    bare.name = name
    bare.ClearField("source_code_info")
    return read.FromString(bare.SerializeToString()).SerializeToString(deterministic=True)


def _file_class(files: FileDescriptorSet) -> type[Message]:
    """FileDescriptorProto as these files extend it: their custom options are in a fixed order."""
    if all(file.name != _OPTIONS for file in files.file):
        return FileDescriptorProto
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(FileDescriptorProto.DESCRIPTOR.full_name))
