"""Recorded sessions sent to a real Phoenix and read back: nothing is missing, nothing is other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from harness_tracing.prices import PriceTable
from tests.phoenix.delivered import Delivered
from tests.phoenix.playing import flushing_place, harness_of
from tests.phoenix.prices import phoenix_cost, reasons
from tests.phoenix.server import Phoenix
from tests.worker.player import capture

pytestmark = pytest.mark.phoenix

RECORDINGS = [
    "api_errors",
    "compact_manual",
    "elicitation",
    "huge_output",
    "interrupt",
    "multi_turn_resume",
    "permission_denied",
    "subagent_background",
    "subagent_parallel",
    "thinking",
    "claude-code-own/fallback_model",
    "claude-code-own/subagent_nested",
]
TABLE = PriceTable.load()


@pytest.fixture(scope="module", params=["turns", "calls"])
def delivered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Delivered]:
    """The recordings, captured, flushed to a fresh server, and read back."""
    folder = tmp_path_factory.mktemp(request.param)
    phoenix = Phoenix(folder / "phoenix").start()
    try:
        with flushing_place(folder / "home", phoenix.url, request.param) as place:
            for name in RECORDINGS:
                capture(place, name)
            done = place.harness("flush", "--wait")
            assert done.returncode == 0, (done.stderr, place.log())
            yield Delivered.by(harness_of(place), phoenix.url, request.param)
    finally:
        phoenix.kill()


def test_trees_are_the_same(delivered: Delivered) -> None:
    assert delivered.differences() == []


def test_sessions_hold_their_traces_and_tokens(delivered: Delivered) -> None:
    assert delivered.session_differences() == []


def test_turns_stand_at_the_top_and_nothing_else_does(delivered: Delivered) -> None:
    spans = delivered.reading.spans()
    tops = {each for each, span in spans.items() if span["parent_id"] not in spans}

    turns = {
        each
        for each, span in delivered.ours.items()
        if span["attributes"]["harness.span.type"] == "turn"
    }
    assert tops == turns


def test_cost_is_ours_where_phoenix_can_know_it(delivered: Delivered) -> None:
    costs = delivered.reading.costs()
    same = [each for each, why in _reasons(delivered).items() if not why]

    assert len(same) >= 15
    for span_id in same:
        assert costs[span_id] == pytest.approx(_cost(delivered.ours[span_id]), rel=0.01), span_id


def test_other_costs_differ_by_what_the_docs_say(delivered: Delivered) -> None:
    costs = delivered.reading.costs()
    others = {each: why for each, why in _reasons(delivered).items() if why}

    known = {"hour-long cache writes", "unfinished call"}
    two_models = {"another model"} if len(delivered.ours) < len(delivered.calls) else set()
    assert {reason for why in others.values() for reason in why} == known | two_models
    for span_id in others:
        attributes = delivered.ours[span_id]["attributes"]
        assert costs[span_id] == pytest.approx(phoenix_cost(TABLE, attributes)), span_id
        assert costs[span_id] != _cost(delivered.ours[span_id])


def _reasons(delivered: Delivered) -> dict[str, list[str]]:
    """Each LLM span with a cost on either side, and why Phoenix's cost is another."""
    calls = [span for span in delivered.calls.values() if span["kind"] == "LLM"]
    found = {}
    for span_id, span in delivered.ours.items():
        own = [
            call["attributes"]
            for call in calls
            if call["context"]
            == (span["context"] if _is_call(span) else {**call["context"], **_trace(span)})
        ]
        if span["kind"] == "LLM" and own and "llm.token_count.prompt" in span["attributes"]:
            found[span_id] = reasons(span["attributes"], own)
    return found


def _is_call(span: Mapping[str, Any]) -> bool:
    return bool(span["attributes"]["harness.span.type"] == "model_call")


def _trace(span: Mapping[str, Any]) -> dict[str, str]:
    return {"trace_id": span["context"]["trace_id"]}


def _cost(span: Mapping[str, Any]) -> Any:
    return span["attributes"].get("llm.cost.total")
