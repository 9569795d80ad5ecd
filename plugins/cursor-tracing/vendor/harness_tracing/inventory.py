"""The agents of this machine: what is there of each, how it is registered, what came from it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Optional

from harness_tracing import agents, config, spool
from harness_tracing.agents.base import Agent, Machine, Registration, Trusted
from harness_tracing.agents.registration import recorded_paths
from harness_tracing.capture import hook_command
from harness_tracing.config import Settings
from harness_tracing.environments import python_of
from harness_tracing.errors import RegistrationError
from harness_tracing.paths import Home
from harness_tracing.store import Store
from harness_tracing.surroundings import settings_here, tracing

VERSION_TIMEOUT_S = 20
_VERSION_NUMBER = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")
How = Literal["settings file", "project", "plugin"]


@dataclass(frozen=True)
class Registered:
    """One way in which our hooks are registered. `whole`: all of them, as they have to be.

    `where` is a file, or the name of a plugin. `ours`: we put them there and can do so again.
    """

    how: How
    where: str
    whole: bool = True
    ours: bool = False


@dataclass(frozen=True)
class AgentHere:
    """An agent on this machine. `program` and `version` are None where nobody answers.

    `found` is by what it was found: its program, or its folder in the user's home. `tracing` is
    what `harness status` says, or that nothing is registered. `trust` is None for agents that
    run every hook.
    """

    agent: Agent
    found: Optional[Path]
    program: Optional[Path]
    version: Optional[str]
    registered: tuple[Registered, ...]
    trust: Optional[Trusted]
    tracing: str
    enabled: bool
    last_event_ns: Optional[int]
    sessions: int


def machine(
    env: Mapping[str, str],
    home: Home,
    agent: Agent,
    *,
    version: Optional[str] = None,
    project: Optional[Path] = None,
    tab_edits: Optional[bool] = None,
) -> Machine:
    """Where an agent's registration goes, with the lines that start our capture."""
    windows = os.name == "nt"
    script = str(home.capture / ("capture.py" if windows else "capture.sh"))
    interpreter = str(python_of(home.current)) if windows else None

    def command(event: str) -> str:
        return hook_command(agent.name, event, interpreter, script, own_shell=agent.own_shell)

    folder = project.resolve() if project is not None else None
    user_home = config.user_home(env)
    return Machine(env, user_home, home.registrations, command, version, folder, tab_edits)


def program_of(agent: Agent, env: Mapping[str, str]) -> Optional[Path]:
    """The agent's program on the PATH."""
    found = shutil.which(agent.program, path=env.get("PATH", "")) if agent.program else None
    return Path(found) if found else None


def is_here(agent: Agent, env: Mapping[str, str]) -> bool:
    """Whether the agent seems to be installed: its program, or files of its own."""
    folder = config.user_home(env) / agent.folder
    return program_of(agent, env) is not None or bool(agent.folder and folder.is_dir())


def version_of(agent: Agent, env: Mapping[str, str]) -> Optional[str]:
    """The number that the agent says, else its first line; None when nobody answers."""
    words = agent.version_command or (agent.program, "--version")
    program = shutil.which(words[0], path=env.get("PATH", "")) if words[0] else None
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *words[1:]],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    first = done.stdout.strip().split("\n")[0].strip()
    if done.returncode or not first:
        return None
    number = _VERSION_NUMBER.search(first)
    return number[0] if number else first


def look(env: Mapping[str, str], home: Home, *, versions: bool = True) -> list[AgentHere]:
    """Every agent we know, as it is here. With `versions` each program is asked for its own.

    Raises ConfigError and StoreError where settings or store cannot be read.
    """
    known = [agents.get(name) for name in agents.names()]
    settings = settings_here(env, home)
    seen = _seen(home)
    asked: list[Optional[str]] = [None] * len(known)
    if versions:
        with ThreadPoolExecutor(len(known)) as pool:
            asked = list(pool.map(lambda agent: version_of(agent, env), known))
    return [
        _look_at(agent, env, home, settings[agent.name], version, seen.get(agent.name))
        for agent, version in zip(known, asked)
    ]


def _look_at(
    agent: Agent,
    env: Mapping[str, str],
    home: Home,
    settings: Settings,
    version: Optional[str],
    seen: Optional[tuple[int, Optional[int]]],
) -> AgentHere:
    program = program_of(agent, env)
    folder = config.user_home(env) / agent.folder
    found = program or (folder if agent.folder and folder.is_dir() else None)
    sessions, last_ns = seen or (0, None)
    registered = tuple(registrations(agent, env, home))
    on = settings.enabled and not settings.untraced
    return AgentHere(
        agent=agent,
        found=found,
        program=program,
        version=version,
        registered=registered,
        trust=agent.trust(machine(env, home, agent)) if agent.trust and registered else None,
        tracing=tracing(settings) if registered or not on else "not registered",
        enabled=on,
        last_event_ns=max(filter(None, (last_ns, _last_captured_ns(home, agent))), default=None),
        sessions=sessions,
    )


def registrations(agent: Agent, env: Mapping[str, str], home: Home) -> Iterator[Registered]:
    """Every way in which our hooks are registered with an agent."""
    here = machine(env, home, agent)
    recorded = recorded_paths(home.registrations, agent.name)
    if agent.registration is not None:
        own = agent.registration(here)
        yield from _in_file(own, "settings file", recorded)
        for path in recorded:
            if path == own.path:
                continue
            project = machine(env, home, agent, project=path.parent.parent)
            other = agent.registration(project) if "project" in agent.takes else None
            if other is not None and other.path == path:
                yield from _in_file(other, "project", recorded)
            elif path.exists():
                yield Registered("settings file", str(path), ours=True)
    for name in agent.plugins(here):
        yield Registered("plugin", name)


def project_of(way: Registered) -> Path:
    """The folder of a project that our hooks are registered in."""
    return Path(way.where).parent.parent


def _in_file(there: Registration, how: How, recorded: list[Path]) -> Iterator[Registered]:
    try:
        whole = there.registered()
    except RegistrationError:
        whole = False
    ours = there.path in recorded
    if whole or ours or there.present():
        yield Registered(how, str(there.path), whole, ours)


def _seen(home: Home) -> dict[str, tuple[int, Optional[int]]]:
    """For each agent in the store: its sessions, and when something last happened in one."""
    if not home.store.exists():
        return {}
    with Store.open(home.store) as store:
        return {each.agent: (each.sessions, each.last_event_ns) for each in store.agents()}


def _last_captured_ns(home: Home, agent: Agent) -> Optional[int]:
    """The newest event of an agent that lies in the spool."""
    times = (
        file.at_ns
        for name, _, folder in spool.session_folders(home)
        if name == agent.name
        for file in spool.event_files(folder)
    )
    return max(times, default=None)
