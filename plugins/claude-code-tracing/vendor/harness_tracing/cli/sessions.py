"""`harness sessions …` and `harness prune`: list, show and delete what was traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import click

from harness_tracing.cli.complete import project_names, session_ids
from harness_tracing.cli.edge import (
    Edge,
    Group,
    confirm,
    pass_edge,
    print_json,
    print_lines,
    print_tree,
    talk,
)
from harness_tracing.cli.parameters import age_ns, agent_name, command_line, since_ns, until_ns
from harness_tracing.cli.source import reading, source_option
from harness_tracing.errors import StoreError

if TYPE_CHECKING:
    from harness_tracing.store import SessionRow, Store, TurnRow

_ROWS = 50
_FILTERS = {
    "agent": "agent",
    "project": "project",
    "since": "since_ns",
    "until": "until_ns",
    "text": "text",
    "failed": "failed",
}
_NOTHING_YET = (
    "Nothing has been traced yet. Once your agent is set up for tracing, its next session "
    "appears here; `harness import` takes in the sessions that it has kept."
)


@click.group(cls=Group)
def sessions() -> None:
    """List, show and delete traced sessions."""


@sessions.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.option("--agent", callback=agent_name, help="Only sessions of this agent.")
@click.option("--project", shell_complete=project_names, help="Only sessions of this project.")
@click.option(
    "--since",
    metavar="WHEN",
    callback=since_ns,
    help="Only sessions active since: 2d, 12h or 2025-12-31.",
)
@click.option(
    "--until",
    metavar="WHEN",
    callback=until_ns,
    help="Only sessions that began before: 2d, 12h or 2025-12-31.",
)
@click.option("--text", help="Only sessions that hold these words; `harness search` shows where.")
@click.option("--failed", is_flag=True, help="Only sessions in which something failed.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=f"At most so many, the latest first; a table ends after {_ROWS} by itself.",
)
@source_option
@pass_edge
def list_sessions(
    edge: Edge, /, as_json: bool, limit: Optional[int], source: Optional[str], **wanted: Any
) -> None:
    """List sessions, the latest active first.

    Shows the project, the agent, when it began, how long it took, turns, tools, failures, tokens
    and cost at list prices, and the first prompt; a narrow terminal fewer of them.
    """
    filters = {_FILTERS[name]: value for name, value in wanted.items()}
    # One more than is shown says whether there are more.
    most = limit if limit is not None or as_json else _ROWS + 1
    if source is not None and wanted["text"] is not None:
        raise click.UsageError("--text looks into the local store; it does not go with --from.")
    of_project = {"project": wanted["project"], "since_ns": wanted["since"]}
    with reading(edge, source, **of_project, limit=limit) as store:
        rows = store.sessions(**filters, limit=most) if store else []
        ids = [(row.agent, row.session_id) for row in rows] if as_json else []
        counts = store.verdict_counts(ids) if store and ids else {}
    if as_json:
        from harness_tracing.observe import report, verdicts
        from harness_tracing.store import VerdictCounts

        none = (VerdictCounts(), 0)
        print_json(
            [
                {
                    **report.of_session(row),
                    **verdicts.of_counts(*counts.get((row.agent, row.session_id), none)),
                }
                for row in rows
            ]
        )
    elif rows:
        from harness_tracing.observe.sessions import session_lines

        shown = rows if limit is not None else rows[:_ROWS]
        print_lines(edge, lambda width: session_lines(shown, width))
        if len(rows) > len(shown):
            talk(f"The latest {len(shown)} sessions; --limit shows more.")
    else:
        filtered = store is not None and any(filters.values())
        talk("No session matches." if filtered else _NOTHING_YET)


@sessions.command("show")
@click.argument("session_id", metavar="ID", shell_complete=session_ids)
@click.option("--json", "as_json", is_flag=True, help="Print the session and its turns as JSON.")
@click.option("--turn", "number", type=click.IntRange(min=1), help="Only the turn of this number.")
@click.option("--full", is_flag=True, help="Show contents too: prompts, thinking, inputs, outputs.")
@click.option("--diff", is_flag=True, help="Show what each edit changed.")
@click.option("--no-pager", is_flag=True, help="Print, however long it is.")
@click.option("--agent", callback=agent_name, help="The session's agent, should two share the ID.")
@source_option
@pass_edge
def show(
    edge: Edge,
    session_id: str,
    as_json: bool,
    number: Optional[int],
    full: bool,
    diff: bool,
    no_pager: bool,
    agent: Optional[str],
    source: Optional[str],
) -> None:
    """Show a session as a tree: turns, model calls, tools, sub-agents, tokens, cost, times.

    The beginning of an ID is enough when no other session's begins so.
    """
    with reading(edge, source, session_id=session_id) as store:
        row = _session(store, session_id, agent)
        turns = _turns(store, row, number) if store else []
        said = store.annotations(row.agent, row.session_id) if store else []
    if as_json:
        from harness_tracing.observe import report, verdicts

        told = [report.of_turn(turn) for turn in turns]
        print_json(
            {
                **report.of_session(row),
                **verdicts.of_session(said),
                "turns": [{**turn, **verdicts.of_turn(turn, said)} for turn in told],
            }
        )
    else:
        from harness_tracing.observe import findings
        from harness_tracing.observe.tree import View, session_tree

        view = View(full=full, diff=diff, said=findings.by_span(said))
        tree = session_tree(row, turns, view)
        print_tree(edge, tree, pager=not no_pager)


@sessions.command("summary")
@click.argument("session_id", metavar="ID", shell_complete=session_ids)
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
@click.option(
    "--gate",
    metavar="COMMAND",
    callback=command_line,
    help="The project's gate, such as `make check`.",
)
@click.option("--no-pager", is_flag=True, help="Print, however long it is.")
@click.option("--agent", callback=agent_name, help="The session's agent, should two share the ID.")
@source_option
@pass_edge
def summary(
    edge: Edge,
    session_id: str,
    as_json: bool,
    gate: Optional[str],
    no_pager: bool,
    agent: Optional[str],
    source: Optional[str],
) -> None:
    """Say what a session did: tool calls, changes, checks, and where tokens and time went.

    And whether the project's gate passed after the last change to its code. The gate is
    what `gates` in config.yaml names for the project, else `check` in its Makefile, justfile or
    package.json (and its like), as the session saw it or as it lies in the session's folder.
    --gate names another one.
    """
    from harness_tracing.observe.gates import gate_files
    from harness_tracing.observe.summary import summary_of
    from harness_tracing.prices import PriceTable

    with reading(edge, source, session_id=session_id) as store:
        row = _session(store, session_id, agent)
        rows = _turns(store, row, None) if store else []
        said = store.annotations(row.agent, row.session_id) if store else []
    turns = [each.turn for each in rows]
    # What a server says of a folder is about another machine's.
    on_disk = gate_files(row.session.cwd) if source is None else {}
    own = None if gate else edge.settings.gates.get(row.project)
    facts = summary_of(
        turns, PriceTable.load(), given_gate=gate, configured_gate=own, on_disk=on_disk
    )
    if as_json:
        from harness_tracing.observe import report, verdicts
        from harness_tracing.observe.summary.report import of_summary

        told = {**of_summary(facts), "findings": verdicts.of_turns(turns, said)}
        whole = verdicts.of_session(said)
        print_json({**report.of_session(row), **whole, "summary": told})
    else:
        from harness_tracing.observe import findings
        from harness_tracing.observe.summary.page import summary_page
        from harness_tracing.observe.tree import View, session_header

        found = findings.page(findings.by_span(said), turns)
        parts = [*session_header(row, rows, View()), *summary_page(facts, findings=found)]
        print_tree(edge, parts, pager=not no_pager)


def _turns(store: Store, row: SessionRow, number: Optional[int]) -> list[TurnRow]:
    turns = store.turn_rows(row.agent, row.session_id)
    if number is None:
        return turns
    chosen = [turn for turn in turns if turn.turn.number == number]
    if not chosen:
        raise StoreError(f"session {row.session_id} has no turn {number}; it has {len(turns)}")
    return chosen


@sessions.command("delete")
@click.argument("session_id", metavar="ID", shell_complete=session_ids)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--agent", callback=agent_name, help="The session's agent, should two share the ID.")
@pass_edge
def delete(edge: Edge, session_id: str, yes: bool, agent: Optional[str]) -> None:
    """Delete a session from the local store for good."""
    with edge.store(readonly=False) as store:
        row = _session(store, session_id, agent)
        if row.open:
            talk("This session is still running: what it does from now on is stored again.")
        if not yes:
            what = f"{row.agent} session {row.session_id} ({row.project}), turns: {row.turns}"
            confirm(f"Delete {what} for good?")
        if store:
            store.delete_session(row.agent, row.session_id)
    talk(f"Deleted session {row.session_id}.")


@click.command()
@click.option(
    "--older-than",
    metavar="AGE",
    callback=age_ns,
    required=True,
    help="30d, 12h, 4w: how long ago their last event was.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_edge
def prune(edge: Edge, older_than: int, yes: bool) -> None:
    """Delete all sessions without an event for that long from the local store."""
    before_ns = edge.now_ns() - older_than
    with edge.store(readonly=False) as store:
        old = [row for row in store.sessions() if _last_ns(row) < before_ns] if store else []
        if not store or not old:
            talk("No session is that old.")
            return
        if not yes:
            confirm(f"Delete {len(old)} of {len(store.sessions())} sessions for good?")
        talk(f"Deleted {store.prune(before_ns)} sessions.")


def _last_ns(row: SessionRow) -> int:
    return row.last_event_ns or 0


def _session(store: Optional[Store], session_id: str, agent: Optional[str]) -> SessionRow:
    row = store.session(session_id, agent) if store else None
    if row is None:
        raise StoreError(f"there is no session {session_id!r}; see `harness sessions list`")
    return row
