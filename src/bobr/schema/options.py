"""Which fields are the id, the time and the key of an event: by option, or by convention."""

from dataclasses import dataclass

import pyarrow as pa
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MessageOptions

from bobr.errors import Problem
from bobr.schema.columns.nested import Struct
from bobr.schema.columns.scalars import Scalar, Text, Wrapper
from bobr.schema.columns.shape import Member, Shape
from bobr.schema.columns.times import Timestamp
from bobr.schema.source.places import refused
from bobr.v1 import options_pb2
from bobr.v1.options_pb2 import EventOptions

Path = tuple[str, ...]

_FITS = "a singular string, bytes or integer field"
_TIME_FITS = "a singular google.protobuf.Timestamp field"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Paths to the fields with a meaning of their own; None: there is none.

    zero_is_no_id: the id is an integer that, when not set, reads as 0.
    """

    id: Path | None
    time: Path | None
    key: Path | None
    zero_is_no_id: bool


def roles_of(
    message: Descriptor, columns: Struct, files: FileDescriptorSet
) -> tuple[Roles, list[Problem]]:
    """As `option (bobr.v1.event)` says, else by the names `event_id` and `event_time`; and what is wrong in the option.

    files: where the message was written. A problem is a field that is missing or unfit. A conventional name is no
    promise: an unfit field of that name has no role.
    """
    options = MessageOptions.FromString(message.GetOptions().SerializeToString())
    event: EventOptions = options.Extensions[options_pb2.event]  # type: ignore[index]  # stubs: no type
    find = _Finder(message=message.full_name, columns=columns, files=files, problems=[])
    path = find.named("id", event.id) or find.conventional("event_id", "id")
    roles = Roles(
        id=path,
        zero_is_no_id=path is not None and not find.optional(path),
        time=find.named("time", event.time) or find.conventional("event_time", "time"),
        key=find.named("key", event.key),
    )
    return roles, find.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finder:
    message: str
    columns: Struct
    files: FileDescriptorSet
    problems: list[Problem]

    def named(self, role: str, path: str) -> Path | None:
        """The field that the option names for this role; None: it names none that fits."""
        if not path:
            return None
        parts = tuple(path.split("."))
        found = self._find(parts)
        if found is None or not _fits(role, found.shape):
            what = "there is no such field" if found is None else "the field does not fit"
            wanted = _TIME_FITS if role == "time" else _FITS
            why = f'option (bobr.v1.event).{role} = "{path}": {what}; it takes {wanted}'
            self.problems.append(refused(self.files, self.message, (), "option", why))
            return None
        return parts

    def conventional(self, name: str, role: str) -> Path | None:
        """The field of this name, if it fits the role."""
        found = self._find((name,))
        return (name,) if found is not None and _fits(role, found.shape) else None

    def optional(self, path: Path) -> bool:
        """Whether that field can tell 0 from not set."""
        found = self._find(path)
        return found is not None and found.optional

    def _find(self, path: Path) -> Member | None:
        """The field at a path through singular messages."""
        within: Shape = self.columns
        found = None
        for name in path:
            members = within.members if isinstance(within, Struct) else ()
            found = next((each for each in members if each.name == name), None)
            if found is None:
                return None
            within = found.shape
        return found


def _fits(role: str, shape: Shape) -> bool:
    if role == "time":
        return isinstance(shape, Timestamp)
    return isinstance(shape, Scalar | Text | Wrapper) and _names_something(shape.arrow)


def _names_something(arrow: pa.DataType) -> bool:
    """Equal values of it are the same thing: not true for floating point, useless for bool."""
    text = pa.types.is_string(arrow) or pa.types.is_binary(arrow)
    return bool(text or pa.types.is_integer(arrow) or pa.types.is_decimal(arrow))
