"""What can go wrong, by what the one who catches it does next.

BobrError
├── RetryableError          the same call may succeed later; nothing was done
│   ├── OverloadedError     … when the other side has caught up: back off as `retry_after_seconds` says
│   └── UnavailableError    … when the other side is up again
├── RejectedError           this request can never succeed; a person or producer must change it
│   ├── ProblemsError       … in files: `problems` says each with file, line and rule
│   │   └── SchemaError     … which are schemas
│   ├── ConflictError       … it was made for a revision that is not in force any more: plan again
│   ├── ExistsError         … it was to make what is there already: look at that first
│   ├── TooLargeError       … it is larger than is ever taken: send less at once
│   ├── TooSlowError        … it did not arrive in time: send it faster
│   ├── NotFoundError       … it names something that does not exist
│   ├── UnauthenticatedError … nobody knows who calls: a key is needed, or another one
│   └── ForbiddenError      … who calls may not do that: ask for the right
├── MisconfiguredError      the system can not start or go on as configured; a person must act
├── FencedError             another writer owns this now: stop, reopen, read positions again
└── BrokenError             data or state that should never be: a person must look; nothing is thrown away

The fate of a single event is a value (`outcome.py`), never an exception. A bug is an `AssertionError` and is caught by
the supervisor only. Vendors' errors are translated once, at their adapter, `from` the original.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What commands a terminal, ends a line, turns the direction of the text, or is half a character."""


def plain(text: str) -> str:
    """On one line, with nothing that commands a terminal: others may have written it.

    >>> plain("a\\x1b[2J\\n+ stream b")
    'a\\\\x1b[2J\\\\n+ stream b'
    """
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


class BobrError(Exception):
    """Root of the tree above. The text says what, where and what to do."""


class RetryableError(BobrError):
    """Nothing was done; the same call may succeed later."""

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        """`retry_after_seconds`: not sooner than that."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OverloadedError(RetryableError):
    """A bounded queue is full, or the disk is."""


class UnavailableError(RetryableError):
    """The other side does not answer."""


class RejectedError(BobrError):
    """This request can never succeed as it is."""


class ConflictError(RejectedError):
    """The change was made for a revision that is not in force any more."""


class ExistsError(RejectedError):
    """It was to make something new, and there is one of that name."""


class TooLargeError(RejectedError):
    """The request is above a limit of its size."""


class TooSlowError(RejectedError):
    """The request did not arrive in time."""


class NotFoundError(RejectedError):
    """It names something that does not exist."""


class UnauthenticatedError(RejectedError):
    """It is not known who calls."""


class ForbiddenError(RejectedError):
    """Who calls has not the right to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a file of the user's. Lines and columns count from 1; 0: not known."""

    file: str
    line: int
    column: int
    rule: str
    message: str
    path: str = ""
    """Of a value in a configuration, such as `deliveries.orders-lake.to`."""

    def __str__(self) -> str:
        """As compilers print it, so that editors find the place."""
        place = self.file if not self.line else f"{self.file}:{self.line}:{self.column}"
        parts = ": ".join(part for part in (place, self.path, self.message) if part)
        return plain(f"{parts} [{self.rule}]")


PROBLEMS_MAX = 1_000
"""That are told at once: a few lines that are made for it have millions."""
MORE = "more"
"""The rule of what stands for those that are not told."""


def first_of(problems: Sequence[Problem]) -> Sequence[Problem]:
    """The problems; of too many the first ones, and a last one that says how many more there are."""
    if len(problems) <= PROBLEMS_MAX:
        return problems
    told = problems[: PROBLEMS_MAX - 1]
    words = f"{len(problems) - len(told):,} more problems are not told: mend these first"
    return [*told, Problem(file="", line=0, column=0, rule=MORE, message=words)]


class ProblemsError(RejectedError):
    """Files of a user are wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """`problems`: all of them, in the order of the file; at least one. Of too many the first ones are told."""
        self.problems = tuple(first_of(problems))
        super().__init__("\n".join(map(str, self.problems)))


class SchemaError(ProblemsError):
    """The schema does not compile, or does not fit the one it follows."""


class MisconfiguredError(BobrError):
    """A person must change the configuration or the machine."""


class FencedError(BobrError):
    """Another writer committed since we last looked."""


class BrokenError(BobrError):
    """State that should never be; a person must look."""
