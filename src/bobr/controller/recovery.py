"""A way back in for who has lost the last key, and may write the database of the catalog."""

from bobr.catalog import Principal
from bobr.catalog.access import EVERYTHING
from bobr.catalog.model import Key
from bobr.clock import Clock
from bobr.controller.back import untried
from bobr.controller.catalog_store import CatalogStore, Stamp
from bobr.errors import RejectedError
from bobr.ids import PrincipalName


def add_administrator(
    store: CatalogStore, name: PrincipalName, sha256: str, author: str, clock: Clock
) -> None:
    """Put one in force that may configure everything. A controller that runs follows it like another controller's.

    What is on trial is taken back: who tries it has ended, most often. sha256: of its key.

    RejectedError: there is a principal of that name, or none at all. ConflictError: try again.
    """
    standing = store.standing()
    before = standing.catalog
    if not before.principals:
        raise RejectedError(
            "there is no principal, so nobody needs a key: `bobr key create` makes one"
        )
    if name in before.principals:
        raise RejectedError(f"there is a principal {name!r} already: take another name")
    now = clock.now()
    key = Key(sha256=sha256, created=now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    made = Principal(name=name, keys=(key,), configure=(EVERYTHING,))
    wanted = untried(before, standing.newest, made)
    stamp = Stamp(author=author, address="", source="bobr key recover", message="", at=now)
    (store.commit if standing.trial is None else store.take_back)(wanted, stamp)
