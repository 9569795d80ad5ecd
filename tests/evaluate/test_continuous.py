"""Continuous tasks: what is due is judged once, in a process of its own, wherever it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness_tracing.evaluate import child
from harness_tracing.evaluate.definitions import Scope
from harness_tracing.model import IMPORTED, Session
from harness_tracing.paths import Home
from harness_tracing.store import SessionChange, TurnWrite
from harness_tracing.store.task_queue import LONGEST_BACKOFF_NS
from harness_tracing.worker.evaluating import Evaluating, is_due, start_if_due
from harness_tracing.worker.settings import without_projects
from tests.evaluate.judges import GOOD as CORRECT
from tests.evaluate.judges import Api, Says, openai_body
from tests.evaluate.tasked import (
    AGENT,
    BAD,
    GOOD,
    KEY,
    MINUTE_NS,
    RIGHT,
    Place,
    made_turn,
    wait_until,
)

RULES = {"is_continuous": True}


@pytest.fixture
def api() -> Iterator[Api]:
    """A judge that finds everything correct."""
    with Api(Says(openai_body(CORRECT))) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, api: Api) -> Iterator[Place]:
    with Place(tmp_path, api) as made:
        yield made


def environment(place: Place, **more: str) -> dict[str, str]:
    """What a child is started with."""
    return {**place.env, "PATH": os.environ["PATH"], **more}


def start(place: Place, **more: str) -> subprocess.Popen[bytes]:
    """A real child on this home."""
    command = [sys.executable, "-B", "-m", "harness_tracing.evaluate", "--home"]
    return subprocess.Popen([*command, str(place.home.root)], env=environment(place, **more))


def run_child(place: Place, **more: str) -> None:
    assert start(place, **more).wait(120) == 0


def log(place: Place) -> str:
    path = place.home.logs / "evaluate.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""


# -- what is judged


def test_new_turns_are_judged_once_and_then_nothing_is_due(place: Place) -> None:
    task = place.task(**RULES)
    spans = place.session("s", GOOD, BAD)
    assert place.runner().work_off()

    assert set(place.labels()) == set(spans)
    assert not place.runner().work_off()
    (run,) = place.store.evaluations.runs(task.task_id)
    assert (run.kind, run.status, run.judged, run.failed) == ("continuous", "running", 2, 0)
    assert place.store.evaluations.queue.counts(task.task_id).waiting == 0


def test_one_run_holds_what_came_of_all_turns_until_a_pause(place: Place) -> None:
    task = place.task(**RULES)
    for number in (1, 2):
        place.session("s", GOOD, first=number)
        place.runner().work_off()
    (run,) = place.store.evaluations.runs(task.task_id)
    assert run.judged == 2

    place.store.evaluations.set_paused(task.task_id, True, place.now_ns)
    place.session("s", GOOD, first=3)
    assert not place.runner().work_off()
    place.store.evaluations.set_paused(task.task_id, False, place.now_ns)
    place.now_ns += 1
    place.runner().work_off()
    runs = place.store.evaluations.runs(task.task_id)
    assert [(each.status, each.judged) for each in runs] == [("running", 1), ("stopped", 2)]


def test_imported_history_is_judged_by_a_one_time_run_alone(place: Place) -> None:
    task = place.task(**RULES)
    imported = replace(made_turn("s", 1, GOOD), gaps=(IMPORTED,))
    session = Session(AGENT, "s", project="pricing")
    place.store.write(SessionChange(session, (TurnWrite(imported, final=True),)))
    place.runner().work_off()
    assert place.results() == []
    assert place.store.evaluations.queue.counts(task.task_id).waiting == 0

    assert place.backfill(task).judged == 1


def test_what_the_filter_leaves_out_is_dealt_with_too(place: Place) -> None:
    task = place.task(query_filter="status_code = 'ERROR'", **RULES)
    place.session("s", GOOD)
    place.runner().work_off()
    assert place.results() == []
    assert place.store.evaluations.queue.counts(task.task_id).waiting == 0


def test_a_whole_session_is_judged_when_it_was_quiet_for_long(place: Place, api: Api) -> None:
    whole = replace(RIGHT, granularity="session")
    place.judged_by(whole, "whole", judges_sessions=True, **RULES)
    place.session("s", GOOD, BAD)
    place.now_ns += 10 * MINUTE_NS
    assert not place.runner().work_off()
    place.now_ns += 30 * MINUTE_NS
    assert place.runner().work_off()
    assert [(each.span_id, each.label) for each in place.results()] == [("", "correct")]


def test_rules_judge_before_judges_are_asked(place: Place, api: Api) -> None:
    place.judged_by(name="a judge", **RULES)
    place.task(name="rules", **RULES)
    place.session("s", GOOD)
    place.runner().work_off()
    assert [each.annotator_kind for each in place.results()] == ["CODE", "LLM"]


# -- what goes wrong


def test_a_server_in_trouble_is_asked_again_later_and_that_can_be_seen(tmp_path: Path) -> None:
    busy = Says({"error": {"message": "overloaded"}}, status=500)
    says = [busy] * 4 + [Says(openai_body(CORRECT))]
    with Api(*says) as api, Place(tmp_path, api) as place:
        task = place.judged_by(**RULES)
        place.session("s", GOOD)
        place.runner().work_off()
        (found,) = place.results()
        waits = place.store.evaluations.queue.counts(task.task_id)
        assert (found.metadata or {})["error"] == "server"
        assert (waits.waiting, waits.failing, len(api.requests)) == (1, 1, 4)
        assert "500" in (waits.error or "") and waits.due_at_ns == place.now_ns + MINUTE_NS

        assert not place.runner().work_off()
        place.now_ns += MINUTE_NS
        assert place.runner().work_off()
        (found,) = place.results()
        assert (found.label, len(api.requests)) == ("correct", 5)
        waits = place.store.evaluations.queue.counts(task.task_id)
        assert (waits.waiting, waits.error) == (0, None)


def test_a_judge_that_gives_no_verdict_is_asked_three_times_and_then_left(tmp_path: Path) -> None:
    odd = Says(openai_body({"explanation": "x", "label": "perfect"}))
    with Api(odd) as api, Place(tmp_path, api) as place:
        task = place.judged_by(**RULES)
        place.session("s", GOOD)
        for _ in range(5):
            place.runner().work_off()
            place.now_ns += LONGEST_BACKOFF_NS
        waits = place.store.evaluations.queue.counts(task.task_id)
        assert (len(api.requests), waits.waiting, waits.given_up) == (3, 0, 1)
        assert "perfect" in (waits.error or "")
        assert [each.label for each in place.results()] == [None]


def test_without_a_key_a_task_waits_for_a_process_that_has_it(place: Place, api: Api) -> None:
    task = place.judged_by(**RULES)
    place.session("s", GOOD)
    with_key, place.env = place.env, {}
    place.runner().work_off()
    waits = place.store.evaluations.queue.counts(task.task_id)
    assert (waits.waits_for, waits.waiting, api.requests) == (KEY, 1, [])
    assert f"{KEY} is not set" in (waits.error or "")
    assert not place.runner().work_off()

    place.env = with_key
    assert place.runner().work_off()
    waits = place.store.evaluations.queue.counts(task.task_id)
    assert (len(place.results()), waits.error, waits.waits_for) == (1, None, None)


def test_a_one_time_run_in_the_background_waits_for_a_key_as_well(place: Place) -> None:
    place.session("s", GOOD)
    task = place.judged_by()
    with_key, place.env = place.env, {}
    run = place.store.evaluations.start_run(task.task_id, "backfill", Scope(), place.now_ns)
    place.runner().work_off()
    waiting = place.store.evaluations.run(run.run_id)
    assert waiting is not None and waiting.status == "running"
    assert place.store.evaluations.queue.counts(task.task_id).waits_for == KEY

    place.env = with_key
    place.runner().work_off()
    ended = place.store.evaluations.run(run.run_id)
    assert ended is not None and (ended.status, ended.judged) == ("completed", 1)


def test_a_wrong_key_makes_the_whole_task_wait_not_each_turn_fail(tmp_path: Path) -> None:
    with Api(Says({"error": {"message": "no"}}, status=401)) as api, Place(tmp_path, api) as place:
        task = place.judged_by(**RULES)
        place.session("s", *[GOOD] * 9)
        place.runner().work_off()
        waits = place.store.evaluations.queue.counts(task.task_id)
        assert (waits.waiting, place.results()) == (9, [])
        assert "401" in (waits.error or "") and len(api.requests) <= 4
        assert waits.due_at_ns == place.now_ns + MINUTE_NS


def test_a_task_that_has_spent_its_limit_is_paused_and_says_so(place: Place, api: Api) -> None:
    task = place.judged_by(max_cost_usd=0.000001, **RULES)
    place.session("s", GOOD)
    place.runner().work_off()
    now = place.store.evaluations.task(task.task_id)
    (run,) = place.store.evaluations.runs(task.task_id)
    assert now is not None and now.paused and api.requests == []
    assert run.status == "stopped" and "--max-cost" in (run.message or "")

    place.store.evaluations.set_max_cost(task.task_id, 1.0)
    place.store.evaluations.set_paused(task.task_id, False, place.now_ns)
    place.now_ns += 1
    place.runner().work_off()
    assert len(place.results()) == 1


def test_a_rule_whose_file_is_gone_makes_its_task_wait(place: Place) -> None:
    place.home.evaluators.mkdir()
    file = place.home.evaluators / "mine.py"
    file.write_text(
        "from harness_tracing.evaluate.finding import About\n"
        "ABOUT = About('mine', 'whether', {'yes': 1.0})\n"
        "def RULE(seen):\n    return ABOUT.finding('yes', 'it is', seen.turn)\n",
        encoding="utf-8",
    )
    task = place.task("ev_mine", **RULES)
    file.rename(file.with_suffix(".away"))
    place.session("s", GOOD)
    place.runner().work_off()
    waits = place.store.evaluations.queue.counts(task.task_id)
    assert "ev_mine" in (waits.error or "") and waits.waiting == 1

    file.with_suffix(".away").rename(file)
    place.now_ns += MINUTE_NS
    place.runner().work_off()
    assert [each.label for each in place.results()] == ["yes"]


# -- the process


def test_a_child_judges_all_that_is_due_and_leaves(place: Place, api: Api) -> None:
    place.task(**RULES)
    place.judged_by(**RULES)
    place.session("s", GOOD, BAD)
    run_child(place)
    assert (
        sorted(each.name for each in place.results())
        == ["right"] * 2 + ["verified_before_done"] * 2
    )
    assert log(place) == ""


def test_a_child_takes_up_a_one_time_run(place: Place) -> None:
    place.session("s", GOOD, BAD)
    task = place.task()
    run = place.store.evaluations.start_run(task.task_id, "backfill", Scope(), place.now_ns)
    run_child(place)
    ended = place.store.evaluations.run(run.run_id)
    assert ended is not None and (ended.status, ended.judged) == ("completed", 2)


def test_of_two_children_one_works(place: Place, api: Api) -> None:
    place.judged_by(**RULES)
    place.session("s", *[GOOD] * 6)
    children = [start(place) for _ in range(3)]
    assert [each.wait(120) for each in children] == [0, 0, 0]
    assert (len(place.results()), len(api.requests)) == (6, 6)


def test_while_somebody_works_others_leave(place: Place) -> None:
    place.task(**RULES)
    place.session("s", GOOD)
    with child.alone(place.home) as is_ours:
        assert is_ours
        run_child(place)
        assert start_if_due(place.home, environment(place))
        assert place.results() == []
    run_child(place)
    assert len(place.results()) == 1


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_killed_while_a_judge_answers_everything_is_scored_once(tmp_path: Path) -> None:
    asked = 5  # of which the first four are stored, being settled together
    slow = [*[Says(openai_body(CORRECT))] * asked, Says(openai_body(CORRECT), hangs=60.0)]
    with Api(*slow) as api, Place(tmp_path, api) as place:
        task = place.judged_by(**RULES)
        place.session("s", *[GOOD] * 6)
        first = start(place)
        wait_until(lambda: len(api.requests) > asked)
        first.send_signal(signal.SIGKILL)
        first.wait(20)
        assert len(place.results()) < 6
        api.answers[:] = [Says(openai_body(CORRECT))]
        run_child(place)

        assert [each.label for each in place.results()] == ["correct"] * 6
        (run,) = place.store.evaluations.runs(task.task_id)
        waits = place.store.evaluations.queue.counts(task.task_id)
        assert (run.judged, run.failed, waits.waiting) == (6, 0, 0)


KILLED_BEFORE_WRITING = """
import os, signal, sys
from harness_tracing.store import TaskItem
from harness_tracing.store.task_queue import TaskQueue
# The real child, in which the process ends where it would begin to write.
whole = TaskQueue.settle
def settle(self, outcome, now_ns):
    if outcome.annotations:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, outcome, now_ns)
TaskQueue.settle = settle
from harness_tracing.evaluate.__main__ import main
sys.exit(main(["--home", sys.argv[1]]))
"""


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_killed_between_scoring_and_writing_nothing_is_lost_paid_twice_or_double(
    place: Place, api: Api
) -> None:
    task = place.judged_by(**RULES)
    place.session("s", GOOD, BAD)
    command = [sys.executable, "-B", "-c", KILLED_BEFORE_WRITING, str(place.home.root)]
    ended = subprocess.run(command, env=environment(place), timeout=120, check=False)
    assert (ended.returncode, len(api.requests), place.results()) == (-signal.SIGKILL, 2, [])

    run_child(place)
    assert [each.label for each in place.results()] == ["correct"] * 2
    assert len(api.requests) == 2  # the answers were kept: nobody was asked again
    (run,) = place.store.evaluations.runs(task.task_id)
    assert (run.judged, place.store.evaluations.queue.counts(task.task_id).waiting) == (2, 0)


def test_a_pause_ends_a_child_at_work_after_the_questions_under_way(tmp_path: Path) -> None:
    with Api(Says(openai_body(CORRECT), hangs=1.0)) as api, Place(tmp_path, api) as place:
        task = place.judged_by(**RULES)
        place.session("s", *[GOOD] * 60)
        running = start(place)
        wait_until(lambda: len(api.requests) >= 1)
        place.store.evaluations.set_paused(task.task_id, True, place.now_ns)
        assert running.wait(120) == 0
        assert len(place.results()) == len(api.requests) < 60
        waits = place.store.evaluations.queue.counts(task.task_id)
        assert waits.waiting == 60 - len(api.requests)


def test_a_judge_knows_that_it_is_not_traced(tmp_path: Path) -> None:
    with Place(tmp_path) as place:
        said = tmp_path / "environment.json"
        judge = tmp_path / "claude"
        answer = json.dumps(
            {
                "type": "result",
                "subtype": "success",
                "is_error": False,
                "structured_output": CORRECT,
                "total_cost_usd": 0.0,
                "result": "",
            }
        )
        judge.write_text(
            f"#!{sys.executable}\nimport json, os, sys\nsys.stdin.read()\n"
            f"json.dump(dict(os.environ), open({str(said)!r}, 'w'))\nprint({answer!r})\n",
            encoding="utf-8",
        )
        judge.chmod(0o755)
        place.home.config.write_text(
            f"ai_integrations:\n  mini:\n    provider: claude-code\n    command: {judge}\n",
            encoding="utf-8",
        )
        place.judged_by(**RULES)
        place.session("s", GOOD)
        run_child(place, ARIZE_TRACE_ENABLED="true", HARNESS_UNTRACED="0")
        assert json.loads(said.read_text(encoding="utf-8"))["HARNESS_UNTRACED"] == "1"
        assert len(place.results()) == 1


def test_writing_is_never_held_up_while_a_judge_is_asked(tmp_path: Path) -> None:
    with Api(Says(openai_body(CORRECT), hangs=60.0)) as api, Place(tmp_path, api) as place:
        place.judged_by(**RULES)
        place.session("s", GOOD)
        running = start(place)
        try:
            wait_until(lambda: len(api.requests) == 1)
            place.store._connection.execute("PRAGMA busy_timeout = 0")
            place.session("t", GOOD)
        finally:
            running.kill()
            running.wait(120)


def test_broken_settings_are_said_in_the_log_and_the_task_waits(place: Place) -> None:
    task = place.judged_by(**RULES)
    place.session("s", GOOD)
    place.home.config.write_text("ai_integrations: [", encoding="utf-8")
    run_child(place)
    assert "config.yaml" in log(place)
    assert "config.yaml" in (place.store.evaluations.queue.counts(task.task_id).error or "")


def test_nothing_is_started_where_nothing_is_due(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert not start_if_due(home, {})
    with Place(tmp_path) as place:
        place.task(**RULES)
        assert not start_if_due(place.home, {})
        place.task(name="paused", paused=True, **RULES)
        place.session("t", GOOD, project="other")
        assert not start_if_due(place.home, {})


# -- who starts it


def test_a_worker_starts_a_child_when_a_turn_is_final_and_only_one(place: Place) -> None:
    place.task(**RULES)
    looks = Evaluating(place.home, environment(place))
    looks.tend(place.store)
    place.session("s", GOOD)
    looks.tend(place.store)
    assert place.results() == []  # it looks seldom, unless it is told

    looks.wake()
    with child.alone(place.home):
        looks.tend(place.store)
        first = looks.child
        assert first is not None
        looks.tend(place.store)
        assert looks.child is first and first.wait(120) == 0
        looks.wake()
        looks.tend(place.store)
        assert looks.child is first  # in vain: not again at once
    run_child(place)
    assert len(place.results()) == 1


def test_a_child_gets_nothing_that_a_project_put_into_the_environment(
    place: Place, tmp_path: Path
) -> None:
    project = tmp_path / "cloned"
    (project / ".claude").mkdir(parents=True)
    theirs = {KEY: "sk-of-the-attacker", "PATH": "/cloned/bin"}
    settings = project / ".claude" / "settings.json"
    settings.write_text(json.dumps({"env": theirs}), encoding="utf-8")
    env = {**environment(place), **theirs, "PWD": str(project)}

    left = without_projects(place.home, env)
    assert KEY not in left and "PATH" not in left and left["HOME"] == env["HOME"]
    own = {**env, KEY: "sk-of-the-user"}
    assert without_projects(place.home, own)[KEY] == "sk-of-the-user"

    task = place.judged_by(**RULES)
    place.session("s", GOOD)
    place.store.evaluations.queue.hold(task.task_id, "no key", place.now_ns, KEY)
    assert not start_if_due(place.home, env)
    assert is_due(place.home, place.store, own)
