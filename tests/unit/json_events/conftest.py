"""A message type with every kind of field."""

from textwrap import dedent

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bobr.schema.json import JsonReader
from bobr.schema.pool import descriptor_of
from bobr.schema.source.compile import compile_files

SCHEMA = """
    edition = "2023";
    package t;
    import "google/protobuf/any.proto";
    import "google/protobuf/duration.proto";
    import "google/protobuf/field_mask.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";

    enum Platform { UNKNOWN = 0; WEB = 1; IOS = 2; }
    enum Closed { option features.enum_type = CLOSED; ZERO = 0; ONE = 1; }
    message Item { string sku = 1; double unit_price = 2; int32 count = 3; }
    message Strict {
      int32 id = 1 [features.field_presence = LEGACY_REQUIRED];
      map<int32, int32> notes = 2;
      repeated Strict inner = 3;
    }
    message Event {
      string name = 1;
      int32 small = 2;
      int64 big = 3;
      uint64 unsigned = 4;
      float single = 5;
      double total = 6;
      bool paid = 7;
      bytes raw = 8;
      Platform platform = 9;
      Closed closed = 10;
      Item first_item = 11;
      repeated Item items = 12;
      repeated int32 numbers = 13;
      map<string, Item> by_name = 14;
      map<int32, string> by_number = 15;
      map<bool, string> by_truth = 16;
      oneof contact { string mail = 17; int64 phone_number = 18; google.protobuf.NullValue nobody = 19; }
      google.protobuf.Timestamp at = 20;
      google.protobuf.Duration took = 21;
      google.protobuf.FieldMask mask = 22;
      google.protobuf.Struct extra = 23;
      google.protobuf.Value anything = 24;
      google.protobuf.ListValue listed = 25;
      google.protobuf.Any any = 26;
      google.protobuf.StringValue note = 27;
      google.protobuf.Int64Value count = 28;
      Event parent = 29;
      repeated google.protobuf.Value values = 30;
      map<string, google.protobuf.Struct> structs = 31;
      Item group = 32 [features.message_encoding = DELIMITED];
    }
"""


@pytest.fixture(scope="session")
def files() -> FileDescriptorSet:
    return compile_files({"t.proto": dedent(SCHEMA)}, "t.proto")


@pytest.fixture(scope="session")
def new(files: FileDescriptorSet) -> type[Message]:
    return GetMessageClass(descriptor_of(files, "t.Event")[0])


@pytest.fixture(scope="session")
def reader(new: type[Message]) -> JsonReader:
    return JsonReader(new)
