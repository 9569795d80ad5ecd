"""`harness uninstall`: our hooks out of one agent's file, or everything of ours off the machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import click

from harness_tracing.cli.edge import Edge, confirm, pass_edge, talk
from harness_tracing.cli.parameters import agent_name
from harness_tracing.cli.registration import check_options, registration_of, remove_unused

if TYPE_CHECKING:
    from harness_tracing.paths import Home

FLUSH_S = 15.0
_NOTHING_REMOVED = "nothing was removed; --yes removes without asking"


@click.command()
@click.argument("agent", required=False, callback=agent_name)
@click.option(
    "--project",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="From this project's own configuration instead of yours (cursor).",
)
@click.option("--all", "everything", is_flag=True, help="Every agent, and all files of ours.")
@click.option(
    "--keep-store/--delete-store",
    "keep",
    default=None,
    help="With --all: what becomes of the recorded sessions; they are kept unless you say so.",
)
@click.option("--yes", is_flag=True, help="With --all: do not ask.")
@pass_edge
def uninstall(
    edge: Edge,
    agent: Optional[str],
    project: Optional[Path],
    everything: bool,
    keep: Optional[bool],
    yes: bool,
) -> None:
    """Take our hooks out of AGENT's configuration again; with --all, everything of ours goes.

    The file is as it was before, to the byte; what was changed there meanwhile stays. Sessions
    stay in the store. A plugin is removed with the agent's own command.

    With --all that is done for every agent, whatever of ours runs is ended, and our files go,
    config.yaml among them. What was captured is stored and sent before; the store itself stays
    unless you want it gone.
    """
    if everything == (agent is not None):
        raise click.UsageError("Name an agent, or --all for everything.")
    if everything and project is not None:
        raise click.UsageError("--project goes with an agent.")
    if not everything and (yes or keep is not None):
        raise click.UsageError("--yes, --keep-store and --delete-store go with --all.")
    if agent is not None:
        _one(edge, agent, project)
    else:
        _everything(edge, keep, yes)


def _one(edge: Edge, name: str, project: Optional[Path]) -> None:
    from harness_tracing import agents, inventory

    agent, home = agents.get(name), edge.home
    check_options(agent, project=project)
    here = inventory.machine(edge.environ, home, agent, project=project)
    outcome = registration_of(agent, here).uninstall()
    done = "are gone from" if outcome.changed else "were not registered in"
    talk(f"The hooks for {agent.title} {done} {outcome.path}.")
    for note in outcome.notes:
        talk(note)
    remove_unused(home)


def _everything(edge: Edge, keep: Optional[bool], yes: bool) -> None:
    from harness_tracing import removal
    from harness_tracing.paths import home_of

    home = home_of(edge.environ)
    if not home.root.exists():
        talk(f"Nothing of ours is in {home.root}.")
    if not yes:
        talk(
            f"This takes our hooks out of every agent's configuration and removes {home.root}:"
            " programs, settings, logs."
        )
        if keep is None and home.store.exists():
            keep = _wants_to_keep(home)
        confirm("Go on?", _NOTHING_REMOVED)
    found = removal.unregister(home, edge.environ)
    for path in found.changed:
        talk(f"{'Restored' if path.exists() else 'Removed'}: {path}")
    if found.problems:
        for problem in found.problems:
            talk(problem)
        raise click.ClickException("the rest was left, since it is needed for the above")
    _store_what_was_captured(edge, home)
    if ended := removal.end_processes(home):
        talk(f"Ended: {ended} {'process' if ended == 1 else 'processes'}")
    keep = home.store.exists() and keep is not False
    left = removal.remove_files(home, keep_store=keep)
    if keep:
        talk(f"The recorded sessions stay in {home.store}. Remove {home.root} to delete them.")
    for path in left:
        if os.name == "nt" and path in (home.versions, home.bin, home.current, home.bootstrap):
            talk(f'Still in use by this command; when it has ended: rmdir /s /q "{path}"')
        else:
            talk(f"Left, since it is not ours: {path}")
    for note in found.notes:
        talk(note)
    talk("harness is uninstalled. Agents that run now lose their hooks when they are started anew.")


def _wants_to_keep(home: Home) -> bool:
    size = home.store.stat().st_size / 1_000_000
    question = f"Keep the recorded sessions in {home.store} ({size:.1f} MB)? [Y/n] "
    click.echo(question, nl=False, err=True)
    return sys.stdin.readline().strip().lower() not in ("n", "no")


def _store_what_was_captured(edge: Edge, home: Home) -> None:
    """What lies in the spool is not to be lost for those who keep the store or send elsewhere."""
    from harness_tracing import worker
    from harness_tracing.errors import TracerError

    if not home.spool.exists() and not home.store.exists():
        return
    talk(f"Storing, and sending where that is set up, what was captured (at most {FLUSH_S:g} s) …")
    try:
        result = worker.flush(home, edge.environ, timeout_s=FLUSH_S, wait=True)
    except TracerError as error:
        talk(str(error))
        return
    for message in result.messages:
        talk(message)
