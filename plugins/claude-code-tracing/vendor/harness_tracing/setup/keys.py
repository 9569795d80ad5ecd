"""The names of `harness config get|set|unset`: what they stand for, and what may be set there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Optional

from harness_tracing import agents
from harness_tracing.config.fields import (
    MEANINGS,
    READ,
    SECRET,
    keys_of,
    variables_of,
)
from harness_tracing.config.table import HOME, TABLE
from harness_tracing.config.values import Read
from harness_tracing.destinations import Kind
from harness_tracing.errors import ConfigError

KINDS: tuple[Kind, ...] = ("ax", "phoenix", "otlp")
_GROUPS = ("secret_patterns", "resource_attributes", "headers", "gates")
"""Keys whose value is a group of names that are the user's own."""


@dataclass(frozen=True)
class Key:
    """A name that stands for something: its place in config.yaml, and how a value is read.

    `variables` say the same; `in_file` is whether config.yaml may. `secret`: its value is shown
    to nobody.
    """

    path: tuple[str, ...]
    read: Read
    variables: tuple[str, ...] = ()
    in_file: bool = True
    secret: bool = False

    @property
    def name(self) -> str:
        """How it is called in full."""
        return ".".join(self.path)

    def value(self, text: str, user_home: Path) -> Any:
        """A typed text as it is written into config.yaml; ConfigError says what it may be."""
        try:
            found = self.read(text, user_home)
        except ValueError as error:
            try:
                return self.read(int(text), user_home)
            except ValueError:
                raise ConfigError(f"{self.name} cannot be that; it may be {error}") from None
        return found if isinstance(found, (bool, dict)) else text.strip()


def find(name: str) -> Key:
    """The key that a name or a variable stands for; ConfigError with the closest ones."""
    path = tuple(name.split("."))
    found = _of_variable(name) or _setting(path) or _of_agent(path) or _of_destination(path)
    if found is not None:
        return found
    close = get_close_matches(name, [*every_name(), *_variables()], n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise ConfigError(
        f"there is no setting {name!r}{hint or '.'} `harness config show --all` lists them"
    )


def every_name() -> list[str]:
    """The names of all settings, with the destinations that are named after their kinds."""
    single = [setting.field for setting in (HOME, *TABLE)]
    own = [s.field for s in TABLE if s.per_agent]
    single += [f"agents.{agent}.{field}" for agent in agents.names() for field in own]
    return [*single, *(f"destinations.{kind}.{key}" for kind in KINDS for key in keys_of(kind))]


def _variables() -> dict[str, Key]:
    found = {}
    for setting in (HOME, *TABLE):
        for variable in setting.variables:
            found[variable] = Key(
                (setting.field,), setting.read, setting.variables, setting.in_file
            )
    for kind in KINDS:
        for field, variables in variables_of(kind).items():
            key = _field(("destinations", kind, field), kind)
            found.update({variable: key for variable in variables if key})
    return found


def _of_variable(name: str) -> Optional[Key]:
    return _variables().get(name)


def _setting(path: tuple[str, ...]) -> Optional[Key]:
    for setting in (HOME, *TABLE):
        if path == (setting.field,):
            return Key(path, setting.read, setting.variables, setting.in_file)
        if path[0] == setting.field and len(path) > 1 and setting.field in _GROUPS:
            return _member((path[0], ".".join(path[1:])), setting.read)
    return None


def _of_agent(path: tuple[str, ...]) -> Optional[Key]:
    if len(path) != 3 or path[0] != "agents":
        return None
    try:
        agent = agents.get(path[1]).name
    except ConfigError:
        return None
    for setting in TABLE:
        if setting.per_agent and setting.field == path[2]:
            return Key(("agents", agent, path[2]), setting.read)
    return None


def _of_destination(path: tuple[str, ...]) -> Optional[Key]:
    if len(path) < 3 or path[0] != "destinations":
        return None
    if len(path) > 3 and path[2] == "headers":
        inner = (*path[:3], ".".join(path[3:]))
        return _member(inner, READ["headers"], secret=True)
    return _field(path, path[1]) if len(path) == 3 else None


def _field(path: tuple[str, ...], name: str) -> Optional[Key]:
    field = path[2]
    if field == "kind":
        return Key(path, _kind)
    if field not in MEANINGS or (field == "space_id" and name in ("phoenix", "otlp")):
        return None
    in_file = field in keys_of("ax")
    return Key(path, READ[field], variables_of(name).get(field, ()), in_file, field in SECRET)


def _kind(value: Any, _: Path) -> str:
    if value not in KINDS:
        raise ValueError(", ".join(KINDS))
    return str(value)


def _member(path: tuple[str, ...], read: Read, secret: bool = False) -> Key:
    """One name within a group, whose value is good when the group with it alone is."""

    def member(value: Any, user_home: Path) -> Any:
        read({path[-1]: str(value)}, user_home)
        return value

    return Key(path, member, secret=secret)


def leaves(group: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The places of a content of config.yaml that hold values, not groups of keys."""
    for name, value in group.items():
        place = (*above, str(name))
        if isinstance(value, Mapping) and name not in _GROUPS:
            yield from leaves(value, place)
        else:
            yield place
