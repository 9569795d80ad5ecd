"""Tool results in the transcript: what a tool gave back, and to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import CONTINUED, Reading
from harness_tracing.agents.claude_code.drafts import (
    Thread,
    ToolDraft,
    TurnDraft,
)
from harness_tracing.model import Message

Value = Mapping[str, Any]


def same_turn(turn: Optional[TurnDraft], value: Value) -> bool:
    """Whether a line belongs to the turn; one written at a resume does not."""
    prompt_id = t.string(value.get("promptId"))
    return turn is None or prompt_id is None or turn.turn_id.split(CONTINUED)[0] == prompt_id


def on_result(r: Reading, thread: Thread, value: Value, block: Value, at_ns: Optional[int]) -> None:
    """A tool's result, for the tool and for the model's next call."""
    tool_use_id = t.string(block.get("tool_use_id")) or ""
    text = t.text_of(block.get("content"))
    thread.messages.append(Message("tool", text, tool_call_id=tool_use_id))
    turn, tool = r.tool(tool_use_id)
    if turn is None or tool is None:
        return
    if not same_turn(turn, value):
        # Filled in when the session was resumed: says that it was cut, not when.
        tool.cut_short = True
    else:
        tool.result_at_ns = at_ns
        r.mark(turn, at_ns)
    tool.output = text
    tool.is_error = bool(block.get("is_error"))
    tool.denial = t.string(value.get("toolDenialKind"))
    decision = t.mapping(value.get("permissionDecision"))
    tool.decision = t.string(decision.get("decision"))
    tool.decided_by = t.string(decision.get("source"))
    _structured_result(r, turn, tool, value.get("toolUseResult"))
    r.touch(turn, "tool:" + tool_use_id)


def _structured_result(r: Reading, turn: TurnDraft, tool: ToolDraft, raw: Any) -> None:
    if not isinstance(raw, Mapping):
        return
    result = t.without_pictures(raw)
    tool.output_file = t.string(raw.get("persistedOutputPath"))
    if tool.output_file is not None:
        result.pop("stdout", None)
    tool.result = result
    agent_id = t.string(raw.get("agentId"))
    if agent_id is None:
        return
    agent = r.agent(turn, agent_id)
    agent.tool_use_id = agent.tool_use_id or tool.tool_use_id
    if raw.get("isAsync"):
        agent.background = True
    elif tool.agent_id != agent_id:
        r.agent_over(turn, agent)
    r.touch(turn, "agent:" + agent_id)
