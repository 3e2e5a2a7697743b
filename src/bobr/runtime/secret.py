"""The secret that a supervisor shares with its parts: the controller takes the word of nobody else.

A new one for each start, inherited in the environment: not on a command line, which all users of a machine can read.
"""

import hmac
import os
import secrets

from bobr.errors import MisconfiguredError

SECRET = "BOBR_PARTS_SECRET"  # noqa: S105  # the variable's name


def new_secret() -> str:
    """32 random bytes, as text."""
    return secrets.token_urlsafe(32)


def take_secret() -> str:
    """The inherited one; this process's own children do not inherit it. MisconfiguredError: there is none."""
    secret = os.environ.pop(SECRET, "")
    if not secret:
        message = f"{SECRET} is not set: `bobr up` starts the parts, and shares a secret with them"
        raise MisconfiguredError(message)
    return secret


def authorization(secret: str) -> str:
    """The `Authorization` header of a part."""
    return f"Bearer {secret}"


def is_authorized(header: str, secret: str) -> bool:
    """Whether the header knows the secret; takes as long for a near guess as for a far one."""
    return hmac.compare_digest(header.encode(), authorization(secret).encode())
