"""The agents we trace: one folder each, one line in the registry below."""

from __future__ import annotations

from importlib import import_module

from harness_tracing.agents.base import Agent
from harness_tracing.errors import ConfigError

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
