"""Times in JSON: the strings of google.protobuf.Timestamp and Duration, as arguments of their message classes."""

import re
from datetime import UTC, datetime

from bobr.schema.json.values import Json, UnsureError

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MIN = -62135596800
"""0001-01-01T00:00:00Z, the first that a Timestamp may hold."""
_SECONDS_MAX = 253402300799
"""9999-12-31T23:59:59Z, the last."""
_DURATION_SECONDS_MAX = 315576000000
"""10,000 years, both ways."""


def read_timestamp(value: Json) -> dict[str, object]:
    """Seconds and nanos of an RFC 3339 time in the form that encoders write; of other forms UnsureError."""
    found = _TIMESTAMP.fullmatch(value) if type(value) is str else None
    if found is None:
        raise UnsureError
    clock, fraction, offset = found.groups()
    since = datetime.fromisoformat(clock + offset) - _EPOCH
    seconds = since.days * 86400 + since.seconds
    if not _SECONDS_MIN <= seconds <= _SECONDS_MAX:
        raise UnsureError
    return {"seconds": seconds, "nanos": _nanos(fraction)}


def read_duration(value: Json) -> dict[str, object]:
    """Seconds and nanos of a decimal number of seconds such as `-3.5s`."""
    found = _DURATION.fullmatch(value) if type(value) is str else None
    if found is None:
        raise UnsureError
    sign, whole, fraction = found.groups()
    seconds, nanos = int(whole), _nanos(fraction)
    if seconds + bool(nanos) > _DURATION_SECONDS_MAX:
        raise UnsureError
    return {"seconds": -seconds, "nanos": -nanos} if sign else {"seconds": seconds, "nanos": nanos}


def _nanos(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0
