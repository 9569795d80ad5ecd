"""The facts of a session as plain JSON, for `sessions summary --json` and whatever reads it.

Durations are milliseconds, times ISO 8601 in UTC, money US dollars at list prices; what is not
known is null. Tool calls are referred to by their `number`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Optional

import msgspec

from harness_tracing.activity import Verification
from harness_tracing.activity.tools import exit_code
from harness_tracing.observe.summary.facts import Changed, Checked, Summary, ToolLine, Wait
from harness_tracing.observe.summary.spending import Spent, ToolSpent, usage_of
from harness_tracing.spans.json_form import iso_time

Report = dict[str, Any]


def of_summary(summary: Summary) -> Report:
    """All facts; `verification` is the session's, each turn has its own."""
    times = asdict(summary.times)
    return {
        "gate": _gate(summary),
        "verification": _verification(summary.verification, summary),
        "turns": [
            {
                "number": turn.number,
                "prompt": turn.turn.prompt,
                "status": turn.turn.status,
                **msgspec.to_builtins(usage_of(turn.turn)),
                "total_tokens": usage_of(turn.turn).total_tokens,
                "verification": _verification(turn.verification, summary),
            }
            for turn in summary.turns
        ],
        "tool_calls": [_tool(line) for line in summary.tools],
        "changes": [_change(change) for change in summary.changes],
        "checks": [_check(check) for check in summary.checks],
        "files": [msgspec.to_builtins(file) for file in summary.files],
        "models": [_spent(row, "model") for row in summary.models],
        "agents": [_spent(row, "agent") for row in summary.agents],
        "tools": [_of_tool(row) for row in summary.tools_spent],
        "time": {name.replace("_ns", "_ms"): value / 1e6 for name, value in times.items()},
        "context": [msgspec.to_builtins(point) for point in summary.context],
        "longest": [_wait(wait) for wait in summary.waits],
    }


def _of_tool(row: ToolSpent) -> Report:
    return {
        "tool": row.name,
        "calls": row.calls,
        "failed": row.failed,
        "duration_ms": None if row.time_ns is None else row.time_ns / 1e6,
        "waited_ms": row.waited_ns / 1e6,
        "context_grew_tokens": row.grew_tokens,
    }


def _wait(wait: Wait) -> Report:
    return {
        "kind": wait.kind,
        "what": wait.what,
        "turn": wait.turn,
        "number": wait.number,
        "duration_ms": wait.duration_ns / 1e6,
    }


def _gate(summary: Summary) -> Optional[Report]:
    gate = summary.gate
    return None if gate is None else {"command": gate.text, "source": gate.source}


def _verification(found: Optional[Verification], summary: Summary) -> Optional[Report]:
    if found is None:
        return None
    edit, run = found.last_edit, found.run
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        "last_edit": None if edit is None else summary.number_of(edit.tool),
        "gate_run": None if run is None else summary.number_of(run.tool),
        "other_checks": [
            {"number": summary.number_of(each.tool), "command": each.text, "outcome": each.outcome}
            for each in found.checks
        ],
    }


def _tool(line: ToolLine) -> Report:
    tool = line.tool
    start, end = tool.started_at_ns, tool.ended_at_ns
    known = start is not None and end is not None
    return {
        "number": line.number,
        "turn": line.turn,
        "tool_use_id": tool.tool_use_id,
        "name": tool.name,
        "agent": line.agent,
        "what": line.what,
        "background": line.background,
        "status": tool.status,
        "exit_code": exit_code(tool),
        "started_at": None if start is None else iso_time(start),
        "duration_ms": (end - start) / 1e6 if known else None,  # type: ignore[operator]
        "waited_ms": None if tool.waited_ns is None else tool.waited_ns / 1e6,
    }


def _change(change: Changed) -> Report:
    edit = change.edit
    return {
        "number": change.number,
        "turn": change.turn,
        "path": change.path,
        "kind": edit.kind,
        "added": edit.added,
        "removed": edit.removed,
        "code": change.is_code,
        "certain": edit.certain,
        "command": edit.by.text if edit.by else None,
        "passed_after": [
            {"number": number, "command": command} for number, command in change.verified_by
        ],
    }


def _check(check: Checked) -> Report:
    command = check.command
    return {
        "number": check.number,
        "turn": check.turn,
        "command": command.text,
        "kind": command.check.kind if command.check else None,
        "gate": check.is_gate,
        "outcome": command.outcome,
        "why_unknown": command.why,
        "by_output": command.shown,
    }


def _spent(row: Spent, title: str) -> Report:
    return {
        title: row.name,
        "calls": row.calls,
        **msgspec.to_builtins(row.usage),
        "total_tokens": row.usage.total_tokens,
        "cost_usd": row.cost_usd,
        "unpriced_models": list(row.unpriced),
        "duration_ms": row.time_ns / 1e6,
    }
