"""Transcript lines: which they are, whose, and where each kind goes.

The transcript tells what happened and in which order; its own order ends turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional

from harness_tracing.agents.claude_code import branches, calls, compaction, copies, refusals
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import MAIN, Reading
from harness_tracing.agents.claude_code.drafts import AgentDraft, End, Thread, TurnDraft
from harness_tracing.agents.claude_code.prompts import add_moment, on_main_text, queue_prompt
from harness_tracing.agents.claude_code.results import on_result
from harness_tracing.model import Message

Value = Mapping[str, Any]


def feed_line(r: Reading, key: str, value: Optional[Value], offset: int) -> None:
    """Take in one line of the main transcript (`main`) or of a sub-agent's (its id)."""
    if value is None:
        r.gap(r.current(key), "a line of the transcript", f"not valid JSON, at byte {offset}")
        return
    key = t.string(value.get("agentId")) or key
    at_ns = t.time_ns(value.get("timestamp"))
    if copies.is_copy(r, value, at_ns):
        copies.on_copy(r, key, value)
        return
    r.line_turn = None
    if key == MAIN:
        branches.follow(r, value)
    handler = _HANDLERS.get(str(value.get("type")))
    if handler is not None:
        handler(r, key, r.thread(key), value, at_ns)
        if at_ns is not None:
            thread = r.thread(key)
            thread.last_ns = max(thread.last_ns or 0, at_ns)
    if key == MAIN:
        branches.own(r, value)


def _on_user(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    content = t.mapping(value.get("message")).get("content")
    _session_facts(r, value)
    results = [b for b in t.blocks(content) if b.get("type") == "tool_result"]
    for block in results:
        on_result(r, thread, value, block, at_ns)
    text = t.text_of(content)
    if results:
        if text:
            thread.messages.append(Message("user", text))
        r.mark(r.current(key), None)
        return
    if key == MAIN:
        on_main_text(r, value, text or "", at_ns)
    else:
        _on_agent_text(r, key, value, text, at_ns)
    if not value.get("isCompactSummary"):
        r.thread(key).messages.append(Message("user", text))


def _session_facts(r: Reading, value: Value) -> None:
    state = r.state
    state.agent_version = t.string(value.get("version")) or state.agent_version
    state.cwd = state.cwd or t.string(value.get("cwd"))
    state.entrypoint = t.string(value.get("entrypoint")) or state.entrypoint


# -- sub-agents


def _on_agent_text(
    r: Reading, key: str, value: Value, text: Optional[str], at_ns: Optional[int]
) -> None:
    _enter_turn(r, key, value)
    turn = r.current(key)
    if turn is None:
        return
    if (text or "").startswith(t.CUT_STREAM_PREFIX) and value.get("isMeta"):
        calls.on_cut_stream(r, key, at_ns)
    agent = r.agent(turn, key)
    if agent.prompt is None:
        agent.prompt = text
    _agent_seen(r, turn, agent, at_ns)


def _enter_turn(r: Reading, key: str, value: Value) -> None:
    """Find the turn of a message to a sub-agent.

    The line names the main agent's prompt of that moment, which is the agent's own only when it
    begins to work: a background agent outlives turns.
    """
    turn = r.current(key)
    agent = turn.agents.get(key) if turn is not None else None
    if turn is not None and (agent is None or not agent.over):
        return
    prompt_id = t.string(value.get("promptId"))
    if prompt_id is not None and prompt_id in r.state.turns:
        r.thread(key).turn_id = prompt_id
        r.state.agent_turns[key] = prompt_id


def _agent_seen(r: Reading, turn: TurnDraft, agent: AgentDraft, at_ns: Optional[int]) -> None:
    agent.has_lines = True
    if at_ns is not None:
        agent.first_ns = at_ns if agent.first_ns is None else min(agent.first_ns, at_ns)
        agent.last_ns = max(agent.last_ns or 0, at_ns)
    r.mark(turn, at_ns)
    r.touch(turn, "agent:" + agent.agent_id)


# -- the rest


def _on_assistant(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    _session_facts(r, value)
    taken = calls.on_reply(r, key, thread, value, at_ns)
    turn = r.current(key) if taken is None else taken[0]
    if turn is None:
        return
    if key != MAIN:
        agent = r.agent(turn, key)
        _agent_seen(r, turn, agent, at_ns)
        if taken is not None and taken[1].texts:
            agent.response = "\n".join(taken[1].texts)
    elif taken is not None:
        turn.feedback = False
        if turn.stop_ns is not None and at_ns is not None and at_ns > turn.stop_ns:
            turn.stop_ns = None


def _on_attachment(
    r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]
) -> None:
    thread.messages.extend(t.rendered_messages(value))
    attachment = t.mapping(value.get("attachment"))
    turn = r.current(key)
    kind = attachment.get("type")
    if kind == "queued_command" and key == MAIN and turn is not None:
        text = t.text_of(attachment.get("prompt"))
        if text:
            queue_prompt(r, turn, text, at_ns)
    elif kind == "hook_success":
        _on_changed_input(r, attachment)
    r.mark(turn, None)


def _on_changed_input(r: Reading, attachment: Value) -> None:
    """A PreToolUse hook changed what a tool was to do: the tool call shows what ran."""
    changed = t.changed_input(attachment)
    turn, tool = r.tool(t.string(attachment.get("toolUseID")) or "")
    if changed is not None and turn is not None and tool is not None:
        tool.input = changed
        r.touch(turn, "tool:" + tool.tool_use_id)


def _on_system(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    subtype = value.get("subtype")
    turn = r.current(key)
    if subtype == "compact_boundary":
        compaction.on_boundary(r, key, value, at_ns)
    elif subtype == "informational":
        refusals.on_line(r, value, at_ns)
    elif turn is None or at_ns is None:
        return
    elif subtype == "api_error":
        calls.on_api_error(r, key, turn, value, at_ns)
    elif key == MAIN and subtype == "model_fallback":
        calls.on_fallback(r, turn, value, at_ns)
    elif key == MAIN and subtype == "stop_hook_summary":
        _on_summary(r, turn, value, at_ns)
    elif key == MAIN and subtype == "turn_duration" and turn.end is None and not turn.feedback:
        r.mark(turn, at_ns)
        turn.end = End("completed", at_ns, True, r.state.now_ns)


def _on_summary(r: Reading, turn: TurnDraft, value: Value, at_ns: int) -> None:
    """All Stop hooks are done: the turn is over, unless one of them made the agent go on."""
    r.state.summaries = True
    r.mark(turn, at_ns)
    if t.stop_hooks_let_go(value) and not turn.feedback:
        turn.end = End("completed", at_ns, True, r.state.now_ns)
        return
    context = value.get("hookAdditionalContext")
    texts = [text for text in context if isinstance(text, str)] if isinstance(context, list) else []
    if texts:
        add_moment(r, turn, "hook_feedback", str(value.get("uuid")), at_ns, "\n".join(texts))


def _on_cost(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    usage = t.mapping(value.get("modelUsage"))
    r.state.reported = {str(model): t.reported_usage(raw) for model, raw in usage.items()}
    total = value.get("totalCostUSD")
    if isinstance(total, (int, float)) and not isinstance(total, bool):
        r.state.reported_usd = float(total)
    r.state.active_ns = r.state.now_ns
    r.session_touched = True


_HANDLERS: dict[str, Callable[[Reading, str, Thread, Value, Optional[int]], None]] = {
    "user": _on_user,
    "assistant": _on_assistant,
    "attachment": _on_attachment,
    "system": _on_system,
    "api-request": calls.on_request,
    "cost-state": _on_cost,
}
