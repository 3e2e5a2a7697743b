"""What the loser of a race is told: who changed what since the revision that its change was made for. Pure."""

from collections.abc import Iterator, Sequence

from bobr.controller.catalog_store.entry import Entry
from bobr.errors import ConflictError
from bobr.ids import Revision

REVISIONS_TOLD_MAX = 5
"""Of those that came since."""
NAMES_TOLD_MAX = 10
"""Of objects, over all of them."""
MESSAGE_CHARACTERS_MAX = 80
"""Of the message of each, and of its author."""


def conflict(base: Revision, newest: Revision, since: Sequence[Entry]) -> ConflictError:
    """In words. `since`: the first revisions after `base`, oldest first, at most `REVISIONS_TOLD_MAX`."""
    told = list(_told(since))
    if more := newest - base - len(since):
        told.append(f"and {more:,} more")
    return ConflictError(
        f"the change was made for revision {base}, and {newest} is in force. Since then: {'; '.join(told)}. "
        "Nothing was changed: plan again"
    )


def on_trial(revision: Revision, seconds: float) -> ConflictError:
    """While canaries try a revision, nothing else is changed."""
    return ConflictError(
        f"some instances try revision {revision} now, which is decided within {seconds:.0f} seconds; nothing else is "
        "changed before that. Try again then"
    )


def _told(since: Sequence[Entry]) -> Iterator[str]:
    room = NAMES_TOLD_MAX
    for each in since:
        names = [f"{change.kind} {change.name!r}" for change in each.delta.changes]
        shown, more = names[:room], len(names[room:])
        room -= len(shown)
        if more:
            shown.append(f"{more:,} {'more' if shown else 'objects'}")
        message = f" ({_short(each.stamp.message)})" if each.stamp.message else ""
        yield f"{each.revision} by {_short(each.stamp.author)}{message} changed {', '.join(shown)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_CHARACTERS_MAX else f"{line[:MESSAGE_CHARACTERS_MAX]}…"
