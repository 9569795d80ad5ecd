"""`harness tail`: what all sessions do, live."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_tree, talk
from harness_tracing.cli.parameters import agent_name

if TYPE_CHECKING:
    from harness_tracing.store import News


@click.command()
@click.option("--agent", callback=agent_name, help="Only sessions of this agent.")
@click.option("--project", help="Only sessions of this project.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@pass_edge
def tail(edge: Edge, agent: Optional[str], project: Optional[str], as_json: bool) -> None:
    """Follow all sessions: turns, model calls, tool calls and failures as they come in.

    Until you press Ctrl-C. What is there already is not shown: see `harness sessions list`.
    """
    from harness_tracing.observe.tail import POLL_S, Follower

    with edge.store():
        pass  # what others left behind is no news
    follower = Follower(edge.home.store)
    talk("Waiting for what comes. Ctrl-C ends it.")
    try:
        while True:
            for news in follower.look():
                if agent in (None, news.agent) and project in (None, news.project):
                    _print(edge, news, as_json)
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        return
    finally:
        follower.close()


def _print(edge: Edge, news: News, as_json: bool) -> None:
    from harness_tracing.observe.tail import line, report

    if as_json:
        click.echo(json.dumps(report(news)))
    else:
        print_tree(edge, [line(news)], pager=False)
