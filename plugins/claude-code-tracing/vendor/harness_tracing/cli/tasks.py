"""`harness tasks …`: which evaluators judge which turns, new ones as they come or all at once."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Optional

import click

from harness_tracing.cli.edge import (
    Edge,
    Group,
    confirm,
    pass_edge,
    print_json,
    talk,
)
from harness_tracing.cli.parameters import moment_ns, space_option
from harness_tracing.errors import StoreError

if TYPE_CHECKING:
    from harness_tracing.evaluate.catalogue import Catalogue
    from harness_tracing.evaluate.definitions import Run, Task
    from harness_tracing.evaluate.running import Progress
    from harness_tracing.store import Store

_POLL_S = 0.2
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=Group)
def tasks() -> None:
    """Have turns judged: make tasks, watch what comes of them, judge what is there already."""


@tasks.command("create-evaluation")
@click.option("--name", required=True, help="What you call it.")
@click.option(
    "--task-type",
    type=click.Choice(["template_evaluation", "code_evaluation"]),
    required=True,
    help="Whether its evaluators ask a model or are code.",
)
@click.option(
    "--evaluators",
    required=True,
    metavar="LIST",
    help='\'[{"evaluator_id": "ev_…"}]\', or names with commas between; all: the built-in rules.',
)
@click.option("--project", help="Judge the turns of this project.  [default: all projects]")
@click.option(
    "--query-filter", metavar="EXPR", help="Judge what matches, as `spans export --filter` has it."
)
@click.option(
    "--sampling-rate", type=float, default=1.0, show_default=True, help="Judge this share of it."
)
@click.option("--is-continuous", is_flag=True, help="Judge every turn that begins from now on.")
@click.option(
    "--shape",
    type=click.Choice(["turns", "calls"]),
    default="turns",
    show_default=True,
    help="The spans that the filter means.",
)
@click.option(
    "--max-cost",
    "max_cost_usd",
    type=click.FloatRange(min=0, min_open=True),
    metavar="USD",
    help="The most that judges of all its runs may cost.",
)
@space_option
@_json
@pass_edge
def create_evaluation(edge: Edge, /, as_json: bool, **asked: Any) -> None:
    """Make a task. What came before is judged by `harness tasks trigger-run`.

    With --is-continuous each turn is judged in the background when it is final.
    """
    from harness_tracing.cli import task_text as text
    from harness_tracing.evaluate.making_tasks import new_task

    with _store(edge) as store:
        catalogue = _catalogue(edge, store)
        task, judges_sessions = new_task(catalogue, now_ns=edge.now_ns(), **asked)
        made = store.evaluations.put_task(task, judges_sessions=judges_sessions)
        for note in _notes(made, catalogue, store):
            talk(note)
        if as_json:
            print_json(text.report(made, store, catalogue))
        else:
            when = "every new turn is judged" if made.is_continuous else "it runs on request"
            talk(
                f"{made.name}: {when}; `harness tasks trigger-run {made.name}` judges earlier ones."
            )
            click.echo(made.task_id)


def _notes(task: Task, catalogue: Catalogue, store: Store) -> Iterator[str]:
    from harness_tracing.evaluate.catalogue import granularity_of

    known = [row.project for row in store.projects()]
    if task.project is not None and task.project not in known:
        yield f"Note: there are no turns of project {task.project!r} yet."
    spans = any(granularity_of(catalogue.named(ref)) == "span" for ref in task.evaluators)
    if spans and task.query_filter is None:
        yield "Note: every span is judged, tools too; --query-filter would choose among them."


@tasks.command("list")
@space_option
@_json
@pass_edge
def list_(edge: Edge, as_json: bool) -> None:
    """List the tasks with their state and what waits for them."""
    from harness_tracing.cli import task_text as text

    with _store(edge) as store:
        catalogue = _catalogue(edge, store)
        rows = [text.report(each, store, catalogue) for each in store.evaluations.tasks()]
    if as_json:
        print_json(rows)
    elif rows:
        click.echo("\n".join(text.table(rows)))
    else:
        talk("There are no tasks yet; `harness tasks create-evaluation` makes one.")


@tasks.command()
@click.argument("name", metavar="TASK")
@_json
@pass_edge
def show(edge: Edge, name: str, as_json: bool) -> None:
    """Show a task: what it judges, what waits for it and why, and its latest run."""
    from harness_tracing.cli import task_text as text

    with _store(edge) as store:
        row = text.report(_task(store, name), store, _catalogue(edge, store))
    if as_json:
        print_json(row)
    else:
        click.echo("\n".join(text.lines(row)))


@tasks.command()
@click.argument("name", metavar="TASK")
@_json
@pass_edge
def runs(edge: Edge, name: str, as_json: bool) -> None:
    """List what came of a task so far, the latest run first."""
    from harness_tracing.cli import task_text as text

    with _store(edge) as store:
        task = _task(store, name)
        found = store.evaluations.runs(task.task_id)
        waits = store.evaluations.queue.counts(task.task_id)
    if as_json:
        print_json([text.of_run(run) for run in found])
        return
    click.echo("\n".join(text.runs_table(found)))
    for run in found:
        if run.message:
            talk(f"{run.run_id}: {run.message}")
    if waits.error:
        talk(f"Waiting ({waits.waiting + waits.given_up}): {waits.error}")


@tasks.command()
@click.argument("name", metavar="TASK")
@pass_edge
def pause(edge: Edge, name: str) -> None:
    """Let a task wait. What it is at ends after the questions under way; turns wait for it."""
    with _store(edge) as store:
        task = _task(store, name)
        store.evaluations.set_paused(task.task_id, True, edge.now_ns())
    talk(
        f"{task.name} is paused; what ends meanwhile waits for `harness tasks resume {task.name}`."
    )


@tasks.command()
@click.argument("name", metavar="TASK")
@click.option(
    "--max-cost",
    "max_cost_usd",
    type=click.FloatRange(min=0, min_open=True),
    metavar="USD",
    help="What all its runs may cost from now on, those before included.",
)
@pass_edge
def resume(edge: Edge, name: str, max_cost_usd: Optional[float]) -> None:
    """Let a task go on; what failed is tried again at once."""
    from harness_tracing.worker.evaluating import start_if_due

    with _store(edge) as store:
        task = _task(store, name)
        if max_cost_usd is not None:
            store.evaluations.set_max_cost(task.task_id, max_cost_usd)
        store.evaluations.queue.retry(task.task_id)
        store.evaluations.queue.release(task.task_id)
        store.evaluations.set_paused(task.task_id, False, edge.now_ns())
    start_if_due(edge.home, edge.environ)
    talk(f"{task.name} goes on.")


@tasks.command("trigger-run")
@click.argument("name", metavar="TASK")
@click.option(
    "--data-start-time",
    "since_ns",
    metavar="TIME",
    callback=moment_ns,
    help="Turns that began then or later: 2025-12-31 or 2025-12-31T14:03:00+01:00.",
)
@click.option(
    "--data-end-time",
    "until_ns",
    metavar="TIME",
    callback=moment_ns,
    help="Turns that began before then.",
)
@click.option("--max-spans", type=click.IntRange(min=1), help="Judge so many, the latest first.")
@click.option("--override", is_flag=True, help="Judge anew what has a result already.")
@click.option(
    "--max-cost",
    "max_cost_usd",
    type=click.FloatRange(min=0, min_open=True),
    metavar="USD",
    help="The most that this run may cost.",
)
@click.option("--wait", is_flag=True, help="Judge here and now, and show how far it is.")
@space_option
@_json
@pass_edge
def trigger_run(edge: Edge, /, name: str, wait: bool, as_json: bool, **asked: Any) -> None:
    """Judge what is stored already, imported sessions too: a one-time backfill.

    What has a result of the same version of an evaluator is skipped. Without --wait it runs in
    the background.
    """
    from harness_tracing.cli import task_text as text
    from harness_tracing.evaluate.definitions import Scope
    from harness_tracing.worker.evaluating import start_child, start_if_due

    scope = Scope(**asked)
    if None not in (scope.since_ns, scope.until_ns) and (scope.since_ns or 0) >= (
        scope.until_ns or 0
    ):
        raise click.UsageError("--data-start-time has to be before --data-end-time.")
    with _store(edge) as store:
        task = _task(store, name)
        if task.paused:
            raise StoreError(f"{task.name} is paused; `harness tasks resume {task.name}` first")
        run = store.evaluations.start_run(task.task_id, "backfill", scope, edge.now_ns())
        if wait:
            run = _wait_for(edge, store, run)
            start_if_due(edge.home, edge.environ)  # what came while we kept others from working
        else:
            start_child(edge.home, edge.environ)
            talk(f"It runs in the background; `harness tasks runs {task.name}` shows what comes.")
    if as_json:
        print_json(text.of_run(run))
    elif wait:
        talk(f"{task.name}, {text.in_words(text.of_run(run))}")
    else:
        click.echo(run.run_id)
    if wait and (run.failed or run.status != "completed"):
        sys.exit(1)


def _wait_for(edge: Edge, store: Store, run: Run) -> Run:
    """Do the run, or watch it where another process of this home has it in hand."""
    from harness_tracing.evaluate import child
    from harness_tracing.evaluate.running import Runner
    from harness_tracing.evaluate.task_work import StoppedError

    log = logging.getLogger("harness_tracing")
    try:
        while run.status == "running":
            with child.alone(edge.home) as is_ours:
                if is_ours:
                    means = child.means_of(edge.home, edge.environ, store, log)
                    return Runner(means, log).backfill(run, _Line().tell)
            time.sleep(_POLL_S)
            run = store.evaluations.run(run.run_id) or run
        return run
    except StoppedError as error:
        store.evaluations.end_run(run.run_id, "failed", str(error), edge.now_ns())
        return store.evaluations.run(run.run_id) or run
    except KeyboardInterrupt:
        store.evaluations.end_run(run.run_id, "stopped", "interrupted", edge.now_ns())
        raise
    finally:
        _Line().clear()


class _Line:
    """One line at the terminal that says how far it is; nothing anywhere else."""

    def tell(self, progress: Progress) -> None:
        """Replace the line."""
        counts = progress.counts
        self._show(
            f"{progress.done} of {progress.sessions} sessions: {counts.judged} judged, "
            f"{counts.skipped} had a result, {counts.failed} without a verdict"
        )

    def clear(self) -> None:
        """Take the line away."""
        self._show("")

    @staticmethod
    def _show(text: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)


@tasks.command("wait")
@click.argument("name", metavar="TASK")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait at most.",
)
@pass_edge
def wait_(edge: Edge, name: str, timeout_s: float) -> None:
    """Wait until a task has judged what it can: for scripts. Exits with 1 when something is left.

    `harness flush --wait` before it has the latest turns stored.
    """
    until, stuck = time.monotonic() + timeout_s, 0
    while True:
        with _store(edge) as store:
            task = _task(store, name)
            # Looked at in this order: what is settled meanwhile makes nothing look stuck.
            stuck = 0 if _is_at_work(edge, store) else stuck + 1
            waits = store.evaluations.queue.counts(task.task_id)
            runs = store.evaluations.runs(task.task_id)
        running = any(run.kind == "backfill" and run.status == "running" for run in runs)
        left = waits.waiting + waits.given_up
        if not left and not running:
            return
        if stuck > 1 or task.paused or time.monotonic() >= until:
            why = waits.error or ("it is paused" if task.paused else "it is not time for them yet")
            raise click.ClickException(f"{task.name} has yet to judge {left}: {why}")
        time.sleep(_POLL_S)


def _is_at_work(edge: Edge, store: Store) -> bool:
    """Whether somebody judges at this moment, or could."""
    from harness_tracing.evaluate import child
    from harness_tracing.store.task_queue import names_in

    with child.alone(edge.home) as is_ours:
        if not is_ours:
            return True
    return store.evaluations.queue.is_due(edge.now_ns(), names_in(edge.environ))


@tasks.command()
@click.argument("name", metavar="TASK")
@click.option("--yes", is_flag=True, help="Don't ask.")
@pass_edge
def delete(edge: Edge, name: str, yes: bool) -> None:
    """Delete a task with its runs. Its results stay with the turns."""
    with _store(edge) as store:
        task = _task(store, name)
        if not yes:
            confirm(f"Delete the task {task.name} and its runs?")
        store.evaluations.delete_task(task.task_id)
    talk(f"{task.name} is deleted.")


@contextmanager
def _store(edge: Edge) -> Iterator[Store]:
    """The store, made when nothing was traced yet: tasks may come before turns."""
    from harness_tracing.store import Store

    with edge.store(readonly=False) as store:
        if store is not None:
            yield store
            return
    with Store.open(edge.home.store) as store:
        yield store


def _catalogue(edge: Edge, store: Store) -> Catalogue:
    from harness_tracing import config
    from harness_tracing.evaluate.catalogue import Catalogue, own_rules_of

    own = own_rules_of(edge.home, config.user_home(edge.environ))
    return Catalogue(store, own, edge.settings.gates)


def _task(store: Store, name: str) -> Task:
    found = store.evaluations.task(name)
    if found is None:
        known = ", ".join(repr(task.name) for task in store.evaluations.tasks()) or "none yet"
        raise StoreError(f"there is no task {name!r}; there are: {known}")
    return found
