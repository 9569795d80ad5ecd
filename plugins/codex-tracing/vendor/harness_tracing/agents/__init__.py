"""The agents we trace: one folder each, one line in the registry below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Optional

from harness_tracing.errors import ConfigError

if TYPE_CHECKING:
    from harness_tracing.agents.base import Agent

_MODULES = {
    "claude-code": "harness_tracing.agents.claude_code",
    "codex": "harness_tracing.agents.codex",
    "cursor": "harness_tracing.agents.cursor",
}
_ALIASES = {"claude": "claude-code"}


def names() -> list[str]:
    """The names of all registered agents."""
    return sorted(_MODULES)


def get(name: str) -> Agent:
    """The agent of that name or alias; ConfigError names the known ones."""
    canonical = _ALIASES.get(name, name)
    if canonical not in _MODULES:
        raise ConfigError(f"unknown agent {name!r}; known are: {', '.join(names())}")
    agent: Agent = import_module(_MODULES[canonical]).AGENT
    return agent


def project_env(env: Mapping[str, str], folders: Iterable[Optional[str]]) -> dict[str, str]:
    """What the settings files of these folders, as projects, put into an environment.

    Of all agents: one that runs inside another's tool inherits what the other's project said.
    """
    found: dict[str, str] = {}
    for folder in dict.fromkeys(folders):
        for name in names() if folder else ():
            found.update(get(name).settings_env(env, folder)[1])
    return found
