"""`harness demo loop`: the whole loop on this machine, in about a minute."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import click

from harness_tracing.cli.edge import Edge, Group, confirm, pass_edge, talk

if TYPE_CHECKING:
    from harness_tracing.loop_demo.stage import Stage

_COSTS = (
    "--real has your own Claude Code work on three small prompts in a generated project, with"
    " your account: that costs tokens. Its trace stays in the demo's folder. Go on?"
)


@click.group(cls=Group)
def demo() -> None:
    """See what this does, on a project made for it."""


@demo.command("loop")
@click.option("--yes", is_flag=True, help="Ask nothing: what is proposed gets applied, there.")
@click.option("--real", is_flag=True, help="Your own Claude Code and account; costs tokens.")
@click.option("--recorded", is_flag=True, help="Play recordings, also where Claude Code is here.")
@click.option("--claude", metavar="PATH", help="Claude Code's program [default: on the PATH].")
@click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Play here, in a new or empty folder, and keep it [default: a temporary one].",
)
@pass_edge
def loop(
    edge: Edge,
    yes: bool,
    real: bool,
    recorded: bool,
    claude: Optional[str],
    folder: Optional[Path],
) -> None:
    """Walk through instrument, observe, evaluate and improve, with a real agent.

    A small project is made, with a home and a store of its own: nothing of yours is read or
    written. Claude Code works on three prompts there, answered by a scripted model on this
    machine: no account, no network. Without Claude Code recordings of such sessions are played.
    You see each command with what it prints, and decide what is applied. Exits with 1 when it
    did not come out as it should.
    """
    from harness_tracing.loop_demo import client, show

    if real and recorded:
        raise click.UsageError("--real and --recorded exclude each other.")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: --yes answers with yes.")
    program = None if recorded else client.found(claude, edge.environ)
    lacking = client.missing(edge.environ)
    if real and (program is None or lacking):
        needed = ", ".join(lacking or ["Claude Code"])
        raise click.ClickException(f"--real needs {needed}, not found on the PATH.")
    if real:
        talk(_COSTS) if yes else confirm(_COSTS, "nothing was done")
    cast = show.Cast(program, lacking, real)
    talk(cast.says())
    with show.stage(folder, edge.environ) as on:
        helped = cast.play(on, _say, None if yes else lambda each: _ask(on, each))
    talk(_where(on, kept=folder is not None))
    if not helped:
        raise click.ClickException("it did not come out as it should: see above what it said")


def _say(line: str) -> None:
    """A line of the transcript: on a terminal prose is dim, and a command stands out."""
    stands_out = line.startswith(("## ", "$ "))
    click.secho(line, bold=stands_out or None, dim=line.startswith("# ") or None)


def _ask(stage: Stage, proposal_id: str) -> bool:
    """Have the user answer the command itself, on this terminal; whether it was applied."""
    return stage.harness_here("improve", "apply", proposal_id) == 0


def _where(stage: Stage, kept: bool) -> str:
    if not kept:
        return "\nAll of it is gone again; --folder DIR keeps it to look around in."
    home = stage.home.root
    return f"\nLook around: ARIZE_HARNESS_HOME={home} harness sessions list"
