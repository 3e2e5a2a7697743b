"""What tests of all kinds share: one running system, and one PostgreSQL, for the whole run of a worker."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from bobr.testing.postgres import MissingError, Postgres, find_programs, running_postgres
from bobr.testing.system import System, running_system

# No test depends on how busy the machine is; otherwise as hypothesis has it, here and in CI.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that is up. Shared: use stream names of your own, and do not kill it."""
    with running_system(tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that is up. Shared: ask for a database of your own, and start it again if you kill it."""
    try:
        programs = find_programs()
    except MissingError as error:
        pytest.skip(str(error))
    with running_postgres(programs) as server:
        yield server


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI skipped is not passed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and os.environ.get("CI") == "true" and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
