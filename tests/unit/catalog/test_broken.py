"""Broken configurations, and exactly what is said of each: `broken/*.txt`.

    ==== what is wrong
    ---- before/bobr.yaml     files in force, applied first by the same means
    ---- bobr.yaml            files that are broken
    ---- consent              words of --allow-delete, --take-over
    ---- behind               stream, delivery, seconds: how far a table is behind
    ---- problems             what is said, a line each

`GOLDEN=write` writes what is said now; read the difference before it is kept.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bobr.catalog import Catalog
from bobr.catalog.config.bundle import Bundle
from bobr.catalog.validate import Held, Holdings
from bobr.cli.bundle import read_bundle
from bobr.controller.proposal import Consent, World, propose, registered
from bobr.controller.registry import Registry, Store
from bobr.ids import DeliveryName, Revision, StreamName

FOLDER = Path(__file__).parent / "broken"
CASE = "==== "
FILE = "---- "
OWN = ("consent", "behind", "problems")
CASES_MIN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One broken configuration. sections: by their names, in order."""

    title: str
    sections: Mapping[str, str]

    def files(self, before: bool) -> Mapping[str, str]:
        return {
            name.removeprefix("before/"): text
            for name, text in self.sections.items()
            if name.startswith("before/") == before and name not in OWN
        }

    def lines(self, name: str) -> list[str]:
        return self.sections.get(name, "").splitlines()

    def with_problems(self, lines: Iterable[str]) -> "Case":
        text = "".join(f"{line}\n" for line in lines)
        return Case(title=self.title, sections={**self.sections, "problems": text})

    def __str__(self) -> str:
        parts = [f"{FILE}{name}\n{text}" for name, text in self.sections.items()]
        return f"{CASE}{self.title}\n{''.join(parts)}"


def parsed(text: str) -> list[Case]:
    cases = []
    for block in re.split(rf"^{CASE}", text, flags=re.MULTILINE)[1:]:
        title, _, rest = block.partition("\n")
        pieces = re.split(rf"^{FILE}(.+)\n", rest, flags=re.MULTILINE)
        sections = dict(zip(pieces[1::2], pieces[2::2], strict=True))
        cases.append(Case(title=title, sections=sections))
    return cases


def said(case: Case, folder: Path) -> list[str]:
    """What is wrong with it, as `bobr validate` prints it."""
    registry = Registry(Store(folder / "registry.sqlite"))
    current = Catalog()
    if before := case.files(before=True):
        world = World(current=current, registry=registry, hold=lambda _: {}, parts={})
        proposal = propose(bundle(before, folder / "before"), Consent(), world)
        assert not proposal.problems, proposal.problems
        current = registered(proposal, registry).model_copy(update={"revision": Revision(1)})
    world = World(
        current=current, registry=registry, hold=lambda _: behind(case.lines("behind")), parts={}
    )
    consent = Consent(**dict.fromkeys(case.lines("consent"), True))
    after = bundle(case.files(before=False), folder / "after")
    return [str(problem) for problem in propose(after, consent, world).problems]


def bundle(files: Mapping[str, str], folder: Path) -> Bundle:
    for name, text in files.items():
        path = folder / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("\\t", "\t"))
    here = Path.cwd()
    os.chdir(folder)
    try:
        return read_bundle(Path("conf"))
    finally:
        os.chdir(here)


def behind(lines: Iterable[str]) -> Holdings:
    found = {}
    for line in lines:
        stream, delivery, seconds = line.split()
        found[StreamName(stream)] = Held(
            events=1, behind_seconds={DeliveryName(delivery): float(seconds)}
        )
    return found


PAGES = sorted(FOLDER.glob("*.txt"))
CASES = [(page, case) for page in PAGES for case in parsed(page.read_text())]


@pytest.mark.parametrize(
    ("page", "case"), CASES, ids=[f"{page.stem}: {case.title}" for page, case in CASES]
)
def test_every_problem_is_said_exactly(page: Path, case: Case, tmp_path: Path) -> None:
    lines = said(case, tmp_path)
    if os.environ.get("GOLDEN") == "write":
        everything = [
            case if each.title == case.title else each for each in parsed(page.read_text())
        ]
        rewritten = [
            each.with_problems(lines) if each.title == case.title else each for each in everything
        ]
        page.write_text("".join(map(str, rewritten)))
    else:
        assert lines == case.lines("problems")


def test_there_are_enough_and_none_is_sound() -> None:
    assert len(CASES) >= CASES_MIN
    assert len({(page, case.title) for page, case in CASES}) == len(CASES)
    assert all(case.lines("problems") for _, case in CASES)
