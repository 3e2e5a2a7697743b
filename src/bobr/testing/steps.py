"""Steps of a trial at which its controller can be had to wait in PostgreSQL: triggers that take an advisory lock."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from enum import Enum

import psycopg

FUNCTION = """CREATE FUNCTION wait_there() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::bigint); RETURN NEW; END $$"""
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s"


class Step(Enum):
    """With when its trigger acts. One that is deferred waits in COMMIT, which goes on also when its client has ended.

    TRIED, while a canary has it, and ANY, a random moment, are not of the database.
    """

    INSERTED = "BEFORE INSERT ON bobr_revision"
    COMMITTED = "AFTER INSERT ON bobr_revision DEFERRABLE INITIALLY DEFERRED"
    TRIED = ""
    ANSWERED = "BEFORE INSERT ON bobr_verdict"
    JUDGED = "AFTER INSERT ON bobr_verdict DEFERRABLE INITIALLY DEFERRED"
    ANY = "any"

    @property
    def lock(self) -> int:
        """The number of its advisory lock."""
        return list(Step).index(self)


DATABASE_STEPS = (Step.INSERTED, Step.COMMITTED, Step.ANSWERED, Step.JUDGED)


def make_steps(url: str) -> None:
    """In a database that has the catalog's tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FUNCTION)
        for step in DATABASE_STEPS:
            kind = "CONSTRAINT TRIGGER" if "DEFERRED" in step.value else "TRIGGER"
            does = f"FOR EACH ROW EXECUTE FUNCTION wait_there({step.lock})"
            connection.execute(f"CREATE {kind} wait_{step.lock} {step.value} {does}".encode())


@contextmanager
def held(url: str, step: Step) -> Iterator[Callable[[], bool]]:
    """Whoever comes to the step waits there until the end; whether somebody does."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [step.lock])
        yield lambda: connection.execute(WAITING, [step.lock]).fetchone() != (0,)
