"""What the doctor says of tasks: turns that wait to be judged, and why they cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from harness_tracing.doctor import Finding, Place
from harness_tracing.evaluate.definitions import Task
from harness_tracing.observe.text import plural
from harness_tracing.store import Store


def check_tasks(place: Place) -> Iterator[Finding]:
    """Whether continuous tasks come to their results."""
    if not place.home.store.exists():
        return
    with Store.open(place.home.store) as store:
        tasks = store.evaluations.tasks()
        found = [finding for task in tasks for finding in _of_task(store, task)]
    yield from found
    if tasks and all(finding.ok for finding in found):
        yield Finding("tasks", True, f"{plural(len(tasks), 'task')}, none in trouble")


def _of_task(store: Store, task: Task) -> Iterator[Finding]:
    waits = store.evaluations.queue.counts(task.task_id)
    left = waits.waiting + waits.given_up
    stopped = _stopped(store, task) if task.paused else None
    if stopped is not None:
        yield Finding(task.name, False, stopped, f"see `harness tasks runs {task.name}`")
    elif waits.waits_for is not None:
        yield Finding(
            task.name,
            False,
            f"{plural(left, 'turn')} wait to be judged: {waits.error}",
            f"set {waits.waits_for} where the agent is started, or run any `harness` command "
            "that lists sessions where it is set",
        )
    elif waits.error is not None:
        again = f"`harness tasks resume {task.name}` tries again at once"
        text = f"{plural(left, 'turn')} wait to be judged: {waits.error}"
        yield Finding(task.name, False, text, again)


def _stopped(store: Store, task: Task) -> Optional[str]:
    """Why a task was paused by itself; None when its user did it."""
    runs = store.evaluations.runs(task.task_id)
    message = runs[0].message if runs and runs[0].kind == "continuous" else None
    return message if message and "the task was paused" not in message else None
