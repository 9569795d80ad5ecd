"""`harness evaluators`: making, listing, showing, deleting, and testing against people's labels."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.evaluate.definitions import CodeEvaluator, TemplateEvaluator
from harness_tracing.model import span_id
from harness_tracing.store import Annotation, Store
from tests.cli.conftest import CommandLine, Ran
from tests.cli.test_integrations import KEY, gateway, name
from tests.evaluate.judges import Api, Says, openai_body
from tests.observe.examples import COMPLETED, FAILED, SESSION
from tests.recorded import FOLDER
from tests.stored import store_recording

CHOICES = '{"in scope": 1, "beyond": 0}'
TEMPLATE = "Asked was {{input.value}}. Did it do more? {{diff}}"
RULE = """
from harness_tracing.evaluate.finding import About

ABOUT = About("short", "Few calls were enough.", {"short": 1.0, "long": 0.0})

def RULE(seen):
    calls = len(seen.calls)
    return ABOUT.finding("short" if calls < 4 else "long", f"{calls} calls", seen.turn)
"""
BEYOND = {"explanation": "It touched the tests.", "label": "beyond"}


def create(run: CommandLine, *more: str, called: str = "scope", template: str = TEMPLATE) -> Ran:
    words = ["--name", called, "--template", template, "--classification-choices", CHOICES]
    return run("evaluators", "create-template-evaluator", *words, *more)


def own_rule(run: CommandLine, text: str = RULE, *more: str, called: str = "short") -> Ran:
    path = run.folder / "rule.py"
    path.write_text(text, encoding="utf-8")
    words = ["--name", called, "--file", str(path)]
    return run("evaluators", "create-code-evaluator", *words, *more)


def answers(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """What the person at the terminal types."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))


def rows(run: CommandLine) -> dict[str, Any]:
    return {row["name"]: row for row in run("evaluators", "list", "--json").json}


def label(run: CommandLine, target: str, called: str, *words: str) -> None:
    done = run("annotate", target, "--name", called, *words)
    assert done.code == 0, done.err


@pytest.fixture
def recorded(run: CommandLine) -> CommandLine:
    """The command line of a user with a recorded session that verified its change."""
    with Store.open(run.home.store) as store:
        store_recording(store, FOLDER / "claude-code" / "tool_cycle")
    return run


# -- making


def test_two_of_one_name_are_told_apart(run: CommandLine) -> None:
    words = ("--rule", "gate_weakening")
    run("evaluators", "create-code-evaluator", "--name", "mine", *words)
    assert own_rule(run, called="short").code == 0
    folder = run.home.root / "evaluators"
    for stem in ("mine", "gate_weakening"):
        (folder / f"{stem}.py").write_text(RULE)
    ran = run("evaluators", "list", "--json")
    assert f"Two are called 'mine': rename {folder / 'mine.py'}" in ran.err
    assert ran.err.count("Two are called") == 1
    mine = next(each for each in ran.json if each["name"] == "mine" and each["file"] is None)
    assert (mine["rule"], list(mine["labels"])) == ("gate_weakening", ["none", "weakened"])
    assert mine["problem"] is None


def test_a_placeholder_that_does_not_end_is_noted(run: CommandLine) -> None:
    half = create(run, template="{{input.value}} and {{output.value} as JSON: {'a': {'b': 1}}")
    assert half.code == 0
    assert "`{{` begins a placeholder that does not end" in half.err
    whole = create(run, template="{{input.value}} as JSON: {'a': {'b': 1}}")
    assert "does not end" not in whole.err


def test_the_rules_that_come_along_are_listed_before_anything_was_traced(run: CommandLine) -> None:
    listed = rows(run)
    assert len(listed) == 8 and all(row["built_in"] for row in listed.values())
    gate = listed["verified_before_done"]
    assert gate["evaluator_id"] == "ev_verified_before_done"
    assert gate["labels"] == {"verified": 1.0, "partial": 0.5, "not_verified": 0.0}
    assert "verified_before_done" in run("evaluators", "list").out
    shown = run("evaluators", "show", "ev_verified_before_done").out
    assert "passed after the last edit" in shown and "1    built in" in shown


def test_a_template_evaluator_has_its_fields_and_an_id_for_scripts(run: CommandLine) -> None:
    name(run, "  mine:\n    provider: claude-code\n")
    words = ["--template-name", "t", "--model-name", "m", "--include-explanations", "--no-context"]
    words += ["--data-granularity", "trace", "--ai-integration-id", "mine", "--space", "s"]
    ran = create(run, *words)
    assert ran.code == 0 and ran.out.startswith("ev_") and "--space means nothing" in ran.err
    with Store.open(run.home.store) as store:
        made = store.evaluations.evaluator(ran.out.strip())
    assert made is not None
    assert made.definition == TemplateEvaluator(
        TEMPLATE, "t", {"in scope": 1.0, "beyond": 0.0}, "turn", "m", "mine", True, False
    )


def test_a_name_made_again_is_a_new_version_with_its_message(run: CommandLine) -> None:
    create(run)
    ran = create(run, "--commit-message", "shorter", "--json", template="{{input.value}}")
    assert (ran.json["version"], ran.json["commit_message"]) == (2, "shorter")
    told = run("evaluators", "show", "scope", "--json").json
    assert [each["version"] for each in told["versions"]] == [2, 1]
    assert run("evaluators", "show", "scope", "--version", "1", "--json").json["template"] == (
        TEMPLATE
    )
    page = run("evaluators", "show", "scope").out
    assert "shorter" in page and page.endswith("Template\n{{input.value}}\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--template", "{{input}}"], "{{input.value}}, {{output.value}}"),
        (["--template", "Is it good?", "--no-context"], "no placeholder"),
        (["--template", "Is it good?", "--data-granularity", "span"], "no placeholder"),
        (["--template", " "], "the template is empty"),
        (["--classification-choices", '["a"]'], '{"correct": 1, "incorrect": 0}'),
        (["--ai-integration-id", "other"], "config.yaml names mine, yours"),
        ([], "--ai-integration-id, one of mine, yours"),
        (["--ai-integration-id", "mine", "--model-name", " "], "--model-name is empty"),
        (["--name", "verified_before_done"], "a rule that comes along"),
        (["--name", "a,b"], "no comma"),
        (["--name", " a"], "no blanks"),
    ],
)
def test_what_cannot_be_made_says_what_can(
    run: CommandLine, arguments: Sequence[str], says: str
) -> None:
    name(run, "  mine:\n    provider: claude-code\n  yours:\n    provider: codex\n")
    ran = create(run, *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err
    assert len(rows(run)) == 8


def test_what_may_go_wrong_later_is_said_and_no_error(run: CommandLine) -> None:
    ran = create(run, template="{{input.value}} {{my.own}}")
    assert ran.code == 0
    assert "{{my.own}}" in ran.err and "names no judge yet" in ran.err
    name(run, "  a:\n    provider: anthropic\n    model: claude-haiku-4-5\n")
    assert "ANTHROPIC_API_KEY is not set here" in create(run).err
    same = ["--classification-choices", '{"a": 1, "b": 1}']
    assert "pass rates will tell nothing" in create(run, *same).err


def test_a_rule_under_a_name_of_ones_own(run: CommandLine) -> None:
    made = run("evaluators", "create-code-evaluator", "--name", "gate", "--rule", "gate_weakening")
    assert made.code == 0
    assert rows(run)["gate"]["labels"] == rows(run)["gate_weakening"]["labels"]
    with Store.open(run.home.store) as store:
        found = store.evaluations.evaluator("gate")
    assert found is not None and found.definition == CodeEvaluator("gate_weakening")
    other = run("evaluators", "create-code-evaluator", "--name", "x", "--rule", "nope")
    assert other.code == 1 and "secret_exposure" in other.err
    assert create(run, called="gate").code == 1
    both = ["--name", "x", "--rule", "secret_exposure", "--file", __file__]
    assert run("evaluators", "create-code-evaluator", *both).code == 2


def test_a_rule_of_ones_own_is_copied_where_rules_lie(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = own_rule(run, RULE, "--commit-message", "first")
    assert (ran.code, ran.out) == (0, "ev_short\n"), ran.err
    copy = run.home.root / "evaluators" / "short.py"
    assert copy.read_text(encoding="utf-8") == RULE and str(copy) in ran.err
    row = rows(run)["short"]
    assert (row["version"], row["commit_message"], row["file"]) == (1, "first", str(copy))
    assert row["what"] == "Few calls were enough."
    changed = run.folder / "changed.py"
    changed.write_text(RULE + "# changed\n", encoding="utf-8")
    words = ["create-code-evaluator", "--name", "short", "--file", str(changed)]
    answers(monkeypatch, "n")
    declined = run("evaluators", *words)
    assert declined.code == 1 and "--yes replaces" in declined.err
    assert copy.read_text(encoding="utf-8") == RULE
    assert own_rule(run, RULE + "# changed\n", "--yes", "--json").json["version"] == 2


@pytest.mark.parametrize(
    ("text", "called", "says"),
    [
        ("def broken(:\n", "short", "line 1"),
        ("x = 1\n", "short", "has no RULE"),
        (RULE, "../up", "letters, digits"),
        (RULE, "secret_exposure", "comes along"),
    ],
)
def test_a_file_that_is_no_rule_is_not_taken(
    run: CommandLine, text: str, called: str, says: str
) -> None:
    ran = own_rule(run, text, called=called)
    assert (ran.code, ran.out) == (1, "") and says in ran.err
    assert not list(run.folder.rglob("evaluators/*"))


def test_the_folder_of_rules_may_be_moved(run: CommandLine, tmp_path: Path) -> None:
    run.home.root.mkdir(parents=True)
    run.home.config.write_text(f"evaluators:\n  folder: {tmp_path / 'mine'}\n", encoding="utf-8")
    assert own_rule(run).code == 0
    assert (tmp_path / "mine" / "short.py").is_file()


def test_deleting_takes_all_versions_and_of_a_rule_the_file(
    run: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(run)
    own_rule(run)
    answers(monkeypatch, "n")
    kept = run("evaluators", "delete", "scope")
    assert kept.code == 1 and "scope" in rows(run)
    for each in ("scope", "short"):
        assert run("evaluators", "delete", each, "--yes").code == 0
    assert len(rows(run)) == 8
    assert not (run.home.root / "evaluators" / "short.py").exists()
    built_in = run("evaluators", "delete", "secret_exposure", "--yes")
    assert built_in.code == 1 and "cannot be deleted" in built_in.err


def test_an_unknown_one_names_those_that_are_there(run: CommandLine) -> None:
    for words in (["show", "x"], ["test", "x"], ["delete", "x", "--yes"]):
        ran = run("evaluators", *words)
        assert ran.code == 1 and "no evaluator 'x'" in ran.err and "test_tampering" in ran.err
    create(run)
    ran = run("evaluators", "show", "scope", "--version", "7")
    assert ran.code == 1 and "has no version 7" in ran.err


# -- testing


def test_without_labels_it_says_how_to_give_them(recorded: CommandLine) -> None:
    ran = recorded("evaluators", "test", "verified_before_done")
    assert ran.code == 1 and "no human labels yet" in ran.err
    assert "harness annotate SESSION:NUMBER --name 'verified_before_done'" in ran.err


def test_a_rule_is_compared_with_what_was_labelled(recorded: CommandLine) -> None:
    label(recorded, "4763:1", "verified_before_done", "--label", "verified")
    ran = recorded("evaluators", "test", "verified_before_done")
    assert ran.code == 0, ran.err
    assert "version 1, against 1 label of people" in ran.out
    assert "agreement      100% (1 of 1)" in ran.out and "Disagreements" not in ran.out
    told = recorded("evaluators", "test", "verified_before_done", "--json").json
    assert told["confusion"] == [{"human": "verified", "evaluator": "verified", "count": 1}]
    assert (told["agreement"], told["kappa"], told["human_labels"]) == (1.0, None, 1)


def test_where_both_differ_the_turn_and_both_reasons_are_named(recorded: CommandLine) -> None:
    words = ["--label", "not_verified", "--explanation", "only the tests ran"]
    label(recorded, "4763:1", "verified_before_done", *words)
    ran = recorded("evaluators", "test", "verified_before_done")
    lines = ran.out[ran.out.index("Disagreements") :].splitlines()
    assert lines[1].strip().endswith(":1  not_verified ↔ verified")
    assert lines[2].strip() == "person: only the tests ran"
    assert lines[3].strip().startswith("evaluator: `make check` passed")


def test_a_score_alone_is_a_label_and_steps_are_nothing_for_a_rule(recorded: CommandLine) -> None:
    label(recorded, "4763:1", "verified_before_done", "--score", "1")
    (turn,) = recorded("sessions", "show", "4763", "--json").json["turns"]
    step = next(each["span_id"] for each in turn["steps"] if each["type"] == "tool")
    label(recorded, step, "verified_before_done", "--label", "verified")
    told = recorded("evaluators", "test", "verified_before_done", "--json").json
    assert (told["agreed"], told["nothing_to_judge"]) == (1, 1)


def test_nothing_is_kept_unless_asked_for(recorded: CommandLine) -> None:
    label(recorded, "4763:1", "verified_before_done", "--label", "verified")
    recorded("evaluators", "test", "verified_before_done")
    (row,) = recorded("sessions", "list", "--json").json
    assert row["evaluations"]["passed"] == 0
    recorded("evaluators", "test", "verified_before_done", "--save")
    (row,) = recorded("sessions", "list", "--json").json
    assert row["evaluations"]["passed"] == 1
    (turn,) = recorded("sessions", "show", "4763", "--json").json["turns"]
    assert turn["evaluations"][0]["metadata"]["evaluator_id"] == "ev_verified_before_done"


def test_a_rule_of_ones_own_is_tested_too(traced: CommandLine) -> None:
    own_rule(traced)
    label(traced, "4763:1", "short", "--label", "long")
    label(traced, "4763:2", "short", "--label", "long")
    told = traced("evaluators", "test", "short", "--json").json
    assert (told["compared"], told["agreed"]) == (2, 1)
    assert told["disagreements"][0]["explanation"] == "1 calls"
    label(traced, "4763:2", "short", "--label", "short", "--identifier", "ann")
    again = traced("evaluators", "test", "short")
    assert "agreement      100% (2 of 2)" in again.out
    assert "People differ on 1 of them" in again.err


def test_projects_days_and_limits_choose_labels(traced: CommandLine) -> None:
    own_rule(traced)
    label(traced, "4763:1", "short", "--label", "long")
    label(traced, "4763:2", "short", "--label", "short")
    for words, count in ((["--limit", "1"], 1), (["--project", "order-pricing"], 2)):
        assert traced("evaluators", "test", "short", *words, "--json").json["human_labels"] == count
    for words in (["--project", "other"], ["--days", "3"]):
        assert "no human labels yet there" in traced("evaluators", "test", "short", *words).err


@pytest.fixture
def judged_by(traced: CommandLine) -> CommandLine:
    """A user with a template evaluator and two labels for it."""
    traced.environ["GATEWAY_KEY"] = KEY
    create(traced, "--include-explanations")
    label(traced, "4763:1", "scope", "--label", "beyond")
    label(traced, "4763:2", "scope", "--label", "in scope")
    return traced


def test_before_a_model_is_asked_its_price_is_said(
    judged_by: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Api(Says(openai_body(BEYOND))) as api:
        gateway(judged_by, api)
        answers(monkeypatch, "")
        asked = judged_by("evaluators", "test", "scope")
        assert asked.code == 1 and api.requests == []
        assert "Ask gateway 2 questions for $" in asked.err and api.url in asked.err
        done = judged_by("evaluators", "test", "scope", "--yes")
        assert len(api.requests) == 2
        again = judged_by("evaluators", "test", "scope", "--max-cost", "1", "--json").json
        assert len(api.requests) == 2  # from the cache
    assert done.code == 0 and "agreement      50% (1 of 2)" in done.out
    assert "evaluator: It touched the tests." in done.out
    assert "The judge cost $" in done.err
    assert (again["compared"], again["cost_usd"], again["stopped"]) == (2, None, None)


def test_whole_sessions_and_model_calls_may_be_labelled(traced: CommandLine) -> None:
    traced.environ["GATEWAY_KEY"] = KEY
    create(traced, "--include-explanations", "--data-granularity", "session", called="whole")
    create(traced, "--include-explanations", "--data-granularity", "span", called="call")
    key = (SESSION.agent, SESSION.session_id)
    call = span_id(*key, COMPLETED.turn_id, "call:req_1")
    with Store.open(traced.home.store) as store:
        store.annotate(*key, [Annotation("", "whole", "HUMAN", "in scope")], 5)
    label(traced, call, "call", "--label", "in scope")
    with Api(Says(openai_body(BEYOND))) as api:
        gateway(traced, api)
        whole = traced("evaluators", "test", "whole", "--yes").out
        assert f"  {SESSION.session_id}  in scope ↔ beyond" in whole
        turns = traced("evaluators", "test", "call", "--yes", "--json").json
        calls = traced("evaluators", "test", "call", "--yes", "--shape", "calls").out
        assert len(api.requests) == 2
    assert (turns["nothing_to_judge"], turns["compared"]) == (1, 0)
    assert f"  {call}  in scope ↔ beyond" in calls


def test_what_the_limit_left_out_is_counted_apart(judged_by: CommandLine) -> None:
    with Api(Says(openai_body(BEYOND))) as api:
        gateway(judged_by, api)
        ran = judged_by("evaluators", "test", "scope", "--max-cost", "0.000001")
        told = judged_by("evaluators", "test", "scope", "--max-cost", "0", "--json").json
        assert api.requests == []
    assert "not asked: 2" in ran.out and "does not allow for another request" in ran.err
    assert (told["not_asked"], told["compared"], told["agreement"]) == (2, 0, None)


def test_a_judge_that_gives_no_verdict_is_counted_apart(judged_by: CommandLine) -> None:
    answers = [Says(openai_body({"explanation": "", "label": "who knows"})), Says("{}", status=401)]
    for says, field in zip(answers, ("failed", "not_asked")):
        with Api(says) as api:
            gateway(judged_by, api)
            told = judged_by("evaluators", "test", "scope", "--yes", "--json").json
        assert told[field] == 2 and told["compared"] == 0
    assert "401" in told["stopped"] and KEY not in json.dumps(told)


def test_a_judge_that_cannot_be_asked_is_an_error(judged_by: CommandLine) -> None:
    ran = judged_by("evaluators", "test", "scope", "--yes")
    assert ran.code == 1 and "docs/judges.md" in ran.err


def test_labels_of_one_name_do_not_become_results(traced: CommandLine) -> None:
    """Results of the evaluator itself are no labels."""
    own_rule(traced)
    turn = span_id(*(SESSION.agent, SESSION.session_id), FAILED.turn_id)
    said = Annotation(turn, "short", "CODE", "short", 1.0, identifier="ev_short")
    with Store.open(traced.home.store) as store:
        store.annotate(SESSION.agent, SESSION.session_id, [said], 5)
    assert "no human labels yet" in traced("evaluators", "test", "short").err
    assert COMPLETED.turn_id != FAILED.turn_id
