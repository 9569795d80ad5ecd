"""Sessions, turns and projects as plain JSON, for `--json` and whatever reads it.

Times are ISO 8601 in UTC, durations milliseconds, money US dollars at list prices. What is
not known is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import msgspec

from harness_tracing.model import ModelCall, Step, Subagent, ToolCall, Turn, Usage, step_id
from harness_tracing.model import span_id as derived_span_id
from harness_tracing.model import trace_id as derived_trace_id
from harness_tracing.spans.json_form import iso_time

if TYPE_CHECKING:
    from harness_tracing.observe.deliveries import Delivery
    from harness_tracing.store import ProjectRow, SessionRow, TurnRow

Report = dict[str, Any]


def of_session(row: SessionRow) -> Report:
    """One session as `sessions list` shows it."""
    session = row.session
    begun, ended = row.started_at_ns, row.ended_at_ns or row.last_event_ns
    return {
        "session_id": row.session_id,
        "agent": row.agent,
        "agent_version": session.agent_version,
        "project": row.project,
        "cwd": session.cwd,
        "user_id": session.user_id,
        "started_at": _iso(row.started_at_ns),
        "ended_at": _iso(row.ended_at_ns),
        "last_event_at": _iso(row.last_event_ns),
        "duration_ms": _times(begun, ended)["duration_ms"],
        "open": row.open,
        "turns": row.turns,
        "model_calls": row.model_calls,
        "tools": row.tools,
        "subagents": row.subagents,
        "failures": row.failures,
        **_usage(row.usage),
        "cost_usd": row.cost_usd,
        "unpriced_models": list(row.unpriced_models),
        "cost_usd_reported": session.cost_usd_reported,
        "last_status": row.last_status,
        "first_prompt": row.first_prompt,
    }


def of_turn(row: TurnRow) -> Report:
    """One turn with its steps in order of start; each names the step it lies below."""
    turn = row.turn
    return {
        "number": turn.number,
        "turn_id": turn.turn_id,
        "trace_id": derived_trace_id(turn.agent, turn.session_id, turn.turn_id),
        "span_id": derived_span_id(turn.agent, turn.session_id, turn.turn_id),
        "status": turn.status,
        "final": row.final,
        **_times(turn.started_at_ns, turn.ended_at_ns),
        "answered_at": _iso(turn.answered_at_ns),
        "prompt": turn.prompt,
        "response": turn.response,
        "model": turn.model,
        **_usage(row.usage),
        "cost_usd": row.cost_usd,
        "unpriced_models": list(row.unpriced_models),
        "error": msgspec.to_builtins(turn.error),
        "cause": turn.cause,
        "caused_by": turn.caused_by,
        "cwd": turn.cwd,
        "repository": msgspec.to_builtins(turn.repository),
        "gaps": msgspec.to_builtins(turn.gaps),
        "steps": [_of_step(step, turn) for step in turn.steps],
    }


def of_project(row: ProjectRow) -> Report:
    """One project as `projects list` shows it."""
    return {
        "project": row.project,
        "agents": list(row.agents),
        "sessions": row.sessions,
        "turns": row.turns,
        "last_event_at": _iso(row.last_event_ns),
    }


def of_delivery(row: Delivery, now_ns: int) -> Report:
    """One destination as `outbox list` shows it; nothing in it is secret."""
    target, queue, account = row.target, row.queue, row.account
    held = account is not None and not account.is_due(now_ns)
    return {
        "destination": row.name,
        "kind": target.kind,
        "endpoint": target.endpoint,
        "space": target.space or None,
        "protocol": target.protocol,
        "project": target.project,
        "shape": target.shape,
        "stream": target.stream,
        "state": row.state,
        "configured": row.known is not None,
        "credentials": row.ready,
        "waiting_spans": row.waiting,
        "waiting_turns": row.waiting_turns,
        "sent_spans": row.sent,
        "delivered_spans": queue.delivered if queue else 0,
        "dead_spans": row.dead,
        "dead_reason": (queue.dead_reason if queue else None) or None,
        "dropped_spans": queue.dropped if queue else 0,
        "waiting_annotations": row.annotations_waiting,
        "waiting_annotations_reason": row.annotations_reason or None,
        "dead_annotations": row.annotations_dead,
        "dead_annotations_reason": row.annotations_dead_reason or None,
        "oldest_waiting_at": _iso(queue.oldest_waiting_ns if queue else None),
        "failures": account.failures if account else 0,
        "failing_since": _iso(account.failing_since_ns if account else None),
        "last_error": account.last_error if account else None,
        "paused": row.paused,
        "due_at": _iso(account.due_at_ns) if account and held else None,
        "delivered_at": _iso(account.delivered_at_ns if account else None),
    }


def _iso(at_ns: Optional[int]) -> Optional[str]:
    return None if at_ns is None else iso_time(at_ns)


def _of_step(step: Step, turn: Turn) -> Report:
    fields: Report = msgspec.to_builtins(step)
    started, ended = fields.pop("started_at_ns", None), fields.pop("ended_at_ns", None)
    own = step_id(step)
    report = {
        "type": _type(step),
        "step_id": own,
        "span_id": derived_span_id(turn.agent, turn.session_id, turn.turn_id, own),
        **_times(fields.pop("at_ns", started), ended),
    }
    if isinstance(step, ModelCall):
        fields.pop("usage")
        report.update(_usage(step.usage))
    if isinstance(step, Subagent):
        fields["agent_type"] = fields.pop("type")
    if isinstance(step, ToolCall):
        waited, wait_started = fields.pop("waited_ns"), fields.pop("wait_started_at_ns")
        report["waited_ms"] = None if waited is None else waited / 1_000_000
        report["wait_started_at"] = _iso(wait_started)
    return {**report, **fields}


def _type(step: Step) -> str:
    if isinstance(step, ModelCall):
        return "model_call"
    if isinstance(step, ToolCall):
        return "tool"
    return "subagent" if isinstance(step, Subagent) else "moment"


def _times(started_at_ns: Optional[int], ended_at_ns: Optional[int]) -> Report:
    known = started_at_ns is not None and ended_at_ns is not None
    took = (ended_at_ns - started_at_ns) / 1_000_000 if known else None  # type: ignore[operator]
    return {"started_at": _iso(started_at_ns), "ended_at": _iso(ended_at_ns), "duration_ms": took}


def _usage(usage: Usage) -> Report:
    return {**msgspec.to_builtins(usage), "total_tokens": usage.total_tokens}
