"""JSON in and rules: events/s of the reader beside json_format, and of protovalidate beside parsing alone.

    python -m bench.json_in

One thread. Events are nested, of 200 to 250 bytes as JSON, each different.
"""

import random
import time
import uuid
from collections.abc import Callable, Sequence

import pyarrow as pa
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

from bobr.schema.json import JsonReader, NdjsonSplitter, split_array
from bobr.schema.pool import descriptor_of
from bobr.schema.source.compile import compile_files
from bobr.validation import Rules

EVENTS = 20_000
ROUNDS = 5
CHUNK_BYTES = 64 * 1024

SCHEMA = """
syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";

enum Platform { PLATFORM_UNSPECIFIED = 0; WEB = 1; IOS = 2; ANDROID = 3; }

message Address {
  string city = 1 [(buf.validate.field).string.min_len = 1];
  string postal_code = 2 [(buf.validate.field).string.pattern = "^[0-9]{5}$"];
}

message Order {
  string event_id = 1 [(buf.validate.field).string.uuid = true];
  google.protobuf.Timestamp event_time = 2 [(buf.validate.field).required = true];
  int64 customer_id = 3 [(buf.validate.field).int64.gt = 0];
  Address address = 4 [(buf.validate.field).required = true];
  repeated string tags = 5 [(buf.validate.field).repeated.max_items = 10];
  Platform platform = 6 [(buf.validate.field).enum.defined_only = true];
  double total = 7 [(buf.validate.field).double.gte = 0];
  bool paid = 8;
  int32 items = 9 [(buf.validate.field).cel = {
    id: "items.range", message: "1 to 100 items", expression: "this >= 1 && this <= 100"
  }];
}
"""


def documents(rng: random.Random) -> list[bytes]:
    """Orders as producers write them."""
    return [
        (
            f'{{"eventId":"{uuid.UUID(int=rng.getrandbits(128))}",'
            f'"eventTime":"2026-11-{rng.randint(1, 30):02}T{rng.randint(0, 23):02}:14:{rng.randint(0, 59):02}.123Z",'
            f'"customerId":"{rng.randint(1, 10**9)}",'
            f'"address":{{"city":"Berlin","postalCode":"{rng.randint(10000, 99999)}"}},'
            f'"tags":["a{rng.randint(0, 99)}","b"],"platform":"{rng.choice(("WEB", "IOS"))}",'
            f'"total":{rng.random() * 100:.2f},"paid":true,"items":{rng.randint(1, 100)}}}'
        ).encode()
        for _ in range(EVENTS)
    ]


def rate(work: Callable[[], object], events: int = EVENTS) -> float:
    """Events a second, in the best of some rounds."""
    best = min(_seconds(work) for _ in range(ROUNDS))
    return events / best


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def show(name: str, found: float, base: float) -> None:
    """One line, with the ratio to the baseline of the same run."""
    print(f"  {name:44} {found:12,.0f} events/s  {found / base:7.2f} ×")


def json_in(files: FileDescriptorSet, texts: Sequence[bytes]) -> pa.BinaryArray:
    """Reading, refusing and splitting; the payloads."""
    new = GetMessageClass(descriptor_of(files, "shop.v1.Order")[0])
    reader = JsonReader(new)
    payloads, _, rejected = reader.read(texts)
    assert not rejected
    few = texts[: EVENTS // 10]
    wrong = [text.replace(b'"items":', b'"itemz":') for text in few]
    base = rate(lambda: [json_format.Parse(text, new()) for text in few], len(few))
    print(f"JSON of {sum(map(len, texts)) / len(texts):.0f} bytes")
    show("json_format", base, base)
    show("reader", rate(lambda: reader.read(texts)), base)
    show(
        "reader, of events that are all refused", rate(lambda: reader.read(wrong), len(wrong)), base
    )
    splitting(texts, base)
    return payloads


def splitting(texts: Sequence[bytes], base: float) -> None:
    """Bodies into documents."""
    lines, array = b"\n".join(texts), b"[" + b",".join(texts) + b"]"

    def feed() -> None:
        splitter = NdjsonSplitter(1024 * 1024)
        for start in range(0, len(lines), CHUNK_BYTES):
            splitter.feed(lines[start : start + CHUNK_BYTES])
        splitter.finish()

    show("split NDJSON", rate(feed), base)
    show("split an array", rate(lambda: split_array(array)), base)


def rules(files: FileDescriptorSet, payloads: pa.BinaryArray) -> None:
    """Ten rules an event."""
    new = GetMessageClass(descriptor_of(files, "shop.v1.Order")[0])
    judge = Rules.build(files, "shop.v1.Order")
    assert not judge.check(payloads)
    base = rate(lambda: [new.FromString(each) for each in payloads.to_pylist()])
    print("Ten rules an event, one of them CEL")
    show("google.protobuf, parsing alone", base, base)
    show("rules", rate(lambda: judge.check(payloads)), base)


def main() -> None:
    """Prints both."""
    files = compile_files({"shop.proto": SCHEMA}, "shop.proto")
    rules(files, json_in(files, documents(random.Random(1))))


if __name__ == "__main__":
    main()
