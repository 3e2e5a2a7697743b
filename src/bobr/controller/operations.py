"""What the controller's API can do, as one table: HTTP's routes, gRPC's calls and the descriptions are made of it."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from bobr.catalog.durations import WRITTEN
from bobr.catalog.keys import without_keys
from bobr.catalog.nearest import meant
from bobr.catalog.secrets import SHOWN_CHARACTERS_MAX, shown
from bobr.errors import RejectedError
from bobr.runtime.access import Caller

WHOLE = "*"
"""As the member of an operation that HTTP's body is: all of them but those in the path."""
CREATE_ONLY = "create_only"
"""The member of an operation that puts, by which it only makes what is not there."""
PROBLEMS_MAX = 20
"""Faults of one request that are told; a hostile one has millions."""
"""Of a wrong value."""


def _no_text(value: object) -> object:
    if isinstance(value, str | bool):
        raise ValueError("it is a number, and no text or boolean")
    return value


IN_NUMBERS = BeforeValidator(_no_text)
"""Of a number in a body: '3' and true are none, as the JSON Schema says. In a path or query it is a text."""

AskT = TypeVar("AskT", bound=BaseModel)
AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Body(BaseModel):
    """Of a request; unknown members are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fault(BaseModel):
    """One thing wrong. file, line, column: where, as far as it stands in a file; path: of the value."""

    file: str
    line: int
    column: int
    path: str
    rule: str
    message: str


class Reason(BaseModel):
    """Why not. problems: of files or objects, each with its place."""

    message: str
    problems: Sequence[Fault] = ()


class Refusal(BaseModel):
    """The answer to what was not done: 404 there is no such, 409 it does not fit what is there, 422 it can not be.

    412: it was to be made, and is there.
    """

    error: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[AskT, AnswerT]):
    """One call.

    rpc: its name in `bobr.v1.Configuration`, whose request has the members of `ask`; empty: HTTP alone has it. Over
    HTTP these come from three places: path (members in braces, `:int` after whole numbers), body (the member that is
    the body, `WHOLE`, or None) and, all others, the query. handler: does it, the same for both.
    """

    method: str
    path: str
    summary: str
    ask: type[AskT]
    answer: type[AnswerT]
    handler: Callable[[AskT, Caller], Awaitable[AnswerT]]
    body: str | None = None
    rpc: str = ""

    def read(self, members: object) -> AskT:
        """What is asked for. members: as JSON has them. RejectedError: they are not that."""
        try:
            return self.ask.model_validate(members, by_alias=True, by_name=False, context=WRITTEN)
        except ValidationError as error:
            raise malformed(error, self._members()) from error

    def _members(self) -> Collection[str]:
        """Those beside what stands in the path and, if it is one member alone, the body."""
        fields = self.ask.model_fields.items()
        names = {field.alias or name for name, field in fields}
        return names - in_path(self.path).keys() - {self.body}


Operations = Sequence[Operation[Any, Any]]
"""Of all kinds."""


def malformed(error: ValidationError, members: Collection[str] = ()) -> RejectedError:
    """Why a request is none, in one line. members: that it may have."""
    problems = error.errors(include_url=False)[:PROBLEMS_MAX]
    return RejectedError("; ".join(_words(problem, members) for problem in problems))


def _words(problem: ErrorDetails, members: Collection[str]) -> str:
    path = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return f"{path} is missing"
    if problem["type"] == "extra_forbidden":
        known = meant(path, members) if members and len(problem["loc"]) == 1 else "leave it out"
        return f"{without_keys(path)[:SHOWN_CHARACTERS_MAX]} is unknown: {known}"
    return f"{path} {shown(_beginning(problem['input']))}: {problem['msg'].removeprefix('Value error, ')}"


def _beginning(value: object, most: int = SHOWN_CHARACTERS_MAX) -> object:
    """As much of a wrong value as can be shown: it may be millions of values, in each other."""
    if isinstance(value, list):
        return [_beginning(each, most // 4) for each in value[:most]]
    if isinstance(value, Mapping):
        some = islice(value.items(), most)
        return {key: _beginning(each, most // 4) for key, each in some}
    return value


def in_path(path: str) -> Mapping[str, bool]:
    """Members that stand in it, and whether each is a whole number."""
    parts = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return {part.removesuffix(":int"): part.endswith(":int") for part in parts}
