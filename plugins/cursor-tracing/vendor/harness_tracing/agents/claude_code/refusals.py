"""Prompts that never got to the model: a UserPromptSubmit hook blocked them.

The transcript has one system line about such a prompt and no line of its own; the line may be
read before the hook event that opened the turn, or after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import Reading
from harness_tracing.agents.claude_code.drafts import End, Refusal, TurnDraft
from harness_tracing.model import Failure

SAME_PROMPT_NS = 60 * 10**9
KEPT = 5


def on_line(r: Reading, value: Mapping[str, Any], at_ns: Optional[int]) -> None:
    """An informational line; only one that tells of a refused prompt matters."""
    ending = t.mapping(t.mapping(value.get("promptSubmitEnding")).get("ending"))
    kind = t.string(ending.get("kind"))
    if kind is None or at_ns is None:
        return
    known = "refused:" + (t.string(value.get("uuid")) or str(at_ns))
    if known in r.state.closed:
        return
    r.state.closed[known] = at_ns
    r.state.turn_count += 1
    refusal = Refusal(
        number=r.state.turn_count,
        kind=kind,
        reason=t.string(ending.get("reason")),
        text=t.string(value.get("content")) or "",
        at_ns=at_ns,
    )
    for turn in r.open_turns():
        if _fits(turn, refusal):
            _refuse(r, turn, refusal)
            return
    r.state.refusals = [*r.state.refusals[1 - KEPT :], refusal]


def on_prompt(r: Reading, turn: TurnDraft) -> None:
    """A hook opened a turn: it may be one whose refusal has been read already."""
    for refusal in r.state.refusals:
        if _fits(turn, refusal):
            r.state.refusals.remove(refusal)
            _refuse(r, turn, refusal)
            return


def _fits(turn: TurnDraft, refusal: Refusal) -> bool:
    if turn.has_lines or turn.hook_ns is None or not turn.hook_prompt:
        return False
    near = abs(turn.hook_ns - refusal.at_ns) < SAME_PROMPT_NS
    return near and refusal.text.rstrip().endswith(turn.hook_prompt.rstrip())


def _refuse(r: Reading, turn: TurnDraft, refusal: Refusal) -> None:
    turn.number = turn.number if turn.number is not None else refusal.number
    turn.has_lines = True
    turn.failure = Failure(refusal.kind, refusal.reason)
    turn.failure_ns = max(refusal.at_ns, turn.hook_ns or 0)
    turn.end = End("failed", turn.failure_ns, True, r.state.now_ns)
    r.mark(turn, turn.failure_ns)
