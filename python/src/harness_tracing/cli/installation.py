"""`harness hook-command` and `harness bootstrap`: what agents start, and what that runs with."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from harness_tracing.cli.edge import Edge, pass_edge, talk
from harness_tracing.cli.parameters import agent_name


@click.command("hook-command")
@click.argument("agent", callback=agent_name)
@click.argument("event")
def hook_command(agent: str, event: str) -> None:
    """Print the shell line that is registered with AGENT for EVENT.

    It names this installation's own files and interpreter and needs no other set-up. For an
    event that is not registered nothing is printed.
    """
    from harness_tracing import agents, capture

    known = agents.get(agent)
    if any(registered.name == event for registered in known.events):
        script = str((capture.CAPTURE_PY if os.name == "nt" else capture.CAPTURE_SH).absolute())
        line = capture.hook_command(agent, event, sys.executable, script, own_shell=known.own_shell)
        click.echo(line)


@click.command()
@click.option("--rebuild", is_flag=True, help="Make a new environment even where one works.")
@pass_edge
def bootstrap(edge: Edge, rebuild: bool) -> None:
    """Install this version for the hooks, ahead of the first session.

    Puts the package and its dependencies into an environment of their own below the home
    folder, and the `harness` command into its `bin`. Hooks do the same by themselves when
    they find nothing there.
    """
    import harness_tracing
    from harness_tracing import bootstrap as bootstrapping
    from harness_tracing.errors import BootstrapError

    source = Path(harness_tracing.__file__).resolve().parent
    failed = bootstrapping.run(
        edge.home, source, edge.environ, rebuild=rebuild, renew=True, tell=talk
    )
    if failed:
        reason = bootstrapping.status(edge.home).message
        raise BootstrapError(reason or "the environment could not be built; see above")
    click.echo(edge.home.current)
