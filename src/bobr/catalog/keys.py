"""API keys: how they are made, and how they are known again without being kept. Pure but for the randomness.

A key is `bobr_<name>_<43 characters>`: scanners of secrets find it, and who finds one knows whose it is. Only its
SHA-256 is kept. A slow hash would add nothing: the characters are 256 random bits, which nobody guesses at any speed.
"""

import hashlib
import re
import secrets

_RANDOM_BYTES = 32
KEY_CHARACTERS_MAX = 256
"""Of what may be a key: a name has 128 characters at most, and the rest 49."""
ID_DIGITS = 8
_KEY = re.compile(r"bobr_([a-z0-9][a-z0-9_.-]{0,127})_([A-Za-z0-9_-]{43})")
ANYWHERE = re.compile(rf"{_KEY.pattern}(?![A-Za-z0-9_-])")
LIKE_A_KEY = re.compile(
    rf"{ANYWHERE.pattern}|(?<![a-z0-9_-])bobr_[a-z0-9_.-]{{0,128}}_(?=[a-z0-9_-]{{0,64}}[A-Z])[A-Za-z0-9_-]{{8,}}"
)
"""Also one that is not copied whole, or has a letter too many: most of it is a secret. No name has capitals."""


def new_key(name: str) -> str:
    """A new key of that principal. To be shown once, and never to be kept."""
    return f"bobr_{name}_{secrets.token_urlsafe(_RANDOM_BYTES)}"


def name_in(key: str) -> str | None:
    """Whose key it says it is; None: it is none."""
    found = _KEY.fullmatch(key) if len(key) <= KEY_CHARACTERS_MAX else None
    return found[1] if found else None


def digest(key: str) -> str:
    """SHA-256 in hexadecimal: what is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def id_of(sha256: str) -> str:
    """How people call a key: the first digits of its digest."""
    return sha256[:ID_DIGITS]


def holds_key(text: str) -> bool:
    """Whether a key stands in the text, or nearly one."""
    return LIKE_A_KEY.search(text) is not None


def without_keys(text: str) -> str:
    """The text, with whose keys stand in it and not the keys."""
    return LIKE_A_KEY.sub(lambda found: f"bobr_{found[1]}_…" if found[1] else "bobr_…", text)
