"""`harness tasks`: made, run, watched, paused, waited for, deleted; and what the doctor says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.evaluate import child
from tests.cli.conftest import CommandLine, Ran
from tests.evaluate.judges import GOOD as CORRECT
from tests.evaluate.judges import Api, Says, openai_body
from tests.evaluate.made import bash, edit
from tests.evaluate.tasked import BAD, GOOD, KEY, RIGHT, Place, config, wait_until

NOW_NS = 1_900_000_000_000_000_000


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The home that the command line of this test uses."""
    with Place(tmp_path / ".arize" / "harness", root=True) as made:
        yield made


@pytest.fixture
def run(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    return CommandLine(tmp_path, capsys, environ)


def make(run: CommandLine, *more: str, name: str = "checks") -> Ran:
    words = ("tasks", "create-evaluation", "--name", name, "--task-type", "code_evaluation")
    rest = () if "--evaluators" in more else ("--evaluators", "verified_before_done")
    return run(*words, *rest, *more)


def task_of(run: CommandLine, name: str = "checks") -> Any:
    shown = run("tasks", "show", name, "--json")
    assert shown.code == 0, shown.err
    return shown.json


def test_a_task_is_made_listed_shown_and_deleted(run: CommandLine) -> None:
    made = make(run, "--evaluators", "all", "--is-continuous", "--project", "pricing")
    assert made.code == 0 and made.out.startswith("task_")
    assert "no turns of project" in made.err and "every new turn" in made.err

    (listed,) = run("tasks", "list", "--json").json
    assert listed == task_of(run) == task_of(run, made.out.strip())
    assert (listed["name"], listed["project"], listed["is_continuous"]) == (
        "checks",
        "pricing",
        True,
    )
    assert len(listed["evaluators"]) == 8
    assert listed["evaluators"][0]["name"] == "verified_before_done"
    assert "8 evaluators" in run("tasks", "list").out
    assert "verified_before_done" in run("tasks", "show", "checks").out

    assert make(run).code == 1
    assert run.process("tasks", "delete", "checks", stdin="n\n").code == 1
    assert run("tasks", "delete", "checks", "--yes").code == 0
    assert run("tasks", "list", "--json").json == []
    assert "create-evaluation" in run("tasks", "list").err


def test_what_hosted_commands_want_is_taken_and_ignored(run: CommandLine) -> None:
    made = make(run, "--space", "U3BhY2U6MQ==", "--sampling-rate", "1")
    assert made.code == 0 and "--space means nothing" in made.err


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("--evaluators", "nobody"), 1, "evaluators list"),
        (("--query-filter", "kind ~ 'LLM'"), 2, "not understood"),
        (("--sampling-rate", "2"), 1, "between 0 and 1"),
        (("--shape", "round"), 2, "round"),
        (("--max-cost", "-1"), 2, "max-cost"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_made(
    run: CommandLine, words: tuple[str, ...], code: int, why: str
) -> None:
    made = make(run, *words)
    assert (made.code, why in made.err) == (code, True), made.err
    assert run("tasks", "list", "--json").json == []


def test_a_task_that_is_not_there_is_named_with_those_that_are(run: CommandLine) -> None:
    make(run)
    for words in (("show",), ("runs",), ("pause",), ("resume",), ("trigger-run",), ("wait",)):
        asked = run("tasks", *words, "cheks")
        assert asked.code == 1 and "'checks'" in asked.err


def test_a_triggered_run_judges_here_and_now_and_tells_what_came_of_it(
    run: CommandLine, place: Place
) -> None:
    place.session("s", GOOD, BAD)
    make(run)
    first = run("tasks", "trigger-run", "checks", "--wait", "--json")
    assert (first.code, first.json["status"], first.json["judged"]) == (0, "completed", 2)
    again = run("tasks", "trigger-run", "checks", "--wait", "--max-spans", "1", "--override")
    assert again.code == 0 and "1 judged" in again.err and again.out == ""

    newest, oldest = run("tasks", "runs", "checks", "--json").json
    assert oldest == first.json
    assert newest["scope"] == {"max_spans": 1, "override": True}
    assert newest["run_id"] in run("tasks", "runs", "checks").out
    assert task_of(run)["last_run"] == newest


def test_a_rule_goes_by_the_gate_that_config_names(run: CommandLine, place: Place) -> None:
    (turn,) = place.session("s", (edit("a.py"), bash("tox -e all")))
    make(run)
    run("tasks", "trigger-run", "checks", "--wait")
    assert place.labels()[turn] != "verified"

    place.home.config.write_text("gates:\n  pricing: tox -e all\n", encoding="utf-8")
    run("tasks", "trigger-run", "checks", "--wait", "--override")

    assert place.labels()[turn] == "verified"


def test_times_choose_what_a_run_judges(run: CommandLine, place: Place) -> None:
    place.session("s", GOOD, BAD)  # 2026-01-01, a minute and two after midnight
    make(run)
    late = ("--data-start-time", "2026-01-01T00:02:00Z", "--data-end-time", "2026-01-02")
    done = run("tasks", "trigger-run", "checks", "--wait", "--json", *late)
    assert done.json["judged"] == 1
    assert done.json["scope"]["since_time"].startswith("2026-01-01T00:02:00")
    wrong = ("--data-start-time", "2026-01-02", "--data-end-time", "2026-01-01")
    assert run("tasks", "trigger-run", "checks", *wrong).code == 2
    assert run("tasks", "trigger-run", "checks", "--data-start-time", "soon").code == 2


def test_a_run_in_the_background_is_waited_for(run: CommandLine, place: Place) -> None:
    place.session("s", GOOD, BAD)
    make(run)
    begun = run("tasks", "trigger-run", "checks")
    assert begun.code == 0 and begun.out.startswith("run_")
    waited = run("tasks", "wait", "checks", "--timeout", "120")
    assert waited.code == 0, waited.err
    (done,) = run("tasks", "runs", "checks", "--json").json
    assert (done["run_id"], done["status"], done["judged"]) == (
        begun.out.strip(),
        "completed",
        2,
    )


def test_a_run_that_another_process_has_in_hand_is_watched(run: CommandLine, place: Place) -> None:
    place.session("s", GOOD)
    make(run)
    command = [sys.executable, "-m", "harness_tracing.cli", "tasks", "trigger-run", "checks"]
    with child.alone(run.home) as is_ours:
        assert is_ours
        watching = subprocess.Popen([*command, "--wait"], env=run.environ)
        wait_until(lambda: place.store.evaluations.runs())
        (begun,) = place.store.evaluations.runs()
        ended = place.runner().backfill(begun)
        assert ended.status == "completed"
        assert watching.wait(120) == 0
    assert len(place.store.evaluations.runs()) == 1


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What is started in the background ignores Ctrl-C, and so would what it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.usefixtures("interruptible")
def test_a_run_that_is_interrupted_has_stopped(run: CommandLine, place: Place) -> None:
    with Api(Says(openai_body(CORRECT), hangs=2.0)) as api:
        place.home.config.write_text(config(api.url), encoding="utf-8")
        place.session("s", *[GOOD] * 60)
        place.judged_by()
        command = [sys.executable, "-m", "harness_tracing.cli", "tasks", "trigger-run", "right"]
        running = subprocess.Popen([*command, "--wait"], env={**run.environ, KEY: "sk"})
        wait_until(lambda: api.requests)
        running.send_signal(signal.SIGINT)
        assert running.wait(120) != 0
    (stopped,) = place.store.evaluations.runs()
    assert (stopped.status, stopped.message) == ("stopped", "interrupted")


def test_without_a_verdict_a_run_exits_with_a_problem(run: CommandLine, place: Place) -> None:
    odd = Says(openai_body({"explanation": "x", "label": "perfect"}))
    with Api(odd) as api:
        place.home.config.write_text(config(api.url), encoding="utf-8")
        place.session("s", GOOD)
        place.judged_by()
        without_key = run("tasks", "trigger-run", "right", "--wait")
        assert without_key.code == 1 and f"{KEY} is not set" in without_key.err
        run.environ[KEY] = "sk-test"
        failed = run("tasks", "trigger-run", "right", "--wait")
        assert failed.code == 1 and "1 without a verdict" in failed.err
    statuses = [each["status"] for each in run("tasks", "runs", "right", "--json").json]
    assert statuses == ["completed", "failed"]


def test_a_paused_task_waits_and_goes_on(run: CommandLine, place: Place) -> None:
    make(run, "--is-continuous")
    place.start_of_tasks(0)
    assert run("tasks", "pause", "checks").code == 0
    place.session("s", GOOD)
    paused = task_of(run)
    assert (paused["paused"], paused["waiting"]) == (True, 1)
    assert "paused" in run("tasks", "list").out
    refused = run("tasks", "trigger-run", "checks")
    assert refused.code == 1 and "tasks resume checks" in refused.err
    stuck = run("tasks", "wait", "checks")
    assert stuck.code == 1 and "paused" in stuck.err

    assert run("tasks", "resume", "checks").code == 0
    assert run("tasks", "wait", "checks", "--timeout", "120").code == 0
    assert len(place.results()) == 1


def test_a_limit_can_be_raised(run: CommandLine, place: Place) -> None:
    make(run, "--max-cost", "1.5")
    run("tasks", "resume", "checks", "--max-cost", "2.5")
    assert task_of(run)["max_cost_usd"] == 2.5


def test_any_command_that_opens_the_store_has_new_turns_judged(
    run: CommandLine, place: Place
) -> None:
    make(run, "--is-continuous")
    place.start_of_tasks(0)
    place.session("s", GOOD)
    assert run("sessions", "list").code == 0
    wait_until(lambda: place.results(), 120)


def test_a_task_in_trouble_is_seen_everywhere(run: CommandLine, place: Place) -> None:
    with Api(Says(openai_body(CORRECT))) as api:
        place.home.config.write_text(config(api.url), encoding="utf-8")
        task = place.judged_by(is_continuous=True)
        assert "none in trouble" in run("doctor").out
        place.session("s", GOOD)
        place.env = {}
        place.runner().work_off()

        shown = task_of(run, "right")
        assert (shown["waiting"], shown["waits_for"]) == (1, KEY)
        for words in (("show", "right"), ("runs", "right")):
            told = run("tasks", *words)
            assert f"{KEY} is not set" in told.out + told.err
        assert "in trouble" in run("tasks", "list").out
        waiting = run("tasks", "wait", "right")
        assert waiting.code == 1 and KEY in waiting.err
        found = [
            each for each in run("doctor", "--json").json["checks"] if each["check"] == "tasks"
        ]
        assert [each["ok"] for each in found] == [False]
        assert KEY in json.dumps(found)

        run.environ[KEY] = "sk-test"
        assert run("tasks", "wait", "right", "--timeout", "120").code == 0
        assert task_of(run, "right")["error"] is None
    assert place.store.evaluations.queue.counts(task.task_id).waiting == 0


def test_tasks_may_come_before_anything_was_traced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = CommandLine(tmp_path, capsys, {"HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    assert make(run).code == 0
    assert [each["name"] for each in run("tasks", "list", "--json").json] == ["checks"]
    done = run("tasks", "trigger-run", "checks", "--wait", "--json")
    assert (done.code, done.json["judged"]) == (0, 0)


def test_the_evaluator_of_a_task_is_not_deleted_under_it(run: CommandLine, place: Place) -> None:
    place.store.evaluations.put_evaluator("right", RIGHT, "", NOW_NS)
    words = ("--task-type", "template_evaluation", "--evaluators", "right", "--name", "judge")
    assert run("tasks", "create-evaluation", *words).code == 0
    refused = run("evaluators", "delete", "right", "--yes")
    assert refused.code == 1 and "judge" in refused.err
