"""What holds for the spans of any turn, however broken: shapes, ids, times, tokens, keys."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from harness_tracing.model import (
    ModelCall,
    Session,
    Subagent,
    ToolCall,
    Turn,
    span_id,
    step_id,
    trace_id,
)
from harness_tracing.prices import PriceTable
from harness_tracing.spans import Shape, Span, SpanEvent, attributes, spans, to_json
from harness_tracing.spans.json_form import iso_time
from tests.spans.random_turns import sessions, turns, unique_steps

TABLE = PriceTable.load()
TOKENS = [
    "llm.token_count.prompt",
    "llm.token_count.completion",
    "llm.token_count.prompt_details.cache_read",
    "llm.token_count.prompt_details.cache_write",
    "llm.token_count.completion_details.reasoning",
    attributes.CACHE_WRITE_1H,
]
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def drawn(turn: Turn, session: Session, shape: Shape) -> list[Span]:
    return spans(turn, session, shape, TABLE, harness_version="1.0")


def both(turn: Turn, session: Session) -> tuple[list[Span], list[Span]]:
    return drawn(turn, session, "turns"), drawn(turn, session, "calls")


@many
@given(turns, sessions)
def test_both_shapes_share_their_ids_and_times(turn: Turn, session: Session) -> None:
    """Every span of `turns` is in `calls` with the same id, start and end."""
    in_turns, in_calls = both(turn, session)
    calls = {span.span_id: span for span in in_calls}
    assert len(calls) == len(in_calls)
    for span in in_turns:
        other = calls[span.span_id]
        assert (span.trace_id, span.start_ns, span.end_ns) == (
            other.trace_id,
            other.start_ns,
            other.end_ns,
        )
        assert (span.name, span.status_code) == (other.name, other.status_code)


@many
@given(turns, sessions)
def test_the_same_turn_gives_the_same_spans(turn: Turn, session: Session) -> None:
    assert both(turn, session) == both(turn, session)


@many
@given(turns, sessions)
def test_every_span_hangs_below_the_one_root_of_its_trace(turn: Turn, session: Session) -> None:
    for made in both(turn, session):
        by_id = {span.span_id: span for span in made}
        assert made[0].parent_id is None
        assert {span.trace_id for span in made} == {trace_id("claude-code", "s", turn.turn_id)}
        for span in made[1:]:
            above = span
            for _ in made:
                if above.parent_id is None:
                    break
                above = by_id[above.parent_id]
            assert above is made[0]


@many
@given(turns, sessions)
def test_every_span_and_event_lies_within_its_root(turn: Turn, session: Session) -> None:
    for made in both(turn, session):
        root = made[0]
        assert root.start_ns == turn.started_at_ns
        assert (root.end_ns is None) == (turn.status == "open")
        for span in made:
            assert span.start_ns >= root.start_ns
            assert span.end_ns is None or span.end_ns >= span.start_ns
            if root.end_ns is not None:
                assert max(span.start_ns, span.end_ns or 0) <= root.end_ns
            for event in span.events:
                assert root.start_ns <= event.at_ns
                assert root.end_ns is None or event.at_ns <= root.end_ns


@many
@given(turns, sessions)
def test_a_time_is_drawn_as_it_was_or_kept_beside(turn: Turn, session: Session) -> None:
    """A known start is the span's start, else it is in `harness.time.started`."""
    made = {span.span_id: span for span in drawn(turn, session, "calls")}
    for step in unique_steps(turn).values():
        if not isinstance(step, (ModelCall, ToolCall, Subagent)) or step.started_at_ns is None:
            continue
        span = made[span_id("claude-code", "s", turn.turn_id, step_id(step))]
        if span.start_ns != step.started_at_ns:
            assert span.attributes[attributes.TIME_STARTED] == iso_time(step.started_at_ns)
        else:
            assert attributes.TIME_STARTED not in span.attributes


@many
@given(turns, sessions)
def test_shape_turns_has_one_llm_span_and_a_span_for_each_tool(
    turn: Turn, session: Session
) -> None:
    made = drawn(turn, session, "turns")
    tools = [step for step in unique_steps(turn).values() if isinstance(step, ToolCall)]
    assert Counter(span.kind for span in made) == +Counter({"LLM": 1, "TOOL": len(tools)})
    assert made[0].kind == "LLM"
    assert made[0].name == f"Turn {turn.number}"


@many
@given(turns, sessions)
def test_shape_calls_has_a_span_for_each_step_that_is_no_event(
    turn: Turn, session: Session
) -> None:
    made = drawn(turn, session, "calls")
    steps = unique_steps(turn).values()
    compactions = [step for step in steps if getattr(step, "kind", "") == "compaction"]
    expected = Counter(
        LLM=sum(isinstance(step, ModelCall) for step in steps),
        TOOL=sum(isinstance(step, ToolCall) for step in steps),
        AGENT=1 + sum(isinstance(step, Subagent) for step in steps),
        CHAIN=sum(not isinstance(step, ModelCall) for step in compactions),
    )
    assert Counter(span.kind for span in made) == +expected


@many
@given(turns, sessions)
def test_tokens_are_the_same_in_both_shapes_and_counted_once(turn: Turn, session: Session) -> None:
    in_turns, in_calls = both(turn, session)
    root = in_turns[0]
    calls = [span for span in in_calls if span.kind == "LLM"]
    for count in TOKENS:
        assert sum(int(span.attributes.get(count, 0)) for span in calls) == root.attributes.get(
            count, 0
        )
        assert not any(count in span.attributes for span in (*in_turns[1:], in_calls[0]))


@many
@given(turns, sessions)
def test_cost_is_the_same_in_both_shapes(turn: Turn, session: Session) -> None:
    in_turns, in_calls = both(turn, session)
    for part in ("prompt", "completion", "total"):
        cost = f"llm.cost.{part}"
        of_calls = [float(s.attributes[cost]) for s in in_calls if cost in s.attributes]
        assert (cost in in_turns[0].attributes) == bool(of_calls)
        assert in_turns[0].attributes.get(cost, 0) == pytest.approx(sum(of_calls), abs=1e-9)


def place_of(span: Span, shape: Shape) -> str:
    if span.attributes[attributes.SPAN_TYPE] == "turn":
        return f"turn ({shape})"
    return {
        "model_call": attributes.MODEL_CALL,
        "tool": attributes.TOOL,
        "subagent": attributes.SUBAGENT,
        "moment": attributes.MOMENT,
    }[str(span.attributes[attributes.SPAN_TYPE])]


@many
@given(turns, sessions)
def test_every_attribute_is_in_the_table(turn: Turn, session: Session) -> None:
    for shape, made in zip(("turns", "calls"), both(turn, session)):
        for span in made:
            keys = {key: 1 for key in span.attributes if key not in session.attributes}
            assert attributes.unlisted(keys, place_of(span, shape)) == []  # type: ignore[arg-type]
            for event in span.events:
                assert attributes.unlisted(event.attributes, attributes.EVENT) == []


@many
@given(turns, sessions)
def test_every_span_names_its_session_agent_and_project(turn: Turn, session: Session) -> None:
    for span in (span for made in both(turn, session) for span in made):
        told = span.attributes
        assert told["session.id"] == "s"
        assert told["harness.agent"] == "claude-code"
        assert told["harness.version"] == "1.0"
        assert told["openinference.span.kind"] == span.kind
        assert set(session.attributes) <= set(told)
        assert told.get("user.id") == (clean(session.user_id) if session.user_id else None)


@many
@given(turns, sessions)
def test_every_value_is_one_that_can_be_sent(turn: Turn, session: Session) -> None:
    """Text is UTF-8, nothing is None."""
    for made in both(turn, session):
        for span in made:
            holders: list[Span | SpanEvent] = [span, *span.events]
            for holder in holders:
                for value in (holder.name, *holder.attributes.values()):
                    for text in value if isinstance(value, tuple) else (value,):
                        assert isinstance(text, (str, int, float))
                        if isinstance(text, str):
                            text.encode("utf-8")


@many
@given(turns, sessions)
def test_a_failure_has_status_error_with_type_and_message(turn: Turn, session: Session) -> None:
    for span in (span for made in both(turn, session) for span in made):
        failed = span.status_code == "ERROR"
        assert ("error.type" in span.attributes) == failed
        assert ("error.message" in span.attributes) == failed
        assert (span.status_message is not None) == failed


@many
@given(turns, sessions)
def test_json_leaves_out_what_is_not_known(turn: Turn, session: Session) -> None:
    for span in (span for made in both(turn, session) for span in made):
        told = to_json(span)
        assert None not in told.values()
        assert ("end_time" in told) == (span.end_ns is not None)
        assert ("parent_id" in told) == (span.parent_id is not None)


def clean(text: str) -> str:
    return "".join("\ufffd" if c == "\0" or 0xD800 <= ord(c) <= 0xDFFF else c for c in text)
