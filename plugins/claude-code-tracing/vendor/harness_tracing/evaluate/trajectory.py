"""What an agent did as text for a judge: its steps in order, its tool calls, its changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Optional

from harness_tracing.activity import edits_of, tool_calls
from harness_tracing.model import Message, ModelCall, Moment, Subagent, ToolCall, Turn

LONGEST_VALUE = 2_000
NOT_RECORDED = "(not recorded)"


def trajectory(turns: Iterable[Turn]) -> str:
    """The steps of these turns in order: what was said, called and returned, each value cut."""
    return "\n\n".join("\n".join(_turn(turn)) for turn in turns)


def calls(turns: Iterable[Turn]) -> str:
    """The tool calls of these turns, sub-agents' too, a line of JSON each; without outputs."""
    lines = []
    for turn in turns:
        for call in tool_calls(turn):
            told: dict[str, Any] = {"name": call.name, "status": call.status, "input": call.input}
            if call.error is not None:
                told["error"] = cut(call.error.message or call.error.type, LONGEST_VALUE)
            lines.append(json.dumps(told, ensure_ascii=False, default=str))
    return "\n".join(lines)


def diff(turns: Iterable[Turn]) -> str:
    """The changes to files as hunks of a unified diff, as far as the agent recorded them."""
    parts = []
    for turn in turns:
        for edit in edits_of(turn):
            if edit.path is None and edit.diff is None and not edit.certain:
                continue  # a command that may have changed something: the trajectory shows it
            head = f"{edit.kind} {edit.path or '(path not recorded)'}"
            parts.append(f"{head}\n{edit.diff or '(the change itself was not recorded)'}")
    return "\n".join(parts)


def cut(text: str, budget: int) -> str:
    """The text, of which the middle is left out, and said so, when it is longer than `budget`."""
    if len(text) <= budget:
        return text
    marker = f"\n[… {len(text) - budget:,} characters or more left out here …]\n"
    room = max(0, budget - len(marker))
    head = (room + 1) // 2
    tail = room - head
    return text[:head] + marker[:budget] + (text[-tail:] if tail else "")


def _turn(turn: Turn) -> Iterator[str]:
    yield f"Turn {turn.number} ({turn.status})"
    yield f"User: {NOT_RECORDED if turn.prompt is None else turn.prompt}"
    for number, step in enumerate(turn.steps, 1):
        said = _step(step)
        if said is not None:
            whose = f" [sub-agent {step.agent_id}]" if getattr(step, "agent_id", None) else ""
            yield f"{number}.{whose} {said}"
    yield f"Final answer: {NOT_RECORDED if turn.response is None else turn.response}"


def _step(step: Any) -> Optional[str]:
    if isinstance(step, ModelCall):
        return _said(step.output, step)
    if isinstance(step, ToolCall):
        return _tool(step)
    if isinstance(step, Subagent):
        return f"Sub-agent {step.type or '?'} ({step.status}): {_value(step.prompt)}"
    assert isinstance(step, Moment)
    return f"({step.kind})"


def _said(output: Optional[Message], call: ModelCall) -> Optional[str]:
    if call.error is not None:
        return f"Model call failed: {call.error.type}"
    if output is None or not output.content:
        return None
    return f"Assistant: {_value(output.content)}"


def _tool(call: ToolCall) -> str:
    asked = json.dumps(call.input, ensure_ascii=False, default=str)
    lines = [f"Tool {call.name} ({call.status}): {_value(asked)}"]
    if call.error is not None:
        lines.append(f"   error: {_value(call.error.message or call.error.type)}")
    lines.append(f"   output: {_value(call.output)}")
    return "\n".join(lines)


def _value(value: Optional[str]) -> str:
    return NOT_RECORDED if value is None else cut(value, LONGEST_VALUE)
