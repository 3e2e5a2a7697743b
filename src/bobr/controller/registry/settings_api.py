"""The paths `/config` and `/mode`: of all subjects, or of one."""

from pydantic import BaseModel

from bobr.controller.registry.front import Call, Handler
from bobr.controller.registry.refusals import Code, MissingError
from bobr.controller.registry.settings import ALL, Settings


class LevelBody(BaseModel):
    """A compatibility level to set."""

    compatibility: str


class ModeBody(BaseModel):
    """A mode to set."""

    mode: str


class SettingsApi:
    """What the paths of settings do."""

    def __init__(self, settings: Settings) -> None:
        """`settings`: of the registry."""
        self._settings = settings

    def paths(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler."""
        handlers: list[tuple[str, str, Handler]] = [
            ("GET", "/config", self.level),
            ("PUT", "/config", self.set_level),
            ("DELETE", "/config", self.forget_level),
            ("GET", "/mode", self.mode),
            ("PUT", "/mode", self.set_mode),
            ("DELETE", "/mode", self.forget_mode),
        ]
        each = [(method, f"{path}/{{subject:path}}", does) for method, path, does in handlers]
        return handlers + each

    def level(self, call: Call) -> object:
        """A compatibility level: the subject's own, or, when asked for, the one in force."""
        own = self._settings.own_level(call.subject)
        if own is None and not _may_be_inherited(call):
            message = f"Subject {call.subject!r} has no compatibility level of its own"
            raise MissingError(Code.NO_OWN_LEVEL, f"{message}; defaultToGlobal=true gives another")
        return {"compatibilityLevel": own or self._settings.level(call.subject)}

    def set_level(self, call: Call) -> object:
        """Set it."""
        level = call.read(LevelBody, Code.INVALID_LEVEL).compatibility.upper()
        self._settings.set_level(call.subject, level)
        return {"compatibility": level}

    def forget_level(self, call: Call) -> object:
        """Back to what holds for all; the former level."""
        former = self.level(call)
        self._settings.set_level(call.subject, None)
        return former

    def mode(self, call: Call) -> object:
        """A mode: the subject's own, or, when asked for, the one in force."""
        own = self._settings.own_mode(call.subject)
        if own is None and not _may_be_inherited(call):
            message = f"Subject {call.subject!r} has no mode of its own"
            raise MissingError(Code.NO_OWN_MODE, f"{message}; defaultToGlobal=true gives another")
        return {"mode": own or self._settings.mode(call.subject)}

    def set_mode(self, call: Call) -> object:
        """Set it."""
        mode = call.read(ModeBody, Code.INVALID_MODE).mode.upper()
        self._settings.set_mode(call.subject, mode)
        return {"mode": mode}

    def forget_mode(self, call: Call) -> object:
        """Back to what holds for all; the former mode."""
        former = self.mode(call)
        self._settings.set_mode(call.subject, None)
        return former


def _may_be_inherited(call: Call) -> bool:
    return call.subject == ALL or call.flag("defaultToGlobal")
