"""Events against rules: which are refused, and what is said of them."""

from collections.abc import Callable
from threading import Thread

import pyarrow as pa
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

from bobr.errors import RejectedError
from bobr.outcome import Reason, Rejection
from bobr.schema.pool import descriptor_of
from bobr.validation import Rules

Schema = Callable[[str], FileDescriptorSet]
Event = dict[str, object]

ORDER = """
    message Item {
      string sku = 1 [(buf.validate.field).string.min_len = 1];
      double price = 2 [(buf.validate.field).double.gt = 0];
    }
    message Order {
      option (buf.validate.message).cel = {
        id: "order.total", message: "the total is below zero", expression: "this.total >= 0.0"
      };
      string id = 1 [(buf.validate.field).string.uuid = true];
      repeated Item items = 2 [(buf.validate.field).repeated.max_items = 3];
      map<string, Item> by_name = 3 [(buf.validate.field).map.keys.string.min_len = 2];
      double total = 4;
      oneof contact {
        option (buf.validate.oneof).required = true;
        string mail = 5;
        int32 phone = 6;
      }
      google.protobuf.Timestamp at = 7 [(buf.validate.field).required = true];
      int32 seats = 8 [
        (buf.validate.field).int32.(t.rules.even) = true,
        (buf.validate.field).int32.gt = 2,
        (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE
      ];
      int32 parts = 9 [(buf.validate.field).cel = {
        id: "parts", message: "x", expression: "100 / (this - 7) < 100"
      }];
      map<int32, string> notes = 10 [(buf.validate.field).map.values.string.max_len = 3];
      map<bool, string> flags = 11 [(buf.validate.field).map.values.string.max_len = 3];
    }
"""
GOOD: Event = {
    "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "mail": "a@b.example",
    "at": "2026-11-24T08:14:32Z",
}


def check(files: FileDescriptorSet, events: list[Event], message: str) -> tuple[Rejection, ...]:
    new = GetMessageClass(descriptor_of(files, message)[0])
    payloads = [json_format.ParseDict(event, new()).SerializeToString() for event in events]
    return Rules.build(files, message).check(pa.array(payloads, pa.binary()))


def test_good_events_pass(schema: Schema) -> None:
    full = GOOD | {"items": [{"sku": "a", "price": 1}], "seats": 4, "parts": 1}
    assert check(schema(ORDER), [GOOD, full], "t.Order") == ()


@pytest.mark.parametrize(
    ("change", "field", "rule", "message"),
    [
        ({"id": "x"}, "id", "string.uuid", "must be a valid UUID"),
        ({"total": -1}, "", "order.total", "the total is below zero"),
        ({"at": None}, "at", "required", "value is required"),
        ({"mail": None}, "contact", "required", "exactly one field is required in oneof"),
        ({"seats": 5}, "seats", "int32.even", "must be even"),
        ({"seats": 2}, "seats", "int32.gt", "must be greater than 2"),
        ({"items": [{}] * 4}, "items", "repeated.max_items", "must contain no more than 3"),
        ({"items": [{"sku": "a"}]}, "items[0].price", "double.gt", "must be greater than 0"),
        ({"byName": {"aa": {"price": 1}}}, 'by_name["aa"].sku', "string.min_len", "at least 1"),
        (
            {"byName": {'"': {"sku": "a", "price": 1}}},
            'by_name["\\""]',
            "string.min_len",
            "the key must be at least 2 characters",
        ),
        ({"notes": {"-5": "long"}}, "notes[-5]", "string.max_len", "must be at most 3"),
        ({"flags": {"true": "long"}}, "flags[true]", "string.max_len", "must be at most 3"),
    ],
)
def test_each_kind_of_rule(
    schema: Schema, change: Event, field: str, rule: str, message: str
) -> None:
    event = {name: value for name, value in (GOOD | change).items() if value is not None}
    (rejection,) = check(schema(ORDER), [event], "t.Order")
    assert (rejection.reason, rejection.field, rejection.rule) == (Reason.INVALID, field, rule)
    assert message in rejection.message


def test_bad_events_are_named_by_their_index(schema: Schema) -> None:
    events = [GOOD, GOOD | {"id": "x"}, GOOD, GOOD | {"id": "y"}]
    assert [each.index for each in check(schema(ORDER), events, "t.Order")] == [1, 3]


def test_an_event_is_refused_once_with_all_that_is_wrong(schema: Schema) -> None:
    event = GOOD | {"id": "x", "items": [{"sku": "a"}, {"price": -1}]}
    (rejection,) = check(schema(ORDER), [event], "t.Order")
    assert (rejection.field, rejection.rule) == ("id", "string.uuid")
    assert rejection.message == (
        "must be a valid UUID; items[0].price: must be greater than 0; "
        "items[1].sku: must be at least 1 characters; items[1].price: must be greater than 0"
    )


def test_many_violations_are_counted(schema: Schema) -> None:
    (rejection,) = check(schema(ORDER), [GOOD | {"items": [{}] * 50}], "t.Order")
    assert rejection.message.endswith("; and 97 more")
    assert len(rejection.message) < 2000


def test_a_rule_that_fails_on_a_value_refuses_that_event(schema: Schema) -> None:
    (rejection,) = check(schema(ORDER), [GOOD | {"parts": 7}, GOOD], "t.Order")
    assert (rejection.index, rejection.reason) == (0, Reason.INVALID)
    assert rejection.message == "error evaluating parts: divide by zero"


def test_rules_in_recursive_types(schema: Schema) -> None:
    files = schema("""
        message Leg { Leg next = 1; repeated Leg via = 2; int32 n = 3 [(buf.validate.field).int32.gt = 0]; }
    """)
    (rejection,) = check(files, [{"n": 1, "via": [{"n": 2, "next": {"n": 0}}]}], "t.Leg")
    assert rejection.field == "via[0].next.n"


def test_a_rule_may_word_its_message_from_the_event(schema: Schema) -> None:
    files = schema("""
        message Named { string name = 1 [(buf.validate.field).cel = {
          id: "name.short", expression: "size(this) < 4 ? '' : this + ' is too long'"
        }]; }
    """)
    (rejection,) = check(files, [{"name": "x" * 10_000}], "t.Named")
    assert rejection.message.startswith("xxx")
    assert len(rejection.message) < 400


@pytest.mark.parametrize(
    "body",
    [
        "message M { string a = 1 [(buf.validate.field).string.min_len = 1]; }",
        "message M { string a = 1 [(buf.validate.field).required = true]; }",
        "message M { string a = 1 [(buf.validate.field).cel_expression = \"this != ''\"]; }",
        "message M { int32 a = 1 [(buf.validate.field).int32.(t.rules.even) = true]; }",
        'message M { option (buf.validate.message).oneof = {fields: ["a"]}; string a = 1; }',
        'message M { option (buf.validate.message).cel_expression = "this.a > 0"; int32 a = 1; }',
        "message M { oneof k { option (buf.validate.oneof).required = true; int32 a = 1; } }",
        """message M { N n = 1; } message N { map<string, O> o = 1; }
           message O { repeated int32 v = 1 [(buf.validate.field).repeated.items.int32.gt = 0]; }""",
    ],
)
def test_rules_are_seen_wherever_they_stand(schema: Schema, body: str) -> None:
    assert Rules.build(schema(body), "t.M").has_rules


def test_a_type_without_rules_has_none(schema: Schema) -> None:
    files = schema(
        """
        message M { N n = 1; M m = 2; google.protobuf.Struct s = 3; int32 old = 4 [deprecated = true]; }
        message N { map<string, int32> v = 1; oneof k { int32 a = 2; } repeated int32 p = 3 [packed = false]; }
        message Other { int32 a = 1 [(buf.validate.field).int32.gt = 0]; }
        """
    )
    rules = Rules.build(files, "t.M")
    assert not rules.has_rules
    assert rules.check(pa.array([b"whatever"], pa.binary())) == ()


def test_what_does_not_parse_is_malformed(schema: Schema) -> None:
    payloads = pa.array([b"\xff\xff"], pa.binary())
    (rejection,) = Rules.build(schema(ORDER), "t.Order").check(payloads)
    assert rejection.reason is Reason.MALFORMED


def test_events_that_lack_a_required_field_do_not_crash_the_encoder(schema: Schema) -> None:
    files = schema("""
        message M {
          option (buf.validate.message).cel_expression = "this.n == 5 && this.ms.all(m, size(m.notes) < 3)";
          int32 n = 1 [features.field_presence = LEGACY_REQUIRED];
          map<int32, int32> notes = 2;
          repeated M ms = 3;
        }
    """)
    with_map, empty = b"\x12\x04\x08\x01\x10\x04", b""
    ms = b"".join(b"\x1a" + bytes([len(each)]) + each for each in (with_map, empty))
    rules = Rules.build(files, "t.M")
    first, second = rules.check(pa.array([ms, b"\x08\x05" + ms, b"\x08\x05"], pa.binary()))
    assert (first.reason, first.field) == (Reason.INVALID, "n")
    assert (second.reason, second.field) == (Reason.INVALID, "ms[0].n")


def test_no_events(schema: Schema) -> None:
    assert Rules.build(schema(ORDER), "t.Order").check(pa.array([], pa.binary())) == ()


def test_an_unknown_message(schema: Schema) -> None:
    with pytest.raises(RejectedError, match=r"t\.Nothing"):
        Rules.build(schema(ORDER), "t.Nothing")


def test_two_versions_of_a_type_do_not_meet(schema: Schema) -> None:
    body = "message V {{ int32 n = 1 [(buf.validate.field).int32.gt = {}]; }}"
    old, new = schema(body.format(0)), schema(body.format(10))
    assert check(old, [{"n": 5}], "t.V") == ()
    assert check(new, [{"n": 5}], "t.V")[0].rule == "int32.gt"
    assert check(old, [{"n": 5}], "t.V") == ()


def test_threads_share_rules(schema: Schema) -> None:
    rules = Rules.build(schema(ORDER), "t.Order")
    payloads = pa.array([b"", b"\x0a\x01x"] * 500, pa.binary())
    expected = Rules.build(schema(ORDER), "t.Order").check(payloads)
    found: list[tuple[Rejection, ...]] = []
    threads = [Thread(target=lambda: found.append(rules.check(payloads))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
