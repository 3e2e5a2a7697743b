"""The fate of events, as values.

A call that fails as a whole raises (`errors.py`). A call that was carried out says per event what became of it: only
those that failed are listed, all others are as good as the call promises.
"""

from dataclasses import dataclass
from enum import IntEnum


class Reason(IntEnum):
    """Why an event was refused; the numbers are `bobr.v1.Reason`'s, where each is explained."""

    MALFORMED = 1
    INVALID = 2
    UNKNOWN_FIELD = 3
    TOO_LARGE = 4
    UNKNOWN_STREAM = 5
    UNKNOWN_SCHEMA = 6
    UNAVAILABLE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One event that was refused, by its place in the batch or call that it came in."""

    index: int
    reason: Reason
    message: str
    field: str = ""
    rule: str = ""
