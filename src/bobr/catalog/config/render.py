"""A catalog as configuration files that would declare it: one text for each owner. Pure.

Only what differs from the defaults is written. A stream's schema is in the registry, so its `proto` is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from bobr.catalog.change import Kind, objects
from bobr.catalog.config.load import TYPES
from bobr.catalog.config.text import is_text
from bobr.catalog.model import API, Catalog, Object, SettingsDeclaration, Value

WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """With quotes also around what YAML 1.2 does not read as a text, though YAML 1.1 does: 08, 1e5."""


def _written(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if is_text(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _written)


def owners(catalog: Catalog) -> Sequence[str]:
    """Whoever declares something, by name."""
    return sorted({each.owner for each in objects(catalog).values()})


def as_yaml(catalog: Catalog, owner: str) -> str:
    """What that owner declares, and a remark for each of its deliveries that is paused: files do not say that."""
    sections: dict[str, Any] = {} if owner == API else {"owner": owner}
    for (kind, name), each in objects(catalog).items():
        if each.owner == owner and kind is Kind.SETTINGS:
            sections[kind.member] = _members(each, SettingsDeclaration)
        elif each.owner == owner:
            sections.setdefault(kind.member, {})[name] = _members(each, TYPES[kind])
    text: str = yaml.dump(
        sections, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True
    )
    paused = [x.name for x in catalog.deliveries.values() if x.owner == owner and x.paused]
    remarks = [f"# {name} is paused until `bobr delivery resume {name}`\n" for name in paused]
    return text + "".join(remarks)


def _members(each: Object, declaration: type[Value]) -> Mapping[str, Any]:
    written = each.model_dump(mode="json", by_alias=True)
    return {word: written[word] for word in _said(each, declaration) if word in written}


def _said(each: Object, declaration: type[Value]) -> Iterator[str]:
    """The words of the members that are not as they are by default."""
    for name, field in declaration.model_fields.items():
        if name in type(each).model_fields and getattr(each, name) != field.default:
            yield str(field.serialization_alias or name)
