"""Evaluators and their versions, tasks, runs, what waits to be judged, proposals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.errors import StoreError
from harness_tracing.evaluate.definitions import (
    CodeEvaluator,
    DefinitionError,
    EvaluatorRef,
    Scope,
    Task,
    TemplateEvaluator,
)
from harness_tracing.model import span_id
from harness_tracing.store import Annotation, Outcome, PutOff, Store, TaskItem
from harness_tracing.store.task_queue import LONGEST_BACKOFF_NS, backoff_ns
from tests.store.older import as_released
from tests.store.samples import AGENT, NOON_NS, SECOND_NS, change, store_path, stored, tool, turn

MINUTE_NS = 60 * SECOND_NS
TEMPLATE = TemplateEvaluator(
    "Is {{output.value}} right?", "right", {"yes": 1.0, "no": 0.0, "unsure": None}
)
RULE = CodeEvaluator("verified_before_done")


def task(name: str = "checks", **fields: Any) -> Task:
    values: dict[str, Any] = {
        "project": "pricing",
        "is_continuous": True,
        "created_at_ns": NOON_NS,
        **fields,
    }
    refs = (EvaluatorRef("ev_verified_before_done"),)
    return Task("", name, "code_evaluation", refs, **values)


def with_task(folder: Path, *, judges_sessions: bool = False, **fields: Any) -> tuple[Store, Task]:
    store = stored(folder)
    made = store.evaluations.put_task(task(**fields), judges_sessions=judges_sessions)
    return store, made


def take(store: Store, now_ns: int = NOON_NS) -> list[TaskItem]:
    """Everything that is due of the task there is."""
    queue = store.evaluations.queue
    return [item for key in queue.due_tasks(now_ns, ()) for item in queue.take(key, now_ns, (), 99)]


def settle(store: Store, *items: TaskItem, **fields: Any) -> None:
    session_id = items[0].session_id if items else "s-1"
    store.evaluations.queue.settle(Outcome(AGENT, session_id, done=items, **fields), NOON_NS)


# -- evaluators


def test_a_new_definition_under_a_name_is_a_new_version(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        put = store.evaluations.put_evaluator
        first = put("right", TEMPLATE, "first", NOON_NS)
        same = put("right", TEMPLATE, "nothing new", NOON_NS + 1)
        second = put("right", replace(TEMPLATE, context=False), "no context", NOON_NS + 2)

        assert (first.version, same, second.version) == (1, first, 2)
        assert store.evaluations.evaluators() == [second]
        assert store.evaluations.versions("right") == [second, first]
        assert store.evaluations.evaluator(first.evaluator_id, 1) == first
        assert store.evaluations.evaluator("right", 3) is None


def test_an_evaluator_does_not_turn_from_turns_to_sessions(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        store.evaluations.put_evaluator("right", TEMPLATE, "", NOON_NS)
        store.evaluations.put_evaluator("right", replace(TEMPLATE, granularity="span"), "", NOON_NS)
        with pytest.raises(DefinitionError, match="another name"):
            whole = replace(TEMPLATE, granularity="session")
            store.evaluations.put_evaluator("right", whole, "", NOON_NS)


def test_an_evaluator_that_a_task_uses_is_not_deleted(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        made = store.evaluations.put_evaluator("right", TEMPLATE, "", NOON_NS)
        used = store.evaluations.put_task(
            replace(task(), evaluators=(EvaluatorRef(made.evaluator_id, 1),)),
            judges_sessions=False,
        )
        with pytest.raises(DefinitionError, match="used by checks"):
            store.evaluations.delete_evaluator("right")
        store.evaluations.delete_task(used.task_id)

        assert store.evaluations.delete_evaluator("right")
        assert (store.evaluations.versions("right"), store.evaluations.evaluators()) == ([], [])
        assert not store.evaluations.delete_evaluator("right")


# -- tasks and runs


def test_a_task_is_given_back_as_it_was_put(tmp_path: Path) -> None:
    filled = task(
        query_filter="status_code = 'ERROR'",
        sampling_rate=0.25,
        shape="calls",
        max_cost_usd=1.5,
        project=None,
    )
    with stored(tmp_path) as store:
        made = store.evaluations.put_task(filled, judges_sessions=False)

        assert replace(made, task_id="") == filled
        assert store.evaluations.task("checks") == store.evaluations.task(made.task_id) == made
        assert store.evaluations.tasks() == [made]
        with pytest.raises(DefinitionError, match="already"):
            store.evaluations.put_task(filled, judges_sessions=False)


def test_pausing_ends_what_runs(tmp_path: Path) -> None:
    store, made = with_task(tmp_path)
    with store:
        run = store.evaluations.start_run(made.task_id, "backfill", Scope(max_spans=3), NOON_NS)
        assert store.evaluations.run(run.run_id) == run
        store.evaluations.set_paused(made.task_id, True, NOON_NS + 5)
        store.evaluations.end_run(run.run_id, "completed", None, NOON_NS + 9)

        (ended,) = store.evaluations.runs(made.task_id)
        assert (ended.status, ended.ended_at_ns) == ("stopped", NOON_NS + 5)
        assert ended.scope == Scope(max_spans=3)
        task_now = store.evaluations.task("checks")
        assert task_now is not None and task_now.paused


def test_deleting_a_task_takes_its_runs_and_what_waits_but_no_result(tmp_path: Path) -> None:
    store, made = with_task(tmp_path)
    with store:
        store.write(change(turn()))
        store.annotate(AGENT, "s-1", [Annotation("", "checks", "CODE")], NOON_NS)
        store.evaluations.start_run(made.task_id, "backfill", Scope(), NOON_NS)

        assert store.evaluations.delete_task(made.task_id)
        assert not store.evaluations.delete_task(made.task_id)
        assert (store.evaluations.runs(), take(store)) == ([], [])
        assert len(store.annotations(AGENT, "s-1")) == 1


# -- what waits


def test_a_turn_waits_from_the_moment_it_is_final(tmp_path: Path) -> None:
    store, made = with_task(tmp_path)
    with store:
        store.write(change(turn(status="open"), final=False))
        assert not store.evaluations.queue.is_due(NOON_NS, ())
        store.write(change(turn()))
        assert store.evaluations.queue.is_due(NOON_NS, ())
        store.write(change(turn(steps=(tool("late"),))))

        (item,) = take(store)
        assert (item.task_id, item.session_id, item.turn_id) == (made.task_id, "s-1", "p-1")


@pytest.mark.parametrize(
    ("fields", "waits"),
    [
        ({}, True),
        ({"project": None}, True),
        ({"project": "other"}, False),
        ({"is_continuous": False}, False),
        ({"created_at_ns": NOON_NS + 1}, False),
        ({"paused": True}, False),
    ],
)
def test_only_new_turns_of_its_project_wait_for_a_task(
    tmp_path: Path, fields: dict[str, Any], waits: bool
) -> None:
    store, _ = with_task(tmp_path, **fields)
    with store:
        store.write(change(turn()))
        assert store.evaluations.queue.is_due(NOON_NS, ()) is waits
        assert bool(take(store)) is waits


def test_what_became_final_while_a_task_was_paused_is_due_when_it_goes_on(tmp_path: Path) -> None:
    store, made = with_task(tmp_path, paused=True)
    with store:
        store.write(change(turn()))
        store.evaluations.set_paused(made.task_id, False, NOON_NS)
        assert len(take(store)) == 1


def test_a_session_is_due_when_it_has_ended_or_was_quiet_for_long(tmp_path: Path) -> None:
    store, _ = with_task(tmp_path, judges_sessions=True)
    end_ns = NOON_NS + MINUTE_NS
    with store:
        store.write(change(turn()))
        assert not store.evaluations.queue.is_due(end_ns + 29 * MINUTE_NS, ())
        assert store.evaluations.queue.is_due(end_ns + 30 * MINUTE_NS, ())

        store.write(change(turn(turn_id="p-2", number=2, status="open"), final=False))
        assert not store.evaluations.queue.is_due(end_ns + 30 * MINUTE_NS, ())

        store.write(change(turn(turn_id="p-2", number=2), ended_at_ns=end_ns))
        (item,) = take(store, end_ns)
        assert item.turn_id is None


def test_a_session_that_goes_on_is_judged_anew(tmp_path: Path) -> None:
    store, _ = with_task(tmp_path, judges_sessions=True)
    late_ns = NOON_NS + 40 * MINUTE_NS
    with store:
        store.write(change(turn()))
        settle(store, *take(store, late_ns))
        assert take(store, late_ns) == []
        store.write(change(turn(turn_id="p-2", number=2)))
        assert len(take(store, late_ns)) == 1


def test_results_and_what_they_settle_are_written_together(tmp_path: Path) -> None:
    store, made = with_task(tmp_path)
    with store:
        store.write(change(turn()))
        run = store.evaluations.start_run(made.task_id, "continuous", Scope(), NOON_NS)
        items = take(store)
        impossible = Annotation("0" * 16, "checks", "CODE")
        with pytest.raises(StoreError, match="no span"):
            settle(store, *items, annotations=(impossible,), run_id=run.run_id, judged=1)
        assert len(take(store)) == 1

        good = Annotation("", "checks", "CODE", score=1.0)
        with pytest.raises(StoreError):  # what cannot be counted fails after the result
            settle(store, *items, annotations=(good,), run_id=run.run_id, judged=object())
        assert (store.annotations(AGENT, "s-1"), len(take(store))) == ([], 1)
        settle(store, *items, annotations=(good,), run_id=run.run_id, judged=1, spent_usd=0.5)
        after = store.evaluations.run(run.run_id)
        assert take(store) == []
        assert after is not None and (after.judged, after.spent_usd) == (1, 0.5)


def test_results_of_a_session_that_was_deleted_meanwhile_are_dropped(tmp_path: Path) -> None:
    store, _ = with_task(tmp_path)
    with store:
        store.write(change(turn()))
        items = take(store)
        store.delete_session(AGENT, "s-1")
        settle(store, *items, annotations=(Annotation("", "checks", "CODE"),))
        assert take(store) == []


def test_what_is_taken_up_in_vain_is_put_off_after_a_while(tmp_path: Path) -> None:
    store, made = with_task(tmp_path)
    with store:
        store.write(change(turn()))
        assert [len(take(store)) for _ in range(4)] == [1, 1, 1, 0]
        assert store.evaluations.queue.counts(made.task_id).waiting == 1
        assert len(take(store, NOON_NS + LONGEST_BACKOFF_NS)) == 1


def test_a_clock_that_was_set_back_does_not_keep_anything_waiting(tmp_path: Path) -> None:
    store, _ = with_task(tmp_path)
    with store:
        store.write(change(turn()))
        (item,) = take(store)
        ahead_ns = NOON_NS + 100 * LONGEST_BACKOFF_NS
        store.evaluations.queue.put_off([PutOff(item, "busy", ahead_ns)])
        assert len(take(store)) == 1


def test_a_failure_is_visible_and_tried_again_when_it_is_time(tmp_path: Path) -> None:
    store, made = with_task(tmp_path)
    queue = store.evaluations.queue
    with store:
        store.write(change(turn(), turn(turn_id="p-2", number=2)))
        first, second = take(store)
        due_ns = NOON_NS + backoff_ns(1)
        queue.put_off([PutOff(first, "the server was busy", due_ns)])
        queue.put_off([PutOff(second, "the judge would not answer", None)])
        counts = queue.counts(made.task_id)
        assert (counts.waiting, counts.failing, counts.given_up) == (1, 1, 1)
        assert counts.due_at_ns == due_ns and counts.error == "the server was busy"

        assert [len(take(store, at)) for at in (due_ns - 1, due_ns)] == [0, 1]
        assert queue.retry(made.task_id) == 2
        assert len(take(store)) == 2


def test_a_task_without_a_key_is_due_where_there_is_one(tmp_path: Path) -> None:
    store, made = with_task(tmp_path)
    queue = store.evaluations.queue
    with store:
        store.write(change(turn()))
        run = store.evaluations.start_run(made.task_id, "backfill", Scope(), NOON_NS)
        queue.hold(made.task_id, "JUDGE_KEY is not set", NOON_NS, "JUDGE_KEY")
        counts = queue.counts(made.task_id)
        assert (counts.error, counts.waits_for) == ("JUDGE_KEY is not set", "JUDGE_KEY")

        late_ns = NOON_NS + LONGEST_BACKOFF_NS
        without, with_key = ("PATH",), ("PATH", "JUDGE_KEY")
        assert (queue.is_due(late_ns, without), queue.due_runs(late_ns, without)) == (False, [])
        assert queue.take(made.task_id, late_ns, without, 9) == []
        assert queue.is_due(NOON_NS, with_key)
        assert queue.due_runs(NOON_NS, with_key) == [run.run_id]
        assert queue.due_tasks(NOON_NS, with_key) == [made.task_id]
        queue.release(made.task_id)
        assert queue.counts(made.task_id).error is None and queue.is_due(NOON_NS, ())


def test_a_judge_that_cannot_be_asked_is_asked_more_and_more_rarely(tmp_path: Path) -> None:
    store, made = with_task(tmp_path)
    queue = store.evaluations.queue
    with store:
        store.write(change(turn()))
        for minutes in (1, 4):
            queue.hold(made.task_id, "the extra judge is not installed", NOON_NS)
            due_ns = NOON_NS + minutes * MINUTE_NS
            assert queue.counts(made.task_id).due_at_ns == due_ns
            assert [queue.is_due(at, ()) for at in (due_ns - 1, due_ns)] == [False, True]


def test_a_run_is_due_until_it_has_ended(tmp_path: Path) -> None:
    store, made = with_task(tmp_path, is_continuous=False)
    queue = store.evaluations.queue
    with store:
        run = store.evaluations.start_run(made.task_id, "backfill", Scope(), NOON_NS)
        assert queue.due_runs(NOON_NS, ()) == [run.run_id]
        assert [queue.begin_run(run.run_id) for _ in range(2)] == [1, 2]
        settle(store, run_id=run.run_id, judged=1)
        assert queue.begin_run(run.run_id) == 1
        store.evaluations.end_run(run.run_id, "completed", None, NOON_NS)
        assert not queue.is_due(NOON_NS, ())


def test_the_limit_of_a_task_can_be_raised(tmp_path: Path) -> None:
    store, made = with_task(tmp_path, max_cost_usd=1.0)
    with store:
        store.evaluations.set_max_cost(made.task_id, 2.5)
        assert store.evaluations.task("checks") == replace(made, max_cost_usd=2.5)


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 1), (2, 4), (3, 16), (9, 360), (99, 360)])
def test_the_time_between_attempts_grows_to_six_hours(attempts: int, minutes: int) -> None:
    assert backoff_ns(attempts) == minutes * MINUTE_NS


# -- annotations


def test_saying_the_same_again_changes_nothing(tmp_path: Path) -> None:
    with stored(tmp_path, change(turn())) as store:
        said = Annotation("", "checks", "CODE", "ok", 1.0, "why", metadata={"version": 1})
        store.annotate(AGENT, "s-1", [said], NOON_NS)
        store.annotate(AGENT, "s-1", [said], NOON_NS + 1)
        assert [each.updated_at_ns for each in store.annotations(AGENT, "s-1")] == [NOON_NS]
        store.annotate(AGENT, "s-1", [replace(said, metadata={"version": 2})], NOON_NS + 2)
        assert [each.updated_at_ns for each in store.annotations(AGENT, "s-1")] == [NOON_NS + 2]


def test_annotations_come_with_the_facts_of_their_turns_in_order(tmp_path: Path) -> None:
    late = turn(turn_id="p-2", number=2, started_at_ns=NOON_NS + MINUTE_NS, ended_at_ns=None)
    with stored(tmp_path, change(late, turn())) as store:
        spans = [span_id(AGENT, "s-1", each) for each in ("p-2", "p-1")]
        said = [Annotation(span, "checks", "CODE", score=1.0) for span in spans]
        store.annotate(AGENT, "s-1", [*said, Annotation("", "whole", "LLM")], NOON_NS)

        found = [(facts.number, each.name) for each, facts in store.annotations_between()]
        assert found == [(1, "checks"), (None, "whole"), (2, "checks")]
        ((_, facts),) = store.annotations_between(names=["checks"], until_ns=late.started_at_ns)
        assert (facts.turn_id, facts.duration_ns, facts.project) == ("p-1", MINUTE_NS, "pricing")
        assert list(store.annotations_between(agent="codex")) == []
        assert len(list(store.annotations_between(project="pricing", since_ns=NOON_NS))) == 3


# -- proposals


def test_a_proposal_is_kept_with_its_state(tmp_path: Path) -> None:
    with stored(tmp_path) as store:
        proposals = store.proposals
        proposals.put("p-aa1", {"text": "Run `make check`."}, "proposed", NOON_NS)
        proposals.put("p-ab2", {"text": "x"}, "proposed", NOON_NS + 1)
        proposals.put("p-aa1", {"text": "Run `make check`."}, "proposed", NOON_NS + 2)
        assert [row.changed_at_ns for row in proposals.all()] == [NOON_NS, NOON_NS + 1]

        assert proposals.set_state("p-aa1", "applied", NOON_NS + 3)
        found = proposals.get("p-aa")
        assert found is not None
        assert (found.state, found.body, found.created_at_ns) == (
            "applied",
            {"text": "Run `make check`."},
            NOON_NS,
        )
        assert [row.proposal_id for row in proposals.all("proposed")] == ["p-ab2"]
        with pytest.raises(StoreError, match="several"):
            proposals.get("p-a")
        assert (proposals.get("p-zz"), proposals.set_state("p-zz", "applied", 0)) == (None, False)


# -- older stores


def test_a_released_store_is_only_read_without_any_of_it_and_migrates(tmp_path: Path) -> None:
    stored(tmp_path, change(turn())).close()
    older = as_released(store_path(tmp_path), "1.2", tmp_path / "older.sqlite3")
    with Store.open(older, readonly=True) as store:
        known = store.evaluations
        assert (known.evaluators(), known.tasks(), known.runs()) == ([], [], [])
        assert (known.task("x"), known.evaluator("x"), store.proposals.all()) == (None, None, [])
        assert not known.queue.is_due(NOON_NS, ())
        assert store.proposals.get("x") is None
    with Store.open(older) as store:
        store.evaluations.put_task(task(), judges_sessions=False)
        store.write(change(turn(turn_id="p-2", number=2)))
        assert len(take(store)) == 1
        assert store.stats().schema == "1.3"
