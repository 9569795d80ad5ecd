"""Results of evaluators as commands print them: sessions, summaries, pass rates."""

from __future__ import annotations

import pytest

from harness_tracing.model import span_id
from harness_tracing.store import Annotation, Store
from tests.cli.conftest import CommandLine
from tests.observe.examples import COMPLETED, FAILED, SESSION

KEY = (SESSION.agent, SESSION.session_id)
TURN = span_id(*KEY, COMPLETED.turn_id)
BASH = span_id(*KEY, COMPLETED.turn_id, "tool:toolu_4")
LATER = span_id(*KEY, FAILED.turn_id)


@pytest.fixture
def judged(traced: CommandLine) -> CommandLine:
    """The command line of a user whose example session was judged."""
    said = [
        Annotation(TURN, "verified_before_done", "CODE", "not_verified", 0.0, "no gate ran"),
        Annotation(LATER, "verified_before_done", "CODE", "verified", 1.0, "it ran"),
        Annotation(BASH, "quality", "HUMAN", "slow"),
        Annotation("", "helpful", "LLM", "yes", 1.0, "It got there."),
    ]
    with Store.open(traced.home.store) as store:
        store.annotate(*KEY, said, 5)
    return traced


def test_sessions_show_has_them_where_they_belong(judged: CommandLine) -> None:
    ran = judged("sessions", "show", "4763")
    assert "verified_before_done  not_verified  0  no gate ran" in ran.out
    assert "quality  slow" in ran.out and "\x1b" not in ran.out
    told = judged("sessions", "show", "4763", "--json").json
    assert [each["name"] for each in told["evaluations"]] == ["helpful"]
    first, second, third = told["turns"]
    assert [each["label"] for each in first["evaluations"]] == ["not_verified"]
    assert [each["span_id"] for each in first["annotations"]] == [BASH]
    assert [each["label"] for each in second["evaluations"]] == ["verified"]
    assert third["evaluations"] == third["annotations"] == []


def test_one_turn_shows_its_own_alone(judged: CommandLine) -> None:
    ran = judged("sessions", "show", "4763", "--turn", "2")
    assert "it ran" in ran.out and "no gate ran" not in ran.out


def test_a_summary_has_findings(judged: CommandLine) -> None:
    ran = judged("sessions", "summary", "4763")
    page = ran.out[ran.out.index("Findings\n") :].split("\n\n")[0]
    assert "no gate ran" in page and "it ran" not in page
    assert page.rstrip().endswith("2 verdicts passed")
    told = judged("sessions", "summary", "4763", "--json").json["summary"]["findings"]
    assert [(each["turn"], each["name"]) for each in told] == [
        (1, "verified_before_done"),
        (2, "verified_before_done"),
        (1, "quality"),
        (None, "helpful"),
    ]


def test_the_list_counts_them_as_json_alone(judged: CommandLine) -> None:
    (row,) = judged("sessions", "list", "--json").json
    assert row["annotations"] == 1
    assert row["evaluations"] == {
        "passed": 2,
        "not_passed": 1,
        "not_measurable": 0,
        "errors": 0,
        "unscored": 0,
    }
    assert "verified" not in judged("sessions", "list").out


def test_pass_rates_by_evaluator_and_day(judged: CommandLine) -> None:
    rows = judged("stats", "--by", "evaluator", "--json").json
    assert [(row["evaluator"], row["judged"], row["pass_rate"]) for row in rows] == [
        ("helpful", 1, 1.0),
        ("verified_before_done", 2, 0.5),
    ]
    table = judged("stats", "--evaluations").out.splitlines()
    assert table[0].split()[:2] == ["day", "evaluator"]
    assert table[2].split() == ["2025-12-02", "verified_before_done", "2", "1", "50%"]
    (row,) = judged("stats", "--by", "agent", "--evaluations", "--json").json[1:]
    assert (row["agent"], row["evaluator"]) == ("claude-code", "verified_before_done")


def test_pass_rates_of_chosen_turns(judged: CommandLine) -> None:
    done = judged("stats", "--by", "evaluator", "--since", "2025-12-02T14:04Z", "--json")
    assert [row["pass_rate"] for row in done.json] == [1.0]
    none = judged("stats", "--evaluations", "--project", "other")
    assert (none.code, none.out) == (0, "") and "Nothing was evaluated" in none.err


@pytest.mark.parametrize("other", ["model", "tool"])
def test_an_evaluator_has_neither_model_nor_tool(judged: CommandLine, other: str) -> None:
    assert judged("stats", "--by", other, "--by", "evaluator").code == 2


def test_a_chart_of_pass_rates(judged: CommandLine) -> None:
    pytest.importorskip("matplotlib")
    picture = judged.folder / "rates.svg"
    done = judged("stats", "--evaluations", "--plot", str(picture))
    assert (done.code, done.out) == (0, "") and "Drew" in done.err
    assert "<svg" in picture.read_text(encoding="utf-8")
