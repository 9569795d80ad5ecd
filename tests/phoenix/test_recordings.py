"""Recorded sessions sent to a real Phoenix and read back: nothing is missing, nothing is other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.phoenix.delivered import Delivered
from tests.phoenix.playing import flushing_place, harness_of
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


def test_costs_are_ours_or_differ_as_the_docs_say(delivered: Delivered) -> None:
    assert delivered.cost_differences() == []


def test_costs_of_either_sort_were_there(delivered: Delivered) -> None:
    why = delivered.other_costs()

    known = {"hour-long cache writes", "unfinished call"}
    two_models = set() if delivered.ours is delivered.calls else {"another model"}
    assert {reason for reasons in why.values() for reason in reasons} == known | two_models
    assert sum(not reasons for reasons in why.values()) >= 14
