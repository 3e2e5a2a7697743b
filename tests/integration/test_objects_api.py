"""One call makes a delivery, no file needed: the controller's API of single objects, over real HTTP."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bobr.errors import MORE, PROBLEMS_MAX
from bobr.testing.system import System

PROTO = (
    'syntax = "proto3";\npackage s;\nmessage Order {\n  string event_id = 1;\n  int32 n = 2;\n}\n'
)


@pytest.fixture
def api(system: System) -> Iterator[httpx2.Client]:
    url = f"http://{system.addresses['control']}"
    with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).removeprefix("test_").split("[")[0][:40].rstrip("_")


def make_stream(api: httpx2.Client, name: str, **members: object) -> httpx2.Response:
    body = {"proto": "o.proto", "files": {"o.proto": PROTO}, **members}
    return api.put(f"/v1/streams/{name}", json=body)


def make_delivery(api: httpx2.Client, name: str, **members: object) -> httpx2.Response:
    body = {"from": name, "table": name, "flush": "100ms", **members}
    return api.put(f"/v1/deliveries/{name}-lake", json=body)


def ok(answer: httpx2.Response) -> Mapping[str, Any]:
    assert answer.status_code == 200, answer.text
    body: Mapping[str, Any] = answer.json()
    return body


def problems(answer: httpx2.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(each["path"], each["rule"]) for each in answer.json()["error"]["problems"]]


def test_two_calls_make_a_table_that_fills(api: httpx2.Client, system: System, name: str) -> None:
    assert ok(make_stream(api, name))["live"]
    made = ok(make_delivery(api, name))
    assert [(each["action"], each["kind"]) for each in made["plan"]["steps"]] == [
        ("add", "delivery")
    ]
    system.ok("publish", name, "-", stdin=json.dumps({"event_id": "a", "n": 7}))
    system.flush()
    assert system.sql(f"select n from {name}") == [{"n": 7}]


def test_the_same_call_again_changes_nothing(api: httpx2.Client, name: str) -> None:
    assert ok(make_stream(api, name))["changed"]
    assert not ok(make_stream(api, name))["changed"]


@pytest.mark.parametrize(
    ("query", "headers"), [("?create_only=1", {}), ("", {"if-none-match": "*"})]
)
def test_what_is_to_be_made_is_not_changed(
    api: httpx2.Client, name: str, query: str, headers: Mapping[str, str]
) -> None:
    name = f"{name}{len(query)}"

    def put(days: int) -> httpx2.Response:
        body = {"proto": "o.proto", "files": {"o.proto": PROTO}, "retention": f"{days}d"}
        return api.put(f"/v1/streams/{name}{query}", json=body, headers=headers)

    assert ok(put(3))["changed"]
    again = put(4)
    assert (again.status_code, again.json()["error"]["message"]) == (
        412,
        f"there is a stream {name!r} already",
    )
    assert put(3).status_code == 412, "it is not this call that made it"
    assert ok(api.get("/v1/catalog"))["streams"][name]["retention"] == "3d"


def test_a_version_of_what_is_there_is_none_of_ours(api: httpx2.Client, name: str) -> None:
    body = {"proto": "o.proto", "files": {"o.proto": PROTO}}
    answer = api.put(f"/v1/streams/{name}", json=body, headers={"if-none-match": '"1"'})
    assert answer.status_code == 422
    assert name not in ok(api.get("/v1/catalog"))["streams"]


def test_a_condition_that_is_not_looked_at_is_refused(api: httpx2.Client, name: str) -> None:
    """Who sends it would believe that no change of another is overwritten."""
    ok(make_stream(api, name))
    for method in ("PUT", "DELETE"):
        path, headers = f"/v1/streams/{name}", {"if-match": '"1"'}
        answer = api.request(method, path, json={"message": "s.Order"}, headers=headers)
        assert (answer.status_code, "if-match is not known here" in answer.text) == (422, True)
    assert name in ok(api.get("/v1/catalog"))["streams"]


def test_what_is_not_known_is_said_with_what_is(api: httpx2.Client, name: str) -> None:
    def message(method: str, path: str, body: object) -> object:
        answer = api.request(method, path, json=body)
        assert answer.status_code == 422, answer.text
        return answer.json()["error"]["message"]

    path = f"/v1/destinations/{name}"
    unknown = message("PUT", f"{path}?mesage=why", {"kind": "iceberg"})
    assert unknown == "mesage is unknown: did you mean 'message'?"
    unlike = message("DELETE", f"{path}?zzz=1", {})
    assert unlike == "zzz is unknown: there is 'author', 'message', 'take_over'"
    assert message("POST", "/v1/validate", {}) == "bundle is missing"
    assert message("POST", "/v1/validate", {"bundle": {"files": {}, "x": 1}}) == (
        "bundle.x is unknown: leave it out"
    )


def test_everything_that_is_wrong_is_said_at_once(api: httpx2.Client, name: str) -> None:
    answer = make_delivery(api, name, dedup=24, partition="week", flsh="1s", to="lakes")
    path = f"deliveries.{name}-lake"
    assert problems(answer) == [
        (f"{path}.dedup", "wrong-value"),
        (f"{path}.flsh", "unknown-key"),
        (f"{path}.from", "unknown-name"),
        (f"{path}.partition", "wrong-value"),
        (f"{path}.to", "unknown-name"),
    ]
    assert problems(make_delivery(api, name)) == [(f"{path}.from", "unknown-name")]


def test_a_proto_without_its_text_is_said(api: httpx2.Client, name: str) -> None:
    answer = make_stream(api, name, files={})
    assert problems(answer) == [(f"streams.{name}.proto", "missing-key")]
    assert "there is no text of 'o.proto': send it in `files`" in answer.text


def test_what_is_no_reference_is_said(api: httpx2.Client, name: str) -> None:
    body = {
        "kind": "iceberg",
        "warehouse": "/srv/${env:A",
        "catalog": {"uri": "sqlite:////srv/${A}", "password": "${env:}"},
    }
    assert problems(api.put(f"/v1/destinations/{name}", json=body)) == [
        (f"destinations.{name}.catalog.password", "reference"),
        (f"destinations.{name}.catalog.uri", "reference"),
        (f"destinations.{name}.warehouse", "reference"),
    ]


def test_no_number_is_said_so(api: httpx2.Client, name: str) -> None:
    answer = api.put(f"/v1/principals/{name}", content=b'{"events_per_second": NaN}')
    assert "nan: it is a number" in answer.text


def test_of_thousands_of_problems_the_first_are_said(api: httpx2.Client, name: str) -> None:
    answer = make_stream(api, name, **{f"x{each}": 1 for each in range(PROBLEMS_MAX + 1)})
    *_, last = problems(answer)
    assert last == ("", MORE)
    assert len(problems(answer)) == PROBLEMS_MAX


def test_what_is_wrong_with_a_stream_does_not_hide_what_is_wrong_with_its_schema(
    api: httpx2.Client, name: str
) -> None:
    unfit = PROTO.replace("int32 n", "int32 _offset")
    answer = make_stream(api, f"{name}.Of", retention="3x", key="custmer", files={"o.proto": unfit})
    path = f"streams.{name}.Of"
    assert problems(answer) == [
        (path, "wrong-value"),
        (f"{path}.key", "message"),
        (f"{path}.retention", "wrong-value"),
        ("", "column"),
    ]
    unknown = make_stream(api, name, retention="3x", files={"o.proto": 7})
    assert problems(unknown) == [
        (f"streams.{name}.files.o.proto", "wrong-value"),
        (f"streams.{name}.retention", "wrong-value"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/v1/streams/x", "DELETE, GET, HEAD, PUT"),
        ("POST", "/v1/deliveries/x", "DELETE, GET, HEAD, PUT"),
        ("POST", "/v1/catalog", "GET, HEAD"),
        ("GET", "/v1/apply", "POST"),
        ("GET", "/v1/deliver", "POST"),
        ("PUT", "/v1/streams/x/events", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
    ],
)
def test_a_path_says_which_methods_it_takes(
    api: httpx2.Client, method: str, path: str, allow: str
) -> None:
    answer = api.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert answer.json() == {"error": {"message": f"{path} takes {allow}, not {method}"}}


def test_a_path_that_is_not_there_is_refused_in_the_form_of_its_api(api: httpx2.Client) -> None:
    for path in (
        "/v1/strems",
        "/v1/revisions/last",
        "/v1/streams/a/b/c",
        "/v1/",
        "/v1/revisions/a%0d%0ab",
    ):
        answer = api.get(path)
        assert (answer.status_code, list(answer.json())) == (404, ["error"]), path
    for path in ("/subject", "/subjects/none/versions"):
        answer = api.get(path)
        assert (answer.status_code, list(answer.json())) == (404, ["error_code", "message"]), path


def test_a_schema_that_does_not_compile_is_said_with_its_place(
    api: httpx2.Client, name: str
) -> None:
    answer = make_stream(api, name, files={"o.proto": PROTO.replace("int32", "int23")})
    (problem,) = answer.json()["error"]["problems"]
    assert (answer.status_code, problem["file"], problem["line"]) == (422, "o.proto", 5)


@pytest.mark.parametrize("kind", ["stream", "delivery", "route", "destination", "principal"])
def test_what_is_not_there_can_not_be_removed(api: httpx2.Client, kind: str) -> None:
    answer = api.delete(f"/v1/{'deliveries' if kind == 'delivery' else f'{kind}s'}/nothing")
    words = f"there is no {kind} 'nothing' to remove"
    assert (answer.status_code, answer.json()) == (404, {"error": {"message": words}})


def test_a_stream_is_not_removed_under_its_readers(api: httpx2.Client, name: str) -> None:
    ok(make_stream(api, name))
    ok(make_delivery(api, name))
    refused = api.delete(f"/v1/streams/{name}")
    assert problems(refused) == [(f"deliveries.{name}-lake.from", "unknown-name")]
    words = f"it names stream {name!r}, which is to be removed: change it or remove it before that"
    assert refused.json()["error"]["problems"][0]["message"] == words
    assert ok(api.delete(f"/v1/deliveries/{name}-lake"))["live"]
    assert ok(api.delete(f"/v1/streams/{name}"))["live"]
    assert name not in api.get("/v1/catalog").json()["streams"]


def test_what_files_declare_is_theirs(
    api: httpx2.Client, system: System, name: str, tmp_path: Path
) -> None:
    (tmp_path / "o.proto").write_text(PROTO)
    (tmp_path / "bobr.yaml").write_text(f"owner: {name}\nstreams:\n  {name}: {{proto: o.proto}}\n")
    system.ok("apply", str(tmp_path))
    assert problems(make_stream(api, name, retention="1h")) == [(f"streams.{name}", "owner")]
    assert problems(api.delete(f"/v1/streams/{name}")) == [(f"streams.{name}", "owner")]
    taken = api.put(
        f"/v1/streams/{name}?take_over=1",
        json={"proto": "o.proto", "files": {"o.proto": PROTO}, "retention": "1h"},
    )
    assert ok(taken)["changed"]
    assert api.get("/v1/catalog").json()["streams"][name]["owner"] == "api"


def test_pause_and_resume_are_revisions(api: httpx2.Client, name: str) -> None:
    ok(make_stream(api, name))
    ok(make_delivery(api, name))
    path = f"/v1/deliveries/{name}-lake"
    paused = ok(api.post(f"{path}/pause?message=disk&author=ann"))
    assert api.get("/v1/catalog").json()["deliveries"][f"{name}-lake"]["paused"] is True
    entry = ok(api.get(f"/v1/revisions/{paused['revision']}"))
    assert (entry["author"], entry["message"]) == ("ann", "disk")
    assert entry["source"] == f"POST {path}/pause"
    ok(make_delivery(api, name, dedup="1h"))
    assert api.get("/v1/catalog").json()["deliveries"][f"{name}-lake"]["paused"] is True, "kept"
    assert ok(api.post(f"{path}/resume"))["changed"]
    assert not ok(api.post(f"{path}/resume"))["changed"]
    assert api.post("/v1/deliveries/nothing/pause").status_code == 404


def test_the_description_has_every_call_and_fits_what_is_answered(
    api: httpx2.Client, name: str
) -> None:
    described = ok(api.get("/openapi.json"))
    assert described["openapi"] == "3.1.0"
    ok(make_stream(api, name))
    calls = {(method.upper(), path) for path, each in described["paths"].items() for method in each}
    assert ("PUT", "/v1/deliveries/{name}") in calls
    assert ("POST", "/v1/apply") in calls
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert described["security"] == [{"key": []}, {}]
    schemas = described["components"]["schemas"]
    dedup = schemas["DeliveryDeclaration"]["properties"]["dedup"]
    assert dedup["default"] == "24h", "as who calls writes it"
    assert {"const": 0} in dedup["anyOf"], "and the documented 0"
    assert schemas["StreamInCall"]["properties"]["retention"]["default"] == "7d"
    for method, path in calls:
        known = path.replace("{name}", name).replace("{revision}", "1")
        known = known.replace("{before}", "0").replace("{after}", "1")
        answer = api.request(method, known, json={})
        assert answer.status_code in (200, 404, 422), f"{method} {path}: {answer.text}"


def test_the_reference_lists_every_call(api: httpx2.Client) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/http.md").read_text()
    listed = set(re.findall(r"`(GET|PUT|POST|DELETE) (/\S*)`", page))
    described = ok(api.get("/openapi.json"))["paths"]
    calls = {(method.upper(), path) for path, each in described.items() for method in each}
    assert calls - listed == set()
    assert {("POST", "/v1/deliver"), ("POST", "/v1/flush"), ("GET", "/v1/status")} <= calls


def test_the_wish_of_deliver_is_described_and_its_answer_fits(
    api: httpx2.Client, name: str
) -> None:
    described = ok(api.get("/openapi.json"))
    call = described["paths"]["/v1/deliver"]["post"]
    schemas = described["components"]["schemas"]

    def members(content: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = content["content"]["application/json"]["schema"]["$ref"]
        properties: Mapping[str, Any] = schemas[reference.rsplit("/", 1)[1]]["properties"]
        return properties

    wish = {"files": {"o.proto": PROTO}, "main": "o.proto", "stream": name, "dedup": "1h"}
    assert wish.keys() < members(call["requestBody"]).keys()
    made = ok(api.post("/v1/deliver", json=wish))
    assert made.keys() == members(call["responses"]["200"]).keys()
    assert made["changes"][0] == f"stream {name}: made, carries s.Order"
    refused = api.post("/v1/deliver", json={**wish, "flush": "1s"})
    assert (refused.status_code, "flush" in refused.text) == (422, True)
