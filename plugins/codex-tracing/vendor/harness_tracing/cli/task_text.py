"""Tasks and their runs as JSON and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Optional

import msgspec

from harness_tracing.evaluate.catalogue import Catalogue
from harness_tracing.evaluate.definitions import Run, Task
from harness_tracing.observe.text import first_line, moment, money, plural
from harness_tracing.spans.json_form import iso_time
from harness_tracing.store import Store

Report = dict[str, Any]


def report(task: Task, store: Store, catalogue: Catalogue) -> Report:
    """A task with what waits for it and its latest run, as plain JSON values."""
    waits = store.evaluations.queue.counts(task.task_id)
    runs = store.evaluations.runs(task.task_id)
    told: Report = msgspec.to_builtins(task)
    del told["created_at_ns"]
    return {
        **told,
        "created_at": iso_time(task.created_at_ns),
        "evaluators": [_evaluator(each, catalogue) for each in task.evaluators],
        "spent_usd": sum(run.spent_usd for run in runs),
        "waiting": waits.waiting,
        "failing": waits.failing,
        "given_up": waits.given_up,
        "error": waits.error,
        "waits_for": waits.waits_for,
        "next_try_at": _time(None if waits.waits_for else waits.due_at_ns),
        "last_run": of_run(runs[0]) if runs else None,
    }


def _evaluator(ref: Any, catalogue: Catalogue) -> Report:
    found = catalogue.evaluator(ref.evaluator_id, ref.version)
    return {
        "evaluator_id": ref.evaluator_id,
        "name": found.name if found else None,
        "version": ref.version,
    }


def of_run(run: Run) -> Report:
    """A run as plain JSON values."""
    scope: Report = msgspec.to_builtins(run.scope)
    for end in ("since", "until"):
        scope[f"{end}_time"] = _time(scope.pop(f"{end}_ns"))
    return {
        "run_id": run.run_id,
        "task_id": run.task_id,
        "kind": run.kind,
        "status": run.status,
        "started_at": iso_time(run.started_at_ns),
        "ended_at": _time(run.ended_at_ns),
        "judged": run.judged,
        "skipped": run.skipped,
        "failed": run.failed,
        "spent_usd": run.spent_usd,
        "message": run.message,
        "scope": {key: value for key, value in scope.items() if value not in (None, False)},
    }


def _time(at_ns: Optional[int]) -> Optional[str]:
    return None if at_ns is None else iso_time(at_ns)


def table(rows: Sequence[Report]) -> Iterator[str]:
    """A line per task."""
    lines = [("task", "judges", "project", "state", "waiting", "last run")]
    for row in rows:
        last = row["last_run"]
        names = [each["name"] or each["evaluator_id"] for each in row["evaluators"]]
        lines.append(
            (
                row["name"],
                names[0] if len(names) == 1 else plural(len(names), "evaluator"),
                row["project"] or "all",
                state_of(row),
                str(row["waiting"] + row["given_up"]),
                f"{last['judged']} judged, {_failed(last)}" if last else "none yet",
            )
        )
    return _columns(lines)


def runs_table(runs: Sequence[Run]) -> Iterator[str]:
    """A line per run."""
    head = ("run", "kind", "began", "status", "judged", "skipped", "failed", "cost")
    return _columns([head, *map(_line_of_run, runs)])


def _line_of_run(run: Run) -> tuple[str, ...]:
    counts = map(str, (run.judged, run.skipped, run.failed))
    cost = money(run.spent_usd) if run.spent_usd else "-"
    return (run.run_id, run.kind, moment(run.started_at_ns), run.status, *counts, cost)


def _columns(lines: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns as wide as they need: an id that is cut cannot be copied."""
    clean = [tuple(map(first_line, line)) for line in lines]
    widths = [max(map(len, column)) for column in zip(*clean)]
    for line in clean:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()


def state_of(row: Report) -> str:
    """A task's state in a word."""
    if row["paused"]:
        return "paused"
    if row["error"]:
        return "in trouble"
    return "continuous" if row["is_continuous"] else "on request"


def lines(row: Report) -> Iterator[str]:
    """One task in full."""
    judges = [each["name"] or f"{each['evaluator_id']} (gone)" for each in row["evaluators"]]
    facts = {
        "id": row["task_id"],
        "type": row["task_type"],
        "evaluators": ", ".join(judges),
        "project": row["project"] or "all",
        "filter": row["query_filter"],
        "shape": row["shape"] if row["query_filter"] else None,
        "sample": None if row["sampling_rate"] == 1 else f"{row['sampling_rate']:g} of all",
        "state": state_of(row),
        "made": row["created_at"],
        "spent": _spent(row),
        "waiting": _waiting(row),
        "trouble": row["error"],
        "tried again": _again(row),
    }
    yield first_line(row["name"])
    for name, value in facts.items():
        if value:
            yield f"  {name:<12}{first_line(value)}"
    last = row["last_run"]
    if last is not None:
        yield f"  {'last run':<12}{in_words(last)}"


def in_words(run: Report) -> str:
    """What came of a run."""
    parts = [f"{run['status']}: {run['judged']} judged", f"{run['skipped']} had a result"]
    cost = f", {money(run['spent_usd'])}" if run["spent_usd"] else ""
    message = f". {first_line(run['message'])}" if run["message"] else ""
    return f"{', '.join([*parts, _failed(run)])}{cost}{message}"


def _failed(run: Report) -> str:
    return f"{run['failed']} without a verdict"


def _spent(row: Report) -> Optional[str]:
    most = row["max_cost_usd"]
    if most is None:
        return money(row["spent_usd"]) if row["spent_usd"] else None
    return f"{money(row['spent_usd'])} of {money(most)}"


def _waiting(row: Report) -> Optional[str]:
    if not row["waiting"] and not row["given_up"]:
        return None
    failing = f", {row['failing']} of them failed before" if row["failing"] else ""
    given_up = (
        f"; {row['given_up']} without a verdict after several tries" if row["given_up"] else ""
    )
    return f"{row['waiting']}{failing}{given_up}"


def _again(row: Report) -> Optional[str]:
    if row["waits_for"]:
        return f"by any process that has {row['waits_for']}"
    return row["next_try_at"] if row["error"] and row["waiting"] else None
