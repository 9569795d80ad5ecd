"""Results of tool calls, and the sub-agents that tool calls start or wake."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import CONTINUED, Reading
from harness_tracing.agents.claude_code.drafts import Thread, ToolDraft, TurnDraft
from harness_tracing.model import Message

Value = Mapping[str, Any]


def on_result(r: Reading, thread: Thread, value: Value, block: Value, at_ns: Optional[int]) -> None:
    """Take in a tool_result block: what came of the call, and who decided about it."""
    tool_use_id = t.string(block.get("tool_use_id")) or ""
    text = t.text_of(block.get("content"))
    thread.messages.append(Message("tool", text, tool_call_id=tool_use_id))
    turn, tool = r.tool(tool_use_id)
    # Lines that follow a late result are not the running turn's only because it runs.
    r.line_turn = "" if turn is None else turn.turn_id
    if turn is None or tool is None:
        return
    tool.denial = t.string(value.get("toolDenialKind"))
    if _filled_in_later(turn, tool, value):
        # Filled in when the session was resumed: says that it was cut, not when.
        tool.cut_short = True
    else:
        tool.result_at_ns = at_ns
        r.mark(turn, at_ns)
    tool.output = text
    tool.is_error = bool(block.get("is_error"))
    decision = t.mapping(value.get("permissionDecision"))
    tool.decision = t.string(decision.get("decision"))
    tool.decided_by = t.string(decision.get("source"))
    _structured_result(r, turn, tool, value.get("toolUseResult"), at_ns)
    if tool.output_file is None:
        tool.output_file = t.saved_output(text, r.state.session_id)
    r.touch(turn, "tool:" + tool_use_id)


def _filled_in_later(turn: TurnDraft, tool: ToolDraft, value: Value) -> bool:
    """Whether a later process wrote the result, in the name of one that was killed.

    Lines of sub-agents and of a queued prompt's turn name another prompt as well: they do not
    say that the call was cut.
    """
    if tool.agent_id is not None or tool.denial == "user-rejected":
        return False
    prompt_id = t.string(value.get("promptId"))
    return prompt_id is not None and turn.turn_id.split(CONTINUED)[0] != prompt_id


def _structured_result(
    r: Reading, turn: TurnDraft, tool: ToolDraft, raw: Any, at_ns: Optional[int]
) -> None:
    if not isinstance(raw, Mapping):
        return
    result = t.without_pictures(raw)
    tool.output_file = t.string(raw.get("persistedOutputPath"))
    if tool.output_file is not None:
        result.pop("stdout", None)
    tool.result = result
    note_agent(r, turn, tool.tool_use_id, raw, at_ns)


def note_agent(
    r: Reading, turn: TurnDraft, tool_use_id: str, response: Value, at_ns: Optional[int]
) -> None:
    """A tool's structured result names the sub-agent that it started, ended or woke."""
    woken = t.string(response.get("resumedAgentId"))
    agent_id = woken or t.string(response.get("agentId"))
    if agent_id is None:
        return
    agent = r.agent(turn, agent_id)
    agent.tool_use_id = agent.tool_use_id or tool_use_id
    if woken is not None:
        r.agent_resumed(turn, agent, at_ns)
    elif response.get("isAsync"):
        agent.background = True
    elif agent.resumed_ns is None:
        r.agent_over(turn, agent, at_ns)
    r.touch(turn, "agent:" + agent_id)
