"""`harness outbox …`: what is still to be sent, and what people decide about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Optional

import click

from harness_tracing.cli.edge import Edge, Group, confirm, pass_edge, print_json, print_table, talk
from harness_tracing.cli.parameters import since_ns
from harness_tracing.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from harness_tracing.observe.deliveries import Delivery, Known
    from harness_tracing.store import Account, Store

_NAMED = "Only this one: its name, its kind (ax, phoenix, otlp) or its endpoint."


@click.group(cls=Group)
def outbox() -> None:
    """List, retry, drop and add what is to be sent to destinations."""


@contextmanager
def _opened(edge: Edge, *, readonly: bool) -> Iterator[tuple[Optional[Store], list[Delivery]]]:
    """The store, None before anything was traced, and the row of every destination."""
    from harness_tracing.observe.deliveries import deliveries

    known = _known(edge)
    with edge.store(readonly=readonly) as store:
        queues = store.outbox.queues() if store else []
        yield store, deliveries(queues, known, store.pushes.queues() if store else {})


def _known(edge: Edge) -> list[Known]:
    from harness_tracing.surroundings import known_destinations, settings_here

    return known_destinations(settings_here(edge.environ, edge.home).values())


def _chosen(rows: list[Delivery], name: Optional[str]) -> list[Delivery]:
    from harness_tracing.observe.deliveries import chosen, names

    if name is None:
        return rows
    found = chosen(rows, name)
    if not found:
        raise ConfigError(f"no destination is called {name!r}; there are: {names(rows)}")
    return found


@outbox.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--destination", metavar="NAME", help=_NAMED)
@pass_edge
def list_outbox(edge: Edge, as_json: bool, destination: Optional[str]) -> None:
    """List destinations with what waits for them, was sent, and was not taken.

    Counts are spans. sent: taken, and not read back yet, where that is possible; dead: the
    backend will not have it; dropped: given up by you. Where sessions differ in project, each
    project is a line.
    """
    now_ns = edge.now_ns()
    with _opened(edge, readonly=True) as (_store, all_rows):
        rows = _chosen(all_rows, destination)
    if as_json:
        from harness_tracing.observe import report

        print_json([report.of_delivery(row, now_ns) for row in rows])
    elif rows:
        from harness_tracing.observe.listing import delivery_notes, delivery_table

        print_table(edge, lambda width: delivery_table(rows))
        for note in delivery_notes(rows, now_ns):
            talk(note)
    else:
        talk("No destination is configured, and nothing waits: sessions stay on this machine.")


@outbox.command()
@click.option("--destination", metavar="NAME", help=_NAMED)
@pass_edge
def retry(edge: Edge, destination: Optional[str]) -> None:
    """Send again what was not taken, and try backends at once that failed or are paused."""
    with _opened(edge, readonly=False) as (store, rows):
        accounts = _accounts(rows, destination)
        waiting = sum(store.outbox.retry(account, edge.now_ns()) for account in accounts if store)
        again = sum(store.pushes.retry(account) for account in accounts if store)
    annotations = f", annotations: {again}" if again else ""
    talk(f"Spans that wait again: {waiting}{annotations}.")
    talk("`harness flush --wait` sends what waits now.")


@outbox.command()
@click.option("--destination", metavar="NAME", help=_NAMED)
@click.option("--dead-only", is_flag=True, help="Only what was not taken, not what waits.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_edge
def drop(edge: Edge, destination: Optional[str], dead_only: bool, yes: bool) -> None:
    """Give up what waits or was not taken; the local store keeps the turns.

    `harness outbox add` puts them back.
    """
    states = ("dead",) if dead_only else ("dead", "waiting")
    with _opened(edge, readonly=False) as (store, rows):
        chosen = _chosen(rows, destination)
        words = _what_is_dropped(chosen, dead_only)
        if not store or not words:
            talk("There is nothing to drop.")
            return
        if not yes:
            confirm(f"Give up {words}?", "nothing was dropped; --yes drops without asking")
        dropped = sum(
            store.outbox.drop(account, states, edge.now_ns())
            for account in _accounts(rows, destination)
        )
    talk(f"Dropped spans: {dropped}.")


def _what_is_dropped(rows: list[Delivery], dead_only: bool) -> str:
    from harness_tracing.observe.text import plural

    parts = []
    for row in rows:
        words = []
        if row.waiting and not dead_only:
            words.append(
                f"{plural(row.waiting, 'span')} of {plural(row.waiting_turns, 'turn')} waiting"
            )
        if row.dead:
            words.append(f"{plural(row.dead, 'span')} not taken")
        if words:
            parts.append(f"{' and '.join(words)} for {row.target.title}, {row.target.project}")
    return "; ".join(parts)


def _accounts(rows: list[Delivery], destination: Optional[str]) -> list[Account]:
    from harness_tracing.observe.deliveries import accounts

    return accounts(_chosen(rows, destination))


@outbox.command()
@click.option(
    "--destination",
    metavar="NAME",
    required=True,
    help="Where to: its name, its kind (ax, phoenix, otlp) or its endpoint.",
)
@click.option("--session-id", metavar="ID", help="The turns of this session.")
@click.option("--project", help="The turns of this project.")
@click.option(
    "--since", metavar="WHEN", callback=since_ns, help="Turns begun since: 2d, 12h or 2025-12-31."
)
@click.option("--all", "everything", is_flag=True, help="All turns.")
@pass_edge
def add(
    edge: Edge,
    destination: str,
    session_id: Optional[str],
    project: Optional[str],
    since: Optional[int],
    everything: bool,
) -> None:
    """Have stored turns sent that never were sent there, or were dropped.

    For a new backend, a corrected endpoint, or turns from before there was one. What is there
    already is not sent twice. Turns that still run go out by themselves when they end.
    """
    if everything == bool(session_id or project or since):
        raise click.UsageError("Give either --all or one of --session-id, --project, --since.")
    from harness_tracing.observe.deliveries import deliveries

    _chosen(deliveries([], _known(edge)), destination)  # says so when there is none
    with edge.store(readonly=False) as store:
        if store is None:
            talk("Nothing has been traced yet.")
            return
        spans = _add(edge, store, destination, session_id, project, since)
    talk(f"Spans that wait now: {spans}. `harness flush --wait` sends them.")


def _add(
    edge: Edge,
    store: Store,
    destination: str,
    session_id: Optional[str],
    project: Optional[str],
    since: Optional[int],
) -> int:
    """Add what matches, project by project, since each is sent under its own; how many spans."""
    from harness_tracing.observe.deliveries import deliveries
    from harness_tracing.surroundings import destinations_for

    agent, projects = None, [row.project for row in store.projects()]
    if session_id is not None:
        session = store.session(session_id)
        if session is None:
            raise StoreError(f"there is no session {session_id!r}; see `harness sessions list`")
        agent, session_id, projects = session.agent, session.session_id, [session.project]
    if project is not None:
        if project not in projects:
            raise StoreError(f"there is no project {project!r}; see `harness projects list`")
        projects = [project]
    spans = 0
    for each in projects:
        keys = store.final_turns(agent=agent, session_id=session_id, project=each, since_ns=since)
        if keys:
            known = destinations_for(edge.environ, edge.home, each)
            targets = [row.target for row in _chosen(deliveries([], known), destination)]
            spans += store.outbox.add(keys, targets, edge.now_ns())
    return spans
