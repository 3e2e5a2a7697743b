"""What the controller's API can do, as one table: HTTP's routes, gRPC's calls and the descriptions are made of it."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails
from starlette.concurrency import run_in_threadpool

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

    async def call(self, members: object, caller: Caller) -> AnswerT:
        """Do it. members: as JSON has them. RejectedError: they are not what is asked for.

        A body may have megabytes that are wrong, and to say why takes seconds: meanwhile others are answered.
        """
        ask = (
            self._ask(members) if self.body is None else await run_in_threadpool(self._ask, members)
        )
        return await self.handler(ask, caller)

    def _ask(self, members: object) -> AskT:
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
    return f"{path} {shown(problem['input'])}: {problem['msg'].removeprefix('Value error, ')}"


def in_path(path: str) -> Mapping[str, bool]:
    """Members that stand in it, and whether each is a whole number."""
    parts = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return {part.removesuffix(":int"): part.endswith(":int") for part in parts}
