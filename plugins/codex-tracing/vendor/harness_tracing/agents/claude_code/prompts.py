"""What the main agent is told: prompts that begin turns, what comes while one runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.claude_code import branches, calls, compaction, copies
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import MAIN, Reading
from harness_tracing.agents.claude_code.drafts import (
    End,
    MomentDraft,
    Thread,
    TurnDraft,
    Typed,
)

Value = Mapping[str, Any]


def on_main_text(r: Reading, value: Value, text: str, at_ns: Optional[int]) -> None:
    """A text for the main agent: a prompt, feedback, an interruption, or by the way."""
    turn = r.current(MAIN)
    if value.get("isCompactSummary"):
        compaction.on_summary(r, text)
    elif text.startswith(t.INTERRUPTED_PREFIX):
        _on_interruption(r, value, at_ns)
    elif text.startswith(t.FEEDBACK_PREFIX) and value.get("isMeta"):
        if turn is not None:
            turn.feedback, turn.end, turn.stop_ns = True, None, None
            r.mark(turn, at_ns)
            add_moment(r, turn, "hook_feedback", str(value.get("uuid")), at_ns, text)
    elif text.startswith(t.CUT_STREAM_PREFIX) and value.get("isMeta"):
        calls.on_cut_stream(r, MAIN, at_ns)
    elif _is_prompt(r, value, text):
        _on_prompt(r, value, text, at_ns)
    else:
        command = t.typed_command(text)
        if command is not None:
            r.thread(MAIN).typed = Typed(command, at_ns)
        r.mark(turn, None)


def _on_interruption(r: Reading, value: Value, at_ns: Optional[int]) -> None:
    """The user broke off a turn: not always the last one, when a prompt was queued meanwhile."""
    turn = _interrupted_turn(r, value)
    if turn is None or at_ns is None:
        return
    r.line_turn = turn.turn_id
    r.mark(turn, at_ns)
    turn.end = End("interrupted", at_ns, True, r.state.now_ns)


def _interrupted_turn(r: Reading, value: Value) -> Optional[TurnDraft]:
    message_id = t.string(value.get("interruptedMessageId"))
    for turn in r.open_turns():
        if message_id and any(call.message_id == message_id for call in turn.calls.values()):
            return turn
    if t.string(value.get("parentUuid")) is not None:
        return branches.owner_of(r, value)
    return r.current(MAIN)


def _is_prompt(r: Reading, value: Value, text: str) -> bool:
    if value.get("isMeta") or value.get("isVisibleInTranscriptOnly"):
        return False
    if t.string(value.get("promptSource")) or t.string(value.get("turnOrigin")):
        return True
    # Clients before promptSource: whatever is neither command nor part of the running turn.
    turn = r.state.turns.get(t.string(value.get("promptId")) or "")
    return not t.is_command(text) and (
        turn is None or turn.prompt_uuid in (None, value.get("uuid"))
    )


def _on_prompt(r: Reading, value: Value, text: str, at_ns: Optional[int]) -> None:
    uuid = t.string(value.get("uuid"))
    turn_id = t.string(value.get("promptId")) or uuid
    if turn_id is None:
        return
    unseen = turn_id in r.state.closed_unseen
    if unseen:
        # Told from hooks alone, since its lines were not there in time.
        r.state.closed_unseen.remove(turn_id)
        turn_id = r.continuation(turn_id)
    # A file that begins anew shows turns again that are told already.
    r.thread(MAIN).skipping = turn_id in r.state.closed
    if r.thread(MAIN).skipping:
        r.thread(MAIN).turn_id = turn_id
        return
    turn = r.turn(turn_id)
    if turn.prompt_uuid not in (None, uuid) and not copies.replaces_copy(r, turn):
        queue_prompt(r, turn, text, at_ns)
        return
    branches.make_way(r, turn, value, at_ns)
    if turn.end is not None and not turn.end.firm:
        turn.end = None
    r.settle_number(turn)
    thread = r.thread(MAIN)
    _describe(turn, value, text, at_ns, thread)
    note_cause(r, turn, text, at_ns)
    turn.cause = "continuation" if unseen else turn.cause
    compaction.attach_waiting(r, turn)
    thread.turn_id, thread.typed = turn_id, None
    r.mark(turn, at_ns)
    calls.release_since(r, turn, thread)


def _describe(
    turn: TurnDraft, value: Value, text: str, at_ns: Optional[int], thread: Thread
) -> None:
    """What the line of its prompt says of a turn."""
    typed = thread.typed if t.is_command(text) and t.typed_command(text) is None else None
    turn.prompt, turn.prompt_ns = t.slash_command(text), at_ns
    if typed is not None and text.lstrip().startswith(t.TYPED_OUTPUT):
        turn.prompt, turn.prompt_ns = "! " + typed.command, typed.at_ns
    turn.prompt_uuid, turn.has_lines = t.string(value.get("uuid")), True
    turn.cwd = t.string(value.get("cwd")) or turn.cwd
    turn.branch = t.string(value.get("gitBranch"))


def note_cause(r: Reading, turn: TurnDraft, text: str, at_ns: Optional[int]) -> None:
    """A turn that a background task's end started, and the tool call behind that task."""
    ids = t.notification(text)
    if ids:
        turn.cause = "task_notification"
        turn.caused_by = ids.get("tool-use-id")
        _note_task_over(r, ids, at_ns)


def _note_task_over(r: Reading, ids: Mapping[str, str], at_ns: Optional[int]) -> None:
    """A notification says that a task is over: a sub-agent, when it is one we know."""
    agent_id = ids.get("task-id", "")
    origin = r.state.turns.get(r.state.agent_turns.get(agent_id, ""))
    if origin is not None and agent_id in origin.agents:
        r.agent_over(origin, origin.agents[agent_id], at_ns)


def queue_prompt(r: Reading, turn: TurnDraft, text: str, at_ns: Optional[int]) -> None:
    """A message that came while the turn ran; hook and transcript tell of it once.

    It is the user's, or the news that a background task is over.
    """
    ids = t.notification(text)
    kind = "notification" if ids else "prompt"
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    moment_id = f"{kind}:{digest}"
    moment = turn.moments.get(moment_id)
    if moment is None:
        add_moment(r, turn, kind, moment_id, at_ns, text)
    elif at_ns is not None and at_ns < moment.at_ns:
        moment.at_ns = at_ns
        r.touch(turn, "moment:" + moment_id)
    if ids:
        _note_task_over(r, ids, at_ns)
    r.mark(turn, at_ns)


def add_moment(
    r: Reading, turn: TurnDraft, kind: str, moment_id: str, at_ns: Optional[int], text: str
) -> None:
    """Note a moment of a turn that consists of a text."""
    at = at_ns if at_ns is not None else turn.last_ns
    turn.moments[moment_id] = MomentDraft(moment_id, kind, at, details={"text": text})
    r.touch(turn, "moment:" + moment_id)
