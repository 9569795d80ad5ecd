"""Where a setting is looked for, in which order, and whose word counts for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Optional

from harness_tracing.config.settings import Origin, Source
from harness_tracing.config.values import Read, shown
from harness_tracing.errors import ConfigError


@dataclass(frozen=True)
class Setting:
    """How a field of Settings is found. Its key in config.yaml has the field's name.

    `project`: what of it a project's files may decide. `per_agent`: the key may also stand below
    ``agents.<name>``, which then comes first. `unreadable`: what a variable counts as whose value
    nobody understands; None passes it over. `meaning` is a line of the reference page.
    """

    field: str
    variables: tuple[str, ...]
    read: Read
    default: Any
    project: Literal["nothing", "anything", "less"] = "nothing"
    per_agent: bool = False
    in_file: bool = True
    unreadable: Any = None
    meaning: str = ""


Found = Optional[tuple[Any, Origin]]


@dataclass(frozen=True)
class Layers:
    """The places a setting is looked for in, and which agent's part of config.yaml counts."""

    env: Mapping[str, str] = field(repr=False)
    user_env: Mapping[str, str] = field(repr=False)
    project_env: Mapping[str, str] = field(repr=False)
    agent: Optional[str]
    user_home: Path
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    config_path: Path = Path()
    warnings: list[str] = field(default_factory=list)

    def find(self, setting: Setting) -> tuple[Any, Origin]:
        """The value and its origin, from the highest place that has one."""
        project = self._of_project(setting)
        if project is not None and setting.project == "less":
            return project
        found = self._own_env(setting)
        if found is None and project is not None:
            found = project
        return found or self._of_user(setting) or self.in_file(setting) or self._default(setting)

    def _own_env(self, setting: Setting) -> Found:
        """The environment's word, unless a project's file put it there."""
        for variable in setting.variables:
            value = self.env.get(variable)
            if value and value != self.project_env.get(variable):
                of_user = value == self.user_env.get(variable)
                origin = Origin(Source.USER if of_user else Source.ENV, variable)
                found = self._read(setting, value, origin)
                if found is not None:
                    return found
        return None

    def _of_user(self, setting: Setting) -> Found:
        for variable in setting.variables:
            value = self.user_env.get(variable)
            found = self._read(setting, value, Origin(Source.USER, variable)) if value else None
            if found is not None:
                return found
        return None

    def _of_project(self, setting: Setting) -> Found:
        for variable in setting.variables:
            value = self.project_env.get(variable)
            if not value:
                continue
            if setting.project == "nothing":
                self.warnings.append(f"{variable} is passed over: a project may not set it")
                continue
            found = self._read(setting, value, Origin(Source.PROJECT, variable))
            if found is not None and not (setting.project == "less" and found[0]):
                return found
        return None

    def _read(self, setting: Setting, value: str, origin: Origin) -> Found:
        try:
            return setting.read(value, self.user_home), origin
        except ValueError as error:
            instead = "it hides" if setting.unreadable is not None else "it is passed over"
            self.warnings.append(
                f"{origin.name} ({origin.source.value}) is {shown(value)}; {instead}."
                f" It may be {error}"
            )
            return None if setting.unreadable is None else (setting.unreadable, origin)

    def in_file(self, setting: Setting) -> Found:
        """What config.yaml says, the agent's own part of it first."""
        places = [("", self.config)]
        if setting.per_agent and self.agent is not None:
            part = (self.config.get("agents") or {}).get(self.agent)
            places.insert(0, (f"agents.{self.agent}.", part or {}))
        for prefix, part in places:
            value = part.get(setting.field) if setting.in_file else None
            if value is not None:
                key = prefix + setting.field
                try:
                    return setting.read(value, self.user_home), Origin(Source.CONFIG, key)
                except ValueError as error:
                    raise ConfigError(
                        f"{key} in {self.config_path} is {shown(value)}; it may be {error}"
                    ) from None
        return None

    def _default(self, setting: Setting) -> tuple[Any, Origin]:
        of_agent = setting.field == "project" and self.agent is not None
        return self.agent if of_agent else setting.default, Origin(Source.DEFAULT)

    def own_word(self, variable: str) -> Optional[tuple[str, Origin]]:
        """What the user says with a variable: the environment's word, unless it is the
        project's, else that of the agent's user settings.
        """
        value = self.env.get(variable)
        of_user = self.user_env.get(variable)
        if value and value != self.project_env.get(variable):
            source = Source.USER if value == of_user else Source.ENV
            return value, Origin(source, variable)
        return (of_user, Origin(Source.USER, variable)) if of_user else None

    def is_hidden(self, variable: str) -> bool:
        """Whether a project file sets a variable and nobody can see what the user's shell said.

        Also when it sets it to nothing, and when it did not reach this environment.
        """
        return variable in self.project_env and self.own_word(variable) is None
