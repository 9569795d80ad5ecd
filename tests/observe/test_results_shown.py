"""Results of evaluators where a person looks: the tree, the summary, the lists, pass rates."""

from __future__ import annotations

import datetime
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from harness_tracing.evaluate.results import passed
from harness_tracing.model import span_id
from harness_tracing.observe import findings, rates, report, verdicts
from harness_tracing.observe.tree import View, session_tree
from harness_tracing.store import Annotation, RateRow, Store, TurnChoice, VerdictCounts
from tests.observe.examples import COMPLETED, FAILED, SESSION

UTC = datetime.timezone.utc
KEY = (SESSION.agent, SESSION.session_id)


def span(turn_id: str = COMPLETED.turn_id, step: str = "") -> str:
    return span_id(*KEY, turn_id, step) if step else span_id(*KEY, turn_id)


BASH = span(step="tool:toolu_4")
NOT_VERIFIED = Annotation(
    span(),
    "verified_before_done",
    "CODE",
    "not_verified",
    0.0,
    "`make check` failed after the last change of code, and that is where the turn ended: it says "
    "that all checks pass",
    metadata={"evidence": [BASH]},
)
SAID = [
    NOT_VERIFIED,
    Annotation(span(), "scope", "LLM", "in scope", 1.0, "Nothing else was changed."),
    Annotation(BASH, "quality", "HUMAN", "slow"),
    Annotation(span(FAILED.turn_id), "edit_without_read", "CODE", "not_measurable", None, "hidden"),
    Annotation(
        span(FAILED.turn_id), "scope", "LLM", None, None, "no answer in time", "", {"error": "t"}
    ),
    Annotation("", "whole", "LLM", "helpful", 0.5, "It got there."),
]


@pytest.fixture
def judged(store: Store) -> Store:
    store.annotate(*KEY, SAID, 5)
    return store


def shown(store: Store, *, full: bool = False, width: int = 100, colour: bool = False) -> str:
    row = store.session(SESSION.session_id)
    assert row is not None
    said = findings.by_span(store.annotations(*KEY))
    view = View(full=full, zone=UTC, said=said)
    return printed(session_tree(row, store.turn_rows(*KEY), view), width, colour)


def printed(parts: Any, width: int, colour: bool = False) -> str:
    out = io.StringIO()
    system = "truecolor" if colour else None
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system=system,  # type: ignore[arg-type]
        highlight=False,
        _environ={},
    )
    for part in parts:
        console.print(part)
    return out.getvalue()


def line(text: str, word: str) -> str:
    return next(line for line in text.split("\n") if word in line)


def test_a_verdict_stands_below_its_turn_with_label_score_and_why(judged: Store) -> None:
    told = line(shown(judged), "verified_before_done")
    assert told.startswith("├── verified_before_done  not_verified  0  `make check` failed")
    assert told.rstrip().endswith("code")
    assert "that all checks pass" not in told


def test_what_is_said_of_a_tool_stands_below_it(judged: Store) -> None:
    lines = shown(judged).split("\n")
    place = next(number for number, text in enumerate(lines) if "quality" in text)
    assert lines[place - 1].lstrip("│├─ ").startswith("exit code 2")
    assert lines[place].split() == ["│", "└──", "quality", "slow", "person"]


def test_a_whole_session_s_verdict_stands_above_its_turns(judged: Store) -> None:
    text = shown(judged)
    assert text.index("whole  helpful  0.5  It got there.") < text.index("Turn 1")


def test_full_shows_all_of_an_explanation_and_its_evidence(judged: Store) -> None:
    short, full = shown(judged), shown(judged, full=True)
    assert "all checks pass" in " ".join(full.split()) and "evidence" not in short
    after = full[full.index("evidence") :].split("\n")[1]
    assert "Bash  make check" in after


def test_many_that_passed_are_one_line_unless_all_is_wanted(store: Store) -> None:
    said = [Annotation(span(), f"rule_{n}", "CODE", "none", 1.0, "seen nothing") for n in range(4)]
    store.annotate(*KEY, [*said[:3], NOT_VERIFIED], 5)
    assert shown(store).count("seen nothing") == 3
    store.annotate(*KEY, said, 5)
    text = shown(store)
    assert "seen nothing" not in text and "not_verified" in text
    assert "── 4 passed  rule_0, rule_1, rule_2, rule_3" in text
    assert shown(store, full=True).count("seen nothing") >= 4


def test_what_passed_is_green_what_did_not_yellow_and_no_verdict_red(judged: Store) -> None:
    text = shown(judged, colour=True)
    assert "\x1b[32min scope" in text
    assert "\x1b[33mnot_verified" in text
    assert "\x1b[33mhelpful" in text  # half is not passed
    assert "\x1b[31mno verdict" in text
    assert "\x1b[2mnot measurable" in text
    assert "\x1b" not in shown(judged)


@pytest.mark.parametrize("width", [10, 40, 80])
def test_no_verdict_is_wider_than_the_output(judged: Store, width: int) -> None:
    for full in (False, True):
        text = shown(judged, full=full, width=width)
        assert max(map(cell_len, text.split("\n"))) <= width


def test_explanations_cannot_move_the_cursor(store: Store) -> None:
    bad = Annotation(span(), "x\x1b[2J", "LLM", "a\x1b[31m", 1.0, "b\x1b]0;title\x07\nc")
    store.annotate(*KEY, [bad], 5)
    for full in (False, True):
        assert "\x1b" not in shown(store, full=full)


def test_without_verdicts_nothing_is_added(store: Store) -> None:
    row = store.session(SESSION.session_id)
    assert row is not None
    turns = store.turn_rows(*KEY)
    assert shown(store) == printed(session_tree(row, turns, View(zone=UTC)), 100)
    assert list(findings.page({}, [each.turn for each in turns])) == []


def test_a_summary_lists_what_did_not_pass_and_counts_the_rest(judged: Store) -> None:
    turns = judged.turns(*KEY)
    text = printed(findings.page(findings.by_span(judged.annotations(*KEY)), turns), 100)
    lines = [" ".join(each.split()) for each in text.strip().split("\n")]
    assert lines[0] == "Findings"
    assert lines[1] == "whole helpful 0.5 It got there. model"
    assert lines[2].startswith("turn 1 Add the FREESHIP")
    assert lines[3].startswith("verified_before_done not_verified 0")
    assert lines[4] == "quality slow person"
    assert lines[-3:] == [
        "edit_without_read not measurable hidden code",
        "scope no verdict no answer in time model",
        "1 verdict passed",
    ]


def test_as_json_each_turn_has_what_was_said_of_its_spans(judged: Store) -> None:
    said = judged.annotations(*KEY)
    first, second, third = (
        verdicts.of_turn(report.of_turn(row), said) for row in judged.turn_rows(*KEY)
    )
    assert [each["name"] for each in first["evaluations"]] == ["verified_before_done", "scope"]
    (human,) = first["annotations"]
    assert (human["span_id"], human["label"]) == (BASH, "slow")
    assert len(second["evaluations"]) == 2 and third == {"annotations": [], "evaluations": []}
    (whole,) = verdicts.of_session(said)["evaluations"]
    assert (whole["name"], whole["score"]) == ("whole", 0.5)
    assert [each["turn"] for each in verdicts.of_turns(judged.turns(*KEY), said)] == [
        *(1, 1, 1),
        *(2, 2, None),
    ]


def test_counts_of_sessions(judged: Store) -> None:
    found = judged.verdict_counts([KEY, ("claude-code", "other")])
    assert found[KEY] == (VerdictCounts(1, 2, 1, 1, 0), 1)
    assert found["claude-code", "other"] == (VerdictCounts(), 0)


def test_what_passes_is_the_same_for_counts_and_for_single_results(store: Store) -> None:
    for number, score in enumerate((-1.0, 0.0, 0.5, 0.500001, 1.0, 7.0)):
        said = Annotation(span(), f"n{number}", "CODE", "x", score)
        store.annotate(*KEY, [said], 5)
        (row,) = [
            row for row in store.rates(("evaluator",), TurnChoice()) if row.names[0] == said.name
        ]
        assert (row.counts.passed == 1) is passed(said)


def test_rates_by_day_and_evaluator_leave_people_out(judged: Store) -> None:
    rows = judged.rates(("day", "evaluator"), TurnChoice(), UTC)
    assert [row.names for row in rows] == [
        ("2025-12-02", "edit_without_read"),
        ("2025-12-02", "scope"),
        ("2025-12-02", "verified_before_done"),
        ("2025-12-02", "whole"),
    ]
    scope = rates.report(rows[1], ("day", "evaluator"))
    assert (scope["judged"], scope["passed"], scope["errors"]) == (1, 1, 1)
    assert scope["pass_rate"] == 1.0 and scope["cost_usd"] is None
    assert rates.report(rows[0], ("day", "evaluator"))["pass_rate"] is None


def test_rates_of_a_choice_of_turns(judged: Store) -> None:
    def names(**choice: Any) -> list[str]:
        return [row.names[0] for row in judged.rates(("evaluator",), TurnChoice(**choice))]

    late = FAILED.started_at_ns
    assert names(since_ns=late) == ["edit_without_read", "scope"]
    assert names(until_ns=late) == ["scope", "verified_before_done", "whole"]
    assert names(project="other") == names(agent="codex") == []


def test_costs_of_judges_are_added_up(store: Store) -> None:
    for turn_id in (COMPLETED.turn_id, FAILED.turn_id):
        said = Annotation(span(turn_id), "q", "LLM", "ok", 1.0, metadata={"cost_usd": 0.25})
        store.annotate(*KEY, [said], 5)
    (row,) = store.rates(("evaluator",), TurnChoice())
    assert (row.cost_usd, row.sessions, row.counts.passed) == (0.5, 1, 2)


def test_a_table_of_rates_leaves_out_empty_columns_and_those_without_room() -> None:
    row = RateRow(("2026-01-02", "verified_before_done"), VerdictCounts(2, 1, 4), 1)
    by = ("day", "evaluator")
    header, only = rates.table([row], by, 100)
    assert header.split() == [*by, "judged", "passed", "rate", "not", "measurable"]
    assert only.split() == ["2026-01-02", "verified_before_done", "3", "2", "67%", "4"]
    assert "not measurable" not in rates.table([row], by, 60)[0]
    assert all(len(each) <= 44 for each in rates.table([row], by, 44))
    none = replace(row, counts=VerdictCounts(not_measurable=1))
    assert "–" in rates.table([none], by, 100)[1]


def test_a_chart_of_rates(judged: Store, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for by in (("day", "evaluator"), ("evaluator",), ("day", "agent")):
        picture = tmp_path / "out.svg"
        rates.plot(judged.rates(by, TurnChoice(), UTC), by, picture)  # type: ignore[arg-type]
        assert "<svg" in picture.read_text(encoding="utf-8")
