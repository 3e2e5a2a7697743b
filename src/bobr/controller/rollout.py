"""What every instance of every part makes of a revision, waited for within a bound."""

from collections.abc import Collection
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from bobr.catalog import Catalog
from bobr.controller.parts import Parts, Voice
from bobr.errors import UnavailableError
from bobr.ids import Revision
from bobr.runtime.words import GONE_SECONDS, PartName, refused


class State(StrEnum):
    """What an instance of a part makes of a revision."""

    LIVE = "live"
    REFUSED = "refused"
    LATE = "late"


class Answer(BaseModel):
    """Of one instance of a part. A part of which none speaks answers with no instance: it is late."""

    model_config = ConfigDict(frozen=True)

    part: str
    instance: str
    pid: int
    state: State
    reason: str


async def tried(parts: Parts, catalog: Catalog, canary: int, wait_seconds: float) -> list[Answer]:
    """What the first instances of each part make of it, while the others run what was before.

    Configurators run nothing: what they hand out to all is what is in force. UnavailableError: the controller ends
    before they have answered.
    """
    canaries = {
        voice.word.instance: voice
        for part, voices in parts.living().items()
        for voice in voices[:canary]
        if part is not PartName.CONFIGURATOR
    }
    await parts.propose(catalog, canaries.keys())
    found = await answers(parts, catalog, parts.catalog, wait_seconds, canaries.keys())
    if parts.is_ending and any(each.state is State.LATE for each in found):
        raise UnavailableError(_undecided(catalog.revision))
    gone = canaries.keys() - {each.instance for each in found}
    return [*found, *(_end(canaries[instance]) for instance in sorted(gone))]


async def answers(
    parts: Parts,
    catalog: Catalog,
    before: Catalog,
    wait_seconds: float,
    of: Collection[str] | None = None,
) -> list[Answer]:
    """What every instance makes of it, or those of these ids, as far as it says so in time."""
    revisions = (Revision(before.revision), Revision(catalog.revision))
    expected = parts.expected() if of is None else ()

    def now() -> list[Answer]:
        living = parts.living()
        voices = (voice for some in living.values() for voice in some)
        asked = (each for each in voices if of is None or each.word.instance in of)
        return [
            *(_answer(each, *revisions) for each in asked),
            *(_silence(part) for part in expected if part not in living),
        ]

    await parts.wait_until(
        lambda: all(each.state is not State.LATE for each in now()), wait_seconds
    )
    return now()


def _state(voice: Voice, before: Revision, revision: Revision) -> State:
    """A refusal counts of who ran what was before: who was behind may refuse that as well, and is late."""
    if voice.word.revision >= revision:
        return State.LIVE
    ran_before = voice.word.revision >= before
    return State.REFUSED if ran_before and _refusal(voice, revision) else State.LATE


def _refusal(voice: Voice, revision: Revision) -> str:
    """Its reason, or nothing."""
    begin = refused(revision)
    error = voice.word.error or ""
    return error.removeprefix(begin) if error.startswith(begin) else ""


def _answer(voice: Voice, before: Revision, revision: Revision) -> Answer:
    return Answer(
        part=str(voice.part),
        instance=voice.word.instance,
        pid=voice.word.pid,
        state=_state(voice, before, revision),
        reason=_refusal(voice, revision) or voice.word.error or "",
    )


def _undecided(revision: Revision) -> str:
    return (
        f"the controller ends while revision {revision} is tried: it is not in force, but for keys and rights that it "
        "takes away; apply it again when the controller runs"
    )


def _end(canary: Voice) -> Answer:
    """Of one that fell silent while it tried: it may have ended of what it tried."""
    return Answer(
        part=str(canary.part),
        instance=canary.word.instance,
        pid=canary.word.pid,
        state=State.REFUSED,
        reason=f"nothing was heard of it for {GONE_SECONDS:g} s while it tried it",
    )


def _silence(part: PartName) -> Answer:
    return Answer(
        part=str(part), instance="", pid=0, state=State.LATE, reason="none of it speaks now"
    )
