"""`harness skills`: our skills among an agent's own, where no plugin brings them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk
from harness_tracing.cli.parameters import agent_name

if TYPE_CHECKING:
    from harness_tracing.agents.base import Agent

_agent = click.argument("agent", required=False, callback=agent_name)


@click.group()
def skills() -> None:
    """Skills for agents: what manages, reads, evaluates, improves. The plugins bring them."""


@skills.command("install")
@_agent
@pass_edge
def install(edge: Edge, agent: Optional[str]) -> None:
    """Put our skills where AGENT finds its user's own; without AGENT, for each that is here.

    A skill of yours with the same name stays as it is, and that is said. Doing it again brings
    them up to date.
    """
    from harness_tracing import skills as ours

    refused = False
    for each in _chosen(edge, agent):
        for skill in ours.install(each, edge.environ, edge.home):
            refused |= skill.other
            if skill.other:
                talk(
                    f"{skill.path.parent} is yours and was left as it is: rename it, or do"
                    f" without our skill {skill.name}."
                )
            else:
                done = "is in place now" if skill.changed else "was there already"
                talk(f"{each.title}: {skill.path} {done}.")
    if refused:
        raise SystemExit(1)


@skills.command("uninstall")
@_agent
@pass_edge
def uninstall(edge: Edge, agent: Optional[str]) -> None:
    """Take our skills out of AGENT's again; without AGENT, out of everyone's.

    What you changed in them stays.
    """
    from harness_tracing import agents
    from harness_tracing import skills as ours

    for each in [agents.get(agent)] if agent else _all():
        for skill in ours.uninstall(each, edge.environ, edge.home):
            if skill.changed:
                talk(f"{each.title}: {skill.path} is gone.")
            elif skill.other:
                talk(f"{skill.path.parent} is yours, or was changed by you, and stays.")


@skills.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_edge
def list_(edge: Edge, as_json: bool) -> None:
    """List our skills: where they would lie, and whether they do."""
    from harness_tracing import skills as ours

    found = [
        {
            "agent": each.name,
            "skill": skill.name,
            "path": str(skill.path),
            "state": "installed" if skill.ours else "yours" if skill.other else "not installed",
        }
        for each in _all()
        for skill in ours.installed(each, edge.environ, edge.home)
    ]
    if as_json:
        print_json(found)
        return
    for row in found:
        click.echo(f"{row['agent']:12} {row['skill']:15} {row['state']:14} {row['path']}")


def _all() -> Sequence[Agent]:
    from harness_tracing import agents

    known = [agents.get(name) for name in agents.names()]
    return [each for each in known if each.skills]


def _chosen(edge: Edge, agent: Optional[str]) -> Sequence[Agent]:
    from harness_tracing import agents
    from harness_tracing.inventory import is_here

    if agent:
        return [agents.get(agent)]
    here = [each for each in _all() if is_here(each, edge.environ)]
    if not here:
        raise click.ClickException("no agent was found here: name one, such as claude-code")
    return here
