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


@click.command()
@click.argument("agent", callback=agent_name)
@click.option(
    "--agent-version", metavar="VERSION", help="The agent's version, where it cannot be asked."
)
@pass_edge
def install(edge: Edge, agent: str, agent_version: Optional[str]) -> None:
    """Register our hooks with AGENT, in its own configuration.

    Nothing else in the user's file changes, and `harness uninstall` restores its bytes. Doing it
    again changes nothing. What is left to do is said on stderr.
    """
    import harness_tracing
    from harness_tracing import agents
    from harness_tracing.environments import write_capture

    known, home = agents.get(agent), edge.home
    machine = _machine(edge, known, agent_version or _installed_version(edge, known))
    registration = _registration(known, machine)
    write_capture(home.capture, Path(harness_tracing.__file__).resolve().parent)
    outcome = registration.install()
    done = "are now registered" if outcome.changed else "were registered already"
    talk(f"The hooks for {known.title} {done} in {outcome.path}.")
    for note in (*outcome.notes, *known.hint(machine)):
        talk(note)
    if not home.current.exists():
        talk("The first session installs what reads them; `harness bootstrap` does it now.")


@click.command()
@click.argument("agent", callback=agent_name)
@pass_edge
def uninstall(edge: Edge, agent: str) -> None:
    """Take our hooks out of AGENT's configuration again.

    The file is as it was before, to the byte; what was changed there meanwhile stays. Sessions
    stay in the store.
    """
    from harness_tracing import agents

    known, home = agents.get(agent), edge.home
    outcome = _registration(known, _machine(edge, known, None)).uninstall()
    done = "are gone from" if outcome.changed else "were not registered in"
    talk(f"The hooks for {known.title} {done} {outcome.path}.")
    _remove_unused(home)


def _machine(edge: Edge, agent: Agent, version: Optional[str]) -> Machine:
    from harness_tracing import config
    from harness_tracing.capture import hook_command
    from harness_tracing.environments import python_of

    home, windows = edge.home, os.name == "nt"
    script = str(home.capture / ("capture.py" if windows else "capture.sh"))
    interpreter = str(python_of(home.current)) if windows else None

    def command(event: str) -> str:
        return hook_command(agent.name, event, interpreter, script, own_shell=agent.own_shell)

    user_home = config.user_home(edge.environ)
    return Machine(edge.environ, user_home, home.registrations, command, version)


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
