"""Compatibility levels and modes: of a subject, or of all that have none of their own."""

from enum import StrEnum

from bobr.controller.registry.compatibility import Level
from bobr.controller.registry.refusals import Code, RefusedError
from bobr.controller.registry.store import Store

ALL = ""
"""The subject that stands for all of them."""

_LEVEL = "compatibility"
_MODE = "mode"


class Mode(StrEnum):
    """What may be done to a subject."""

    READWRITE = "READWRITE"
    READONLY = "READONLY"


class Settings:
    """Thread-safe. A subject that does not exist yet can have settings."""

    def __init__(self, store: Store) -> None:
        """`store`: keeps them."""
        self._store = store

    def level(self, subject: str) -> Level:
        """The level in force: the subject's own, or that of all, or BACKWARD."""
        return self.own_level(subject) or self.own_level(ALL) or Level.BACKWARD

    def own_level(self, subject: str) -> Level | None:
        """What was set for just this subject."""
        value = self._store.setting(subject, _LEVEL)
        return Level(value) if value else None

    def set_level(self, subject: str, level: str | None) -> None:
        """None: forget it. RefusedError: no such level."""
        if level is not None and level not in list(Level):
            message = f"There is no compatibility level {level!r}; use {', '.join(Level)}"
            raise RefusedError(Code.INVALID_LEVEL, message)
        self._store.set(subject, _LEVEL, level)

    def mode(self, subject: str) -> Mode:
        """The mode in force: the subject's own, or that of all, or READWRITE."""
        return self.own_mode(subject) or self.own_mode(ALL) or Mode.READWRITE

    def own_mode(self, subject: str) -> Mode | None:
        """What was set for just this subject."""
        value = self._store.setting(subject, _MODE)
        return Mode(value) if value else None

    def set_mode(self, subject: str, mode: str | None) -> None:
        """None: forget it. RefusedError: no such mode, or one that is not served here."""
        if mode is not None and mode not in list(Mode):
            message = f"This registry has no mode {mode!r}; use {', '.join(Mode)}"
            raise RefusedError(Code.INVALID_MODE, message)
        self._store.set(subject, _MODE, mode)
