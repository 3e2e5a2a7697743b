"""JSON events: what is read as what, and what is said of those that are refused."""

import json

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message

from bobr.errors import RejectedError
from bobr.outcome import Reason, Rejection
from bobr.schema.json import JsonReader
from bobr.schema.json.sure import UNSURE
from bobr.schema.json.values import described_by


def read(reader: JsonReader, text: str | bytes) -> bytes | Rejection:
    """The fate of one document."""
    document = text.encode() if isinstance(text, str) else text
    payloads, _, rejected = reader.read([document])
    return rejected[0] if rejected else bytes(payloads[0].as_py())


def refused(reader: JsonReader, text: str | bytes) -> Rejection:
    fate = read(reader, text)
    assert isinstance(fate, Rejection)
    return fate


RIGHT = [
    "{}",
    '{"firstItem":{"unitPrice":1.5},"items":[{},{"sku":"a"}],"numbers":[1,2]}',
    '{"first_item":{"unit_price":1.5}}',
    '{"big":"9223372036854775807","unsigned":"18446744073709551615","small":-2147483648}',
    '{"big":9223372036854775807,"small":"7","unsigned":1e3}',
    '{"single":1.5,"total":1e308,"paid":true,"raw":"-_-_"}',
    '{"single":"NaN","total":"-Infinity","raw":"YWI="}',
    '{"single":3.4028234663852886e38,"total":7}',
    '{"platform":"WEB","closed":"ONE"}',
    '{"platform":1,"closed":1}',
    '{"platform":77}',
    '{"byName":{"a":{"sku":"x"},"":{}},"byNumber":{"-1":"a"},"byTruth":{"true":"x","false":"y"}}',
    '{"mail":"a@b.example"}',
    '{"mail":null,"phoneNumber":"5"}',
    '{"nobody":null}',
    '{"at":"2026-11-24T08:14:32.123456789Z","took":"-1.5s"}',
    '{"at":"1969-12-31T23:59:59.5+01:30","took":"315576000000s"}',
    '{"extra":{"a":[1,{"b":null}],"fields":{"c":true}},"anything":null,"listed":[[],"x"]}',
    '{"anything":{"fields":{}},"values":[null,1],"structs":{"a":{"fields":{"b":1}}}}',
    '{"note":"","count":"0"}',
    '{"parent":{"parent":{"name":"x"}}}',
    '{"group":{"sku":"x"}}',
    '{"name":null,"items":null,"byName":null,"at":null,"note":null,"parent":null,"platform":null}',
    '{"name":"\\ud83d\\ude00 é \\u0000"}',
]
RARE = [  # but right
    '{"mask":"a.bC,d"}',
    '{"any":{"@type":"x/t.Item","sku":"a"}}',
    '{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}',
    '{"firstItem":{"sku":"a"},"first_item":{"count":1}}',
    '{"small":"1.0","total":"1.5"}',
    '{"platform":"1"}',
    '{"at":"2026-1-2T3:4:5Z"}',
    '{"byNumber":{"1":"a","01":"b"}}',
    '{"mail":"x","nobody":null}',
    "[]",
]


@pytest.mark.parametrize("text", RIGHT)
def test_ordinary_json_is_read_surely(reader: JsonReader, new: type[Message], text: str) -> None:
    expected = json_format.Parse(text, new(), descriptor_pool=described_by(new).file.pool)
    payload = reader._read_surely(text.encode())
    assert new.FromString(payload).SerializeToString(
        deterministic=True
    ) == expected.SerializeToString(deterministic=True)


@pytest.mark.parametrize("text", RARE)
def test_rare_json_is_judged_by_json_format(
    reader: JsonReader, new: type[Message], text: str
) -> None:
    with pytest.raises(UNSURE):
        reader._read_surely(text.encode())
    payload = read(reader, text)
    assert isinstance(payload, bytes)
    expected = json_format.Parse(text, new(), descriptor_pool=described_by(new).file.pool)
    assert new.FromString(payload) == expected


@pytest.mark.parametrize(
    ("text", "reason", "field", "said"),
    [
        ('{"naem":1}', Reason.UNKNOWN_FIELD, "naem", 't.Event has no field "naem"; did you mean "name"?'),
        ('{"frist_item":1}', Reason.UNKNOWN_FIELD, "frist_item", 'did you mean "first_item"?'),
        ('{"First_item":1}', Reason.UNKNOWN_FIELD, "First_item", 'did you mean "first_item"?'),
        ('{"fristItem":1}', Reason.UNKNOWN_FIELD, "fristItem", 'did you mean "firstItem"?'),
        ('{"name":"\\ud800"}', Reason.INVALID, "name", "expected a string without half of a surrogate pair"),
        ('{"items":[{},{"zzz":1}]}', Reason.UNKNOWN_FIELD, "items[1].zzz", 't.Item has no field "zzz"'),
        ('{"name":5}', Reason.MALFORMED, "name", "expected a string, got 5"),
        ('{"small":"x"}', Reason.MALFORMED, "small", "expected an integer from -2147483648 to 2147483647, got \"x\""),
        ('{"small":true}', Reason.MALFORMED, "small", "expected an integer"),
        ('{"small":2147483648}', Reason.INVALID, "small", "got 2147483648"),
        ('{"unsigned":-1}', Reason.INVALID, "unsigned", "from 0 to 18446744073709551615, got -1"),
        ('{"small":1.5}', Reason.INVALID, "small", "got 1.5"),
        ('{"single":1e39}', Reason.INVALID, "single", "expected a number up to 3.4e38"),
        ('{"total":1e400}', Reason.INVALID, "total", "got Infinity"),
        ('{"total":[]}', Reason.MALFORMED, "total", "got an array"),
        ('{"paid":"true"}', Reason.MALFORMED, "paid", 'expected true or false, got "true"'),
        ('{"raw":"Y"}', Reason.INVALID, "raw", 'expected a string in base64, got "Y"'),
        ('{"platform":"WEBB"}', Reason.INVALID, "platform", 'WEB, IOS (t.Platform), got "WEBB"; did you mean "WEB"?'),
        ('{"closed":9}', Reason.INVALID, "closed", "expected one of ZERO, ONE (t.Closed), got 9"),
        ('{"firstItem":5}', Reason.MALFORMED, "first_item", "expected an object (t.Item), got 5"),
        ('{"items":{}}', Reason.MALFORMED, "items", "expected an array, got an object"),
        ('{"items":[{},null]}', Reason.MALFORMED, "items[1]", "got null"),
        ('{"numbers":[1,null]}', Reason.MALFORMED, "numbers[1]", "expected a value, got null"),
        ('{"byName":{"a":{"count":"x"}}}', Reason.MALFORMED, 'by_name["a"].count', "got \"x\""),
        ('{"byName":[]}', Reason.MALFORMED, "by_name", "expected an object, got an array"),
        ('{"byNumber":{"x":""}}', Reason.MALFORMED, "by_number", 'got "x" as a key'),
        ('{"byNumber":{"2147483648":""}}', Reason.MALFORMED, "by_number", 'got "2147483648" as a key'),
        ('{"byTruth":{"yes":""}}', Reason.MALFORMED, "by_truth", 'got "yes" as a key'),
        ('{"mail":"x","phoneNumber":1}', Reason.MALFORMED, "phone_number", 'one of "mail" and "phoneNumber"'),
        ('{"at":"yesterday"}', Reason.INVALID, "at", "expected a time of the years 1 to 9999, with its zone, such as"),
        ('{"at":5}', Reason.MALFORMED, "at", "got 5"),
        ('{"took":"1.5"}', Reason.INVALID, "took", 'expected seconds, such as "1.5s"'),
        ('{"mask":"a_b"}', Reason.INVALID, "mask", "lower camel case"),
        ('{"extra":[]}', Reason.MALFORMED, "extra", "got an array"),
        ('{"any":{"@type":"x/no.Such"}}', Reason.MALFORMED, "any", "Can not find message descriptor"),
        ('{"any":{"@type":"x/t.Item","count":"x"}}', Reason.MALFORMED, "any", "invalid literal for int()"),
        ('{"any":"x"}', Reason.MALFORMED, "any", 'expected an object with "@type"'),
        ('{"extra":{"a":["\\ud800"]}}', Reason.MALFORMED, "extra", "surrogates not allowed"),
        ('{"anything":"\\ud800"}', Reason.MALFORMED, "anything", "surrogates not allowed"),
        ('{"note":5}', Reason.MALFORMED, "note", "expected a string"),
        ('{"values":null}', Reason.MALFORMED, "values", "expected an array, got null"),
        ('{"parent":{"parent":{"small":"x"}}}', Reason.MALFORMED, "parent.parent.small", "an integer"),
        ('{"name":"a","name":"b"}', Reason.MALFORMED, "name", "given twice in one object"),
        ('{"byName":{"a":{},"a":{}}}', Reason.MALFORMED, 'by_name["a"]', "given twice in one object"),
        ('{"extra":{"a":1,"a":1}}', Reason.MALFORMED, "", '"a" is given twice in one object'),
        ('{"name":"\\ud800"}', Reason.INVALID, "name", 'got "\\ud800"'),
        ('{"\\ud800":1}', Reason.UNKNOWN_FIELD, "\\ud800", 't.Event has no field "\\ud800"'),
        ('{"platform":"\\ud800"}', Reason.INVALID, "platform", 'got "\\ud800"'),
        ('{"byName":{"é":{"count":"x"}}}', Reason.MALFORMED, 'by_name["é"].count', "an integer"),
        ('{"structs":{"\\ud800":{}}}', Reason.MALFORMED, "structs", "as a key"),
        ('{"[x.y]":1}', Reason.UNKNOWN_FIELD, "[x.y]", 't.Event has no field "[x.y]"'),
        ("5", Reason.MALFORMED, "", "expected an object (t.Event), got 5"),
        ("", Reason.MALFORMED, "", "not JSON: Expecting value at character 0"),
        ('{"name":}', Reason.MALFORMED, "", "not JSON: Expecting value at character 8"),
        ('{"name":"x"', Reason.MALFORMED, "", "not JSON"),
        ("{} {}", Reason.MALFORMED, "", "a second document begins at character 3"),
        ("\ufeff{}", Reason.MALFORMED, "", "BOM"),
        (b'{"name":"\xff"}', Reason.MALFORMED, "", "not UTF-8: invalid start byte at byte 9"),
        ('{"name":"a\x00"}', Reason.MALFORMED, "", "not JSON: Invalid control character at character 10"),
        ('{"name":"x', Reason.MALFORMED, "", "not JSON: Unterminated string at character 8"),
        ('{"small":' + "9" * 100_000 + "}", Reason.MALFORMED, "", "not JSON that can be read"),
    ],
)  # fmt: skip
def test_refusals(
    reader: JsonReader, text: str | bytes, reason: Reason, field: str, said: str
) -> None:
    rejection = refused(reader, text)
    assert (rejection.reason, rejection.field) == (reason, field)
    assert said in rejection.message


@pytest.mark.parametrize("depth", [101, 500, 100_000])
@pytest.mark.parametrize(
    ("start", "end"), [('{"parent":', "}"), ('{"extra":{"a":', "}}"), ("[", "]"), ('{"anything":[', "]}")]
)  # fmt: skip
def test_depth_bombs_are_refused(reader: JsonReader, start: str, end: str, depth: int) -> None:
    rejection = refused(reader, start * depth + "{}" + end * depth)
    assert rejection.reason in (Reason.MALFORMED, Reason.UNKNOWN_FIELD)


@pytest.mark.parametrize("levels", [29, 30, 31, 33, 49, 50, 60])
def test_free_json_is_refused_where_protobuf_could_not_read_it_again(
    reader: JsonReader, new: type[Message], levels: int
) -> None:
    fate = read(reader, '{"extra":' + '{"a":' * levels + "{}" + "}" * levels + "}")
    if isinstance(fate, Rejection):
        assert levels > 30
        assert "deep" in fate.message
    else:
        assert levels <= 33
        assert new.FromString(fate).ByteSize() == len(fate)


def test_long_texts_and_keys_are_cut(reader: JsonReader) -> None:
    for text in ('{"' + "k" * 100_000 + '":1}', '{"paid":"' + "v" * 100_000 + '"}'):
        rejection = refused(reader, text)
        assert len(rejection.message) < 400
        assert len(rejection.field) < 400


def test_a_fault_behind_many_values_is_found_or_told_in_general(reader: JsonReader) -> None:
    many = json.dumps({"items": [{"count": "1"}] * 5_000 + [{"count": "x"}]})
    assert "'x'" in refused(reader, many).message
    plain = json.dumps({"items": [{"count": 1}] * 5_000 + [{"count": "x"}]})
    assert refused(reader, plain).field == "items[5000].count"


def test_neighbours_are_accepted_and_indices_kept(reader: JsonReader, new: type[Message]) -> None:
    documents: list[bytes | memoryview] = [
        b'{"name":"a"}',
        b"{",
        memoryview(b'{"name":"b"}'),
        b'{"x":1}',
        b'{"name":"c"}',
    ]
    payloads, indices, rejected = reader.read(documents)
    names = [new.FromString(each) for each in payloads.to_pylist()]
    assert [json_format.MessageToDict(each)["name"] for each in names] == ["a", "b", "c"]
    assert indices == [0, 2, 4]
    assert [each.index for each in rejected] == [1, 3]


def test_no_documents(reader: JsonReader) -> None:
    payloads, indices, rejected = reader.read([])
    assert (len(payloads), indices, rejected) == (0, [], ())


def test_incomplete_events_do_not_crash_the_encoder(files: FileDescriptorSet) -> None:
    """A message like this one crashes protobuf 7.36 when it is encoded."""
    strict = JsonReader.build(files, "t.Strict")
    rejection = refused(strict, '{"id":1,"inner":[{"notes":{"1":4}},{}]}')
    assert (rejection.reason, rejection.field) == (Reason.INVALID, "inner[0].id")
    assert rejection.message == "inner[0].id is required, but not set"
    assert isinstance(read(strict, '{"id":0,"inner":[{"id":2}]}'), bytes)


def test_types_that_can_be_incomplete_can_not_be_in_an_any(reader: JsonReader) -> None:
    rejection = refused(reader, '{"any":{"@type":"x/t.Strict","inner":[{"notes":{"1":4}},{}]}}')
    assert (rejection.reason, rejection.field) == (Reason.MALFORMED, "any")


def test_a_message_that_is_not_there(files: FileDescriptorSet) -> None:
    with pytest.raises(RejectedError, match=r"t\.Nothing"):
        JsonReader.build(files, "t.Nothing")


def test_a_well_known_type_as_event(files: FileDescriptorSet) -> None:
    assert read(JsonReader.build(files, "google.protobuf.Duration"), '"1s"') == b"\x08\x01"
    assert read(JsonReader.build(files, "google.protobuf.StringValue"), '"a"') == b"\n\x01a"
