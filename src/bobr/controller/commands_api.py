"""`bobr deliver` and `bobr flush` as calls. Over gRPC they are single objects, and the positions of `GetDelivery`."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from bobr.catalog import Catalog
from bobr.controller.changes import Changes
from bobr.controller.config_api import ConfigApi, Said
from bobr.controller.deliver import Agreed, Deliverer
from bobr.controller.flushing import Flusher
from bobr.controller.mandate import Applied
from bobr.controller.operations import IN_NUMBERS, WHOLE, Body, Operation, Operations
from bobr.controller.rollout import State
from bobr.controller.wish import Wish
from bobr.errors import BobrError, RejectedError, UnavailableError
from bobr.ids import Revision, StreamName
from bobr.runtime.access import Caller


class Delivered(BaseModel):
    """changes: what is new, a line for a person each. Every part runs the revision."""

    revision: Revision
    stream: StreamName
    changes: Sequence[str]


class Flush(Body):
    """How long to wait."""

    timeout_seconds: Annotated[float, IN_NUMBERS] = Field(default=30.0, ge=0, allow_inf_nan=False)


class Lacking(BaseModel):
    """What a table lacks. events: none, it is not known how many; state, reason: of the delivery."""

    events: int | None
    state: str
    reason: str


class Flushed(BaseModel):
    """behind: by delivery, when the time was up; nothing: all that the log held is in the tables."""

    flushed: bool
    behind: Mapping[str, Lacking]


class CommandsApi:
    """What its operations do. Lives in the controller's event loop."""

    def __init__(
        self, changes: Changes, config: ConfigApi, deliverer: Deliverer, flusher: Flusher
    ) -> None:
        """`config`: knows who asks."""
        self._changes = changes
        self._config = config
        self._deliverer = deliverer
        self._flusher = flusher

    def operations(self) -> Operations:
        """What it can do."""
        return [
            Operation(
                method="POST",
                path="/v1/deliver",
                summary="Register a schema, make its stream, and deliver the stream to a table.",
                ask=Wish,
                answer=Delivered,
                handler=self.deliver,
                body=WHOLE,
            ),
            Operation(
                method="POST",
                path="/v1/flush",
                summary="Answer when all that the log holds now is in the tables, or the time is up.",
                ask=Flush,
                answer=Flushed,
                handler=self.flush,
                body=WHOLE,
            ),
        ]

    async def deliver(self, wish: Wish, caller: Caller) -> Delivered:
        """Carry out a wish whole. UnavailableError: it is stored, and not every part runs it yet."""
        said = Said(message=f"deliver {wish.stream}")
        mandate = self._config.mandate(said, "", caller)
        self._config.permit(caller).configure(wish.stream)  # before its schema is registered
        made: list[str] = []

        def agree(catalog: Catalog) -> Agreed:
            return self._deliverer.agree(wish, catalog, mandate.permit)

        def carry_out(agreed: Agreed) -> Catalog:
            fulfilled = self._deliverer.fulfil(agreed)
            made[:] = fulfilled.changes
            return fulfilled.catalog

        applied = await self._changes.fulfil(agree, carry_out, mandate)
        if any(each.state is not State.LIVE for each in applied.rollout):
            raise _not_live(applied)
        stream = StreamName(wish.stream)
        return Delivered(revision=applied.revision, stream=stream, changes=made)

    async def flush(self, ask: Flush, _: Caller) -> Flushed:
        """Wait for the tables."""
        behind = await self._flusher.flush(ask.timeout_seconds)
        told = {name: Lacking.model_validate(each) for name, each in behind.items()}
        return Flushed(flushed=not behind, behind=told)


def _not_live(applied: Applied) -> BobrError:
    """Why not every part runs it."""
    others = [each for each in applied.rollout if each.state is not State.LIVE]
    words = "; ".join(f"{each.part}: {each.reason or 'no answer yet'}" for each in others)
    if all(each.state is State.LATE for each in others):
        return UnavailableError(
            f"revision {applied.revision} is stored, but not every part runs it yet: {words}"
        )
    back = applied.rolled_back
    more = f"; {applied.stays}" if applied.stays else ""
    if back is not None:
        more = f"; revision {back} is as the one before it"
    return RejectedError(f"revision {applied.revision} is refused: {words}{more}")
