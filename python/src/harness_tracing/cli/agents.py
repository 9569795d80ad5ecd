"""`harness agents`: which agents are here, how they are registered, what came from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk

if TYPE_CHECKING:
    from harness_tracing.inventory import AgentHere


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_edge
def agents(edge: Edge, as_json: bool) -> None:
    """List the agents we can trace: found here, registered, trusted, enabled, last seen.

    Enabled is what holds for a session that is started where you are. Each agent's program is
    asked for its version; nothing else is started, and nothing is sent.
    """
    from harness_tracing import inventory
    from harness_tracing.observe.text import plain

    found = inventory.look(edge.environ, edge.home)
    if as_json:
        print_json([_of_agent(each) for each in found])
        return
    for each in found:
        for line in _lines(each, edge.now_ns()):
            click.echo(plain(line))
    for each in found:
        if each.trust is not None and not each.trust.ok:
            talk(f"{each.agent.title}: {each.trust.state}. {each.trust.advice}".strip())
        if each.found is not None and not each.registered:
            talk(
                f"{each.agent.title} is here and not registered: harness install {each.agent.name}"
            )


def _of_agent(each: AgentHere) -> dict[str, Any]:
    from harness_tracing.spans.json_form import iso_time

    last_ns = each.last_event_ns
    return {
        "agent": each.agent.name,
        "title": each.agent.title,
        "found": str(each.found) if each.found else None,
        "program": str(each.program) if each.program else None,
        "version": each.version,
        "registered": [
            {"how": way.how, "where": way.where, "whole": way.whole} for way in each.registered
        ],
        "trust": each.trust.state if each.trust else None,
        "enabled": each.enabled,
        "tracing": each.tracing,
        "last_event_at": iso_time(last_ns) if last_ns is not None else None,
        "sessions": each.sessions,
    }


def _lines(each: AgentHere, now_ns: int) -> Iterator[str]:
    """What a person reads of one agent; the first line is its name."""
    from harness_tracing.observe.text import plural

    where = str(each.found) if each.found else "not found here"
    yield f"{each.agent.name}  {'  '.join(filter(None, (each.version, where)))}"
    ways = [
        f"{way.how} {way.where}{'' if way.whole else ' (not whole)'}" for way in each.registered
    ]
    yield f"    registered: {', '.join(ways) or 'no'}"
    if each.trust is not None:
        yield f"    with {each.agent.title}: {each.trust.state}"
    yield f"    here: {each.tracing}"
    yield f"    last event: {_ago(each.last_event_ns, now_ns)}, {plural(each.sessions, 'session')}"


def _ago(at_ns: Optional[int], now_ns: int) -> str:
    from harness_tracing.observe.text import duration

    return "never" if at_ns is None else f"{duration(max(0, now_ns - at_ns))} ago"
