"""What a pipeline is given: its part of the world, and its limits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bobr.catalog import Delivery, Destination
from bobr.clock import Clock, SystemClock
from bobr.errors import MisconfiguredError
from bobr.ids import SchemaId
from bobr.log import Limit, Log
from bobr.schema import EventType
from bobr.transmitter.dedup import KEYS_MAX
from bobr.transmitter.flush import FlushPolicy
from bobr.transmitter.plan import Plan
from bobr.transmitter.sinks import Sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What every pipeline needs of the world; the composition root gives it."""

    sink: Callable[[Delivery, Destination], Sink]
    """A new sink for the delivery's table, not opened. The destination's references are resolved.

    Raises MisconfiguredError for settings that can never be used, whatever answers there.
    """
    log: Log
    types: Callable[[str, SchemaId], EventType]
    """The message type of that name in that schema. Raises NotFoundError (there is no such), or
    UnavailableError (ask again).
    """
    clock: Clock = SystemClock()  # noqa: RUF009 -- it has no state

    def sink_for(self, plan: Plan) -> Sink:
        """A new sink, not opened, with the credentials of now. MisconfiguredError names delivery and destination."""
        destination = plan.resolved()
        try:
            return self.sink(plan.delivery, destination)
        except MisconfiguredError as error:
            raise MisconfiguredError(f"{plan}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at once, how long between."""

    read: Limit = Limit(events=32_768, nbytes=4 * 1024 * 1024)  # noqa: RUF009 -- frozen
    """One read is decoded at once, and that holds the interpreter's lock: about 30 ms."""
    flush: FlushPolicy = FlushPolicy()  # noqa: RUF009 -- frozen
    """`age_seconds` is the delivery's own."""
    poll_seconds: float = 1.0
    """The longest wait for events. A stop, a flush and a new plan wake it."""
    retry_seconds: float = 0.2
    """After a first failure; doubled for each that follows."""
    retry_seconds_max: float = 30.0
    broken_seconds: float = 60.0
    maintain_seconds: float = 60.0
    confirm_seconds: float = 60.0
    """Between two looks at a table to which nothing is committed; each flush looks, too."""
    keep_snapshots: timedelta = timedelta(minutes=10)
    """Readers may take that long to plan; each commit costs the more, the more are kept."""
    dedup_keys: int = KEYS_MAX
    dedup_slack: timedelta = timedelta(minutes=10)
    """Ids are kept for that much longer than needed: partitions are not read in step."""
    idle_seconds: float = 60.0
    """A partition that gave nothing for so long does not keep ids in the index."""
