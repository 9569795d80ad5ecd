"""A turn's spans as one reads them: a whole turn in both shapes, and each promise on its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from harness_tracing.model import (
    Failure,
    Gap,
    Message,
    ModelCall,
    Moment,
    Repository,
    Session,
    Step,
    Subagent,
    ToolCall,
    ToolRequest,
    Turn,
    Usage,
    span_id,
    trace_id,
)
from harness_tracing.prices import PriceTable
from harness_tracing.spans import Shape, Span, spans, to_json
from tools import docs_spans

T0 = 1_795_378_307_000_000_000
MS = 1_000_000
TABLE = PriceTable.load()
SESSION = Session(
    "claude-code",
    "s1",
    "order-pricing",
    agent_version="2.1.330",
    user_id="ada",
    attributes={"team": "shop", "harness.agent": "someone else"},
)


def at(ms: int) -> int:
    return T0 + ms * MS


def turn_of(*steps: Step, **more: Any) -> Turn:
    told: dict[str, Any] = {"status": "completed", "ended_at_ns": at(1000), **more}
    return Turn("claude-code", "s1", "t1", 1, started_at_ns=T0, steps=steps, **told)


def call_of(call_id: str = "c1", start: int = 10, end: int = 50, **more: Any) -> ModelCall:
    told: dict[str, Any] = {"model": "claude-opus-5-5", **more}
    return ModelCall(call_id, started_at_ns=at(start), ended_at_ns=at(end), **told)


def tool_of(tool_use_id: str = "u1", name: str = "Bash", **more: Any) -> ToolCall:
    told: dict[str, Any] = {
        "started_at_ns": at(60),
        "ended_at_ns": at(90),
        "status": "ok",
        **more,
    }
    return ToolCall(tool_use_id, name, **told)


def drawn(turn: Turn, shape: Shape = "calls", **more: Any) -> list[Span]:
    return spans(turn, SESSION, shape, TABLE, harness_version="1.2", **more)


def only(turn: Turn, kind: str, shape: Shape = "calls") -> Span:
    found = [span for span in drawn(turn, shape)[1:] if span.kind == kind]
    assert len(found) == 1, found
    return found[0]


def tree(made: list[Span]) -> list[str]:
    return list(docs_spans.tree_lines(made))


def test_a_whole_turn_in_shape_turns() -> None:
    """One LLM span with all tokens; a sub-agent's tools below the tool that started it."""
    made = drawn(docs_spans.example_turn(), "turns")
    assert tree(made) == [
        "LLM   Turn 3  64400 tokens  $0.1164",
        "   · prompt",
        "   · compaction",
        "   TOOL  Agent",
        "      TOOL  Grep",
        "   TOOL  Edit",
        "   TOOL  Bash  ERROR",
        "      · permission wait",
    ]


def test_a_whole_turn_in_shape_calls() -> None:
    """A span for each call, tool, sub-agent and compaction; no tokens on the root."""
    made = drawn(docs_spans.example_turn(), "calls")
    assert tree(made) == [
        "AGENT Turn 3",
        "   · prompt",
        "   LLM   claude-opus-5-5  12150 tokens  $0.0101",
        "      TOOL  Agent",
        "         AGENT Explore",
        "            LLM   claude-opus-5-5  12150 tokens  $0.0101",
        "               TOOL  Grep",
        "   LLM   claude-opus-5-5  12150 tokens  $0.0101",
        "      TOOL  Edit",
        "      TOOL  Bash  ERROR",
        "         · permission wait",
        "   CHAIN compaction",
        "      LLM   claude-opus-5-5  15800 tokens  $0.0760",
        "   LLM   claude-opus-5-5  12150 tokens  $0.0101",
    ]


def test_ids_are_derived_from_agent_session_turn_and_item() -> None:
    root, call, tool = drawn(turn_of(call_of(), tool_of()))
    assert root.trace_id == trace_id("claude-code", "s1", "t1")
    assert root.span_id == span_id("claude-code", "s1", "t1")
    assert call.span_id == span_id("claude-code", "s1", "t1", "call:c1")
    assert tool.span_id == span_id("claude-code", "s1", "t1", "tool:u1")


def test_the_turn_tells_where_and_how_it_ran() -> None:
    turn = turn_of(
        prompt="Add SAVE25",
        response="Done.",
        answered_at_ns=at(700),
        gaps=(Gap("model calls", "no transcript"),),
        cause="task_notification",
        caused_by="u0",
        cwd="/home/dev/order-pricing",
        repository=Repository("https://example.com/shop.git", "main", "abc123"),
        redactions=2,
    )
    for shape in ("turns", "calls"):
        told = drawn(turn, shape)[0].attributes  # type: ignore[arg-type]
        assert told["input.value"] == "Add SAVE25"
        assert told["input.mime_type"] == "text/plain"
        assert told["output.value"] == "Done."
        assert told["harness.span.type"] == "turn"
        assert told["harness.turn.id"] == "t1"
        assert told["harness.turn.number"] == 1
        assert told["harness.turn.status"] == "completed"
        assert told["harness.turn.answered_ms"] == 700
        assert told["harness.turn.cause"] == "task_notification"
        assert told["harness.turn.caused_by"] == "u0"
        assert told["harness.gaps"] == ("model calls: no transcript",)
        assert told["harness.redactions"] == 2
        assert told["process.working_directory"] == "/home/dev/order-pricing"
        assert told["vcs.repository.url.full"] == "https://example.com/shop.git"
        assert told["vcs.ref.head.name"] == "main"
        assert told["vcs.ref.head.revision"] == "abc123"


def test_every_span_carries_what_the_session_is_known_by() -> None:
    """Custom attributes are on every span and never replace our own."""
    for span in drawn(turn_of(call_of(), tool_of())):
        told = span.attributes
        assert told["session.id"] == "s1"
        assert told["user.id"] == "ada"
        assert told["openinference.project.name"] == "order-pricing"
        assert told["arize.project.name"] == "order-pricing"
        assert told["harness.agent"] == "claude-code"
        assert told["harness.agent_version"] == "2.1.330"
        assert told["harness.version"] == "1.2"
        assert told["team"] == "shop"


def test_the_model_of_a_turn_is_that_of_its_last_main_call() -> None:
    turn = turn_of(
        call_of("c1", model="claude-opus-5-5"),
        call_of("c2", model="claude-sonnet-5-5"),
        call_of("c3", model="claude-haiku-4-5", agent_id="a1"),
        call_of("c4", model="claude-haiku-4-5", kind="compaction"),
    )
    assert drawn(turn, "turns")[0].attributes["llm.model_name"] == "claude-sonnet-5-5"
    assert drawn(replace(turn, model="x"), "turns")[0].attributes["llm.model_name"] == "x"


def test_a_model_call_tells_its_messages_thinking_and_tool_calls() -> None:
    asked = ToolRequest("u1", "Bash", {"command": "make check"})
    turn = turn_of(
        call_of(
            input_messages=(
                Message("user", "run the check"),
                Message("tool", "exit 0", tool_call_id="u0"),
            ),
            earlier_messages=4,
            output=Message("assistant", "Running it.", "The gate is make check.", (asked,)),
            finish_reason="tool_use",
            parameters={"max_tokens": 32000},
            provider="Anthropic",
            message_id="msg_1",
            request_id="req_1",
            redactions=1,
        )
    )
    told = only(turn, "LLM").attributes
    sent, got = "llm.input_messages", "llm.output_messages.0.message"
    assert told[f"{sent}.0.message.role"] == "user"
    assert told[f"{sent}.0.message.content"] == "run the check"
    assert told[f"{sent}.1.message.tool_call_id"] == "u0"
    assert told["harness.input.earlier_messages"] == 4
    assert told[f"{got}.role"] == "assistant"
    assert told[f"{got}.contents.0.message_content.type"] == "reasoning"
    assert told[f"{got}.contents.0.message_content.text"] == "The gate is make check."
    assert told[f"{got}.contents.1.message_content.text"] == "Running it."
    assert f"{got}.content" not in told
    assert told[f"{got}.tool_calls.0.tool_call.id"] == "u1"
    assert told[f"{got}.tool_calls.0.tool_call.function.name"] == "Bash"
    assert told[f"{got}.tool_calls.0.tool_call.function.arguments"] == '{"command":"make check"}'
    assert told["input.value"] == "exit 0"
    assert told["output.value"] == "Running it."
    assert told["llm.finish_reason"] == "tool_use"
    assert told["llm.invocation_parameters"] == '{"max_tokens":32000}'
    assert told["llm.provider"] == "anthropic"
    assert told["harness.model_call.id"] == "msg_1"
    assert told["harness.model_call.request_id"] == "req_1"
    assert told["harness.redactions"] == 1


def test_a_model_call_that_only_asked_for_tools_shows_them_as_its_output() -> None:
    asked = ToolRequest("u1", "Read", {"path": "a.py"})
    told = only(turn_of(call_of(output=Message("assistant", tool_requests=(asked,)))), "LLM")
    assert told.attributes["output.value"] == (
        '[{"id":"u1","name":"Read","arguments":{"path":"a.py"}}]'
    )
    assert told.attributes["output.mime_type"] == "application/json"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"message_id": "msg", "request_id": "req"}, "msg"),
        ({"request_id": "req"}, "req"),
        ({}, "c1"),
    ],
)
def test_a_model_call_goes_by_the_best_id_there_is(known: dict[str, str], expected: str) -> None:
    told = only(turn_of(call_of(**known)), "LLM").attributes
    assert told["harness.model_call.id"] == expected


def test_tokens_are_told_in_full_and_only_where_known() -> None:
    usage = Usage(20_000, 500, 18_000, 1_500, 1_000, 120)
    told = only(turn_of(call_of(usage=usage)), "LLM").attributes
    assert told["llm.token_count.prompt"] == 20_000
    assert told["llm.token_count.completion"] == 500
    assert told["llm.token_count.total"] == 20_500
    assert told["llm.token_count.prompt_details.cache_read"] == 18_000
    assert told["llm.token_count.prompt_details.cache_write"] == 1_500
    assert told["harness.token_count.cache_write_1h"] == 1_000
    assert told["llm.token_count.completion_details.reasoning"] == 120
    partly = only(turn_of(call_of(usage=Usage(input_tokens=7))), "LLM").attributes
    assert [name for name in partly if "token_count" in name] == ["llm.token_count.prompt"]


def test_cost_has_its_parts() -> None:
    usage = Usage(20_000, 500, 18_000, 1_500, 1_000, 120)
    told = only(turn_of(call_of(usage=usage)), "LLM").attributes
    assert told["llm.cost.prompt_details.input"] == pytest.approx(500 * 4e-6)
    assert told["llm.cost.prompt_details.cache_read"] == pytest.approx(18_000 * 0.2e-6)
    assert told["llm.cost.prompt_details.cache_write"] == pytest.approx(500 * 5e-6 + 1_000 * 8e-6)
    assert told["llm.cost.completion_details.output"] == pytest.approx(380 * 20e-6)
    assert told["llm.cost.completion_details.reasoning"] == pytest.approx(120 * 20e-6)
    assert told["llm.cost.prompt"] == pytest.approx(0.0161)
    assert told["llm.cost.completion"] == pytest.approx(0.01)
    assert told["llm.cost.total"] == pytest.approx(0.0261)


def test_fast_mode_is_priced_as_such() -> None:
    usage = Usage(1_000, 100)
    normal = only(turn_of(call_of(usage=usage)), "LLM").attributes["llm.cost.total"]
    fast = only(turn_of(call_of(usage=usage, parameters={"speed": "fast"})), "LLM")
    assert fast.attributes["llm.cost.total"] == pytest.approx(2 * float(normal))  # type: ignore[arg-type]


def test_an_unpriced_model_is_named_and_never_free() -> None:
    usage = Usage(1_000, 100)
    priced = call_of("c1", usage=usage)
    unpriced = call_of("c2", usage=usage, model="mock-model")
    nameless = call_of("c3", usage=usage, model=None)
    root = drawn(turn_of(priced, unpriced, unpriced, nameless, usage=usage), "turns")[0]
    assert root.attributes["llm.cost.total"] == pytest.approx(0.006)
    assert root.attributes["harness.cost.unpriced_models"] == ("mock-model", "unknown model")
    alone = drawn(turn_of(unpriced), "turns")[0].attributes
    assert not any(name.startswith("llm.cost") for name in alone)


@pytest.mark.parametrize("usage", [Usage(), Usage(input_tokens=9_000)])
def test_a_call_whose_tokens_are_not_known_is_no_unpriced_call(usage: Usage) -> None:
    """A failed attempt, a reply that was cut: it is the tokens that lack, not a price."""
    cut = call_of(usage=usage, error=Failure("overloaded_error"))
    assert not any("cost" in name for name in only(turn_of(cut), "LLM").attributes)


def test_tokens_of_an_agent_that_tells_no_calls_are_on_the_turn_in_both_shapes() -> None:
    turn = turn_of(tool_of(), usage=Usage(100, 10))
    assert [s.attributes.get("llm.token_count.total") for s in drawn(turn, "calls")] == [110, None]
    assert [s.attributes.get("llm.token_count.total") for s in drawn(turn, "turns")] == [110, None]


def test_a_tool_tells_its_input_output_and_wait() -> None:
    tool = tool_of(
        input={"command": "make check"},
        output="ok",
        result={"stdout": "ok"},
        waited_ns=12 * MS,
        wait_started_at_ns=at(65),
        wait_kind="permission",
        mcp_server="pricing",
        redactions=3,
    )
    for shape in ("turns", "calls"):
        span = only(turn_of(tool), "TOOL", shape)  # type: ignore[arg-type]
        told = span.attributes
        assert span.name == told["tool.name"] == "Bash"
        assert told["tool.id"] == "u1"
        assert told["tool.parameters"] == told["input.value"] == '{"command":"make check"}'
        assert told["input.mime_type"] == "application/json"
        assert told["output.value"] == "ok"
        assert told["output.mime_type"] == "text/plain"
        assert told["harness.tool.status"] == "ok"
        assert told["harness.tool.waited_ms"] == 12
        assert told["harness.tool.mcp_server"] == "pricing"
        assert told["harness.redactions"] == 3
        (wait,) = span.events
        assert (wait.name, wait.at_ns) == ("permission wait", at(65))
        assert wait.attributes == {"harness.wait.kind": "permission", "harness.wait.ms": 12}


def test_a_tool_whose_text_is_not_known_shows_its_structured_result() -> None:
    told = only(turn_of(tool_of(result={"stdout": "ok"})), "TOOL").attributes
    assert told["output.value"] == '{"stdout":"ok"}'
    assert told["output.mime_type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ("ok", "OK", None),
        ("error", "ERROR", "The tool call failed"),
        ("denied", "ERROR", "The tool call was denied"),
        ("interrupted", "ERROR", "The tool call was interrupted"),
        ("unknown", "UNSET", None),
        ("running", "UNSET", None),
    ],
)
def test_a_tool_s_status_is_its_span_s(status: str, code: str, message: str | None) -> None:
    span = only(turn_of(tool_of(status=status)), "TOOL")
    assert (span.status_code, span.status_message) == (code, message)
    assert span.attributes.get("error.type") == (status if message else None)
    assert span.attributes.get("error.message") == message


def test_a_failure_speaks_in_the_agent_s_words() -> None:
    error = Failure("exit_code", "exit 3")
    for turn, kind in (
        (turn_of(tool_of(status="error", error=error)), "TOOL"),
        (turn_of(call_of(error=error)), "LLM"),
        (turn_of(Subagent("a", None, None, T0, at(9), "failed", error=error)), "AGENT"),
    ):
        span = only(turn, kind)
        assert (span.status_code, span.status_message) == ("ERROR", "exit 3")
        assert span.attributes["error.type"] == "exit_code"
        assert span.attributes["error.message"] == "exit 3"


@pytest.mark.parametrize("shape", ["turns", "calls"])
def test_failed_and_interrupted_turns_are_errors(shape: Shape) -> None:
    failed = drawn(turn_of(status="failed", error=Failure("server_error", "500")), shape)[0]
    assert (failed.status_code, failed.status_message) == ("ERROR", "500")
    interrupted = drawn(turn_of(status="interrupted"), shape)[0]
    assert interrupted.status_code == "ERROR"
    assert interrupted.attributes["error.type"] == "interrupted"
    assert interrupted.attributes["error.message"] == "The turn was interrupted"


def test_a_tool_is_below_the_call_that_asked_for_it() -> None:
    asked = Message("assistant", tool_requests=(ToolRequest("u1", "Bash"),))
    by_id = drawn(turn_of(call_of("c1"), call_of("c2"), tool_of(call_id="c2")))
    by_name = drawn(turn_of(call_of("c1"), call_of("c2", output=asked), tool_of()))
    unknown = drawn(turn_of(call_of("c1"), tool_of(call_id="c9")))
    assert by_id[-1].parent_id == by_id[2].span_id
    assert by_name[-1].parent_id == by_name[2].span_id
    assert unknown[-1].parent_id == unknown[0].span_id


def test_a_sub_agent_is_below_its_tool_and_its_steps_below_it() -> None:
    agent = Subagent("a1", "Explore", "u1", at(61), at(89), "completed", "look", "found")
    inner = Subagent("a2", "Plan", None, at(70), at(80), "completed", parent_agent_id="a1")
    lone = tool_of("u2", "Read", agent_id="a2")
    made = drawn(turn_of(tool_of("u1", "Agent"), agent, inner, lone))
    assert tree(made) == [
        "AGENT Turn 1",
        "   TOOL  Agent",
        "      AGENT Explore",
        "         AGENT Plan",
        "            TOOL  Read",
    ]
    told = made[2].attributes
    assert told["agent.name"] == "Explore"
    assert told["harness.subagent.id"] == "a1"
    assert told["harness.subagent.status"] == "completed"
    assert told["harness.subagent.background"] is False
    assert (told["input.value"], told["output.value"]) == ("look", "found")
    assert tree(drawn(turn_of(tool_of("u1", "Agent"), agent, inner, lone), "turns")) == [
        "LLM   Turn 1",
        "   TOOL  Agent",
        "      TOOL  Read",
    ]


def test_a_tool_that_code_called_is_below_the_tool_that_ran_the_code() -> None:
    asked = Message("assistant", tool_requests=(ToolRequest("u1", "exec"),))
    inner = tool_of("exec-1", "exec_command", parent_tool_use_id="u1")
    lost = tool_of("exec-2", "exec_command", parent_tool_use_id="u9")
    turn = turn_of(call_of("c1", output=asked), tool_of("u1", "exec", call_id="c1"), inner, lost)

    assert tree(drawn(turn)) == [
        "AGENT Turn 1",
        "   LLM   claude-opus-5-5",
        "      TOOL  exec",
        "         TOOL  exec_command",
        "   TOOL  exec_command",
    ]
    in_turns = drawn(turn, "turns")
    assert tree(in_turns) == [
        "LLM   Turn 1",
        "   TOOL  exec",
        "      TOOL  exec_command",
        "   TOOL  exec_command",
    ]
    told = in_turns[0].attributes
    ids = [value for name, value in told.items() if name.endswith("tool_call.id")]
    assert ids == ["u1"]


def test_the_turn_as_llm_names_the_main_agent_s_tool_calls() -> None:
    agent = Subagent("a1", "Explore", "u1", at(61), at(89), "completed")
    inner = tool_of("u2", "Read", agent_id="a1")
    turn = turn_of(tool_of("u1", "Agent"), agent, inner, prompt="p", response="r")
    told = drawn(turn, "turns")[0].attributes
    assert told["llm.input_messages.0.message.content"] == "p"
    assert told["llm.output_messages.0.message.content"] == "r"
    assert [value for name, value in told.items() if name.endswith("tool_call.id")] == ["u1"]


def test_a_compaction_is_a_chain_with_its_call_and_an_event_in_shape_turns() -> None:
    compaction = Moment("compaction", at(100), "k", at(300), {"trigger": "auto"})
    call = call_of("k", 100, 300, kind="compaction", moment_id="k", usage=Usage(10, 1))
    _, chain, llm = drawn(turn_of(compaction, call))
    assert (chain.kind, chain.name) == ("CHAIN", "compaction")
    assert (chain.start_ns, chain.end_ns) == (at(100), at(300))
    assert chain.attributes["harness.span.type"] == "moment"
    assert chain.attributes["metadata"] == '{"trigger":"auto"}'
    assert llm.parent_id == chain.span_id
    assert llm.attributes["harness.model_call.kind"] == "compaction"
    (event,) = drawn(turn_of(compaction, call), "turns")[0].events
    assert (event.name, event.at_ns) == ("compaction", at(100))
    assert event.attributes["harness.moment.duration_ms"] == 200


def test_other_moments_are_events_where_they_happened() -> None:
    main = Moment("prompt", at(200), "p", details={"prompt": "and a test"}, redactions=1)
    inner = Moment("hook_feedback", at(70), "h", agent_id="a1")
    agent = Subagent("a1", "Explore", None, at(61), at(89), "completed")
    root, sub = drawn(turn_of(agent, inner, main))
    assert [(event.name, event.at_ns) for event in root.events] == [("prompt", at(200))]
    assert root.events[0].attributes["metadata"] == '{"prompt":"and a test"}'
    assert root.attributes["harness.redactions"] == 1
    assert [event.name for event in sub.events] == ["hook_feedback"]


def test_what_happened_between_two_turns_is_at_the_edge_with_its_own_times() -> None:
    before = Moment("compaction", T0 - 5 * MS, "k", T0 - 2 * MS, between_turns=True)
    chain = only(turn_of(before), "CHAIN")
    assert (chain.start_ns, chain.end_ns) == (T0, T0)
    assert chain.attributes["harness.time.started"] == "2026-11-22T20:11:46.995000000Z"
    assert chain.attributes["harness.time.ended"] == "2026-11-22T20:11:46.998000000Z"


def test_a_time_nobody_saw_is_drawn_at_the_nearest_evidence() -> None:
    started = tool_of("u1", ended_at_ns=None, status="unknown")
    ended = tool_of("u2", started_at_ns=None)
    neither = tool_of("u3", started_at_ns=None, ended_at_ns=None)
    agent = Subagent("a1", None, None, at(100), None, "interrupted")
    inner = tool_of("u4", agent_id="a1", started_at_ns=at(110), ended_at_ns=at(150))
    made = drawn(turn_of(started, ended, neither, agent, inner))
    drawn_at = [(s.start_ns, s.end_ns, s.attributes.get("harness.time.unknown")) for s in made]
    assert drawn_at[1:] == [
        (at(60), at(60), ("end",)),
        (at(90), at(90), ("start",)),
        (at(90), at(90), ("start", "end")),
        (at(100), at(150), ("end",)),
        (at(110), at(150), None),
    ]


def test_what_runs_has_no_end_and_says_so() -> None:
    turn = turn_of(
        call_of(),
        tool_of(ended_at_ns=None, status="running"),
        status="open",
        ended_at_ns=None,
    )
    root, call, tool = drawn(turn)
    assert root.end_ns is None
    assert root.status_code == "UNSET"
    assert call.end_ns == at(50)
    assert "harness.turn.status" not in call.attributes
    assert tool.end_ns is None
    assert tool.attributes["harness.turn.status"] == "open"


def test_a_background_agent_that_outlives_its_turn_has_no_end_yet() -> None:
    agent = Subagent("a1", None, None, at(100), None, "open", background=True)
    inner = call_of("c1", 120, 130, agent_id="a1")
    pending = replace(call_of("c2", agent_id="a1"), started_at_ns=at(140), ended_at_ns=None)
    _, sub, done, runs = drawn(turn_of(agent, inner, pending))
    assert (sub.end_ns, done.end_ns, runs.end_ns) == (None, at(130), None)


def test_finished_steps_are_the_same_before_and_after_their_turn_ends() -> None:
    """So a destination that streams may send them early."""
    steps = (call_of(usage=Usage(10, 1)), tool_of(call_id="c1"))
    before = drawn(turn_of(*steps, status="open", ended_at_ns=None))
    after = drawn(turn_of(*steps))
    assert before[1:] == after[1:]


OUTER = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize("shape", ["turns", "calls"])
def test_a_turn_links_to_the_outer_span_and_keeps_its_own_trace(shape: Shape) -> None:
    root, *rest = drawn(turn_of(call_of(), tool_of(), traceparent=OUTER), shape)
    assert root.links == (("a" * 32, "b" * 16),)
    assert (root.trace_id, root.parent_id) == (trace_id("claude-code", "s1", "t1"), None)
    assert rest
    assert {span.links for span in rest} == {()}
    without = drawn(turn_of(call_of(), tool_of()), shape)
    assert [replace(span, links=()) for span in (root, *rest)] == without


@pytest.mark.parametrize("shape", ["turns", "calls"])
def test_asked_to_a_turn_hangs_below_the_outer_span(shape: Shape) -> None:
    made = drawn(turn_of(call_of(), tool_of(), traceparent=OUTER, join="child"), shape)
    root = made[0]
    assert (root.parent_id, root.links) == ("b" * 16, ())
    assert {span.trace_id for span in made} == {"a" * 32}
    assert {span.parent_id for span in made[1:]} == {root.span_id}
    assert root.span_id == span_id("claude-code", "s1", "t1")


def test_to_join_without_an_outer_trace_changes_nothing() -> None:
    assert drawn(turn_of(join="child")) == drawn(turn_of())


@pytest.mark.parametrize(
    ("traceparent", "outer"),
    [
        (OUTER, True),
        (f"00-{'a' * 32}-{'b' * 16}-00", True),
        (f"01-{'a' * 32}-{'b' * 16}-01-more", True),
        (f"00-{'a' * 32}-{'b' * 16}-01-more", False),
        (None, False),
        ("", False),
        ("x", False),
        (f"ff-{'a' * 32}-{'b' * 16}-01", False),
        (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False),
        (f"00-{'A' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'b' * 16}", False),
        (f"00-{'a' * 32}-{'b' * 16}-01\n", False),
        ("00-ab-cd-01", False),
    ],
)
def test_only_a_well_formed_traceparent_counts(traceparent: str | None, outer: bool) -> None:
    root = drawn(turn_of(traceparent=traceparent))[0]
    assert root.links == ((("a" * 32, "b" * 16),) if outer else ())


def test_links_are_in_the_json_form_only_where_there_are_any() -> None:
    linked, plain = drawn(turn_of(traceparent=OUTER))[0], drawn(turn_of())[0]
    assert to_json(linked)["links"] == [{"context": {"trace_id": "a" * 32, "span_id": "b" * 16}}]
    assert "links" not in to_json(plain)


def test_custom_attributes_never_stand_in_for_ours() -> None:
    """Nor as the beginning of one of our keys, which a backend would show as an object."""
    theirs = {
        **dict.fromkeys(["session.id", "session", "llm.cost.total", "input.value"], "spoilt"),
        **dict.fromkeys(["harness.turn.status", "openinference.span.kind", "tool.name"], "spoilt"),
        **dict.fromkeys(["arize.project.name", "user", "error", "harness.anything"], "spoilt"),
        "team": "shop",
        "service.name": "agents",
        "user.name": "Ann",
    }
    session = replace(SESSION, user_id=None, attributes=theirs)
    turn = turn_of(call_of(), tool_of())
    for shape in ("turns", "calls"):
        for span in spans(turn, session, shape, TABLE, harness_version="1"):  # type: ignore[arg-type]
            assert "spoilt" not in span.attributes.values()
            kept = [span.attributes[key] for key in ("team", "service.name", "user.name")]
            assert kept == ["shop", "agents", "Ann"]


def test_a_lone_surrogate_does_not_cost_the_attribute() -> None:
    told = only(turn_of(tool_of(output="half \ud83d pair")), "TOOL").attributes
    assert told["output.value"] == "half \ufffd pair"


def test_a_nul_stands_in_no_text_and_in_no_json() -> None:
    tool = tool_of(input={"command": "a\x00b", "pattern": "\\u0000"}, output="c\x00d")
    told = only(turn_of(tool), "TOOL").attributes
    assert told["output.value"] == "c\ufffdd"
    for key in ("tool.parameters", "input.value"):
        assert json.loads(told[key]) == {"command": "a\ufffdb", "pattern": "\\u0000"}


def test_the_json_form_is_what_spans_export_promises() -> None:
    tool = tool_of(waited_ns=5 * MS, wait_started_at_ns=at(61))
    turn = turn_of(tool, gaps=(Gap("a", "b"),))
    told = [to_json(span) for span in drawn(turn)]
    root = told[0]
    assert set(root) == {
        *("name", "context", "kind", "start_time", "end_time", "status_code"),
        *("attributes", "annotations", "evaluations", "events"),
    }
    assert root["context"] == {
        "trace_id": trace_id("claude-code", "s1", "t1"),
        "span_id": span_id("claude-code", "s1", "t1"),
    }
    assert root["start_time"] == "2026-11-22T20:11:47.000000000Z"
    assert root["end_time"] == "2026-11-22T20:11:48.000000000Z"
    assert root["attributes"]["harness.gaps"] == ["a: b"]
    assert told[1]["parent_id"] == root["context"]["span_id"]
    assert told[1]["events"] == [
        {
            "name": "permission wait",
            "timestamp": "2026-11-22T20:11:47.061000000Z",
            "attributes": {"harness.wait.kind": "permission", "harness.wait.ms": 5},
        }
    ]
    score = {"name": "tool_choice", "label": "correct", "score": 1}
    assert to_json(drawn(turn)[0], evaluations=[score])["evaluations"] == [score]


def test_importing_the_package_loads_no_opentelemetry() -> None:
    """`harness sessions list` draws no spans and does not pay for the libraries."""
    code = (
        "import sys, harness_tracing.spans;"
        "print([m for m in sys.modules if m.startswith(('opentelemetry', 'openinference'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
