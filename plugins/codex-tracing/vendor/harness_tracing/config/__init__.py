"""Every setting of a session, where it came from, and whose word counts for it.

Variables override config.yaml. An agent merges three places into the environment of its hooks:
the user's shell, the user's settings file and the project's. A project file may come with a
cloned repository, so only what `table` allows is taken from it: on and off, the project's
name, and content switches towards less. A variable that a project file sets to the very value
found in the environment counts as the project's.

`layers` looks values up in order, `destinations` makes of them where turns are sent. Pure: the
environment and the blocks of settings files are arguments; only config.yaml is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Optional

from harness_tracing.config import destinations
from harness_tracing.config.file import read_config, unknown_keys
from harness_tracing.config.layers import Layers
from harness_tracing.config.settings import (
    DEFAULT_MAX_VALUE_CHARS,
    SHORTEST_MAX_VALUE_CHARS,
    JoinTrace,
    Origin,
    SecretPattern,
    Settings,
    Source,
)
from harness_tracing.config.table import ATTRIBUTES, HOME, TABLE
from harness_tracing.destinations import Shape
from harness_tracing.paths import DEFAULT_HOME, Home, user_home

__all__ = [
    "DEFAULT_MAX_VALUE_CHARS",
    "OF_THE_USER",
    "SHORTEST_MAX_VALUE_CHARS",
    "JoinTrace",
    "Origin",
    "SecretPattern",
    "Settings",
    "Shape",
    "Source",
    "load",
    "of_the_user",
    "read_config",
    "user_home",
]

OF_THE_USER: frozenset[str] = (
    frozenset(
        variable
        for setting in (HOME, *TABLE)
        if setting.project == "nothing"
        for variable in setting.variables
    )
    | destinations.variables()
)
"""The variables that a project's files may not set."""
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


def of_the_user(project_env: Mapping[str, str]) -> dict[str, str]:
    """Those of a project's variables by which it must not speak for the user."""
    return {name: value for name, value in project_env.items() if name in OF_THE_USER}


def load(
    env: Mapping[str, str],
    *,
    agent: Optional[str] = None,
    user_env: Mapping[str, str] = _NO_VARIABLES,
    project_env: Mapping[str, str] = _NO_VARIABLES,
    home: Optional[Path] = None,
    content: Optional[Mapping[str, Any]] = None,
) -> Settings:
    """All settings, for `agent` where one is given.

    `env` is the environment of a hook or of the command; `user_env` and `project_env` are what
    the agent's settings files of user and project add to it (`Agent.settings_env`). `home`, when
    given, comes before all else. `content` is what config.yaml is going to hold, where that is
    not written yet. Raises ConfigError when config.yaml cannot be read or has a
    value that cannot be what it is meant to be, naming the key and what it may be. A variable
    like that is a warning: a session must not stay untraced for a typing error.
    """
    layers = Layers(env, user_env, project_env, agent, user_home(env))
    root, origin = (home, Origin(Source.ARGUMENT, "--home")) if home else layers.find(HOME)
    chosen = Home(root if root is not None else layers.user_home / DEFAULT_HOME)
    config = read_config(chosen.config) if content is None else dict(content)
    layers = replace(layers, config=config, config_path=chosen.config)
    layers.warnings.extend(unknown_keys(config, chosen.config, TABLE))
    values: dict[str, Any] = {"home": chosen}
    origins = {"home": origin}
    for setting in TABLE:
        values[setting.field], origins[setting.field] = layers.find(setting)
    in_file = layers.in_file(ATTRIBUTES)
    if in_file is not None:  # the variable overrides single attributes, not all of them
        values["resource_attributes"] = {**in_file[0], **values["resource_attributes"]}
    service = layers.own_word("OTEL_SERVICE_NAME")
    if service is not None:
        values["resource_attributes"] = {
            **values["resource_attributes"],
            "service.name": service[0],
        }
    found = destinations.resolve(layers, values["project"], values["shape"])
    return Settings(
        **values,
        destinations=found.ready,
        incomplete=found.incomplete,
        origins={**origins, **found.origins},
        warnings=tuple(dict.fromkeys(layers.warnings)),
    )
