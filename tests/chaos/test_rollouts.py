"""Two hundred changes in random order, good and bad, while parts are killed and the database is cut, under load.

Streams that no change is about lose nothing and get nothing twice; at the end every part runs what the catalog says.
"""

import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bobr.testing.postgres import Postgres
from bobr.testing.system import running_system
from bobr.testing.trial import PROTO, Trial

CHANGES = 200
UNTOUCHED = ("calm-a", "calm-b")
NAMES = tuple(f"wild-{number}" for number in range(8))
PARTS = ("controller", "configurator", "broker", "transmitter")
ANSWERS_SECONDS = 120.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

Body = Mapping[str, Any]


@pytest.fixture
def trial(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.setenv("BOBR_CATALOG", postgres.new_database())
    with running_system(tmp_path / "data") as system:
        yield Trial(system=system, folder=tmp_path)


@dataclass
class Wild:
    """Changes, one after the other, each drawn by chance. done: how many of which kind."""

    trial: Trial
    postgres: Postgres
    chance: random.Random
    first: int
    done: dict[str, int] = field(default_factory=dict)

    def change(self) -> None:
        kinds: Sequence[tuple[int, Callable[[], object]]] = (
            (8, self.make),
            (6, self.alter_delivery),
            (4, self.alter_stream),
            (3, self.remove),
            (3, self.pause_or_resume),
            (2, self.wrong),
            (3, self.unrunnable),
            (2, self.roll_back),
            (1, self.log_level),
            (2, self.kill),
            (1, self.cut_database),
        )
        (act,) = self.chance.choices([act for _, act in kinds], [weight for weight, _ in kinds])
        act()
        self.done[act.__name__] = self.done.get(act.__name__, 0) + 1

    def make(self) -> None:
        name = self.chance.choice(NAMES)
        self.put_stream(name, {})
        table = name.replace("-", "_")
        self.call("PUT", f"deliveries/{name}", {"from": name, "table": table, "flush": "200ms"})

    def put_stream(self, name: str, members: Body) -> None:
        body = {"proto": "trial.proto", "files": {"trial.proto": PROTO}, **members}
        self.call("PUT", f"streams/{name}", body)

    def alter_delivery(self) -> None:
        name = self.chance.choice(NAMES)
        body = {
            "from": name,
            "table": name.replace("-", "_"),
            "dedup": f"{self.chance.randrange(0, 48)}h",
            "flush": f"{self.chance.randrange(100, 3000)}ms",
        }
        self.call("PUT", f"deliveries/{name}", body)

    def alter_stream(self) -> None:
        self.put_stream(
            self.chance.choice(NAMES), {"retention": f"{self.chance.randrange(1, 30)}d"}
        )

    def remove(self) -> None:
        name = self.chance.choice(NAMES)
        self.call("DELETE", f"deliveries/{name}")
        if self.chance.random() < 0.5:
            self.call("DELETE", f"streams/{name}")

    def pause_or_resume(self) -> None:
        word = self.chance.choice(["pause", "resume"])
        self.call("POST", f"deliveries/{self.chance.choice(NAMES)}/{word}")

    def wrong(self) -> None:
        answer = self.call("PUT", f"deliveries/{self.chance.choice(NAMES)}", {"flush": "soon"})
        assert answer.status_code in (422, 503), answer.text

    def unrunnable(self) -> None:
        """It can be declared, but the transmitter can not resolve it: it refuses, and the one before comes back.

        While the transmitter is away, nobody refuses: then it stays, and that delivery is broken.
        """
        name = self.chance.choice(NAMES)
        catalog = self.catalog()
        if name not in catalog["streams"]:
            return
        place = {"kind": "iceberg", "warehouse": "${env:NOBODY_SETS_THIS}"}
        self.call("PUT", "destinations/nowhere", place)
        body = {"from": name, "to": "nowhere", "table": "refused"}
        answer = self.call("PUT", f"deliveries/{name}-nowhere", body)
        if answer.status_code == 200 and answer.json()["changed"]:
            assert not answer.json()["live"], answer.text

    def roll_back(self) -> None:
        newest = self.catalog()["revision"]
        revision = self.chance.randrange(self.first, newest + 1)
        self.call("POST", "rollback", {"revision": revision, "allow_delete": True})

    def log_level(self) -> None:
        (self.trial.folder / "conf").mkdir(exist_ok=True)
        level = self.chance.choice(["debug", "info", "warning"])
        text = f"settings: {{log_level: {level}}}\n"
        bundle = {"files": {"conf/bobr.yaml": text}}
        self.call("POST", "apply", {"bundle": bundle, "consent": {"take_over": True}})

    def kill(self) -> None:
        name = self.chance.choice(PARTS)
        pid = self.trial.system.running.parts[name].pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)

    def cut_database(self) -> None:
        self.postgres.kill()
        try:
            answer = self.call("PUT", f"streams/{self.chance.choice(NAMES)}", {}, patience=False)
            assert answer is None or answer.status_code in (422, 503), answer.text
        finally:
            self.postgres.start()

    def catalog(self) -> Body:
        answer = self.call("GET", "catalog")
        assert answer.status_code == 200, answer.text
        body: Body = answer.json()
        return body

    def call(
        self, method: str, path: str, body: Body | None = None, *, patience: bool = True
    ) -> Any:
        """Until the controller answers, who may be dead or without its database. None: it did not, without patience."""
        found: list[httpx2.Response] = []

        def answered() -> bool:
            url = f"http://{self.trial.addresses()['control']}/v1/{path}"
            try:
                answer = httpx2.request(
                    method, url, json=body, timeout=ANSWERS_SECONDS, trust_env=False
                )
            except httpx2.HTTPError as error:
                raise OSError(str(error)) from error
            assert answer.status_code < 500 or answer.status_code == 503, answer.text
            found[:] = [answer]
            return answer.status_code != 503

        if patience:
            self.trial.wait_until(answered, ANSWERS_SECONDS)
        else:
            try:
                answered()
            except OSError:
                return None
        return found[0]


def unsettled(trial: Trial) -> list[object]:
    """What is not as the catalog says: every part runs the newest revision, the transmitter exactly its deliveries."""
    state = trial.status()
    url = f"http://{trial.addresses()['control']}/v1/catalog"
    catalog = httpx2.get(url, trust_env=False).json()
    told = {each["delivery"]: (each["state"], each["reason"]) for each in state["deliveries"]}
    wanted = {
        name: "paused" if each["paused"] else "broken" if each["to"] == "nowhere" else "running"
        for name, each in catalog["deliveries"].items()
    }
    return [
        (part["part"], part["revision"], catalog["revision"], part["error"])
        for part in state["parts"]
        if part["revision"] != catalog["revision"]
    ] + [
        (name, told.get(name), wanted.get(name))
        for name in told.keys() | wanted.keys()
        if told.get(name, ("gone", ""))[0] != wanted.get(name, "gone")
    ]


def test_random_changes_disturb_nothing_and_end_as_the_catalog_says(
    trial: Trial, postgres: Postgres, chance: random.Random
) -> None:
    for name in UNTOUCHED:
        trial.stream = name
        trial.deliver("--table", name.replace("-", "_"))
    wild = Wild(trial, postgres, chance, first=len(UNTOUCHED))
    with ExitStack() as load:
        producers = {}
        for name in UNTOUCHED:
            trial.stream = name
            producers[name] = load.enter_context(trial.producer(per_call=20))
        for _ in range(CHANGES):
            wild.change()
        try:
            trial.wait_until(lambda: not unsettled(trial), ANSWERS_SECONDS)
        finally:
            print(wild.done, unsettled(trial))
        for producer in producers.values():
            producer.wait_for(producer.acknowledged + 20)
    for name, producer in producers.items():
        trial.stream = name.replace("-", "_")
        trial.assert_each_once(producer)
    history = trial.system.ok("history", "--json", "--limit", "1000").json()["revisions"]
    assert any(each["source"] == "automatic rollback" for each in history)
