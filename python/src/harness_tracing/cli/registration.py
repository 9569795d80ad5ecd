"""`harness install AGENT`: our hooks in an agent's own files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Optional

import click

from harness_tracing.agents.base import Agent, Machine, Registration
from harness_tracing.cli.edge import Edge, pass_edge, talk
from harness_tracing.cli.parameters import agent_name
from harness_tracing.paths import Home

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
    from harness_tracing import agents, inventory
    from harness_tracing.environments import write_capture
    from harness_tracing.errors import RegistrationError

    known, home, environ = agents.get(agent), edge.home, edge.environ
    check_options(known, project=project, tab_edits=tab_edits)
    version = agent_version
    if version is None and known.version_command:
        version = inventory.version_of(known, environ)
    machine = inventory.machine(
        environ, home, known, version=version, project=project, tab_edits=tab_edits
    )
    registration = registration_of(known, machine)
    there = inventory.is_here(known, environ)
    write_capture(home.capture, Path(harness_tracing.__file__).resolve().parent)
    try:
        outcome = registration.install()
    except RegistrationError:
        remove_unused(home)
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


def check_options(agent: Agent, **given: object) -> None:
    """Refuse options that this agent has no use for: UsageError."""
    for name, value in given.items():
        if value is not None and name not in agent.takes:
            option = name.replace("_", "-")
            raise click.UsageError(
                f"--{option} is for other agents: {agent.title} has no such thing."
            )


def registration_of(agent: Agent, machine: Machine) -> Registration:
    """The agent's registration on this machine."""
    if agent.registration is None:
        raise click.ClickException(f"{agent.title} has no registration of its own")
    return agent.registration(machine)


def remove_unused(home: Home) -> None:
    """Capture goes when no agent is registered any more."""
    if not any(home.registrations.glob("*")):
        shutil.rmtree(home.capture, ignore_errors=True)
