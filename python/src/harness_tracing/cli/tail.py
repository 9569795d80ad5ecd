"""`harness tail`: what all sessions do, live."""

from __future__ import annotations

import json
import time
from typing import Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_tree, talk
from harness_tracing.cli.parameters import agent_name


@click.command()
@click.option("--agent", callback=agent_name, help="Only sessions of this agent.")
@click.option("--project", help="Only sessions of this project.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@pass_edge
def tail(edge: Edge, agent: Optional[str], project: Optional[str], as_json: bool) -> None:
    """Follow all sessions: turns, model calls, tool calls and failures as they come in.

    Until you press Ctrl-C. What is there already is not shown: see `harness sessions list`.
    """
    from harness_tracing.observe.tail import follow, line, report

    with edge.store():
        pass  # what others left behind is no news
    if not as_json:
        talk("Waiting for what comes. Ctrl-C ends it.")
    try:
        for news in follow(edge.home.store, time.sleep):
            if (agent or news.agent) != news.agent or (project or news.project) != news.project:
                continue
            if as_json:
                click.echo(json.dumps(report(news)))
            else:
                print_tree(edge, [line(news)])
    except KeyboardInterrupt:
        return
