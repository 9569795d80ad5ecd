"""Turns that are open in the store and that no reader knows of any more."""

from __future__ import annotations

from dataclasses import replace

from harness_tracing.model import Gap, Step, Subagent, ToolCall, Turn
from harness_tracing.store import TurnRow, TurnWrite

LOST = Gap("end of the turn", "what was captured of it is gone")


def close_lost(row: TurnRow) -> TurnWrite:
    """End a stored turn at its last evidence; its events and its agent are both gone."""
    turn = row.turn
    times = [turn.started_at_ns, turn.answered_at_ns or 0]
    for step in turn.steps:
        times.append(getattr(step, "started_at_ns", None) or getattr(step, "at_ns", None) or 0)
        times.append(step.ended_at_ns or 0)
    closed: Turn = replace(
        turn,
        status="interrupted",
        ended_at_ns=max(times),
        steps=tuple(_ended(step) for step in turn.steps),
        gaps=(*turn.gaps, LOST),
    )
    return TurnWrite(closed, True, row.cost_usd, row.unpriced_models)


def _ended(step: Step) -> Step:
    if isinstance(step, ToolCall) and step.status == "running":
        return replace(step, status="unknown")
    if isinstance(step, Subagent) and step.status == "open":
        return replace(step, status="interrupted")
    return step
