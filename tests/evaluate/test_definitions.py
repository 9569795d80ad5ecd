"""Evaluators and tasks as values: their ids, their JSON, the catalogue, what may be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness_tracing.errors import FilterError
from harness_tracing.evaluate.catalogue import Catalogue, built_in, own_rules_of
from harness_tracing.evaluate.definitions import (
    CodeEvaluator,
    DefinitionError,
    EvaluatorRef,
    TemplateEvaluator,
    evaluator_id,
    from_json,
    run_id,
    task_id,
    to_json,
)
from harness_tracing.evaluate.making_tasks import new_task
from harness_tracing.evaluate.results import failure_of, passed, version_of
from harness_tracing.evaluate.rules import RULES
from harness_tracing.store import Annotation
from tests.evaluate.tasked import NOON_NS, RIGHT, Place

OWN = """
from harness_tracing.evaluate.finding import About
ABOUT = About("mine", "whether", {"yes": 1.0, "no": 0.0})
def RULE(seen):
    return ABOUT.finding("yes", "it is", seen.turn)
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Place(tmp_path) as made:
        yield made


def own_rule(place: Place, text: str = OWN) -> Path:
    place.home.evaluators.mkdir(exist_ok=True)
    path = place.home.evaluators / "mine.py"
    path.write_text(text, encoding="utf-8")
    return path


def catalogue(place: Place) -> Catalogue:
    return Catalogue(place.store, own_rules_of(place.home))


def test_ids_come_from_names_alone() -> None:
    assert evaluator_id("right") == evaluator_id("right") != evaluator_id("wrong")
    assert [len(each) for each in (evaluator_id("x"), task_id("x"), run_id("t", 1))] == [15, 17, 16]
    assert run_id("t", 1) != run_id("t", 2)


@pytest.mark.parametrize(
    "definition",
    [
        RIGHT,
        TemplateEvaluator(
            "{{x.y}}", "t", {"a": None, "b": 0.5}, "session", "m", "mini", True, False
        ),
        CodeEvaluator("secret_exposure"),
        CodeEvaluator("mine", "abc"),
    ],
)
def test_a_definition_survives_its_json(definition: Any) -> None:
    assert from_json(to_json(definition)) == definition
    assert from_json({**to_json(definition), "of a newer version": 1}) == definition


def test_a_kind_of_a_newer_version_is_refused_with_a_word_on_what_to_do() -> None:
    with pytest.raises(DefinitionError, match="harness update"):
        from_json({"kind": "oracle"})


@pytest.mark.parametrize(
    ("score", "expected"), [(1.0, True), (0.51, True), (0.5, False), (0.0, False), (None, None)]
)
def test_a_score_above_one_half_passes(score: Any, expected: Any) -> None:
    assert passed(Annotation("", "x", "CODE", score=score)) is expected


def test_what_failed_is_no_result_of_a_version() -> None:
    good = Annotation("", "x", "LLM", metadata={"version": 3})
    bad = replace(good, metadata={"version": 3, "error": "timeout"})
    assert [(version_of(each), failure_of(each)) for each in (good, bad)] == [
        (3, None),
        (None, "timeout"),
    ]
    assert version_of(Annotation("", "x", "HUMAN")) is None


# -- the catalogue


def test_every_rule_is_an_evaluator_without_anybody_making_one() -> None:
    found = Catalogue(None, {}).evaluators()
    assert [each.name for each in found] == [rule().about.name for rule in RULES]
    assert found == built_in()
    assert {(each.version, each.kind) for each in found} == {(1, "code")}
    assert found[0].evaluator_id == "ev_verified_before_done"


def test_a_file_of_the_users_own_is_an_evaluator_and_a_change_of_it_a_version(
    place: Place,
) -> None:
    path = own_rule(place)
    (mine,) = [each for each in catalogue(place).evaluators() if each.name == "mine"]
    assert (mine.evaluator_id, mine.version) == ("ev_mine", 1)
    catalogue(place).note_own_rules(NOON_NS)
    catalogue(place).note_own_rules(NOON_NS)
    own_rule(place, OWN.replace("whether", "if"))
    assert [each.version for each in catalogue(place).versions("mine")] == [2, 1]
    catalogue(place).note_own_rules(NOON_NS)
    assert [each.version for each in catalogue(place).versions("ev_mine")] == [2, 1]

    newest, first = catalogue(place).versions("mine")
    assert catalogue(place).rule(newest)().about.name == "mine"
    with pytest.raises(DefinitionError, match="has changed"):
        catalogue(place).rule(first)
    path.unlink()
    assert "mine" not in [each.name for each in catalogue(place).evaluators()]
    with pytest.raises(DefinitionError, match="bring its file back"):
        catalogue(place).rule(newest)


def test_a_file_that_cannot_be_used_says_why_when_it_is_needed(place: Place) -> None:
    own_rule(place, "nonsense(")
    found = catalogue(place).evaluator("mine")
    assert found is not None
    with pytest.raises(DefinitionError, match=r"mine\.py.*line 1"):
        catalogue(place).rule(found)


def test_made_evaluators_are_found_by_id_and_name_in_their_versions(place: Place) -> None:
    put = place.store.evaluations.put_evaluator
    first = put("right", RIGHT, "", NOON_NS)
    second = put("right", replace(RIGHT, context=False), "", NOON_NS)
    known = catalogue(place)
    assert (known.evaluator("right"), known.evaluator(first.evaluator_id, 1)) == (second, first)
    assert known.evaluators()[-1] == second
    assert known.named(EvaluatorRef(first.evaluator_id, 1)) == first
    with pytest.raises(DefinitionError, match="version 9 of"):
        known.named(EvaluatorRef(first.evaluator_id, 9))


# -- what may be asked for


def make(place: Place, **asked: Any) -> Any:
    values: dict[str, Any] = {
        "name": "checks",
        "task_type": "code_evaluation",
        "evaluators": "all",
        "project": None,
        "query_filter": None,
        "sampling_rate": 1.0,
        "is_continuous": False,
        "shape": "turns",
        "max_cost_usd": None,
        "now_ns": NOON_NS,
        **asked,
    }
    return new_task(catalogue(place), **values)


@pytest.mark.parametrize(
    ("evaluators", "expected"),
    [
        ("all", [each.evaluator_id for each in built_in()]),
        ("secret_exposure, ev_gate_weakening", ["ev_secret_exposure", "ev_gate_weakening"]),
        ('[{"evaluator_id": "ev_secret_exposure"}]', ["ev_secret_exposure"]),
        ('[{"evaluator_id": "secret_exposure", "more": 1}]', ["ev_secret_exposure"]),
        ("secret_exposure,secret_exposure", ["ev_secret_exposure"]),
    ],
)
def test_evaluators_are_named_in_either_way(
    place: Place, evaluators: str, expected: list[str]
) -> None:
    task, judges_sessions = make(place, evaluators=evaluators)
    assert [each.evaluator_id for each in task.evaluators] == expected
    assert not judges_sessions


def test_a_version_can_be_named(place: Place) -> None:
    place.store.evaluations.put_evaluator("right", RIGHT, "", NOON_NS)
    asked = '[{"evaluator_id": "right", "version": 1}]'
    task, _ = make(place, evaluators=asked, task_type="template_evaluation")
    assert task.evaluators == (EvaluatorRef(evaluator_id("right"), 1),)


def test_a_task_of_a_session_evaluator_judges_sessions(place: Place) -> None:
    whole = replace(RIGHT, granularity="session")
    place.store.evaluations.put_evaluator("whole", whole, "", NOON_NS)
    _, judges_sessions = make(place, evaluators="whole", task_type="template_evaluation")
    assert judges_sessions


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"name": " "}, "name"),
        ({"sampling_rate": 0.0}, "sampling rate"),
        ({"sampling_rate": 1.5}, "sampling rate"),
        ({"evaluators": "nobody"}, "evaluators list"),
        ({"evaluators": "secret_exposure,nobody"}, "nobody"),
        ({"evaluators": " , "}, "no evaluator is named"),
        ({"evaluators": "[]"}, "no evaluator is named"),
        ({"evaluators": "[{"}, "no JSON"),
        ({"evaluators": '["secret_exposure"]'}, "names no evaluator"),
        ({"evaluators": '[{"evaluator_id": "ev_secret_exposure", "version": 7}]'}, "version 7"),
        ({"evaluators": "secret_exposure", "task_type": "template_evaluation"}, "code_evaluation"),
        ({"evaluators": "right"}, "template_evaluation"),
        ({"evaluators": "right,whole", "task_type": "template_evaluation"}, "whole sessions"),
    ],
)
def test_what_cannot_be_is_refused_with_what_could_be(
    place: Place, asked: dict[str, Any], why: str
) -> None:
    put = place.store.evaluations.put_evaluator
    put("right", RIGHT, "", NOON_NS)
    put("whole", replace(RIGHT, granularity="session"), "", NOON_NS)
    with pytest.raises(DefinitionError, match=why):
        make(place, **asked)


def test_a_filter_that_is_not_understood_is_refused_at_once(place: Place) -> None:
    with pytest.raises(FilterError):
        make(place, query_filter="status_code ==== 'ERROR'")
