"""What becomes of a clock that jumps."""

from datetime import UTC, datetime, timedelta

import pytest

from bobr.log.ingest_time import ingest_time

NOW = datetime(2026, 6, 1, tzinfo=UTC)
YEARS = timedelta(days=1400)


@pytest.mark.parametrize(
    ("now", "last", "given"),
    [
        (NOW, None, NOW),
        (NOW, NOW - timedelta(seconds=1), NOW),
        (NOW, NOW + timedelta(seconds=60), NOW + timedelta(seconds=60)),
        (NOW, NOW + timedelta(seconds=61), NOW),
        (NOW, NOW + YEARS, NOW),
        (NOW + YEARS, NOW, NOW + YEARS),
        (datetime(1970, 1, 1, tzinfo=UTC), NOW, NOW),
    ],
)
def test_it_goes_back_only_with_a_clock_that_was_wrong(
    now: datetime, last: datetime | None, given: datetime
) -> None:
    assert ingest_time(now, last) == given
