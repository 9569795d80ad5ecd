"""Judging what is stored, and storing what came of it: one pass, or what continuous tasks wait for.

Results go into the store in the transaction that settles what they are about. So wherever a
process is killed, the next one goes on: what has a result of the same version is skipped, and a
judge's answer that was not stored yet comes from its cache.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Callable, Optional

from harness_tracing.errors import StoreError, TracerError
from harness_tracing.evaluate.catalogue import Catalogue
from harness_tracing.evaluate.definitions import Evaluator, Run, Scope, Task
from harness_tracing.evaluate.judging import EVERYTHING, pieces, ruled
from harness_tracing.evaluate.recorded import Recorded, RecordedTurn, recorded
from harness_tracing.evaluate.results import failure_of
from harness_tracing.evaluate.task_work import Counts, Means, SessionName, StoppedError, TaskWork
from harness_tracing.prices import PriceTable
from harness_tracing.store import Outcome, PutOff, Store, TaskItem
from harness_tracing.store.task_queue import backoff_ns

MOST_ITEMS = 200
"""How many turns are taken up at once."""
MOST_STARTS = 5
"""How often a one-time run is begun without coming to a result, its process being killed."""
_TOO_DEAR = (
    "{why}. The task is paused; `harness tasks resume {name} --max-cost USD` sets another limit"
)
_AGAIN = "{failed} without a verdict, see `harness spans export`; another run asks about them anew"
_KILLED = "it was begun {count} times and always killed; see the log, then trigger it again"


class _UnreadableError(Exception):
    """A session cannot be read, which says nothing of the others."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: sessions done, of how many, and what came of them so far."""

    done: int
    sessions: int
    counts: Counts


def run_rules(
    store: Store,
    catalogue: Catalogue,
    evaluators: Sequence[Evaluator],
    sessions: Iterable[SessionName],
    now_ns: int,
    *,
    since_ns: int = 0,
    override: bool = False,
) -> Counts:
    """Bring the results of rules up to date for these sessions' turns that began since.

    What has a result of the same version is skipped, unless `override`. Raises DefinitionError
    for a rule that is not there.
    """
    table, counts = PriceTable.load(), Counts()
    for agent, session_id in sessions:
        session = recorded(store, agent, session_id, table, gates=catalogue.gates)
        if session is None:
            continue
        turns = [each for each in session.turns if each.turn.started_at_ns >= since_ns]
        wanted = list(pieces(session, turns, evaluators, EVERYTHING))
        new = [piece for piece in wanted if override or not piece.has_result(session)]
        found = ruled(session, new, catalogue) if new else ()
        said = [each for _, each in found if each is not None]
        store.annotate(agent, session_id, said, now_ns)
        failed = sum(failure_of(each) is not None for each in said)
        counts += Counts(len(said) - failed, len(wanted) - len(new), failed)
    return counts


class Runner:
    """Works on the tasks of one store. One at a time works on a home (see `child`).

    `names` are the variables that have a value here, which may be the keys that tasks wait for.
    """

    def __init__(self, means: Means, log: logging.Logger, names: Sequence[str] = ()) -> None:
        self._means, self._log, self._names = means, log, names
        self._store, self._clock = means.store, means.clock

    # -- one pass over what is there

    def backfill(self, run: Run, tell: Callable[[Progress], object] = lambda _: None) -> Run:
        """Do a one-time run, or go on with it; the run as it is then.

        Raises StoppedError when it cannot go on: what was judged stays.
        """
        evaluations = self._store.evaluations
        try:
            if evaluations.queue.begin_run(run.run_id) > MOST_STARTS:
                raise StoppedError(_KILLED.format(count=MOST_STARTS), "failed")
            work = TaskWork(self._means, self._task(run.task_id), run.run_id, run.scope)
            counts = self._pass(work, run, tell)
        except StoppedError as error:
            if error.status is not None:
                evaluations.end_run(run.run_id, error.status, str(error), self._clock())
            raise
        evaluations.queue.release(run.task_id)
        message = _AGAIN.format(failed=counts.failed) if counts.failed else None
        evaluations.end_run(run.run_id, "completed", message, self._clock())
        return evaluations.run(run.run_id) or run

    def _pass(self, work: TaskWork, run: Run, tell: Callable[[Progress], object]) -> Counts:
        traces = self._traces(work)
        room, counts = run.scope.max_spans, Counts()
        if room is not None:
            room -= run.judged // len(work.evaluators)
        for done, (name, wanted) in enumerate(traces.items()):
            if room is not None and room <= 0:
                break
            try:
                session = self._recorded(name)
                if session is None or (work.judges_sessions and session.is_open):
                    continue
                turns = [each for each in session.turns if each.trace_id in wanted]
                found, skipped = work.new_pieces(session, turns, room)
                for came in work.judge(session, found, skipped):
                    counts += came
                    tell(Progress(done, len(traces), counts))
                if room is not None:
                    room -= len({piece.span_id for piece in found})
            except TracerError:
                raise
            except Exception:
                # The edge of one session: the others are to be judged all the same.
                self._log.exception("%s: session %s cannot be judged", work.task.name, name[1])
                self._store.evaluations.queue.settle(
                    Outcome(*name, run_id=run.run_id, failed=1), self._clock()
                )
                counts += Counts(failed=1)
        tell(Progress(len(traces), len(traces), counts))
        return counts

    def _traces(self, work: TaskWork) -> dict[SessionName, set[str]]:
        """The turns that may hold what is to be judged, by session, the latest session first."""
        refs = self._store.matching_turns(
            project=work.task.project,
            since_ns=work.scope.since_ns,
            until_ns=work.scope.until_ns,
            where=work.choice.filter.where(work.task.shape) if work.choice.filter else None,
        )
        found: dict[SessionName, set[str]] = {}
        for ref in refs:
            found.setdefault((ref.agent, ref.session_id), set()).add(ref.trace_id)
        return found

    # -- what continuous tasks wait for

    def work_off(self) -> bool:
        """Judge everything that is due, rules first; whether there was anything."""
        any_done = False
        for task in self._due_tasks():
            while self._work_off(task):
                any_done = True
        queue = self._store.evaluations.queue
        for run_id in queue.due_runs(self._clock(), self._names):
            run = self._store.evaluations.run(run_id)
            if run is not None and run.status == "running":
                any_done = True
                self._in_background(run)
        return any_done

    def _due_tasks(self) -> list[Task]:
        ids = self._store.evaluations.queue.due_tasks(self._clock(), self._names)
        tasks = [task for task in map(self._store.evaluations.task, ids) if task is not None]
        return sorted(tasks, key=lambda task: task.task_type != "code_evaluation")

    def _work_off(self, task: Task) -> bool:
        """Judge some of what is due of a task; False when there is nothing (more) to do."""
        queue = self._store.evaluations.queue
        items = queue.take(task.task_id, self._clock(), self._names, MOST_ITEMS)
        if not items:
            return False
        run_id = self._continuous_run(task)
        try:
            work = TaskWork(self._means, task, run_id, Scope())
            for name, of_session in _by_session(items):
                self._judge_session(work, name, of_session)
        except StoppedError as error:
            self._stopped(task, error, run_id)
            return False
        queue.release(task.task_id)
        return True

    def _judge_session(self, work: TaskWork, name: SessionName, items: Sequence[TaskItem]) -> None:
        ids = [item.turn_id for item in items if item.turn_id is not None]
        try:
            # A judge is asked about a turn alone, however long its session is.
            session = self._recorded(name, None if work.needs_whole_session else ids)
            turns = {each.turn.turn_id: each for each in session.turns} if session else {}
            ready = []
            for item in items:
                wanted = _turns_of(item, turns)
                found = work.new_pieces(session, wanted)[0] if session is not None else []
                ready.append((item, found))
            for batch in work.batches(ready):
                work.settle(name, session, batch)
        except TracerError:
            raise
        except Exception as error:
            # The edge of one session: the others are to be judged all the same.
            self._log.exception("%s: session %s cannot be judged", work.task.name, name[1])
            why = f"{type(error).__name__}: {error}; see the log"
            self._store.evaluations.queue.put_off(
                PutOff(item, why, self._clock() + backoff_ns(item.attempts)) for item in items
            )

    def _recorded(
        self, name: SessionName, only: Optional[Collection[str]] = None
    ) -> Optional[Recorded]:
        try:
            gates = self._means.catalogue.gates
            return recorded(self._store, *name, self._means.judges.table, only, gates=gates)
        except StoreError as error:
            raise _UnreadableError(str(error)) from error

    def _stopped(self, task: Task, error: StoppedError, run_id: str) -> None:
        """A task that cannot go on says why: it waits for its judge, or for its user."""
        self._log.warning("%s: %s", task.name, error)
        evaluations = self._store.evaluations
        if error.status is None:
            evaluations.queue.hold(task.task_id, str(error), self._clock(), error.waits_for)
        elif error.too_dear or error.status == "failed":
            why = _TOO_DEAR.format(why=error, name=task.name) if error.too_dear else str(error)
            evaluations.end_run(run_id, error.status, why, self._clock())
            evaluations.set_paused(task.task_id, True, self._clock())

    def _in_background(self, run: Run) -> None:
        try:
            self.backfill(run)
        except StoppedError as error:
            task = self._store.evaluations.task(run.task_id)
            if error.status is None and task is not None:
                self._stopped(task, error, run.run_id)
            else:
                self._log.warning("run %s: %s", run.run_id, error)

    def _continuous_run(self, task: Task) -> str:
        for run in self._store.evaluations.runs(task.task_id):
            if run.kind == "continuous" and run.status == "running":
                return run.run_id
        now_ns = self._clock()
        return self._store.evaluations.start_run(task.task_id, "continuous", Scope(), now_ns).run_id

    def _task(self, task_id: str) -> Task:
        task = self._store.evaluations.task(task_id)
        if task is None:
            raise StoppedError("the task was deleted", "stopped")
        return task


def _turns_of(item: TaskItem, turns: dict[str, RecordedTurn]) -> list[RecordedTurn]:
    """The turns that an item is about; not what was imported: nobody waits for that."""
    if item.turn_id is None:
        return list(turns.values())
    turn = turns.get(item.turn_id)
    return [] if turn is None or turn.is_imported else [turn]


def _by_session(items: Sequence[TaskItem]) -> Iterator[tuple[SessionName, list[TaskItem]]]:
    """Items that come session by session, each session's together."""
    for _, found in groupby(items, key=lambda item: item.session_key):
        listed = list(found)
        yield (listed[0].agent, listed[0].session_id), listed
