"""`harness status`: one line on whether sessions are traced and arrive, for status lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json
from harness_tracing.cli.parameters import agent_name
from harness_tracing.errors import TracerError

if TYPE_CHECKING:
    from harness_tracing.observe.deliveries import Delivery
    from harness_tracing.paths import Home


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--agent", callback=agent_name, help="Only this agent.")
@pass_edge
def status(edge: Edge, as_json: bool, agent: Optional[str]) -> None:
    """Say in one line whether sessions here are traced and arrive where they are sent.

    For a status line or a prompt: quick, nothing is sent, exit code 0. `harness doctor` says
    more.
    """
    agents: dict[str, str] = {}
    rows: list[Delivery] = []
    problem = None
    facts = [] if as_json else _facts(edge)
    try:
        agents, rows = _look(edge, agent)
    except TracerError as error:
        problem = str(error)
    if as_json:
        print_json(_report(edge, agents, rows, problem))
        return
    from harness_tracing.observe.deliveries import in_short
    from harness_tracing.observe.text import first_line

    alike = agent is None and len(set(agents.values())) == 1
    words = [*agents.values()][:1] if alike else [f"{n}: {state}" for n, state in agents.items()]
    words += in_short(rows) or ([] if problem else ["local only"])
    words += [f"harness: {problem}"] if problem else []
    line = first_line(" · ".join(words))
    click.echo(line)
    if facts and not problem:
        from harness_tracing.cli.remembering import remember
        from harness_tracing.paths import home_of

        remember(home_of(edge.environ), edge.environ, agent or "", line, facts)


def _facts(edge: Edge) -> list[str]:
    """What the line depends on, looked at before it is made: what changes meanwhile is seen."""
    from harness_tracing.cli.remembering import facts
    from harness_tracing.paths import home_of

    try:
        return facts(home_of(edge.environ), edge.environ)
    except TracerError:
        return []


def _look(edge: Edge, agent: Optional[str]) -> tuple[dict[str, str], list[Delivery]]:
    """What each agent's tracing is, and the row of every destination."""
    from harness_tracing.observe.deliveries import deliveries
    from harness_tracing.paths import home_of
    from harness_tracing.surroundings import known_destinations, settings_here, tracing

    home = home_of(edge.environ)
    settings = settings_here(edge.environ, home)
    states = {name: tracing(each) for name, each in settings.items() if agent in (None, name)}
    return states, deliveries(*_queues(home, known_destinations(settings.values())))


def _queues(home: Home, known: list[Any]) -> tuple[list[Any], list[Any], dict[Any, Any]]:
    if not home.store.exists():
        return [], known, {}
    from harness_tracing.store import Store

    with Store.open(home.store) as store:
        # Years of delivered spans need no counting for a line.
        return store.outbox.queues(done=False), known, store.pushes.queues()


def _report(
    edge: Edge, agents: dict[str, str], rows: list[Delivery], problem: Optional[str]
) -> dict[str, Any]:
    from harness_tracing.observe import report

    destinations = [report.of_delivery(row, edge.now_ns()) for row in rows]
    for each in destinations:
        del each["delivered_spans"], each["dropped_spans"]  # not counted here
    return {
        "agents": [{"agent": name, "tracing": state} for name, state in agents.items()],
        "destinations": destinations,
        "problem": problem,
    }
