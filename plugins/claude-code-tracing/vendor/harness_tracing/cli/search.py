"""`harness search`: find turns by the words in them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, print_lines, talk
from harness_tracing.cli.parameters import agent_name, since_ns
from harness_tracing.errors import StoreError

if TYPE_CHECKING:
    from harness_tracing.store import Store

_LIMIT = 20


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--agent", callback=agent_name, help="Only turns of this agent.")
@click.option("--project", help="Only turns of this project.")
@click.option(
    "--since", metavar="WHEN", callback=since_ns, help="Only turns since: 2d, 12h or 2025-12-31."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=_LIMIT,
    show_default=True,
    help="At most so many turns, the best first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@pass_edge
def search(
    edge: Edge,
    query: tuple[str, ...],
    agent: Optional[str],
    project: Optional[str],
    since: Optional[int],
    limit: int,
    as_json: bool,
) -> None:
    """Find turns by words in prompts, responses, commands and outputs.

    \b
    harness search pytest failed           both words, anywhere in a turn
    harness search '"order total" migr*'   these words in a row, and the beginning of one

    Case and accents do not matter, nor do signs: order_total finds "order total" too.
    """
    from harness_tracing.observe import search as searching
    from harness_tracing.store import TurnChoice

    asked = _joined(query)
    with edge.store() as store:
        if store is not None:
            _catch_up(store)
        choice = TurnChoice(agent=agent, project=project, since_ns=since)
        found = searching.hits(store.search(asked, choice, limit), asked) if store else []
    if as_json:
        print_json([searching.report(hit) for hit in found])
        return
    print_lines(edge, lambda width: searching.lines(found, width), pager=True)
    talk(searching.summary(found, limit, asked))


def _joined(query: tuple[str, ...]) -> str:
    """The query as typed: an argument with blanks in it that has no quotes was quoted itself."""
    if len(query) == 1:
        return query[0]
    return " ".join(f'"{each}"' if " " in each and '"' not in each else each for each in query)


def _catch_up(store: Store) -> None:
    """Bring into the index what older versions stored, when this is the first search since."""
    if not store.has_search_index():
        talk("This Python's SQLite has no FTS5: every turn is read, which takes longer.")
        return
    backlog = store.backlog()
    if not backlog:
        return
    from harness_tracing.store import Store

    try:
        writable = Store.open(store.path)
    except StoreError:
        talk(f"Turns that are not in the index, and are read instead: {backlog}")
        return
    with writable:
        if not sys.stderr.isatty():
            talk(f"Turns to be taken into the index, this once: {backlog}")
            while writable.catch_up():
                pass
            return
        with click.progressbar(length=backlog, label="Indexing, this once", file=sys.stderr) as bar:
            while done := writable.catch_up():
                bar.update(done)
