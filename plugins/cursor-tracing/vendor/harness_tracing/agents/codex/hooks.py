"""What each hook event tells. Hooks are the clock: the rollout says what happened.

Hooks of every thread carry the main thread's id as `session_id`; whose they are is told by
`agent_id`, or by the rollout they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional

from harness_tracing.agents.base import HookEvent
from harness_tracing.agents.codex import ends
from harness_tracing.agents.codex import rollout as r_
from harness_tracing.agents.codex.core import HOOKS_KEPT, Reading
from harness_tracing.agents.codex.drafts import HookTimes, MomentDraft, TurnDraft

Payload = Mapping[str, Any]

# Two hooks of one event, registered twice, are that near to each other.
TWICE_NS = 10**9


def feed_hook(r: Reading, event: HookEvent) -> None:
    """Take in one hook event."""
    payload = event.payload or {}
    r.state.pid = event.pid if event.pid is not None else r.state.pid
    r.state.active_ns = r.state.now_ns
    agent_id = _agent_of(r, event.name, payload)
    handler = _HANDLERS.get(event.name)
    if handler is not None and event.payload is not None:
        handler(r, payload, agent_id, event.at_ns)


def _agent_of(r: Reading, name: str, payload: Payload) -> Optional[str]:
    """The thread that fired a hook; None for the main one. Notes where its rollout lies."""
    path = r_.string(payload.get("transcript_path"))
    if "transcript_path" in payload and path is None:
        r.state.no_rollout = True
    thread_id = r.note_path(path)
    r.note_path(r_.string(payload.get("agent_transcript_path")))
    agent_id = r_.string(payload.get("agent_id"))
    if agent_id is None and name != "SubagentStop" and thread_id not in (None, r.main_id):
        agent_id = thread_id
    return agent_id


def _turn(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> Optional[TurnDraft]:
    """The main thread's turn that a hook names; one of a sub-agent's is not made by a hook."""
    turn_id = r_.string(payload.get("turn_id"))
    if agent_id is not None:
        turn = r.state.turns.get(r.root_of(turn_id) or "")
        return None if turn is None or turn.closed else turn
    turn = r.turn(turn_id) if turn_id is not None else None
    if turn is None:
        return None
    turn.hook_ns = min(at_ns, turn.hook_ns or at_ns)
    if not turn.has_lines:
        turn.model = r_.string(payload.get("model")) or turn.model
        turn.cwd = r_.string(payload.get("cwd")) or turn.cwd
    r.mark(turn, None if turn.has_lines else at_ns)
    return turn


def _session_start(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    state = r.state
    state.started_ns = min(at_ns, state.started_ns or at_ns)
    state.cwd = r_.string(payload.get("cwd")) or state.cwd
    state.ended_ns = state.end_reason = state.end_seen_ns = None
    r.session_touched = True


def _prompt(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    turn = _turn(r, payload, agent_id, at_ns)
    if turn is None or agent_id is not None:
        return
    r.state.ended_ns = r.state.end_seen_ns = None
    for other in r.open_turns():
        if other is not turn and not other.has_lines and other.end is None:
            ends.end_by_evidence(r, other, "")
    text = r_.string(payload.get("prompt"))
    if turn.hook_prompt_ns is None:
        turn.hook_prompt, turn.hook_prompt_ns = text, at_ns
    elif text != turn.hook_prompt or at_ns - turn.hook_prompt_ns > TWICE_NS:
        moment = MomentDraft(f"prompt:{at_ns}", "prompt", at_ns, details={"text": text})
        if not any(_is_same(moment, told) for told in turn.steering):
            turn.steering.append(moment)


def _is_same(moment: MomentDraft, told: MomentDraft) -> bool:
    """Whether two hooks of one event told it: two registrations."""
    return moment.details == told.details and moment.at_ns - told.at_ns <= TWICE_NS


def _pre_tool(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    times = _times(r, payload, agent_id)
    if times is not None:
        times.pre_ns = at_ns if times.pre_ns is None else min(at_ns, times.pre_ns)
        _tool_touched(r, payload, times, at_ns)


def _post_tool(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    times = _times(r, payload, agent_id)
    if times is not None:
        times.post_ns, times.response = at_ns, payload.get("tool_response")
        _tool_touched(r, payload, times, at_ns)


def _times(r: Reading, payload: Payload, agent_id: Optional[str]) -> Optional[HookTimes]:
    tool_id, turn_id = r_.string(payload.get("tool_use_id")), r_.string(payload.get("turn_id"))
    if tool_id is None or r.root_of(turn_id) in r.state.closed:
        return None
    hooks = r.state.hooks
    if tool_id not in hooks:
        hooks[tool_id] = HookTimes(
            tool_id,
            r_.string(payload.get("tool_name")) or "tool",
            turn_id=turn_id,
            agent_id=agent_id,
            input=payload.get("tool_input"),
        )
        for old in list(hooks)[:-HOOKS_KEPT]:
            del hooks[old]
    return hooks[tool_id]


def _tool_touched(r: Reading, payload: Payload, times: HookTimes, at_ns: int) -> None:
    turn = _turn(r, payload, times.agent_id, at_ns)
    if turn is not None:
        r.mark(turn, None if turn.has_lines else at_ns)
        r.touch(turn, "tool:" + times.tool_use_id)


def _permission(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    """A dialog opened. It names no tool call: it is that of the same command that runs."""
    turn_id, name = payload.get("turn_id"), payload.get("tool_name")
    command = r_.mapping(payload.get("tool_input")).get("command")
    running = [
        times
        for times in r.state.hooks.values()
        if (times.turn_id, times.name) == (turn_id, name)
        and (times.pre_ns or at_ns) <= at_ns <= (times.post_ns or at_ns)
    ]
    same = [t for t in running if r_.mapping(t.input).get("command") == command]
    if any(t.wait_ns is not None and at_ns - t.wait_ns <= TWICE_NS for t in same):
        return
    for times in [t for t in same or running if t.wait_ns is None][-1:]:
        times.wait_ns = at_ns
        _tool_touched(r, payload, times, at_ns)


def _pre_compact(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    turn = _turn(r, payload, agent_id, at_ns)
    moment = MomentDraft(f"compaction:{at_ns}", "compaction", at_ns, agent_id=agent_id)
    moment.details["trigger"] = payload.get("trigger")
    if turn is not None and not any(_is_same(moment, told) for told in turn.compacting):
        turn.compacting.append(moment)


def _post_compact(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    turn = _turn(r, payload, agent_id, at_ns)
    if turn is not None:
        for moment in turn.compacting[-1:]:
            moment.ended_at_ns = at_ns


def _agent_start(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    _agent_told(r, payload, at_ns, begins=True)


def _agent_stop(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    _agent_told(r, payload, at_ns, begins=False)


def _agent_told(r: Reading, payload: Payload, at_ns: int, begins: bool) -> None:
    agent_id = r_.string(payload.get("agent_id"))
    if agent_id is None:
        return
    meta = r.meta(agent_id)
    meta.type = meta.type or r_.string(payload.get("agent_type"))
    if begins:
        meta.hook_start_ns = min(at_ns, meta.hook_start_ns or at_ns)
    else:
        meta.hook_end_ns = at_ns
    open_turns = r.open_turns()
    if r.state.no_rollout and open_turns:
        # No file will tell which turn it works in.
        turn = open_turns[-1]
        agent = r.agent(turn, agent_id)
        agent.status = None if begins else "completed"
        agent.response = r_.string(payload.get("last_assistant_message")) or agent.response
        r.state.turn_roots[str(payload.get("turn_id"))] = turn.turn_id
    for turn in open_turns:
        if agent_id in turn.agents:
            r.touch(turn, "agent:" + agent_id)


def _stop(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    turn = _turn(r, payload, agent_id, at_ns)
    if turn is not None and agent_id is None:
        turn.stop_ns = at_ns
        turn.hook_response = r_.string(payload.get("last_assistant_message"))


def _interrupt(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    turn = _turn(r, payload, agent_id, at_ns)
    if turn is not None and agent_id is None:
        turn.interrupt_ns = at_ns


def _session_end(r: Reading, payload: Payload, agent_id: Optional[str], at_ns: int) -> None:
    state = r.state
    state.ended_ns, state.end_seen_ns = at_ns, state.now_ns
    state.end_reason = r_.string(payload.get("reason"))
    r.session_touched = True


_HANDLERS: dict[str, Callable[[Reading, Payload, Optional[str], int], None]] = {
    "SessionStart": _session_start,
    "UserPromptSubmit": _prompt,
    "PreToolUse": _pre_tool,
    "PostToolUse": _post_tool,
    "PermissionRequest": _permission,
    "PreCompact": _pre_compact,
    "PostCompact": _post_compact,
    "SubagentStart": _agent_start,
    "SubagentStop": _agent_stop,
    "Stop": _stop,
    "Interrupt": _interrupt,
    "SessionEnd": _session_end,
}
