"""`harness install AGENT` and `harness uninstall AGENT`: our hooks in an agent's own files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Optional

import click

from harness_tracing.agents.base import Agent, Machine, Registration
from harness_tracing.cli.edge import Edge, pass_edge, talk
from harness_tracing.cli.parameters import agent_name
from harness_tracing.paths import Home

VERSION_TIMEOUT_S = 20


_agent = click.argument("agent", callback=agent_name)
_project = click.option(
    "--project",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="In this project's own configuration instead of yours (cursor).",
)


@click.command()
@_agent
@_project
@click.option(
    "--tab-edits/--no-tab-edits",
    default=None,
    help="Record what inline completion (Tab) edits, too; off by default (cursor).",
)
@click.option(
    "--agent-version",
    metavar="VERSION",
    help="The agent's version, where it cannot be asked (cursor).",
)
@pass_edge
def install(
    edge: Edge,
    agent: str,
    project: Optional[Path],
    tab_edits: Optional[bool],
    agent_version: Optional[str],
) -> None:
    """Register our hooks with AGENT: claude-code, codex or cursor.

    They go into the agent's own file: settings.json of Claude Code, hooks.json of Codex and of
    Cursor. Nothing else in it changes, `harness uninstall AGENT` restores its bytes, and doing
    it again changes nothing. Variables that move that file (CLAUDE_CONFIG_DIR, CODEX_HOME)
    count as they do for the agent. What is left to do is said on stderr.

    With the agent's plugin installed this is not needed.
    """
    import harness_tracing
    from harness_tracing import agents
    from harness_tracing.environments import write_capture
    from harness_tracing.errors import RegistrationError

    known, home = agents.get(agent), edge.home
    _check_options(known, project=project, tab_edits=tab_edits)
    version = agent_version or _installed_version(edge, known)
    machine = _machine(edge, known, version, project, tab_edits)
    registration = _registration(known, machine)
    there = _is_there(edge, known, machine.user_home)
    write_capture(home.capture, Path(harness_tracing.__file__).resolve().parent)
    try:
        outcome = registration.install()
    except RegistrationError:
        _remove_unused(home)
        raise
    done = "are now registered" if outcome.changed else "were registered already"
    talk(f"The hooks for {known.title} {done} in {outcome.path}.")
    if not there:
        talk(f"{known.title} was not found here: they wait until it is installed.")
    for note in (*outcome.notes, *known.hint(machine)):
        talk(note)
    if not home.current.exists():
        talk("The first session installs what reads them; `harness bootstrap` does it now.")
    talk(f"Start {known.title} anew, work as always, then: harness sessions list")


@click.command()
@_agent
@_project
@pass_edge
def uninstall(edge: Edge, agent: str, project: Optional[Path]) -> None:
    """Take our hooks out of AGENT's configuration again.

    The file is as it was before, to the byte; what was changed there meanwhile stays. Sessions
    stay in the store. A plugin is removed with the agent's own command.
    """
    from harness_tracing import agents

    known, home = agents.get(agent), edge.home
    _check_options(known, project=project)
    outcome = _registration(known, _machine(edge, known, None, project)).uninstall()
    done = "are gone from" if outcome.changed else "were not registered in"
    talk(f"The hooks for {known.title} {done} {outcome.path}.")
    for note in outcome.notes:
        talk(note)
    _remove_unused(home)


def _check_options(agent: Agent, **given: object) -> None:
    for name, value in given.items():
        if value is not None and name not in agent.takes:
            option = name.replace("_", "-")
            raise click.UsageError(
                f"--{option} is for other agents: {agent.title} has no such thing."
            )


def _is_there(edge: Edge, agent: Agent, user_home: Path) -> bool:
    """Whether the agent seems to be installed: its program, or files of its own."""
    program = shutil.which(agent.program, path=edge.environ.get("PATH", ""))
    return program is not None or (user_home / agent.folder).is_dir()


def _machine(
    edge: Edge,
    agent: Agent,
    version: Optional[str],
    project: Optional[Path] = None,
    tab_edits: Optional[bool] = None,
) -> Machine:
    from harness_tracing import config
    from harness_tracing.capture import hook_command
    from harness_tracing.environments import python_of

    home, windows = edge.home, os.name == "nt"
    script = str(home.capture / ("capture.py" if windows else "capture.sh"))
    interpreter = str(python_of(home.current)) if windows else None

    def command(event: str) -> str:
        return hook_command(agent.name, event, interpreter, script, own_shell=agent.own_shell)

    user_home = config.user_home(edge.environ)
    folder = project.resolve() if project is not None else None
    return Machine(edge.environ, user_home, home.registrations, command, version, folder, tab_edits)


def _registration(agent: Agent, machine: Machine) -> Registration:
    if agent.registration is None:
        raise click.ClickException(f"{agent.title} has no registration of its own")
    return agent.registration(machine)


def _installed_version(edge: Edge, agent: Agent) -> Optional[str]:
    """What the agent says of its version; None when nobody answers."""
    if not agent.version_command:
        return None
    program = shutil.which(agent.version_command[0], path=edge.environ.get("PATH", ""))
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *agent.version_command[1:]],
            env=dict(edge.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    first = done.stdout.strip().split("\n")[0].strip()
    return first if done.returncode == 0 and first else None


def _remove_unused(home: Home) -> None:
    """Capture goes when no agent is registered any more."""
    if not any(home.registrations.glob("*")):
        shutil.rmtree(home.capture, ignore_errors=True)
