"""What holds where a command is run: every agent's settings, the destinations these name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness_tracing import agents, config
from harness_tracing.agents.base import Agent
from harness_tracing.config import Settings, Source
from harness_tracing.observe.deliveries import Known
from harness_tracing.paths import Home


def settings_here(env: Mapping[str, str], home: Home) -> dict[str, Settings]:
    """Each agent's settings for a session that would begin here; ConfigError as `config.load`.

    Here is the project that the agent's variable names, else the folder we are in, with all
    above it: what their files may have put into the environment is no word of the user's.
    """
    return {name: _settings(agents.get(name), env, home) for name in agents.names()}


def destinations_for(env: Mapping[str, str], home: Home, project: str) -> list[Known]:
    """The destinations of sessions in a project, each with what they are sent with there."""
    settings = settings_here({**env, "ARIZE_PROJECT_NAME": project}, home)
    return known_destinations(settings.values())


def folders_here(agent: Agent, env: Mapping[str, str]) -> list[str]:
    """The project that we are in and all folders above it, the outermost first."""
    named = env.get(agent.project_variable) if agent.project_variable else None
    here = Path(named or env.get("PWD") or "/")
    return [str(folder) for folder in (*reversed(here.parents), here)]


def _settings(agent: Agent, env: Mapping[str, str], home: Home) -> Settings:
    folders = folders_here(agent, env)
    user_env = agent.settings_env(env, None)[0]
    of_projects = config.of_the_user(agents.project_env(env, folders))
    for folder in folders:
        of_projects.update(agent.settings_env(env, folder)[1])
    return config.load(
        env, agent=agent.name, user_env=user_env, project_env=of_projects, home=home.root
    )


def known_destinations(settings: Iterable[Settings]) -> list[Known]:
    """The destinations of some settings, each once; those without credentials too."""
    found: dict[tuple[object, ...], Known] = {}
    for each in settings:
        for destination in each.destinations:
            target, fingerprint = destination.target, destination.fingerprint
            known = Known(destination.name, target, fingerprint=fingerprint)
            found.setdefault((known.name, *target.account), known)
        for target in each.incomplete:
            found.setdefault(
                (target.kind, *target.account), Known(target.kind, target, ready=False)
            )
    return list(found.values())


def tracing(settings: Settings) -> str:
    """Whether sessions that begin here are traced; why not, when they are not."""
    if settings.untraced:
        return "off (HARNESS_UNTRACED)"
    if not settings.enabled:
        origin = settings.origins["enabled"]
        by_default = origin.source is Source.DEFAULT
        return "off" if by_default else f"off ({origin.name}, {origin.source.value})"
    return "dry run: nothing is sent" if settings.dry_run else "tracing"
