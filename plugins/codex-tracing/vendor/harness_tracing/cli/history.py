"""`harness import`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Callable, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk
from harness_tracing.cli.parameters import agent_name, since_ns

if TYPE_CHECKING:
    from harness_tracing.importer import Imported, Wanted

MOST_JOBS = 8
STOPPED = 130  # as a shell tells of Ctrl-C
_REST = {
    "unchanged": "nothing new",
    "busy": "at work",
    "off": "not traced",
    "empty": "without a turn",
    "compressed": "compressed and not read",
    "failed": "failed",
}


@click.command("import")
@click.argument("agent", required=False, callback=agent_name)
@click.option(
    "--since",
    metavar="WHEN",
    callback=since_ns,
    help="Only sessions whose file changed since: 2d, 12h or 2025-12-31.",
)
@click.option(
    "--project",
    metavar="DIR_OR_NAME",
    help="Only sessions that began in this folder or below; a name alone is a folder's last part.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="How many processes work at once [default: one per core, at most 8].",
)
@click.option("--json", "as_json", is_flag=True, help="Print what became of each session as JSON.")
@pass_edge
def import_(
    edge: Edge,
    agent: Optional[str],
    since: Optional[int],
    project: Optional[str],
    jobs: Optional[int],
    as_json: bool,
) -> None:
    """Take the sessions that agents keep on disk into the store: those of AGENT, or of all.

    What was captured stays as it is, sessions at work are left to their capture, and unchanged
    files are not read again: repeat it as often as you like. Nothing is sent anywhere. Turns
    that came this way have the gap "hook times". Ctrl-C ends it after the sessions at work; the
    next run goes on. Exits with 1 when a session failed, with 130 when it was stopped.
    """
    from harness_tracing import agents, import_pool, importer, worker

    home = edge.home
    for message in worker.sweep(home, edge.environ).messages:
        talk(message)
    names = [agent] if agent else agents.names()
    wanted = importer.find(edge.environ, names, since_ns=since, project=project)
    done: list[Imported] = []
    stopped = False
    try:
        # The processes of the pool start before the bar: a thread draws that.
        results = import_pool.import_all(home, edge.environ, wanted, jobs or _cores())
        with closing(results), _progress(wanted) as advance:
            for each in results:
                done.append(each)
                advance(each)
    except KeyboardInterrupt:
        stopped = True
    done.sort(key=lambda each: (each.agent, each.session_id))
    _tell(done, stopped, as_json)
    if stopped:
        talk("Stopped. What was imported is in the store; the same command goes on from there.")
        raise SystemExit(STOPPED)
    if any(each.outcome == "failed" for each in done):
        raise SystemExit(1)


def _cores() -> int:
    return min(MOST_JOBS, os.cpu_count() or 1)


def _tell(done: Sequence[Imported], stopped: bool, as_json: bool) -> None:
    if as_json:
        print_json(_summary(done, stopped))
        return
    if not done and not stopped:
        talk("No session on disk matches.")
    for name in sorted({each.agent for each in done}):
        talk(_line(name, [each for each in done if each.agent == name]))
    for each in done:
        if each.outcome == "failed":
            talk(f"{each.agent} session {each.session_id}: {each.reason} ({each.path})")
    reasons = Counter(each.reason for each in done if each.outcome in ("busy", "off"))
    for reason, count in reasons.items():
        talk(f"{count} left alone: {reason}")


def _line(name: str, done: Sequence[Imported]) -> str:
    from harness_tracing import agents

    counts = Counter(each.outcome for each in done)
    turns = sum(each.turns for each in done)
    rest = [f"{counts[key]} {words}" for key, words in _REST.items() if counts[key]]  # type: ignore[index]
    sessions = "session" if counts["imported"] == 1 else "sessions"
    told = f"{agents.get(name).title}: {counts['imported']} {sessions} imported,"
    told += f" {turns} turn" + ("" if turns == 1 else "s")
    return "; ".join([told, *rest]) + "."


def _summary(done: Sequence[Imported], stopped: bool) -> dict[str, Any]:
    counts = Counter(each.outcome for each in done)
    return {
        "imported": counts["imported"],
        "turns": sum(each.turns for each in done),
        "stopped": stopped,
        **{key: counts[key] for key in _REST},  # type: ignore[index]
        "sessions": [
            {
                "agent": each.agent,
                "session_id": each.session_id,
                "path": each.path,
                "outcome": each.outcome,
                "turns": each.turns,
                "reason": each.reason or None,
            }
            for each in done
        ],
    }


@contextmanager
def _progress(wanted: Sequence[Wanted]) -> Iterator[Callable[[Imported], None]]:
    """A bar on stderr while it is a terminal; what to call for each session done."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from harness_tracing.import_pool import size

    sizes = {(each.agent, each.session.session_id): size(each) for each in wanted}
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("import", total=sum(sizes.values()))
        yield lambda done: progress.advance(task, sizes[done.agent, done.session_id])
