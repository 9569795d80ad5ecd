"""`harness annotate`, and what exports tell of it."""

from __future__ import annotations

from typing import Any

import pytest

from harness_tracing.model import span_id
from harness_tracing.store import Annotation, Store
from tests.cli.conftest import CommandLine
from tests.observe.examples import COMPLETED, SESSION

TURN = span_id(SESSION.agent, SESSION.session_id, COMPLETED.turn_id)
TOOL = span_id(SESSION.agent, SESSION.session_id, COMPLETED.turn_id, "tool:toolu_4")


def _spans(run: CommandLine, *options: str) -> dict[str, Any]:
    ran = run("spans", "export", "--session-id", "4763", "--stdout", *options)
    assert ran.code == 0, ran.err
    return {span["context"]["span_id"]: span for span in ran.json}


def test_what_was_said_of_a_turn_is_in_its_span(traced: CommandLine) -> None:
    words = ["--label", "incorrect", "--score", "0", "--explanation", "stopped before make check"]
    ran = traced("annotate", "4763:1", "--name", "quality", *words)
    assert (ran.code, ran.out) == (0, "")
    assert "turn 1" in ran.err
    for shape in ("turns", "calls"):
        (said,) = _spans(traced, "--shape", shape)[TURN]["annotations"]
        assert (said["name"], said["annotator_kind"]) == ("quality", "HUMAN")
        assert (said["label"], said["score"]) == ("incorrect", 0.0)
        assert said["explanation"] == "stopped before make check"
        assert said["created_at"] == said["updated_at"]


def test_a_span_and_a_trace_are_named_by_their_ids(traced: CommandLine) -> None:
    assert traced("annotate", TOOL.upper(), "--name", "slow", "--label", "yes").code == 0
    trace = _spans(traced)[TURN]["context"]["trace_id"]
    assert traced("annotate", trace, "--name", "quality", "--score", "1").code == 0
    said = {key: span["annotations"] for key, span in _spans(traced).items()}
    assert {key for key, each in said.items() if each} == {TOOL, TURN}


def test_said_again_it_replaces_and_an_identifier_keeps_apart(traced: CommandLine) -> None:
    for label, identifier in (("bad", ""), ("good", ""), ("bad", "ann")):
        words = ["--name", "quality", "--label", label, "--identifier", identifier]
        ran = traced("annotate", "4763:1", *words, "--json")
    assert [(each["label"], each.get("identifier")) for each in ran.json] == [
        ("good", None),
        ("bad", "ann"),
    ]
    assert ran.json[0]["created_at"] < ran.json[0]["updated_at"]


def test_it_can_be_taken_back(traced: CommandLine) -> None:
    traced("annotate", "4763:1", "--name", "quality", "--label", "bad")
    assert traced("annotate", "4763:1", "--name", "quality", "--delete").code == 0
    assert _spans(traced)[TURN]["annotations"] == []
    again = traced("annotate", "4763:1", "--name", "quality", "--delete")
    assert again.code == 1 and "nothing was said" in again.err


def test_a_filter_asks_for_verdicts(traced: CommandLine) -> None:
    traced("annotate", "4763:1", "--name", "quality", "--label", "bad", "--score", "0.25")
    wanted = "annotations.quality.label = 'bad' and annotations.quality.score < 0.5"
    assert list(_spans(traced, "--filter", wanted)) == [TURN]
    assert _spans(traced, "--filter", "annotations.quality.label = 'good'") == {}


def test_what_code_and_models_found_are_evaluations(traced: CommandLine) -> None:
    found = Annotation(TURN, "verified", "CODE", "incorrect", 0.0, metadata={"spans": [TOOL]})
    with Store.open(traced.home.store) as store:
        store.annotate(SESSION.agent, SESSION.session_id, [found], 5)
    span = _spans(traced, "--filter", "evaluations.verified.label = 'incorrect'")[TURN]
    assert span["annotations"] == []
    (said,) = span["evaluations"]
    assert (said["annotator_kind"], said["metadata"]) == ("CODE", {"spans": [TOOL]})


def test_what_is_said_of_a_session_is_with_the_session_and_in_no_span(
    traced: CommandLine,
) -> None:
    assert traced("annotate", "4763", "--name", "useful", "--label", "yes").code == 0
    with Store.open(traced.home.store) as store:
        found = Annotation("", "verified_before_done", "CODE", "incorrect", 0.0)
        store.annotate(SESSION.agent, SESSION.session_id, [found], 5)
    assert not any(span["annotations"] or span["evaluations"] for span in _spans(traced).values())
    for command in ("show", "summary"):
        told = traced("sessions", command, "4763", "--json").json
        assert [(each["name"], each["label"]) for each in told["annotations"]] == [
            ("useful", "yes")
        ]
        assert [each["name"] for each in told["evaluations"]] == ["verified_before_done"]
    assert traced("annotate", "4763", "--name", "useful", "--delete").code == 0
    assert traced("sessions", "show", "4763", "--json").json["annotations"] == []


def test_it_goes_with_its_session(traced: CommandLine) -> None:
    traced("annotate", "4763:1", "--name", "quality", "--label", "bad")
    assert traced("sessions", "delete", "4763", "--yes").code == 0
    with Store.open(traced.home.store) as store:
        assert store.annotations(SESSION.agent, SESSION.session_id) == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["4763:9", "--name", "q", "--label", "x"], 1, "has no turn 9"),
        (["nope:1", "--name", "q", "--label", "x"], 1, "no span, turn or session"),
        (["0" * 16, "--name", "q", "--label", "x"], 1, "no span, turn or session"),
        (["0" * 32, "--name", "q", "--label", "x"], 1, "no span, turn or session"),
        (["4763:1", "--name", "q"], 2, "--label"),
        (["4763:1", "--name", " ", "--label", "x"], 2, "printable"),
        (["4763:1", "--name", "q", "--score", "nan"], 2, "finite"),
        (["4763:1", "--name", "q", "--label", "x", "--delete"], 2, "--delete"),
    ],
)
def test_what_cannot_be_said(
    traced: CommandLine, arguments: list[str], code: int, says: str
) -> None:
    ran = traced("annotate", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err


def test_nothing_traced_yet(run: CommandLine) -> None:
    assert run("annotate", "x:1", "--name", "q", "--label", "x").code == 1
