"""Which settings hold for a session, also when somebody else does its worker's work.

A worker has its hook's environment; a sweep has that of another session, or of a terminal. So
a worker leaves in the session's folder what it was told of names and content: nothing secret.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Optional

import msgspec

from harness_tracing import agents, config
from harness_tracing.agents.base import Agent
from harness_tracing.config import JoinTrace, Settings
from harness_tracing.decoding import decoder_of
from harness_tracing.destinations import Destination, Target
from harness_tracing.paths import Home
from harness_tracing.worker.presence import Session

KEPT = "worker.settings"
# Whether a session is traced was decided when its events were captured. Who sweeps may be
# untraced itself: it looks at sessions, and its own switch says nothing about those.
OWN_SWITCHES = ("HARNESS_UNTRACED", "ARIZE_TRACE_ENABLED")
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Kept:
    """What a session's own worker knew, for those who go on without its environment."""

    project_dir: Optional[str]
    project: str
    user_id: Optional[str]
    log_prompts: bool
    log_tool_details: bool
    log_tool_content: bool
    targets: tuple[Target, ...] = ()
    dry_run: bool = False
    traceparent: Optional[str] = None
    join_trace: JoinTrace = "link"


def targets(settings: Settings) -> tuple[Target, ...]:
    """Where a session's turns go, also where the credentials for it are yet to be given."""
    return (*(each.target for each in settings.destinations), *settings.incomplete)


def settings_for(session: Session, env: Mapping[str, str]) -> Settings:
    """The settings that hold for a session whose hook had this environment."""
    agent = agents.get(session.agent)
    # Run inside another agent's tool it has what that one's project put into the environment.
    hidden = config.of_the_user(_of_projects(session.home, env))
    return _load(session.home, agent, env, _project_of(agent, env), hidden)


def keep(session: Session, env: Mapping[str, str], settings: Settings) -> None:
    """Leave in a session's folder what a sweep without its environment has to know."""
    agent, folder = agents.get(session.agent), session.folder
    kept = Kept(
        project_dir=_project_of(agent, env),
        project=settings.project,
        user_id=settings.user_id,
        log_prompts=settings.log_prompts,
        log_tool_details=settings.log_tool_details,
        log_tool_content=settings.log_tool_content,
        targets=targets(settings),
        dry_run=settings.dry_run,
        traceparent=settings.traceparent,
        join_trace=settings.join_trace,
    )
    new = folder / f".{KEPT}.{os.getpid()}"
    with suppress(OSError):
        new.write_bytes(msgspec.json.encode(kept))
        new.replace(folder / KEPT)


def settings_elsewhere(session: Session, env: Mapping[str, str], cwd: Optional[str]) -> Settings:
    """The settings for a session that this environment is not of.

    `cwd` is where it works, for when it never had a worker. What the environment has from
    another session's project does not count; what that session's worker was told does, and
    of content only what is allowed then and now.
    """
    agent, kept = agents.get(session.agent), _kept(session.folder)
    named = {name: value for name, value in env.items() if name not in OWN_SWITCHES}
    hidden: dict[str, str] = {}
    if not agent.session_variable or env.get(agent.session_variable) != session.session_id:
        own = _project_of(agent, env) or env.get("PWD")
        _, own_project_env = agent.settings_env(env, own)
        named = {n: value for n, value in named.items() if own_project_env.get(n) != value}
        # What that project hides of the user's words is not known here either.
        hidden = config.of_the_user({**_of_projects(session.home, env), **own_project_env})
    project_dir = kept.project_dir if kept is not None else cwd
    settings = _load(session.home, agent, named, project_dir, hidden)
    if kept is None:
        # What this process was started under is no outer trace of that session.
        return replace(settings, traceparent=None)
    return replace(
        settings,
        project=kept.project,
        user_id=kept.user_id,
        log_prompts=settings.log_prompts and kept.log_prompts,
        log_tool_details=settings.log_tool_details and kept.log_tool_details,
        log_tool_content=settings.log_tool_content and kept.log_tool_content,
        destinations=(),  # where it goes was decided by its own worker
        incomplete=kept.targets,
        dry_run=settings.dry_run or kept.dry_run,
        traceparent=kept.traceparent,
        join_trace=kept.join_trace,
    )


def _kept(folder: Path) -> Optional[Kept]:
    with suppress(OSError, msgspec.DecodeError, msgspec.ValidationError):
        return decoder_of(Kept).decode((folder / KEPT).read_bytes())
    return None


def _project_of(agent: Agent, env: Mapping[str, str]) -> Optional[str]:
    return env.get(agent.project_variable) if agent.project_variable else None


def _load(
    home: Home,
    agent: Agent,
    env: Mapping[str, str],
    project: Optional[str],
    hidden: Mapping[str, str] = _NOTHING,
) -> Settings:
    user_env, project_env = agent.settings_env(env, project)
    return config.load(
        env,
        agent=agent.name,
        user_env=user_env,
        project_env={**hidden, **project_env},
        home=home.root,
    )


def destinations(home: Home, env: Mapping[str, str]) -> tuple[Destination, ...]:
    """Every destination whose credentials this environment, an agent's user settings or
    config.yaml hold: for delivering what any session left.

    What a project's settings may have put into the environment does not count. A dry run has
    none.
    """
    return destinations_of(everybodys(home, env))


def destinations_of(everybodys: Iterable[Settings]) -> tuple[Destination, ...]:
    """The destinations of some settings, one for each account; a dry run has none."""
    found: dict[tuple[str, str, str], Destination] = {}
    for settings in everybodys:
        for destination in () if settings.dry_run else settings.destinations:
            found.setdefault(destination.target.account, destination)
    return tuple(found.values())


def everybodys(home: Home, env: Mapping[str, str]) -> list[Settings]:
    """What holds in a terminal, and for each agent."""
    of_projects = _of_projects(home, env)
    return [
        config.load(
            env,
            agent=name,
            user_env=agents.get(name).settings_env(env, None)[0] if name else {},
            project_env=of_projects,
            home=home.root,
        )
        for name in (None, *agents.names())
    ]


def without_projects(home: Home, env: Mapping[str, str]) -> dict[str, str]:
    """This environment without what the settings of a project may have put into it."""
    theirs = _of_projects(home, env)
    return {name: value for name, value in env.items() if theirs.get(name) != value}


def _of_projects(home: Home, env: Mapping[str, str]) -> dict[str, str]:
    """What the settings of any project we may be in put into an environment like this."""
    here = Path(env.get("PWD") or "/")
    folders: list[Optional[str]] = [str(here), *map(str, here.parents)]
    for name in agents.names():
        agent = agents.get(name)
        session_id = env.get(agent.session_variable) if agent.session_variable else None
        kept = _kept(home.session_spool(name, session_id)) if session_id else None
        folders += [_project_of(agent, env), kept.project_dir if kept else None]
    return agents.project_env(env, folders)
