"""Transcript lines: which they are, whose, and where each kind goes.

The transcript tells what happened and in which order; its own order ends turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional

from harness_tracing.agents.claude_code import compaction
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.calls import (
    agent_seen,
    count_usage,
    on_api_error,
    on_assistant,
    on_request,
    session_facts,
)
from harness_tracing.agents.claude_code.core import MAIN, Reading
from harness_tracing.agents.claude_code.drafts import (
    AgentDraft,
    End,
    Thread,
    TurnDraft,
)
from harness_tracing.agents.claude_code.prompts import on_main_text, queue_prompt
from harness_tracing.agents.claude_code.results import on_result, same_turn
from harness_tracing.model import Message

Value = Mapping[str, Any]
# Lines this close to a fork may be its own; copies among them are known by their calls.
FORK_SLACK_NS = 2 * 10**9


def feed_line(r: Reading, key: str, value: Optional[Value], offset: int) -> None:
    """Take in one line of the main transcript (`main`) or of a sub-agent's (its id)."""
    if value is None:
        r.gap(r.current(key), "a line of the transcript", f"not valid JSON, at byte {offset}")
        return
    key = t.string(value.get("agentId")) or key
    at_ns = t.time_ns(value.get("timestamp"))
    if _copied(r, value, at_ns):
        _on_copied(r, key, value)
        return
    handler = _HANDLERS.get(str(value.get("type")))
    if handler is None:
        return
    thread = r.thread(key)
    handler(r, key, thread, value, at_ns)
    if at_ns is not None:
        thread.last_ns = max(thread.last_ns or 0, at_ns)


def _copied(r: Reading, value: Value, at_ns: Optional[int]) -> bool:
    """Whether a fork took this line over from the session it was forked from."""
    origin = t.string(value.get("requestSessionId"))
    if origin is not None and origin != r.state.session_id:
        return True
    forked_ns = r.state.forked_ns
    return forked_ns is not None and at_ns is not None and at_ns < forked_ns - FORK_SLACK_NS


def _on_copied(r: Reading, key: str, value: Value) -> None:
    """A copied call belongs to the other session: only its usage counts, for cost-state."""
    if value.get("type") == "assistant":
        message = t.mapping(value.get("message"))
        request = t.string(value.get("requestId")) or t.string(message.get("id"))
        if request is not None and "copied:" + request not in r.state.closed:
            r.state.closed["copied:" + request] = 0
            count_usage(r, t.string(message.get("model")), t.usage_of(message.get("usage"), True))
    thread = r.thread(key)
    turn = r.current(key)
    if turn is not None and turn.has_lines:
        _forget(r, turn)
    thread.turn_id, thread.pending, thread.messages = None, None, []


def _forget(r: Reading, turn: TurnDraft) -> None:
    """Drop a draft whose lines turned out to be copies; what hooks told stays."""
    again = TurnDraft(turn.turn_id, hook_ns=turn.hook_ns, hook_prompt=turn.hook_prompt)
    if turn.number == r.state.turn_count:
        r.state.turn_count -= 1
    del r.state.turns[turn.turn_id]
    r.touched.pop(turn.turn_id, None)
    if turn.hook_ns is not None:
        r.state.turns[turn.turn_id] = again


def _on_user(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    content = t.mapping(value.get("message")).get("content")
    session_facts(r, value)
    results = [b for b in t.blocks(content) if b.get("type") == "tool_result"]
    for block in results:
        on_result(r, thread, value, block, at_ns)
    text = t.text_of(content)
    if results:
        if text:
            thread.messages.append(Message("user", text))
        r.mark(r.current(key), at_ns if same_turn(r.current(key), value) else None)
        return
    if key == MAIN:
        on_main_text(r, value, text or "", at_ns)
    else:
        _on_agent_text(r, key, thread, value, text, at_ns)
    if not value.get("isCompactSummary"):
        thread.messages.append(Message("user", text))


def _on_agent_text(
    r: Reading, key: str, thread: Thread, value: Value, text: Optional[str], at_ns: Optional[int]
) -> None:
    prompt_id = t.string(value.get("promptId"))
    if prompt_id is not None and prompt_id in r.state.turns:
        thread.turn_id = prompt_id
    agent, turn = _agent_of(r, key)
    if agent is None or turn is None:
        return
    if agent.prompt is None:
        agent.prompt = text
    agent_seen(r, turn, agent, at_ns)


def _agent_of(r: Reading, key: str) -> tuple[Optional[AgentDraft], Optional[TurnDraft]]:
    turn = r.current(key)
    return (None, None) if turn is None else (r.agent(turn, key), turn)


def _on_attachment(
    r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]
) -> None:
    thread.messages.extend(t.rendered_messages(value))
    attachment = t.mapping(value.get("attachment"))
    turn = r.current(key)
    if attachment.get("type") == "queued_command" and key == MAIN and turn is not None:
        text = t.text_of(attachment.get("prompt"))
        if text and not t.notification(text):
            queue_prompt(r, turn, text, at_ns)
    r.mark(turn, None)


def _on_system(r: Reading, key: str, thread: Thread, value: Value, at_ns: Optional[int]) -> None:
    subtype = value.get("subtype")
    turn = r.current(key)
    if subtype == "compact_boundary":
        compaction.on_boundary(r, key, value, at_ns)
    elif turn is None or at_ns is None:
        return
    elif subtype == "api_error":
        on_api_error(r, turn, thread, value, at_ns)
    elif key == MAIN and subtype == "stop_hook_summary":
        r.state.summaries = True
        r.mark(turn, at_ns)
        if t.stop_hooks_let_go(value) and not turn.feedback:
            turn.end = End("completed", at_ns, True, r.state.now_ns)
    elif key == MAIN and subtype == "turn_duration" and turn.end is None and not turn.feedback:
        r.mark(turn, at_ns)
        turn.end = End("completed", at_ns, True, r.state.now_ns)


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
    "assistant": on_assistant,
    "attachment": _on_attachment,
    "system": _on_system,
    "api-request": on_request,
    "cost-state": _on_cost,
}
