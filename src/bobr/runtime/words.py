"""What parts say of themselves, as values, and how that travels.

A word is looked at by whoever hears it, configurator and controller: tables and retention depend on it.
"""

from enum import StrEnum
from typing import Annotated

from google.protobuf.message import DecodeError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bobr.errors import RejectedError
from bobr.ids import Revision
from bobr.runtime.report import Report
from bobr.v1 import configurator_pb2 as wire

NOTHING_YET = Revision(-1)
GONE_SECONDS = 5.0
"""Who was silent this long is not counted any more: parts speak every two seconds at least."""
SAY_SECONDS = 1.0
"""A report that changed is told this soon."""
QUIET_SECONDS = 2.0
"""A word is said this often though nothing changed."""
TOLD_CHARACTERS_MAX = 200
"""Of what is wrong with a word."""


def refused(revision: Revision) -> str:
    """How a part's error begins that is its NACK: it can not run that revision, and goes on with the one before."""
    return f"revision {revision} refused: "


class PartName(StrEnum):
    """Parts that say words."""

    BROKER = "broker"
    TRANSMITTER = "transmitter"
    CONFIGURATOR = "configurator"


class Word(BaseModel):
    """What an instance says. flushed: the last flush order that it carried out. told: see `configurator.proto`."""

    model_config = ConfigDict(frozen=True)

    instance: Annotated[str, Field(min_length=1, max_length=64)]
    part: PartName
    pid: Annotated[int, Field(ge=1, lt=1 << 31)]
    number: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    revision: Annotated[Revision, Field(ge=NOTHING_YET, lt=1 << 63)]
    error: str | None
    report: Report
    flushed: Annotated[int, Field(ge=0, lt=1 << 63)]
    told: Annotated[Revision, Field(ge=NOTHING_YET, lt=1 << 63)] = NOTHING_YET


def to_wire(word: Word, report: bytes) -> wire.Word:
    """`report`: its JSON, which is not made anew."""
    return wire.Word(
        instance=word.instance,
        part=word.part,
        pid=word.pid,
        number=word.number,
        revision=word.revision,
        error=word.error,
        report=report,
        flushed=word.flushed,
        told=word.told,
    )


def of_bytes(content: bytes) -> wire.Word:
    """RejectedError: it is no word at all."""
    try:
        return wire.Word.FromString(content)
    except DecodeError as error:
        raise RejectedError(f"not a word of a part: {error}") from error


def of_wire(said: wire.Word) -> Word:
    """RejectedError: no part says such a thing; with what is wrong."""
    try:
        return Word(
            instance=said.instance,
            part=said.part,  # type: ignore[arg-type]  # is looked at here
            pid=said.pid,
            number=said.number,
            revision=Revision(said.revision),
            error=said.error if said.HasField("error") else None,
            report=Report.model_validate_json(said.report),
            flushed=said.flushed,
            told=Revision(said.told),
        )
    except ValidationError as error:
        raise RejectedError(f"not a word of a part: {_what(error)}") from error


def _what(error: ValidationError) -> str:
    first, *_ = error.errors(include_url=False, include_input=False, include_context=False)
    place = ".".join(map(str, first["loc"]))
    return f"{error.title} {place}: {first['msg']}"[:TOLD_CHARACTERS_MAX]
