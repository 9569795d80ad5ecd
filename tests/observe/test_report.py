"""Sessions as JSON: flat, complete, joined to the spans by their ids."""

from __future__ import annotations

import json

from harness_tracing.observe import report
from harness_tracing.observe.text import json_text
from harness_tracing.prices import PriceTable
from harness_tracing.spans import spans
from harness_tracing.store import Store
from tests.observe.examples import SESSION, TURNS


def test_a_session_names_itself_and_counts_what_it_holds(store: Store) -> None:
    (row,) = store.sessions()
    session = report.of_session(row)
    assert session["session_id"] == SESSION.session_id
    assert session["agent"] == "claude-code"
    assert session["project"] == "order-pricing"
    assert session["started_at"] == "2025-12-02T14:03:11.000000000Z"
    assert session["turns"] == 3
    assert session["tools"] == 6
    assert session["input_tokens"] == 93_594
    assert session["total_tokens"] == 94_524


def test_a_turn_holds_every_step_with_what_it_needs_to_be_found(store: Store) -> None:
    turn = report.of_turn(store.turn_rows("claude-code", SESSION.session_id)[0])
    kinds = [step["type"] for step in turn["steps"]]
    assert kinds.count("model_call") == 5
    assert kinds.count("tool") == 4
    assert kinds.count("subagent") == 1
    assert kinds.count("moment") == 1
    bash = next(step for step in turn["steps"] if step.get("name") == "Bash")
    assert bash["waited_ms"] == 2500.0
    assert bash["duration_ms"] == 11_200.0
    assert bash["error"]["type"] == "exit_code"


def test_ids_are_those_of_the_exported_spans(store: Store) -> None:
    turn = report.of_turn(store.turn_rows("claude-code", SESSION.session_id)[0])
    exported = spans(TURNS[0], SESSION, "calls", PriceTable.load(), harness_version="1")
    assert {turn["trace_id"]} == {span.trace_id for span in exported}
    of_steps = {step["span_id"] for step in turn["steps"] if step["type"] != "moment"}
    assert {turn["span_id"], *of_steps} == {span.span_id for span in exported}


def test_everything_is_plain_json(store: Store) -> None:
    rows = store.turn_rows("claude-code", SESSION.session_id)
    whole = [report.of_turn(row) for row in rows]
    assert json.loads(json_text(whole)) == json.loads(json.dumps(whole))
