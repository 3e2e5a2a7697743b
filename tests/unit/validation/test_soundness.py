"""Rules that can not work are refused with the schema; rules that can are not."""

from collections.abc import Callable

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bobr.errors import SchemaError
from bobr.validation import Rules

Schema = Callable[[str], FileDescriptorSet]


def field_rule(kind: str, expression: str) -> str:
    rule = (
        f'(buf.validate.field).cel = {{id: "the.rule", message: "x", expression: "{expression}"}}'
    )
    return f"message M {{ {kind} a = 1 [{rule}]; }}"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (field_rule("string", "this.a +"), "the.rule"),
        (field_rule("int32", "nothing(this)"), "the.rule"),
        (field_rule("int32", "nothing == this"), "nothing"),
        (field_rule("int32", "this + 1"), "wanted either bool or string"),
        (field_rule("optional int32", "this.startsWith('a')"), "startsWith"),
        (field_rule("repeated int32", "this.all(x, x + 'a' == '')"), "int64, string"),
        (field_rule("map<string, int32>", "this.all(k, k + 1 == 2)"), "string, int64"),
        ("message M { string a = 1 [(buf.validate.field).int32.gt = 5]; }", "FieldRules.int32"),
        ('message M { string a = 1 [(buf.validate.field).string.pattern = "(["]; }', "missing ]"),
        (field_rule("bytes", "this + 'a' == 'a'"), "bytes, string"),
        (field_rule("google.protobuf.Timestamp", "this.a > 1"), "non-message type"),
        (field_rule("M", "this['a'] > 1"), "container type: 'struct'"),
    ],
)
def test_a_field_rule_that_can_not_work(schema: Schema, body: str, said: str) -> None:
    with pytest.raises(SchemaError) as caught:
        Rules.build(schema(body), "t.M")
    (problem,) = caught.value.problems
    assert problem.file == "t/t.proto"
    assert problem.line > 8
    assert problem.message.startswith("t.M.a: ")
    assert said in problem.message


def test_a_message_rule_that_can_not_work(schema: Schema) -> None:
    files = schema("""
        message M { option (buf.validate.message).cel_expression = "this.nope > 1"; int32 a = 1; }
    """)
    with pytest.raises(SchemaError, match=r"t\.M: .*no_such_field : nope"):
        Rules.build(files, "t.M")


def test_a_oneof_rule_over_fields_that_are_not_there(schema: Schema) -> None:
    files = schema("""
        message M { option (buf.validate.message).oneof = {fields: ["a", "b"]}; int32 a = 1; }
    """)
    with pytest.raises(SchemaError, match=r"t\.M: .*b"):
        Rules.build(files, "t.M")


def test_all_problems_are_told_each_once_and_in_order(schema: Schema) -> None:
    files = schema("""
        message M {
          N n = 1; repeated N ns = 2; M m = 3;
          string fine = 4 [(buf.validate.field).string.min_len = 1];
          string bad = 5 [(buf.validate.field).string.pattern = "("];
        }
        message N {
          string bad = 1 [(buf.validate.field).string.pattern = "["];
          string worse = 2 [(buf.validate.field).cel_expression = "("];
        }
    """)
    with pytest.raises(SchemaError) as caught:
        Rules.build(files, "t.M")
    names = [each.message.split(":")[0] for each in caught.value.problems]
    assert names == ["t.M.bad", "t.N.bad", "t.N.worse"]


def test_bad_rules_elsewhere_do_not_matter(schema: Schema) -> None:
    files = schema("""
        message M { int32 a = 1 [(buf.validate.field).int32.gt = 0]; }
        message Other { string a = 1 [(buf.validate.field).cel_expression = "("]; }
    """)
    assert Rules.build(files, "t.M").has_rules


@pytest.mark.parametrize(
    "body",
    [
        field_rule("int32", "10 / this > 1"),
        field_rule("repeated int32", "this[0] > 1"),
        field_rule("map<string, int32>", "this['x'] > 1"),
        field_rule("google.protobuf.Value", "this > 1.0"),
        field_rule("google.protobuf.Int32Value", "this > 1"),
        field_rule("google.protobuf.Struct", "this['x'].y > 1.0"),
        field_rule("google.protobuf.BoolValue", "this"),
        """message M { option (buf.validate.message).cel_expression = "this.flag && this.v.x > 1.0";
           google.protobuf.BoolValue flag = 1; google.protobuf.Value v = 2; }""",
    ],
)
def test_rules_that_fail_on_some_values_only_are_fine(schema: Schema, body: str) -> None:
    assert Rules.build(schema(body), "t.M").has_rules
