"""What the main agent is told: prompts that begin turns, what comes while one runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.claude_code import compaction
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import MAIN, Reading
from harness_tracing.agents.claude_code.drafts import (
    End,
    MomentDraft,
    TurnDraft,
)
from harness_tracing.agents.claude_code.ends import end_by_evidence

Value = Mapping[str, Any]


def on_main_text(r: Reading, value: Value, text: str, at_ns: Optional[int]) -> None:
    """A text for the main agent: a prompt, feedback, an interruption, or by the way."""
    turn = r.current(MAIN)
    if value.get("isCompactSummary"):
        compaction.on_summary(r, text)
    elif text.startswith(t.INTERRUPTED_PREFIX):
        if turn is not None and at_ns is not None:
            r.mark(turn, at_ns)
            turn.end = End("interrupted", at_ns, True, r.state.now_ns)
    elif text.startswith(t.FEEDBACK_PREFIX) and value.get("isMeta"):
        if turn is not None:
            turn.feedback, turn.end, turn.stop_ns = True, None, None
            r.mark(turn, at_ns)
            _add_moment(r, turn, "hook_feedback", str(value.get("uuid")), at_ns, text)
    elif _is_prompt(r, value, text):
        _on_prompt(r, value, text, at_ns)
    else:
        r.mark(turn, None)


def _is_prompt(r: Reading, value: Value, text: str) -> bool:
    if value.get("isMeta") or value.get("isVisibleInTranscriptOnly"):
        return False
    if t.string(value.get("promptSource")) or t.string(value.get("turnOrigin")):
        return True
    # Clients before promptSource: whatever is neither command nor part of the running turn.
    return not t.is_command(text) and t.string(value.get("promptId")) not in r.state.turns


def _on_prompt(r: Reading, value: Value, text: str, at_ns: Optional[int]) -> None:
    uuid = t.string(value.get("uuid"))
    turn_id = t.string(value.get("promptId")) or uuid
    if turn_id is None:
        return
    thread = r.thread(MAIN)
    # A file that begins anew shows turns again that are told already.
    thread.skipping = turn_id in r.state.closed
    if thread.skipping:
        thread.turn_id = turn_id
        return
    turn = r.turn(turn_id)
    if turn.prompt_uuid is not None and turn.prompt_uuid != uuid:
        queue_prompt(r, turn, text, at_ns)
        return
    for other in r.open_turns():
        if other is not turn and other.end is None:
            end_by_evidence(r, other)
    r.settle_number(turn)
    turn.prompt, turn.prompt_ns, turn.prompt_uuid = t.slash_command(text), at_ns, uuid
    turn.has_lines = True
    turn.cwd = t.string(value.get("cwd")) or turn.cwd
    turn.branch = t.string(value.get("gitBranch"))
    note_cause(r, turn, text)
    compaction.attach_waiting(r, turn)
    thread.turn_id = turn_id
    r.mark(turn, at_ns)


def note_cause(r: Reading, turn: TurnDraft, text: str) -> None:
    """A turn that a background task's end started, and the tool call behind that task."""
    ids = t.notification(text)
    if not ids:
        return
    turn.cause = "task_notification"
    turn.caused_by = ids.get("tool-use-id")
    agent_id = ids.get("task-id", "")
    origin = r.state.turns.get(r.state.agent_turns.get(agent_id, ""))
    if origin is not None and agent_id in origin.agents:
        r.agent_over(origin, origin.agents[agent_id])


def queue_prompt(r: Reading, turn: TurnDraft, text: str, at_ns: Optional[int]) -> None:
    """A message the user sent while the turn ran; hook and transcript tell of it once."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    moment_id = "prompt:" + digest
    moment = turn.moments.get(moment_id)
    if moment is None:
        _add_moment(r, turn, "prompt", moment_id, at_ns, text)
    elif at_ns is not None and at_ns < moment.at_ns:
        moment.at_ns = at_ns
        r.touch(turn, "moment:" + moment_id)
    r.mark(turn, at_ns)


def _add_moment(
    r: Reading, turn: TurnDraft, kind: str, moment_id: str, at_ns: Optional[int], text: str
) -> None:
    at = at_ns if at_ns is not None else turn.last_ns
    turn.moments[moment_id] = MomentDraft(moment_id, kind, at, details={"text": text})
    r.touch(turn, "moment:" + moment_id)
