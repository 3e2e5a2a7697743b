"""`google.protobuf.Timestamp` and `Duration` as microseconds.

Both are seconds and nanoseconds on the wire. Digits below a microsecond are cut off towards the past (floor), so that
the order of any two times is kept. A value outside its own definition is unsound: its event is refused: no table
could show it, and clamping it would be a lie.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from bobr.schema.columns.scalars import Scalar
from bobr.schema.columns.shape import NOWHERE, Lowering, Member, Need, Read, Shape, validity

SECONDS_MIN = -62_135_596_800
"""0001-01-01T00:00:00Z, the first second a Timestamp may name."""
SECONDS_MAX = 253_402_300_799
"""9999-12-31T23:59:59Z, the last."""
DURATION_SECONDS_MAX = 315_576_000_000
"""10,000 years of 365.25 days."""
NANOS_MAX = 999_999_999

_Numbers = npt.NDArray[np.int64]
_SECONDS_AND_NANOS = (
    Member(name="seconds", number=1, shape=Scalar(wire=FieldDescriptorProto.TYPE_INT64)),
    Member(name="nanos", number=2, shape=Scalar(wire=FieldDescriptorProto.TYPE_INT32)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """A moment: timestamp(µs, UTC)."""

    @property
    def arrow(self) -> pa.DataType:
        """Microseconds since 1970, in UTC."""
        return pa.timestamp("us", "UTC")

    @property
    def need(self) -> Need:
        """ptars reads it as it was sent."""
        return Need.AS_SENT

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """An ordinary message: ptars would clamp it, and lose one that comes in two parts."""
        _declare(field, lowering)

    def read(self, raw: pa.Array) -> Read:
        """Seconds and nanoseconds, checked and joined."""
        seconds, nanos = _parts(raw)
        if not len(raw) or (
            SECONDS_MIN <= seconds.min() <= seconds.max() <= SECONDS_MAX
            and 0 <= nanos.min() <= nanos.max() <= NANOS_MAX
        ):
            return Read(_micros(raw, self.arrow, seconds, nanos))
        sound = (seconds >= SECONDS_MIN) & (seconds <= SECONDS_MAX)
        sound &= (nanos >= 0) & (nanos <= NANOS_MAX)
        return Read(_micros(raw, self.arrow, seconds, nanos), np.flatnonzero(~sound))

    def judged(self) -> Shape | None:
        """The range of years is the rule."""
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A span of time: int64 microseconds, since few table formats have a type for it."""

    @property
    def arrow(self) -> pa.DataType:
        """Microseconds."""
        return pa.int64()

    @property
    def need(self) -> Need:
        """ptars reads it as it was sent."""
        return Need.AS_SENT

    def declare(self, field: FieldDescriptorProto, lowering: Lowering) -> None:
        """An ordinary message, for the reasons of Timestamp."""
        _declare(field, lowering)

    def read(self, raw: pa.Array) -> Read:
        """Seconds and nanoseconds, which must not have opposite signs, checked and joined."""
        seconds, nanos = _parts(raw)
        sound = (np.abs(nanos) <= NANOS_MAX) & (np.sign(seconds) * np.sign(nanos) >= 0)
        sound &= (seconds >= -DURATION_SECONDS_MAX) & (seconds <= DURATION_SECONDS_MAX)
        unsound = NOWHERE if sound.all() else np.flatnonzero(~sound)
        return Read(_micros(raw, self.arrow, seconds, nanos), unsound)

    def judged(self) -> Shape | None:
        """Range and signs are the rule."""
        return self


def _declare(field: FieldDescriptorProto, lowering: Lowering) -> None:
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = lowering.message(_SECONDS_AND_NANOS)


def _parts(raw: pa.Array) -> tuple[_Numbers, _Numbers]:
    """Seconds and nanoseconds; both 0 where the message is absent."""
    return raw.field(0).to_numpy(), raw.field(1).to_numpy().astype(np.int64)


def _micros(raw: pa.Array, arrow: pa.DataType, seconds: _Numbers, nanos: _Numbers) -> pa.Array:
    """Unsound values may wrap around here; they are never shown."""
    micros = seconds * 1_000_000 + nanos // 1_000
    return pa.Array.from_buffers(arrow, len(raw), [validity(raw), pa.py_buffer(micros)])
