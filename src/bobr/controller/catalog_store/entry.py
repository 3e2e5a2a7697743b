"""A revision: as a person reads it, and as the row that keeps it. Pure.

A row's digest is made of all that stands in the row and of the digest of the row before: whoever changes one has to
change all that follow, and the newest is easily noted elsewhere.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from bobr.catalog.change import Delta, delta_of
from bobr.errors import BrokenError, RejectedError
from bobr.ids import Revision

TEXT_CHARACTERS_MAX = 4_096
"""Of each text of a stamp: what people write, not what they attach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Who changes the catalog, from where, from what, why, and when (aware).

    RejectedError: a text is above `TEXT_CHARACTERS_MAX`, or has characters that databases do not keep.
    """

    author: str
    address: str
    """Of the network, or the name of a host."""
    source: str
    """What the change was read from, such as `bobr apply conf/ at git 1a2b3c`."""
    message: str
    at: datetime

    def __post_init__(self) -> None:
        """See the class."""
        assert self.at.tzinfo is not None, "a time of no zone"
        for what in ("author", "address", "source", "message"):
            _check(what, getattr(self, what))


def _check(what: str, text: str) -> None:
    if len(text) > TEXT_CHARACTERS_MAX:
        raise RejectedError(
            f"the {what} of a change has {TEXT_CHARACTERS_MAX:,} characters at most"
        )
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise RejectedError(f"the {what} of a change is no text: it has a NUL or half a character")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One revision of the history."""

    revision: Revision
    stamp: Stamp
    delta: Delta
    digest: str
    """SHA-256 in hexadecimal, 64 digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a row says, member by column."""

    revision: Revision
    made_at: str
    """ISO 8601 in UTC, to the microsecond."""
    author: str
    address: str
    source: str
    message: str
    ticket: str
    """Random: by it a writer whose answer was lost finds out whether this row is its own."""
    delta: str
    """JSON of `change.delta_json`."""
    snapshot: str
    """SHA-256 of the snapshot that was stored with it, in hexadecimal; empty: none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Content):
    """As it is stored."""

    digest: str


def content(delta: str, revision: Revision, stamp: Stamp, ticket: str, snapshot: str) -> Content:
    """All of it but the digest."""
    return Content(
        revision=revision,
        made_at=stamp.at.astimezone(UTC).isoformat(timespec="microseconds"),
        author=stamp.author,
        address=stamp.address,
        source=stamp.source,
        message=stamp.message,
        ticket=ticket,
        delta=delta,
        snapshot=snapshot,
    )


def sealed(said: Content, previous: str) -> Row:
    """The row that follows the one of digest `previous`; the first follows the empty text."""
    members = {each.name: getattr(said, each.name) for each in fields(Content)}
    text = json.dumps([previous, *members.values()])
    return Row(**members, digest=hashlib.sha256(text.encode()).hexdigest())


def fits(row: Row, previous: str) -> bool:
    """Whether nobody changed it, or the one before it, since it was stored."""
    return sealed(row, previous) == row


def entry_of(row: Row) -> Entry:
    """For people. BrokenError: it can not be read."""
    try:
        stamp = Stamp(
            author=row.author,
            address=row.address,
            source=row.source,
            message=row.message,
            at=datetime.fromisoformat(row.made_at),
        )
        return Entry(
            revision=row.revision, stamp=stamp, delta=delta_of(row.delta), digest=row.digest
        )
    except (ValueError, RejectedError) as error:
        raise BrokenError(f"revision {row.revision} can not be read: {error}") from error
