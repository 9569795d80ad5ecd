"""The confusion table: what agrees, what is counted apart, and chance taken out."""

from __future__ import annotations

from typing import Optional

import pytest

from harness_tracing.evaluate.agreement import Pair, agreement, kappa, label_of, latest, report
from harness_tracing.evaluate.agreement_text import lines
from harness_tracing.store import Annotation

SCORES = {"good": 1.0, "half": 0.5, "bad": 0.0}


def human(label: Optional[str], score: Optional[float] = None, **more: object) -> Annotation:
    return Annotation("0" * 16, "q", "HUMAN", label, score, **more)  # type: ignore[arg-type]


def pair(person: Annotation, said: Optional[Annotation], number: int = 1) -> Pair:
    return Pair("claude-code", "s", number, person, said)


def code(label: Optional[str], score: Optional[float] = None, why: str = "") -> Annotation:
    return Annotation("0" * 16, "q", "CODE", label, score, why or None)


def pairs(*labels: tuple[str, str]) -> list[Pair]:
    return [pair(human(mine), code(theirs, SCORES[theirs])) for mine, theirs in labels]


def test_what_agrees_stands_on_the_diagonal() -> None:
    found = agreement(pairs(("good", "good"), ("good", "bad"), ("bad", "bad")), SCORES)
    assert found.counts == {("good", "good"): 1, ("good", "bad"): 1, ("bad", "bad"): 1}
    assert (found.compared, found.agreed, found.rate) == (3, 2, pytest.approx(2 / 3))
    assert found.labels == ("good", "half", "bad")
    assert [each.human.label for each in found.disagreements] == ["good"]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Cohen's own kind of table: 20 + 15 of 50 agree, by chance half would.
        ({("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}, 0.4),
        ({("y", "y"): 3, ("n", "n"): 2}, 1.0),
        ({("y", "n"): 1, ("n", "y"): 1}, -1.0),
        ({("y", "y"): 1, ("y", "n"): 1, ("n", "y"): 1, ("n", "n"): 1}, 0.0),
        ({("y", "y"): 4}, None),
        ({("y", "n"): 4}, 0.0),
        ({}, None),
    ],
)
def test_kappa(counts: dict[tuple[str, str], int], expected: Optional[float]) -> None:
    assert kappa(counts) == (None if expected is None else pytest.approx(expected))


def test_what_cannot_be_compared_is_part_of_no_rate() -> None:
    found = agreement(
        [
            *pairs(("good", "good")),
            pair(human("good"), code("not_measurable", None, "no gate")),
            pair(human("good"), code(None, None, "it failed")),
            pair(human("good"), None),
            Pair("claude-code", "s", 1, human("good"), None, asked=False),
            pair(human(None, 0.7), code("good", 1.0)),
        ],
        SCORES,
    )
    assert found.compared == found.agreed == 1
    assert found.apart == {
        "not_measurable": 1,
        "failed": 1,
        "nothing_to_judge": 1,
        "not_asked": 1,
        "no_label": 1,
    }


def test_a_score_stands_for_the_one_label_that_has_it() -> None:
    assert label_of(human(None, 0.5), SCORES) == "half"
    assert label_of(human("mine", 0.5), SCORES) == "mine"
    assert label_of(human(None, 1.0), {"a": 1.0, "b": 1.0}) is None
    assert label_of(human(None, None), {"a": None, "b": 1.0}) is None


def test_the_last_of_several_people_counts() -> None:
    said = [human("good", updated_at_ns=2), human("bad", updated_at_ns=9), human("half")]
    assert latest(said).label == "bad"


def test_labels_that_are_none_of_the_evaluator_s_are_named() -> None:
    found = agreement([*pairs(("good", "good")), pair(human("wrong"), code("bad", 0.0))], SCORES)
    assert found.foreign == ("wrong",) and found.labels[-1] == "wrong"
    assert "No labels of the evaluator: wrong." in list(lines(found))


def test_as_text_rows_are_people_s_and_columns_the_evaluator_s() -> None:
    odd = Pair(
        "claude-code", "s1", 7, human("bad", explanation="it stopped"), code("good", 1.0, "it ran")
    )
    text = list(lines(agreement([*pairs(("good", "good")), odd], SCORES)))
    assert text[0].split() == ["people", "↓", "evaluator", "→", "good", "half", "bad"]
    assert [row.split() for row in text[1:4]] == [
        ["good", "1", "·", "·"],
        ["half", "·", "·", "·"],
        ["bad", "1", "·", "·"],
    ]
    assert "agreement      50% (1 of 2)" in text
    assert any("first impression" in line for line in text)
    assert text[-3:] == ["  s1:7  bad ↔ good", "    person: it stopped", "    evaluator: it ran"]


def test_as_text_without_anything_to_compare() -> None:
    text = list(lines(agreement([pair(human("good"), None)], SCORES)))
    assert text == ["Apart from that, nothing to judge: 1."]


def test_as_json() -> None:
    odd = pair(human("bad", explanation="it stopped"), code("good", 1.0, "it ran"), 7)
    told = report(agreement([*pairs(("good", "good")), odd], SCORES))
    assert told["compared"] == 2 and told["agreement"] == 0.5 and told["not_measurable"] == 0
    assert told["confusion"] == [
        {"human": "bad", "evaluator": "good", "count": 1},
        {"human": "good", "evaluator": "good", "count": 1},
    ]
    (one,) = told["disagreements"]
    assert (one["ref"], one["human"], one["evaluator"]) == ("s:7", "bad", "good")
    assert (one["human_explanation"], one["explanation"]) == ("it stopped", "it ran")
