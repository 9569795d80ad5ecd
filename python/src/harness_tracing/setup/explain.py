"""What holds where one is, value by value: where each came from, and what was passed over.

No secret is in any of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Optional

from harness_tracing import agents, config
from harness_tracing.agents import settings_files
from harness_tracing.config import Origin, SecretPattern, Settings, Source
from harness_tracing.config.fields import SECRET
from harness_tracing.config.table import HOME, TABLE
from harness_tracing.paths import Home
from harness_tracing.setup import keys
from harness_tracing.setup.apply import MASK
from harness_tracing.surroundings import folders_here, settings_here

_ACCOUNT = re.compile(r"(^|://)[^/@\s]*@")
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Row:
    """One value. `agent` is None where it is alike for all; `file` where it stands, if in one.

    `value` is ready for JSON, None when nothing is set; `origin` names the variable or key.
    """

    name: str
    agent: Optional[str]
    value: Any
    source: str
    origin: str = ""
    file: Optional[str] = None


@dataclass(frozen=True)
class Explained:
    """Everything that holds in an environment."""

    env: Mapping[str, str]
    home: Home

    @cached_property
    def settings(self) -> dict[str, Settings]:
        """Each agent's settings."""
        return settings_here(self.env, self.home)

    @cached_property
    def _config(self) -> dict[str, Any]:
        return config.read_config(self.home.config)

    def rows(self, agent: Optional[str] = None) -> list[Row]:
        """Every value: of one agent, or of all, those that are alike for all only once."""
        if agent is not None:
            return [replace(row, agent=agent) for row in self._of(agent)]
        by_agent = {name: {row.name: row for row in self._of(name)} for name in self.settings}
        names = dict.fromkeys(name for rows in by_agent.values() for name in rows)
        found: list[Row] = []
        for name in names:
            rows = {a: each[name] for a, each in by_agent.items() if name in each}
            alike = len(rows) == len(by_agent) and len({_key(row) for row in rows.values()}) == 1
            if alike:
                found.append(next(iter(rows.values())))
            else:
                found += [replace(row, agent=of) for of, row in rows.items()]
        return found

    def refused(self) -> list[str]:
        """What was passed over and why, each once."""
        told = (text for settings in self.settings.values() for text in settings.warnings)
        return list(dict.fromkeys(told))

    def _of(self, agent: str) -> Iterator[Row]:
        settings = self.settings[agent]
        yield Row("home", None, str(self.home.root), *self._where_home())
        for setting in TABLE:
            origin = settings.origins[setting.field]
            value = _plain(getattr(settings, setting.field))
            yield self._row(setting.field, value, origin, agent)
        told = {}
        for name, origin in settings.origins.items():
            if name.startswith("destinations."):
                told[name] = self._row(name, self._said(name, origin, agent), origin, agent)
        for path in keys.leaves({"destinations": self._config.get("destinations") or {}}):
            name = ".".join(path)
            if name not in told:
                origin = Origin(Source.CONFIG, name)
                told[name] = self._row(name, self._said(name, origin, agent), origin, agent)
        yield from (told[name] for name in sorted(told))

    def _where_home(self) -> tuple[str, str]:
        variable = HOME.variables[0]
        given = bool(self.env.get(variable))
        return (Source.ENV.value, variable) if given else (Source.DEFAULT.value, "")

    def _said(self, name: str, origin: Origin, agent: str) -> Any:
        """What was written for a field of a destination, masked where it is secret."""
        _, destination, key = name.split(".", 2)
        value: Any = None
        if origin.source is Source.CONFIG:
            value = self._config
            for part in ("destinations", *origin.name.split(".", 2)[1:]):
                value = value.get(part) if isinstance(value, Mapping) else None
        elif origin.source is Source.DEFAULT:
            found = (e for e in self.settings[agent].destinations if e.name == destination)
            value = next((each.target.endpoint for each in found), None)
        else:
            user = agents.get(agent).settings_env(self.env, None)[0]
            value = self.env.get(origin.name) or user.get(origin.name)
        return masked(key, value)

    def _row(self, name: str, value: Any, origin: Origin, agent: str) -> Row:
        return Row(name, None, value, origin.source.value, origin.name, self._file(origin, agent))

    def _file(self, origin: Origin, agent: str) -> Optional[str]:
        """The file in which a value stands."""
        if origin.source is Source.CONFIG:
            return str(self.home.config)
        if origin.source not in (Source.USER, Source.PROJECT):
            return None
        of_project = origin.source is Source.PROJECT
        # What one agent's project put into the environment counts for all.
        of = [agents.get(name) for name in (agents.names() if of_project else [agent])]
        for each in of:
            for folder in reversed(folders_here(each, self.env)) if of_project else [None]:
                for file in reversed(each.settings_files(self.env, folder)):
                    if file.of_project is of_project and settings_files.sets(
                        file, _text(file.path), origin.name
                    ):
                        return str(file.path)
        return None


def _key(row: Row) -> str:
    return repr((row.value, row.source, row.origin, row.file))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return ""


def _plain(value: Any) -> Any:
    """A value of `Settings` as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return {each.kind: each.regex.pattern for each in value if isinstance(each, SecretPattern)}
    return value


def masked(key: str, value: Any) -> Any:
    """A field of a destination as it may be shown."""
    if value is None:
        return None
    if key == "headers" and isinstance(value, Mapping):
        return dict.fromkeys(map(str, value), MASK)
    if key.split(".")[0] in SECRET:
        return MASK
    if key in ("endpoint", "proxy"):
        return _ACCOUNT.sub(rf"\1{MASK}@", str(value))
    return value if isinstance(value, (bool, int, float)) else str(value)
