"""One-time runs: what is chosen, what is skipped, what is written, what it may cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.evaluate.catalogue import built_in
from harness_tracing.evaluate.definitions import Scope
from harness_tracing.evaluate.recorded import is_sampled
from harness_tracing.evaluate.results import passed
from harness_tracing.evaluate.running import MOST_STARTS, run_rules
from harness_tracing.evaluate.task_work import StoppedError
from harness_tracing.store import SessionChange, TurnWrite
from tests.evaluate.judges import GOOD as CORRECT
from tests.evaluate.judges import Api, Says, openai_body
from tests.evaluate.made import bash, edit, read
from tests.evaluate.tasked import AGENT, BAD, GOOD, KEY, MINUTE_NS, NOON_NS, RIGHT, Place, made_turn

EV = "ev_verified_before_done"


@pytest.fixture
def api() -> Iterator[Api]:
    """A judge that finds everything correct."""
    with Api(Says(openai_body(CORRECT))) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, api: Api) -> Iterator[Place]:
    with Place(tmp_path, api) as made:
        yield made


# -- rules


def test_a_rule_judges_each_turn_and_says_who_it_was(place: Place) -> None:
    good, bad = place.session("s", GOOD, BAD)
    task = place.task()
    run = place.backfill(task)

    assert (run.status, run.judged, run.skipped, run.failed) == ("completed", 2, 0, 0)
    found = {each.span_id: each for each in place.results()}
    assert [passed(found[span]) for span in (good, bad)] == [True, False]
    assert found[bad].annotator_kind == "CODE" and found[bad].identifier == EV
    told = dict(found[bad].metadata or {})
    assert told.pop("evidence")
    assert told == {
        "evaluator_id": EV,
        "version": 1,
        "task_id": task.task_id,
        "run_id": run.run_id,
    }


def test_what_has_a_result_is_skipped_and_judged_anew_when_asked(place: Place) -> None:
    place.session("s", GOOD, BAD)
    task = place.task()
    first = place.backfill(task)
    again = place.backfill(task)
    assert (again.judged, again.skipped) == (0, 2)
    assert {(each.metadata or {})["run_id"] for each in place.results()} == {first.run_id}

    anew = place.backfill(task, override=True)
    assert (anew.judged, anew.skipped) == (2, 0)
    assert {(each.metadata or {})["run_id"] for each in place.results()} == {anew.run_id}
    assert len(place.results()) == 2


def test_a_rule_sees_all_turns_though_only_some_are_judged(place: Place) -> None:
    # The file was read in the first turn: without that the edit of the second is one not read.
    _, second = place.session("s", (read("a.py"),), (edit("a.py"),))
    place.backfill(place.task("ev_edit_without_read"), since_ns=NOON_NS + 2 * MINUTE_NS)
    assert place.labels() == {second: "read"}


def test_times_and_numbers_choose_what_is_judged(place: Place) -> None:
    spans = place.session("s", *[GOOD] * 5)
    task = place.task()
    place.backfill(task, since_ns=NOON_NS + 2 * MINUTE_NS, until_ns=NOON_NS + 4 * MINUTE_NS)
    assert set(place.labels()) == set(spans[1:3])

    # The latest first; what has a result is not counted.
    place.backfill(task, max_spans=1)
    assert set(place.labels()) == {*spans[1:3], spans[4]}
    place.backfill(task, max_spans=1)
    assert set(place.labels()) == set(spans[1:])


def test_only_turns_of_the_project_are_judged(place: Place) -> None:
    place.session("s", GOOD)
    place.session("t", GOOD, project="other")
    place.backfill(place.task())
    assert (len(place.results("s")), len(place.results("t"))) == (1, 0)
    place.backfill(place.task(name="all", project=None))
    assert len(place.results("t")) == 1


def test_an_open_turn_is_never_judged(place: Place) -> None:
    (span,) = place.session("s", GOOD)
    running = replace(made_turn("s", 2, BAD), status="open", ended_at_ns=None)
    row = place.store.session("s")
    assert row is not None
    place.store.write(SessionChange(row.session, (TurnWrite(running, final=False),)))
    place.backfill(place.task())
    assert list(place.labels()) == [span]


@pytest.mark.parametrize(
    ("query", "shape", "chosen"),
    [
        ("attributes.openinference.span.kind = 'LLM'", "turns", [0, 1]),
        ("attributes.openinference.span.kind = 'AGENT'", "calls", [0, 1]),
        ("attributes.harness.turn.number = 2", "turns", [1]),
        ("status_code = 'ERROR'", "turns", [1]),
        ("name = 'nothing of ours'", "turns", []),
    ],
)
def test_a_turn_is_judged_when_a_span_of_it_matches(
    place: Place, query: str, shape: Any, chosen: list[int]
) -> None:
    spans = place.session("s", GOOD, (*BAD, bash("make check", failed=True)))
    place.backfill(place.task(query_filter=query, shape=shape))
    assert set(place.labels()) == {spans[number] for number in chosen}


def test_earlier_verdicts_can_be_asked_for_in_a_filter(place: Place) -> None:
    _, bad = place.session("s", GOOD, BAD)
    place.backfill(place.task())
    query = "evaluations.verified_before_done.score < 0.5"
    place.backfill(place.task("ev_gate_weakening", name="second", query_filter=query))
    found = [each.span_id for each in place.results() if each.name == "gate_weakening"]
    assert found == [bad]


def test_a_sample_goes_by_the_id_alone(place: Place) -> None:
    spans = place.session("s", *[GOOD] * 40)
    place.backfill(place.task(sampling_rate=0.3))
    assert set(place.labels()) == {span for span in spans if is_sampled(span, 0.3)}
    assert 2 <= len(place.labels()) <= 25


def test_a_larger_sample_holds_the_smaller_one() -> None:
    ids = [f"{number:016x}" for number in range(2000)]
    small, large = ({each for each in ids if is_sampled(each, rate)} for rate in (0.1, 0.5))
    assert small < large and 120 < len(small) < 280 and 900 < len(large) < 1100
    assert all(is_sampled(each, 1.0) for each in ids)


def test_a_rule_without_anything_to_judge_writes_nothing(place: Place) -> None:
    place.session("s", ())
    run = place.backfill(place.task("ev_gate_weakening"))
    assert (run.judged, place.results()) == (0, [])


def test_a_rule_of_the_users_own_judges_and_what_goes_wrong_in_it_is_its_result(
    place: Place,
) -> None:
    place.home.evaluators.mkdir()
    for name, body in {
        "short": "About.finding(ABOUT, 'yes', 'it is', seen.turn)",
        "bad": "1 / 0",
    }.items():
        (place.home.evaluators / f"{name}.py").write_text(
            "from harness_tracing.evaluate.finding import About\n"
            f"ABOUT = About('{name}', 'whether', {{'yes': 1.0, 'no': 0.0}})\n"
            f"def RULE(seen):\n    return {body}\n",
            encoding="utf-8",
        )
    place.session("s", GOOD)
    run = place.backfill(place.task("ev_short", "ev_bad"))
    found = {each.name: each for each in place.results()}

    assert (run.judged, run.failed, run.status) == (1, 1, "completed")
    assert (found["short"].label, found["short"].score) == ("yes", 1.0)
    assert found["bad"].score is None and "error" in (found["bad"].metadata or {})
    assert "ZeroDivisionError" in (found["bad"].explanation or "")
    assert "another run" in (run.message or "")


def test_results_of_rules_are_brought_up_to_date_without_a_task(place: Place) -> None:
    place.session("s", GOOD, BAD)
    place.session("t", BAD)
    catalogue = place.means().catalogue
    chosen = [each for each in built_in() if each.name == "verified_before_done"]
    sessions = [(AGENT, "s"), (AGENT, "t"), (AGENT, "gone")]
    first = run_rules(place.store, catalogue, chosen, sessions, NOON_NS)
    again = run_rules(place.store, catalogue, chosen, sessions, NOON_NS)
    assert ((first.judged, first.skipped), (again.judged, again.skipped)) == ((3, 0), (0, 3))


# -- judges


def test_a_judge_is_asked_about_each_turn_and_its_answer_is_stored(place: Place, api: Api) -> None:
    span, _ = place.session("s", GOOD, BAD)
    run = place.backfill(place.judged_by())

    assert (run.judged, run.failed, len(api.requests)) == (2, 0, 2)
    found = next(each for each in place.results() if each.span_id == span)
    assert (found.name, found.label, found.score) == ("right", "correct", 1.0)
    assert (found.annotator_kind, found.explanation) == ("LLM", "It ran the check.")
    told = found.metadata or {}
    assert told["version"] == 1 and told["model"] == "gpt-5-mini" and told["run_id"] == run.run_id
    assert run.spent_usd == pytest.approx(2 * told["cost_usd"])


def test_a_new_version_of_an_evaluator_judges_anew(place: Place, api: Api) -> None:
    place.session("s", GOOD)
    task = place.judged_by()
    place.backfill(task)
    changed = replace(RIGHT, template="Is it really right? {{output.value}}")
    place.store.evaluations.put_evaluator("right", changed, "really", NOON_NS)
    run = place.backfill(task)
    assert (run.judged, run.skipped, len(api.requests)) == (1, 0, 2)
    (found,) = place.results()
    assert (found.metadata or {})["version"] == 2


def test_a_question_that_was_answered_before_is_not_paid_for_again(place: Place, api: Api) -> None:
    place.session("s", GOOD)
    task = place.judged_by()
    place.backfill(task)
    run = place.backfill(task, override=True)
    assert (run.judged, run.spent_usd, len(api.requests)) == (1, 0.0, 1)


def test_spans_are_judged_each_and_sessions_as_a_whole(place: Place, api: Api) -> None:
    place.session("s", GOOD, BAD)
    tools = "attributes.openinference.span.kind = 'TOOL'"
    of_spans = replace(RIGHT, granularity="span", template="{{output.value}}")
    run = place.backfill(place.judged_by(of_spans, "tools", query_filter=tools))
    assert run.judged == 3
    whole = replace(RIGHT, granularity="session")
    run = place.backfill(place.judged_by(whole, "whole", judges_sessions=True))
    assert run.judged == 1
    assert [each.span_id for each in place.results() if each.name == "whole"] == [""]
    assert "Turn 1" in str(api.requests[-1]) and "Turn 2" in str(api.requests[-1])


def test_a_label_outside_the_choices_is_kept_as_an_error_and_asked_about_again(
    tmp_path: Path,
) -> None:
    says = [Says(openai_body({"explanation": "x", "label": "perfect"})), Says(openai_body(CORRECT))]
    with Api(*says) as api, Place(tmp_path, api) as place:
        place.session("s", GOOD)
        task = place.judged_by()
        run = place.backfill(task)
        (found,) = place.results()
        assert (run.judged, run.failed, found.label, found.score) == (0, 1, None, None)
        assert (found.metadata or {})["error"] == "wrong_label"
        assert passed(found) is None

        assert place.backfill(task).judged == 1
        (found,) = place.results()
        assert (found.label, "error" in (found.metadata or {})) == ("correct", False)


def test_a_template_that_does_not_fit_a_span_is_its_result(place: Place, api: Api) -> None:
    place.session("s", GOOD)
    run = place.backfill(place.judged_by(replace(RIGHT, template="{{no.such.thing}}")))
    (found,) = place.results()
    assert (run.failed, api.requests) == (1, [])
    assert (found.metadata or {})["error"] == "template"
    assert "no.such.thing" in (found.explanation or "")


@pytest.mark.parametrize("of_task", [True, False])
def test_no_more_is_spent_than_a_run_or_all_runs_may_cost(
    place: Place, api: Api, of_task: bool
) -> None:
    place.session("s", *[GOOD] * 8)
    once = place.backfill(place.judged_by(), max_spans=1).spent_usd
    limit = once * 22  # one may cost some 18 times as much as it does
    task = place.judged_by(
        replace(RIGHT, template="Other {{input.value}}"),
        "other",
        max_cost_usd=limit if of_task else None,
    )
    with pytest.raises(StoppedError, match="limit"):
        place.backfill(task, max_cost_usd=None if of_task else limit)
    (run,) = place.store.evaluations.runs(task.task_id)
    assert (run.status, run.spent_usd <= limit) == ("stopped", True)
    assert run.judged == len(api.requests) - 1 < 8
    if of_task:
        with pytest.raises(StoppedError, match="limit"):
            place.backfill(task, override=True)
        assert sum(r.spent_usd for r in place.store.evaluations.runs(task.task_id)) <= limit


def test_without_its_key_a_judge_is_not_asked_and_the_variable_is_named(place: Place) -> None:
    place.env = {}
    place.session("s", GOOD)
    task = place.judged_by()
    with pytest.raises(StoppedError, match=KEY) as caught:
        place.backfill(task)
    assert (caught.value.waits_for, place.results()) == (KEY, [])


def test_a_pause_stops_a_run_after_the_questions_under_way(place: Place, api: Api) -> None:
    place.session("s", *[GOOD] * 12)
    task = place.judged_by()
    run = place.store.evaluations.start_run(task.task_id, "backfill", Scope(), NOON_NS)

    def pause(progress: Any) -> None:
        if progress.counts.judged:
            place.store.evaluations.set_paused(task.task_id, True, NOON_NS)

    with pytest.raises(StoppedError, match="paused"):
        place.runner().backfill(run, pause)
    assert len(api.requests) == len(place.results()) == 4
    ended = place.store.evaluations.run(run.run_id)
    assert ended is not None and ended.status == "stopped"


def test_a_run_that_is_gone_on_with_repeats_nothing(place: Place, api: Api) -> None:
    place.session("s", *[GOOD] * 8)
    task = place.judged_by()
    run = place.store.evaluations.start_run(
        task.task_id, "backfill", Scope(override=True, max_spans=6), NOON_NS
    )

    class KilledError(BaseException):
        """As if the process ended here."""

    def die(progress: Any) -> None:
        if progress.counts.judged:
            raise KilledError

    with pytest.raises(KilledError):
        place.runner().backfill(run, die)
    assert len(api.requests) == 4
    now = place.store.evaluations.run(run.run_id)
    assert now is not None
    ended = place.runner().backfill(now)
    assert (ended.judged, len(api.requests), len(place.results())) == (6, 6, 6)


def test_a_run_that_always_ends_its_process_is_given_up(place: Place) -> None:
    task = place.task()
    run = place.store.evaluations.start_run(task.task_id, "backfill", Scope(), NOON_NS)
    for _ in range(MOST_STARTS):
        place.store.evaluations.queue.begin_run(run.run_id)
    with pytest.raises(StoppedError, match="killed"):
        place.runner().backfill(run)
    ended = place.store.evaluations.run(run.run_id)
    assert ended is not None and ended.status == "failed"


def test_a_session_that_cannot_be_judged_holds_up_no_other(place: Place) -> None:
    place.session("s", GOOD)
    place.session("t", GOOD)
    place.store._connection.execute(
        "UPDATE turn_bodies SET body = ? WHERE turn_key = (SELECT turn_key FROM turns JOIN sessions"
        " USING (session_key) WHERE session_id = 't')",
        (b'{"agent": 5}',),
    )
    run = place.backfill(place.task())
    assert (run.status, len(place.results("s"))) == ("completed", 1)
    assert run.failed == 1
