"""Who comes to the wrong port of a system is told where to go."""

import httpx2

from bobr.testing.system import System


def test_events_that_come_to_the_controller_are_told_the_address_of_the_broker(
    system: System,
) -> None:
    path = "/v1/streams/carts/events"
    answer = httpx2.post(
        f"http://{system.addresses['control']}{path}", json={"event_id": "a"}, trust_env=False
    )
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert f"http://{system.addresses['http']}{path}" in answer.json()["error"]["message"]


def test_the_controller_says_what_it_is_and_where_the_others_are(system: System) -> None:
    answer = httpx2.get(f"http://{system.addresses['control']}/", trust_env=False)
    assert answer.raise_for_status().json()["part"] == "controller"
    assert answer.json()["addresses"] == dict(system.addresses)
    assert "events go to" in answer.json()["what"]
