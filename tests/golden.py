"""Golden trees: a session as readable text, compared with the text kept beside the tests."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from harness_tracing.model import (
    Message,
    ModelCall,
    Moment,
    Session,
    Step,
    Subagent,
    ToolCall,
    Turn,
    Usage,
)
from harness_tracing.prices import PriceTable
from harness_tracing.spans import Span, spans

FOLDER = Path(__file__).parent / "golden"
CLIP = 240
MANY_STEPS = 80
SHOWN_OF_MANY = 16


def check(name: str, text: str, suffix: str = ".txt") -> None:
    """Fail unless the golden file of that name holds this text.

    With HARNESS_WRITE_GOLDEN=1 the file is rewritten and the test fails all the same, so that
    rewriting cannot stay on unnoticed.
    """
    path = FOLDER / (name + suffix)
    known = path.read_text(encoding="utf-8") if path.exists() else None
    if known == text:
        return
    difference = "\n".join(
        difflib.unified_diff(
            (known or "").split("\n"), text.split("\n"), "golden", "now", lineterm=""
        )
    )
    if os.environ.get("HARNESS_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        raise AssertionError(f"{path} rewritten:\n{difference}")
    raise AssertionError(f"{path} differs; `make golden` rewrites it:\n{difference}")


def session_text(session: Session, turns: list[Turn]) -> str:
    """A session with all its turns, contents and both span shapes."""
    table = PriceTable.load()
    lines = [f"session {session.session_id} of {session.agent} {session.agent_version}"]
    lines.append(f"  project {session.project}, cwd {session.cwd}, ended: {session.end_reason}")
    if session.cost_usd_reported is not None:
        lines.append(f"  reported by the agent: ${session.cost_usd_reported:.6f}")
    lines += [f"  {name}: {value}" for name, value in sorted(session.attributes.items())]
    for turn in turns:
        lines += ["", *_turn(turn)]
        for shape in ("turns", "calls"):
            drawn = spans(turn, session, shape, table, harness_version="0")
            lines.append(f"  shape {shape}:")
            lines += _shortened(["    " + line for line in _spans(drawn)])
    return "\n".join(lines) + "\n"


def _turn(turn: Turn) -> list[str]:
    start = turn.started_at_ns
    head = f"turn {turn.number} {turn.status}, {_at(turn.ended_at_ns, start)} ms"
    lines = [head + f", answered at {_at(turn.answered_at_ns, start)}, {turn.model}"]
    lines.append(f"  {_usage(turn.usage)}")
    lines += _field("prompt", turn.prompt) + _field("response", turn.response)
    lines += _field("cause", turn.cause) + _field("caused by", turn.caused_by)
    if turn.error is not None:
        lines.append(f"  error {turn.error.type}: {_clip(turn.error.message)}")
    lines.append(f"  cwd {turn.cwd}, branch {turn.repository.branch}")
    lines += [f"  gap: {gap.what} ({gap.why})" for gap in turn.gaps]
    steps = [["  " + line for line in _step(step, start)] for step in turn.steps]
    return lines + _shortened([line for step in steps for line in step], len(steps))


def _shortened(lines: list[str], steps: int = 0) -> list[str]:
    """Very long lists by their ends and a digest of all."""
    if max(steps, len(lines) // 8) <= MANY_STEPS:
        return lines
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    rest = len(lines) - 2 * SHOWN_OF_MANY
    middle = f"  … {rest} more lines, sha256 of all {digest}"
    return [*lines[:SHOWN_OF_MANY], middle, *lines[-SHOWN_OF_MANY:]]


def _step(step: Step, start: int) -> list[str]:
    if isinstance(step, ModelCall):
        return _call(step, start)
    if isinstance(step, ToolCall):
        return _tool(step, start)
    if isinstance(step, Subagent):
        return _agent(step, start)
    return _moment(step, start)


def _call(call: ModelCall, start: int) -> list[str]:
    of = f" of {call.agent_id}" if call.agent_id else ""
    kind = f" ({call.kind} {call.moment_id})" if call.kind else ""
    attempt = f", attempt {call.attempt}" if call.attempt > 1 else ""
    lines = [f"call {call.message_id or call.call_id}{of}{kind} {_span_ms(call, start)}{attempt}"]
    lines.append(f"  {call.model}, {call.finish_reason}, {_usage(call.usage)}")
    if call.error is not None:
        lines.append(f"  error {call.error.type}: {_clip(call.error.message)}")
    if call.earlier_messages is not None:
        lines.append(f"  after {call.earlier_messages} earlier messages")
    lines += [f"  < {_message(message)}" for message in call.input_messages]
    if call.output is not None:
        lines.append(f"  > {_message(call.output)}")
    return lines


def _message(message: Message) -> str:
    parts = [message.role]
    if message.tool_call_id:
        parts.append(message.tool_call_id)
    if message.thinking:
        parts.append(f"thinks {_clip(message.thinking)}")
    if message.content is not None:
        parts.append(_clip(message.content))
    parts += [f"asks {r.name} {r.tool_use_id} {_json(r.arguments)}" for r in message.tool_requests]
    return " | ".join(parts)


def _tool(tool: ToolCall, start: int) -> list[str]:
    of = f" of {tool.agent_id}" if tool.agent_id else ""
    mcp = f", mcp server {tool.mcp_server}" if tool.mcp_server else ""
    lines = [f"tool {tool.name} {tool.tool_use_id}{of} {tool.status} {_span_ms(tool, start)}{mcp}"]
    if tool.waited_ns is not None:
        lines.append(f"  waited {tool.waited_ns // 10**6} ms for {tool.wait_kind}")
    lines.append(f"  asked by {tool.call_id}: {_json(tool.input)}")
    if tool.output is not None:
        lines.append(f"  output {_clip(tool.output)}")
    if tool.result is not None:
        lines.append(f"  result {_json(tool.result)}")
    if tool.error is not None:
        lines.append(f"  error {tool.error.type}: {_clip(tool.error.message)}")
    return lines


def _agent(agent: Subagent, start: int) -> list[str]:
    parent = f" of {agent.parent_agent_id}" if agent.parent_agent_id else ""
    where = "background" if agent.background else "foreground"
    head = f"agent {agent.agent_id}{parent} {agent.type} {agent.status} {where}"
    lines = [f"{head} {_span_ms(agent, start)}, below {agent.tool_use_id}"]
    lines += _field("prompt", agent.prompt) + _field("response", agent.response)
    if agent.error is not None:
        lines.append(f"  error {agent.error.type}: {_clip(agent.error.message)}")
    return lines


def _moment(moment: Moment, start: int) -> list[str]:
    where = " between turns" if moment.between_turns else ""
    ended = f"..{_at(moment.ended_at_ns, start)}" if moment.ended_at_ns is not None else ""
    head = f"moment {moment.kind}{where} {_at(moment.at_ns, start)}{ended}"
    return [head, f"  {_json(moment.details)}"]


def _spans(drawn: list[Span]) -> list[str]:
    children: dict[str | None, list[Span]] = {}
    ids = {span.span_id for span in drawn}
    for span in drawn:
        children.setdefault(span.parent_id if span.parent_id in ids else None, []).append(span)

    def below(parent: str | None, depth: int) -> list[str]:
        lines = []
        for span in children.get(parent, []):
            lines.append("  " * depth + _span(span))
            lines += ["  " * depth + f"  event {event.name}" for event in span.events]
            lines += below(span.span_id, depth + 1)
        return lines

    return below(None, 0)


def _span(span: Span) -> str:
    attributes = span.attributes
    parts = [span.name, span.kind, span.status_code]
    for name, key in (
        ("in", "llm.token_count.prompt"),
        ("out", "llm.token_count.completion"),
        ("$", "llm.cost.total"),
        ("tool", "harness.tool.status"),
        ("turn", "harness.turn.status"),
        ("error", "error.type"),
    ):
        if key in attributes:
            value = attributes[key]
            parts.append(f"{name} {value:.6f}" if name == "$" else f"{name} {value}")
    if "harness.cost.unpriced_models" in attributes:
        parts.append("unpriced")
    return ", ".join(map(str, parts))


def _usage(usage: Usage) -> str:
    return (
        f"in {usage.input_tokens} (read {usage.cache_read_tokens},"
        f" write {usage.cache_write_tokens}, 1h {usage.cache_write_1h_tokens}),"
        f" out {usage.output_tokens}, reasoning {usage.reasoning_tokens}"
    )


def _field(name: str, text: str | None) -> list[str]:
    return [] if text is None else [f"  {name}: {_clip(text)}"]


def _span_ms(step: Any, start: int) -> str:
    return f"{_at(step.started_at_ns, start)}..{_at(step.ended_at_ns, start)}"


def _at(at_ns: int | None, start: int) -> str:
    return "?" if at_ns is None else str(round((at_ns - start) / 1e6))


def _json(value: Any) -> str:
    return _clip(json.dumps(value, ensure_ascii=False, sort_keys=True))


def _clip(text: str | None) -> str:
    if text is None:
        return "None"
    shown = json.dumps(text, ensure_ascii=False)
    return shown if len(shown) <= CLIP else f"{shown[:CLIP]}… ({len(text)} characters)"
