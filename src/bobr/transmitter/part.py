"""The transmitter as a part of the system: one pipeline, in a thread, for each delivery."""

import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from bobr.batch import Positions
from bobr.catalog import Catalog, Delivery, Stream
from bobr.errors import BobrError
from bobr.ids import DeliveryName, StreamPartition
from bobr.transmitter.pipeline import Pipeline
from bobr.transmitter.status import PipelineStatus
from bobr.transmitter.wiring import Limits, Wiring

STOP_SECONDS = 20.0
"""For a pipeline that the catalog no longer has to commit what it holds."""

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class _Running:
    """A pipeline, its thread, and what it was made from."""

    delivery: Delivery
    stream: Stream
    pipeline: Pipeline
    thread: threading.Thread

    def stop(self, timeout_seconds: float) -> None:
        """Have it commit what it holds and end, or leave it alone and say where it hangs.

        Its table's positions fence it from whoever delivers there next.
        """
        self.pipeline.stop()
        self.thread.join(max(0.0, timeout_seconds))
        if self.thread.is_alive():
            frame = sys._current_frames().get(self.thread.ident or 0)  # noqa: SLF001  # documented so
            where = "".join(traceback.format_stack(frame))
            log.warning("delivery does not end; left alone", delivery=self.delivery.name, at=where)


class Transmitter:
    """All deliveries of the catalog. One thread applies and closes; any may ask."""

    def __init__(self, wiring: Wiring, limits: Limits | None = None) -> None:
        """Nothing runs before the first `apply`."""
        self._wiring = wiring
        self._limits = limits or Limits()
        self._running: dict[DeliveryName, _Running] = {}
        self._closing = threading.Event()

    def apply(self, catalog: Catalog) -> None:
        """Run exactly the deliveries of the catalog. Those that did not change are not touched.

        A stream's new schemas reach its pipelines while they run. Waits for those that end.
        """
        for name, running in list(self._running.items()):
            if catalog.deliveries.get(name) != running.delivery:
                self._stop(running)
        for delivery in catalog.deliveries.values():
            self._follow(delivery, catalog.streams[delivery.stream])

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Have everything that the log holds now in the tables; whether it is, by then.

        A broken delivery is not waited for.
        """
        deadline = time.monotonic() + timeout_seconds
        goals = [(each.pipeline, self._ends(each)) for each in self._pipelines().values()]
        for pipeline, end in goals:
            pipeline.flush(end)
        waits = [pipeline.wait_for(end, deadline - time.monotonic()) for pipeline, end in goals]
        return all(waits) and all(end for _, end in goals)

    def status(self) -> list[PipelineStatus]:
        """Each delivery, by name."""
        return [running.pipeline.status for _, running in sorted(self._pipelines().items())]

    def report(self) -> Mapping[str, object]:
        """The same for the controller."""
        return {"deliveries": {status.delivery: status.as_json() for status in self.status()}}

    def close(self, timeout_seconds: float = STOP_SECONDS) -> list[PipelineStatus]:
        """Commit what is held and end; the last status of each. `held` > 0: not in time.

        What is held is not lost: the log has it, and the next start reads it again.
        """
        deadline = time.monotonic() + timeout_seconds
        self._closing.set()
        pipelines = self._pipelines()
        for running in pipelines.values():
            running.pipeline.stop()
        for running in pipelines.values():
            running.stop(deadline - time.monotonic())
        last = self.status()
        self._running = {}
        return last

    def _pipelines(self) -> dict[DeliveryName, _Running]:
        return dict(self._running)

    def _ends(self, running: _Running) -> Positions:
        """Of the stream in the log; none: it can not be told."""
        stream = running.stream.name
        try:
            partitions = self._wiring.log.admin().describe(stream)
        except BobrError as error:
            log.warning("can not tell what to flush", stream=stream, reason=str(error))
            return {}
        return {
            StreamPartition(stream, partition): state.end for partition, state in partitions.items()
        }

    def _follow(self, delivery: Delivery, stream: Stream) -> None:
        running = self._running.get(delivery.name)
        if self._closing.is_set():
            return  # a catalog that came late
        if running is None:
            self._running[delivery.name] = self._start(delivery, stream)
        elif running.stream != stream:
            running.stream = stream
            running.pipeline.adopt(stream)

    def _start(self, delivery: Delivery, stream: Stream) -> _Running:
        pipeline = Pipeline(delivery, stream, self._wiring, self._limits)
        thread = threading.Thread(target=pipeline.run, name=f"deliver {delivery.name}", daemon=True)
        thread.start()
        return _Running(delivery=delivery, stream=stream, pipeline=pipeline, thread=thread)

    def _stop(self, running: _Running) -> None:
        running.stop(STOP_SECONDS)
        self._running.pop(running.delivery.name, None)
