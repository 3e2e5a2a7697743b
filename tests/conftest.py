"""What tests of all kinds share: one running system for the whole run of a worker."""

from collections.abc import Iterator

import pytest

from bobr.testing.system import System, running_system


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that is up. Shared: use stream names of your own, and do not kill it."""
    with running_system(tmp_path_factory.mktemp("system")) as running:
        yield running
