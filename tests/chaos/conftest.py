"""What the faults share: a seed that replays, and a system of the test's own to break."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bobr.testing.system import running_system
from bobr.testing.trial import Trial


@pytest.fixture
def chance() -> random.Random:
    """All that is random in a test; BOBR_SEED replays it."""
    seed = int(os.environ.get("BOBR_SEED") or random.randrange(1 << 32))
    print(f"BOBR_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """Up, with nothing in it but the stream; ended afterwards, if it still runs."""
    with running_system(tmp_path / "data") as system:
        trial = Trial(system=system, folder=tmp_path)
        trial.deliver()
        yield trial
