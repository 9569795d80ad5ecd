"""One task at work: what it is to judge of a session, judged and stored step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Callable, Optional

from harness_tracing.errors import TracerError
from harness_tracing.evaluate.catalogue import Catalogue, granularity_of
from harness_tracing.evaluate.definitions import RunStatus, Scope, Task
from harness_tracing.evaluate.judge.purse import PriceUnknownError
from harness_tracing.evaluate.judges import CONCURRENCY, Judges, NoJudgeError
from harness_tracing.evaluate.judging import Choice, Piece, ask, pieces, ruled
from harness_tracing.evaluate.recorded import Recorded, RecordedTurn
from harness_tracing.evaluate.results import failure_of
from harness_tracing.observe.filter import Filter
from harness_tracing.store import Annotation, Outcome, PutOff, Store, TaskItem
from harness_tracing.store.task_queue import backoff_ns

MOST_TRIES = 3
"""How often a judge is asked again that answers, but gives no verdict."""
PASSING = ("timeout", "connection", "rate_limit", "server")
"""Kinds of failures that have nothing to do with the question: it is asked again for ever."""

SessionName = tuple[str, str]
"""An agent, and the id of a session of its."""
Batch = Sequence[tuple[Optional[TaskItem], Sequence[Piece]]]
"""Pieces of a session that are settled together, by the item that they settle, if any."""


class StoppedError(TracerError):
    """A task cannot go on. `status` is how its run ends; None: it waits, and is tried again.

    `waits_for` names the variable whose key is missing, `too_dear`: what may be spent is spent.
    """

    def __init__(
        self,
        message: str,
        status: Optional[RunStatus],
        *,
        waits_for: Optional[str] = None,
        too_dear: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.waits_for, self.too_dear = status, waits_for, too_dear


@dataclass(frozen=True)
class Counts:
    """What came of judging: results, what had one, and where there is no verdict."""

    judged: int = 0
    skipped: int = 0
    failed: int = 0
    spent_usd: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            self.judged + other.judged,
            self.skipped + other.skipped,
            self.failed + other.failed,
            self.spent_usd + other.spent_usd,
        )


@dataclass(frozen=True)
class Means:
    """What work is done with. `clock` gives Unix ns."""

    store: Store
    catalogue: Catalogue
    judges: Judges
    clock: Callable[[], int]


@dataclass(frozen=True)
class _Answers:
    """What was said of pieces, by identity; a piece that is missing was not judged."""

    said: dict[tuple[str, str, str], Optional[Annotation]] = field(default_factory=dict)
    spent_usd: float = 0.0
    stopped: Optional[StoppedError] = None


class TaskWork:
    """A task with its evaluators as they are now, and the run that its results belong to.

    Raises StoppedError when it cannot be begun.
    """

    def __init__(self, means: Means, task: Task, run_id: str, scope: Scope) -> None:
        self.means, self.task, self.run_id, self.scope = means, task, run_id, scope
        try:
            self.evaluators = [means.catalogue.named(ref) for ref in task.evaluators]
            wanted = Filter(task.query_filter) if task.query_filter else None
        except TracerError as error:
            raise StoppedError(str(error), None) from error
        self.choice = Choice(wanted, task.shape, task.sampling_rate)
        self.is_code = task.task_type == "code_evaluation"
        self.judges_sessions = any(granularity_of(e) == "session" for e in self.evaluators)
        self.needs_whole_session = self.is_code or self.judges_sessions

    def new_pieces(
        self, session: Recorded, turns: Sequence[RecordedTurn], room: Optional[int] = None
    ) -> tuple[list[Piece], int]:
        """What is to be judged of these turns, the latest `room` spans at most; how much was."""
        found: list[Piece] = []
        skipped, spans = 0, set[str]()
        for piece in pieces(session, list(reversed(turns)), self.evaluators, self.choice):
            if self._is_done(session, piece):
                skipped += not self._is_of_this_run(session, piece)
            elif room is None or piece.span_id in spans or len(spans) < room:
                spans.add(piece.span_id)
                found.append(piece)
        return found, skipped

    def _is_done(self, session: Recorded, piece: Piece) -> bool:
        if not piece.has_result(session):
            return False
        return not self.scope.override or self._is_of_this_run(session, piece)

    def _is_of_this_run(self, session: Recorded, piece: Piece) -> bool:
        return (session.said[piece.identity].metadata or {}).get("run_id") == self.run_id

    def judge(self, session: Recorded, found: Sequence[Piece], skipped: int) -> Iterator[Counts]:
        """Judge pieces of a one-time run in small steps and store each: what came of it."""
        name = (session.session.agent, session.session.session_id)
        self._store(Outcome(*name, run_id=self.run_id, skipped=skipped))
        yield Counts(skipped=skipped)
        size = len(found) if self.is_code else CONCURRENCY
        for start in range(0, len(found), max(1, size)):
            yield self.settle(name, session, [(None, found[start : start + size])])

    def batches(self, ready: Sequence[tuple[TaskItem, Sequence[Piece]]]) -> Iterator[Batch]:
        """Items that are settled together: with rules all, with judges as many as fit in one go."""
        batch: list[tuple[TaskItem, Sequence[Piece]]] = []
        for item, found in ready:
            batch.append((item, found))
            if not self.is_code and sum(len(each) for _, each in batch) >= CONCURRENCY:
                yield batch
                batch = []
        if batch:
            yield batch

    def settle(self, name: SessionName, session: Optional[Recorded], batch: Batch) -> Counts:
        """Judge a batch and store its results with what they settle; raises StoppedError."""
        self._check_goes_on()
        wanted = [piece for _, found in batch for piece in found]
        answers = _Answers()
        if session is not None and wanted:
            answers = self._ruled(session, wanted) if self.is_code else self._asked(session, wanted)
        outcome = self._outcome(name, batch, answers)
        self._store(outcome)
        if answers.stopped is not None:
            raise answers.stopped
        return Counts(outcome.judged, 0, outcome.failed, outcome.spent_usd)

    def _check_goes_on(self) -> None:
        now = self.means.store.evaluations.task(self.task.task_id)
        if now is None or now.paused:
            what = "deleted" if now is None else "paused"
            raise StoppedError(f"the task was {what}", "stopped")

    def _ruled(self, session: Recorded, wanted: Sequence[Piece]) -> _Answers:
        try:
            found = list(ruled(session, wanted, self.means.catalogue))
        except TracerError as error:
            return _Answers(stopped=StoppedError(str(error), None))
        return _Answers({piece.identity: said for piece, said in found})

    def _asked(self, session: Recorded, wanted: Sequence[Piece]) -> _Answers:
        """Ask each evaluator's judge about its pieces; the first that stops, stops the rest."""
        said: dict[tuple[str, str, str], Optional[Annotation]] = {}
        spent_usd = 0.0
        for evaluator in self.evaluators:
            own = [piece for piece in wanted if piece.evaluator == evaluator]
            left = self._left_usd(spent_usd)
            try:
                found = ask(session, own, self.means.judges, self.task.shape, left)
            except NoJudgeError as error:
                stopped = StoppedError(str(error), None, waits_for=error.waits_for)
                return _Answers(said, spent_usd, stopped)
            except PriceUnknownError as error:
                return _Answers(said, spent_usd, StoppedError(str(error), "failed"))
            said.update({piece.identity: each for piece, each in found.said if each is not None})
            spent_usd += found.spent_usd
            if found.stopped is not None:
                status: Optional[RunStatus] = "stopped" if found.too_dear else None
                stopped = StoppedError(found.stopped, status, too_dear=found.too_dear)
                return _Answers(said, spent_usd, stopped)
        return _Answers(said, spent_usd)

    def _left_usd(self, spent_usd: float) -> Optional[float]:
        """What may be spent after that; None: as much as it takes."""
        evaluations = self.means.store.evaluations
        runs = {run.run_id: run.spent_usd for run in evaluations.runs(self.task.task_id)}
        limits = []
        if self.task.max_cost_usd is not None:
            limits.append(self.task.max_cost_usd - sum(runs.values()))
        if self.scope.max_cost_usd is not None:
            limits.append(self.scope.max_cost_usd - runs.get(self.run_id, 0.0))
        return max(0.0, min(limits) - spent_usd) if limits else None

    def _outcome(self, name: SessionName, batch: Batch, answers: _Answers) -> Outcome:
        done, put_off, said = [], [], []
        for item, found in batch:
            known = [answers.said[p.identity] for p in found if p.identity in answers.said]
            results = [each for each in known if each is not None]
            said += results
            failures = [each for each in results if failure_of(each) is not None]
            if item is not None and failures:
                put_off.append(self._put_off(item, failures))
            elif item is not None and len(known) == len(found):
                done.append(item)
        failed = sum(failure_of(each) is not None for each in said)
        return Outcome(
            *name,
            annotations=tuple(map(self._signed, said)),
            done=tuple(done),
            put_off=tuple(put_off),
            run_id=self.run_id,
            judged=len(said) - failed,
            failed=failed,
            spent_usd=answers.spent_usd,
        )

    def _put_off(self, item: TaskItem, failures: Sequence[Annotation]) -> PutOff:
        passing = [each for each in failures if failure_of(each) in PASSING]
        worst = (passing or failures)[0]
        again = bool(passing) or item.attempts < MOST_TRIES
        due_at_ns = self.means.clock() + backoff_ns(item.attempts) if again else None
        return PutOff(item, f"{worst.name}: {worst.explanation}", due_at_ns)

    def _signed(self, said: Annotation) -> Annotation:
        told = {**(said.metadata or {}), "task_id": self.task.task_id, "run_id": self.run_id}
        return replace(said, metadata=told)

    def _store(self, outcome: Outcome) -> None:
        self.means.store.evaluations.queue.settle(outcome, self.means.clock())
