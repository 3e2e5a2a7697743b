"""A change of the catalog, as values: who wants it, how carefully it is made, and what became of it."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from bobr.catalog import Catalog
from bobr.catalog.plan import Plan
from bobr.controller.catalog_store import Stamp
from bobr.controller.rollout import Answer
from bobr.ids import Revision

LIVE_SECONDS = 15.0
"""How long a change waits for the parts before it answers that they are late."""


class Applied(BaseModel):
    """What became of a change. live: every part runs it.

    rolled_back: the revision that took it back. stays: why what was to be taken back is not, or not yet.
    """

    model_config = ConfigDict(frozen=True)

    revision: Revision
    changed: bool
    plan: Plan
    rollout: tuple[Answer, ...]
    rolled_back: Revision | None
    stays: str | None = None
    live: bool


class Care(BaseModel):
    """How carefully a revision is brought to the parts. canary: so many instances of each part run it first.

    wait_seconds: for the answers of all.
    """

    model_config = ConfigDict(frozen=True)

    auto_rollback: bool = True
    canary: int = 0
    wait_seconds: float = LIVE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """Who wants a change. permit: raises ForbiddenError when they may not lead from one catalog to the other.

    principal: whose key they have; None: nobody's. Thread-safe.
    """

    stamp: Stamp
    permit: Callable[[Catalog, Catalog], None]
    principal: str | None = None
