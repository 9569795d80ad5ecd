"""What a forked session took over from the one it was forked from.

A fork's file begins with copies of the other's lines: same uuid, message id and requestId, but
the new session's id, and in user lines the promptId of the fork's own first turn. Replies name
their origin (`requestSessionId`); whatever stands before one of them is a copy as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.claude_code import branches
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import CONTINUED, Reading
from harness_tracing.agents.claude_code.drafts import TurnDraft

Value = Mapping[str, Any]
# Lines this close to a fork may be its own; copies among them are known by their calls.
FORK_SLACK_NS = 2 * 10**9
TOOLS_THAT_ASK_MODELS = {"Agent", "Task", "WebFetch", "WebSearch"}


def is_copy(r: Reading, value: Value, at_ns: Optional[int]) -> bool:
    """Whether a fork took this line over from the session it was forked from.

    Times tell only until the first reply of its own: after that a clock was set back.
    """
    origin = t.string(value.get("requestSessionId"))
    if origin is not None and origin != r.state.session_id:
        return True
    model = t.mapping(value.get("message")).get("model")
    if value.get("type") == "assistant" and model not in (None, t.SYNTHETIC_MODEL):
        r.state.own_replies = True
    forked_ns = r.state.forked_ns
    if forked_ns is None or at_ns is None or r.state.own_replies:
        return False
    return at_ns < forked_ns - FORK_SLACK_NS


def on_copy(r: Reading, key: str, value: Value) -> None:
    """A copied line counts as an earlier message; its call only towards the cost-state."""
    r.state.copied = True
    if r.state.own_replies:
        return
    thread = r.thread(key)
    r.count(thread, len(thread.messages) + _messages(r, value))
    turn = r.current(key)
    if turn is not None and turn.has_lines and not turn.calls:
        _forget(r, turn)
    if r.state.waiting_moments or value.get("subtype") == "compact_boundary":
        r.state.origin_cost_unknown = True
    r.state.waiting_moments, r.state.unpaid, r.state.boundaries_ns = {}, {}, []
    thread.turn_id, thread.pending, thread.messages = None, None, []


def _messages(r: Reading, value: Value) -> int:
    """How many messages to the model a copied line stands for."""
    kind, message = value.get("type"), t.mapping(value.get("message"))
    if kind == "assistant":
        return _count_call(r, value, message)
    if kind == "user":
        results = [b for b in t.blocks(message.get("content")) if b.get("type") == "tool_result"]
        return len(results) or 1
    return len(t.rendered_messages(value)) if kind == "attachment" else 0


def _count_call(r: Reading, value: Value, message: Value) -> int:
    request = t.string(value.get("requestId")) or t.string(message.get("id"))
    if request is None or "copied:" + request in r.state.closed:
        return 0
    r.state.closed["copied:" + request] = 0
    r.count_usage(t.string(message.get("model")), t.usage_of(message.get("usage"), True))
    tools = {str(block.get("name")) for block in t.blocks(message.get("content"))}
    if tools & TOOLS_THAT_ASK_MODELS:
        # Their calls are in the cost-state that a fork goes on from, and not in its file.
        r.state.origin_cost_unknown = True
    return 1


def _forget(r: Reading, turn: TurnDraft) -> None:
    """Drop a draft whose lines turned out to be copies; what hooks told stays."""
    again = TurnDraft(turn.turn_id, hook_ns=turn.hook_ns, hook_prompt=turn.hook_prompt)
    if turn.number == r.state.turn_count:
        r.state.turn_count -= 1
    base = turn.turn_id.split(CONTINUED)[0]
    if base != turn.turn_id:
        # Told from hooks alone: the lines that are its own are still to come.
        r.state.closed_unseen.append(base)
    branches.forget(r, turn.turn_id)
    del r.state.turns[turn.turn_id]
    r.touched.pop(turn.turn_id, None)
    if turn.hook_ns is not None or turn.turn_id in r.told:
        r.state.turns[turn.turn_id] = again


def replaces_copy(r: Reading, turn: TurnDraft) -> bool:
    """Whether a second prompt of a turn is its own and the first was a copy.

    A prompt copied without a reply names no origin; it has the promptId of the fork's own.
    """
    return r.state.forked_ns is not None and not turn.calls
