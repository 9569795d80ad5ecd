"""Hook events: exact times, permission waits, liveness, and sessions without a transcript.

Hooks are the clock; what they say about content counts only where there is no transcript.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Optional

from harness_tracing.agents.base import HookEvent
from harness_tracing.agents.claude_code import compaction, refusals
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import Reading
from harness_tracing.agents.claude_code.drafts import AgentDraft, End, HookTimes, TurnDraft
from harness_tracing.agents.claude_code.ends import end_by_evidence
from harness_tracing.agents.claude_code.prompts import note_cause, queue_prompt
from harness_tracing.agents.claude_code.results import note_agent
from harness_tracing.model import Failure

Payload = Mapping[str, Any]
SAME_EVENT_NS = 1_000_000_000
# Cursor, Copilot and VS Code run Claude Code's hooks, and say what Claude Code never does.
FOREIGN_KEYS = frozenset(
    ("cursor_version", "conversation_id", "sessionId", "hookEventName", "hookName")
)


def feed_hook(r: Reading, event: HookEvent) -> None:
    """Take in one hook event; events of a turn that is closed change nothing."""
    payload = event.payload or {}
    if _is_foreign(payload):
        return
    _session(r, event, payload)
    turn = _turn_of(r, event, payload)
    if turn is not None and turn.closed:
        turn = None
    r.mark(turn, event.at_ns)
    handler = _HANDLERS.get(event.name)
    if handler is not None:
        handler(r, event, payload, turn)


def _is_foreign(payload: Payload) -> bool:
    """Whether another agent wrote it. A time alone might be news of Claude Code's, too."""
    path = t.string(payload.get("transcript_path")) or ""
    own = "/projects/" in path.replace("\\", "/")
    return not FOREIGN_KEYS.isdisjoint(payload) or ("timestamp" in payload and not own)


def _turn_of(r: Reading, event: HookEvent, payload: Payload) -> Optional[TurnDraft]:
    """The turn an event is about.

    A sub-agent's events name the main agent's prompt of the moment: what a background agent does
    after the next prompt belongs to the turn that started it, until a message wakes it in another.
    """
    named = r.state.turns.get(t.string(payload.get("prompt_id")) or "")
    agent_id = t.string(payload.get("agent_id"))
    own = r.turn_of_agent(agent_id) if agent_id is not None else None
    if own is None or agent_id is None:
        return named
    agent = own.agents.get(agent_id)
    woken = event.name == "SubagentStart" and agent is not None and agent.over
    return named if woken and named is not None and _after(event, agent) else own


def _after(event: HookEvent, agent: Optional[AgentDraft]) -> bool:
    return agent is not None and agent.over_ns is not None and event.at_ns > agent.over_ns


def _session(r: Reading, event: HookEvent, payload: Payload) -> None:
    state = r.state
    state.active_ns = state.now_ns
    if state.started_ns is None:
        state.started_ns = event.at_ns
    state.transcript = t.string(payload.get("transcript_path")) or state.transcript
    state.cwd = state.cwd or t.string(payload.get("cwd"))
    if event.pid is not None:
        state.pid = event.pid


def _opened(r: Reading, event: HookEvent, payload: Payload) -> Optional[TurnDraft]:
    """The turn of an event that no UserPromptSubmit announced."""
    prompt_id = t.string(payload.get("prompt_id"))
    if prompt_id is None or prompt_id in r.state.closed or payload.get("agent_id"):
        return None
    turn = r.turn(prompt_id)
    turn.cwd = turn.cwd or t.string(payload.get("cwd"))
    r.mark(turn, event.at_ns)
    return turn


def _on_start(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    source = payload.get("source")
    if source == "fork":
        r.state.forked_ns = event.at_ns
    if source != "compact":
        r.state.ended_ns = r.state.end_reason = r.state.end_seen_ns = None
        # A new process counts on from the last cost-state; a killed one left none.
        r.state.seen = dict(r.state.reported)
        if r.state.reported:
            r.state.origin_cost_unknown = False
    r.session_touched = True


def _on_submit(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    turn = turn or _opened(r, event, payload)
    prompt = t.string(payload.get("prompt"))
    if turn is None:
        return
    if turn.hook_ns is not None:
        # The same hook registered twice fires twice; a queued message comes later.
        if event.at_ns - turn.hook_ns > SAME_EVENT_NS or prompt != turn.hook_prompt:
            queue_prompt(r, turn, prompt or "", event.at_ns)
        return
    late = event.at_ns - (turn.prompt_ns or event.at_ns) > SAME_EVENT_NS
    another = prompt is not None and prompt != turn.prompt
    if turn.prompt_uuid is not None and another and turn.calls and late:
        # The turn's own hook was lost; this is one of a message queued since.
        queue_prompt(r, turn, prompt or "", event.at_ns)
        return
    turn.hook_ns, turn.hook_prompt = event.at_ns, prompt
    if prompt is not None:
        note_cause(r, turn, prompt, event.at_ns)
    refusals.on_prompt(r, turn)
    for other in r.open_turns():
        if other is not turn and not other.has_lines and other.end is None:
            end_by_evidence(r, other, firm=False)


def _times(r: Reading, payload: Payload) -> Optional[HookTimes]:
    tool_use_id = t.string(payload.get("tool_use_id"))
    agent_id = t.string(payload.get("agent_id"))
    prompt_id = r.state.agent_turns.get(agent_id or "", t.string(payload.get("prompt_id")) or "")
    left = agent_id is not None and prompt_id in r.state.headers
    if tool_use_id is None or (prompt_id in r.state.closed and not left):
        return None
    if tool_use_id in r.state.told_tools:
        return None
    times = r.state.hooks.get(tool_use_id)
    if times is None:
        times = r.state.hooks[tool_use_id] = HookTimes(
            tool_use_id,
            t.string(payload.get("tool_name")) or "unknown",
            agent_id=agent_id,
            prompt_id=prompt_id,
            input=payload.get("tool_input"),
        )
    return times


def _touch_tool(r: Reading, tool_use_id: str) -> None:
    turn, tool = r.tool(tool_use_id)
    if turn is not None and tool is not None:
        r.touch(turn, "tool:" + tool_use_id)


def _on_pre(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    times = _times(r, payload)
    if turn is None:
        _opened(r, event, payload)
    if times is not None and times.pre_ns is None:
        times.pre_ns = event.at_ns
        _touch_tool(r, times.tool_use_id)


def _on_post(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    times = _times(r, payload)
    if times is None or times.post_ns is not None:
        return
    times.post_ns = event.at_ns
    duration = payload.get("duration_ms")
    if isinstance(duration, (int, float)) and not isinstance(duration, bool):
        times.duration_ns = int(duration * 1e6)
    times.response = t.without_pictures(payload.get("tool_response"))
    if event.name == "PostToolUseFailure":
        times.failed = True
        times.interrupted = bool(payload.get("is_interrupt"))
        times.error = t.string(payload.get("error"))
    _link_agent(r, times, event.at_ns)
    _touch_tool(r, times.tool_use_id)


def _link_agent(r: Reading, times: HookTimes, at_ns: int) -> None:
    """A sub-agent's own tool results are in no transcript whole: the hook names who it started."""
    response = t.mapping(times.response)
    turn, tool = r.tool(times.tool_use_id)
    if times.agent_id is None or not (response.get("agentId") or response.get("resumedAgentId")):
        return
    if turn is not None and tool is not None:
        note_agent(r, turn, times.tool_use_id, response, at_ns)


def _waiting_tool(
    r: Reading, name: str, tool_input: Any, agent_id: Optional[str]
) -> Optional[HookTimes]:
    """The tool a permission dialog is about: events name it by its input only."""
    fitting = [
        times
        for times in r.state.hooks.values()
        if times.post_ns is None
        and times.wait_ns is None
        and times.name == name
        and times.agent_id == agent_id
    ]
    exact = [times for times in fitting if times.input == tool_input]
    return next(iter(exact or fitting), None)


def _on_permission(
    r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]
) -> None:
    times = _waiting_tool(
        r,
        t.string(payload.get("tool_name")) or "",
        payload.get("tool_input"),
        t.string(payload.get("agent_id")),
    )
    if times is not None:
        times.wait_ns, times.wait_kind = event.at_ns, "permission"
        _touch_tool(r, times.tool_use_id)


def _on_denied(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    times = _times(r, payload)
    if times is not None:
        times.denied = t.string(payload.get("reason")) or "denied"
        _touch_tool(r, times.tool_use_id)


def _on_elicitation(
    r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]
) -> None:
    server = f"mcp__{payload.get('mcp_server_name')}__"
    for times in r.state.hooks.values():
        if not times.name.startswith(server) or times.post_ns is not None:
            continue
        if event.name == "Elicitation" and times.wait_ns is None:
            times.wait_ns, times.wait_kind = event.at_ns, "elicitation"
        elif event.name == "ElicitationResult" and times.wait_kind == "elicitation":
            times.answered_ns = event.at_ns
        _touch_tool(r, times.tool_use_id)
        return


def _on_agent(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    agent_id = t.string(payload.get("agent_id"))
    kind = t.string(payload.get("agent_type"))
    turn = _turn_of(r, event, payload)
    # A compaction announces itself as the end of an agent without a type that never began.
    if agent_id is None or kind is None or turn is None:
        return
    if turn.closed and agent_id not in turn.left_running:
        return
    agent = r.agent(turn, agent_id)
    agent.type = agent.type or kind
    if event.name == "SubagentStart":
        # The same hook registered twice fires twice; a message wakes an agent later.
        first_ns = agent.hook_start_ns
        if agent.over or (first_ns is not None and event.at_ns - first_ns > SAME_EVENT_NS):
            r.agent_resumed(turn, agent, event.at_ns)
        agent.hook_start_ns = agent.hook_start_ns or event.at_ns
    else:
        agent.hook_end_ns = event.at_ns
        if not agent.has_lines:
            agent.response = t.string(payload.get("last_assistant_message"))
        r.agent_over(turn, agent, event.at_ns)
    r.touch(turn, "agent:" + agent_id)


def _on_stop(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    turn = turn or _opened(r, event, payload)
    if turn is None:
        return
    turn.stop_ns = turn.answered_ns = event.at_ns
    turn.stop_message = t.string(payload.get("last_assistant_message"))
    tasks = payload.get("background_tasks")
    for task in tasks if isinstance(tasks, list) else ():
        agent = turn.agents.get(str(t.mapping(task).get("id")))
        if agent is not None:
            agent.background = True
    r.mark(turn, event.at_ns)


def _on_failure(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    if payload.get("agent_id") or turn is None:
        return
    kind = t.string(payload.get("error")) or "unknown"
    if turn.failure is None:
        turn.failure = Failure(kind, t.string(payload.get("last_assistant_message")))
        turn.failure_ns = event.at_ns
    if turn.end is None:
        turn.end = End("failed", event.at_ns, False, r.state.now_ns)


def _on_compact(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    if event.name == "PreCompact":
        compaction.on_pre(r, event.at_ns, payload)
    else:
        compaction.on_post(r, event.at_ns, payload)


def _works_beside(turn: TurnDraft, prompt_id: Optional[str]) -> bool:
    return turn.beside and turn.end is None and turn.turn_id != prompt_id


def _on_end(r: Reading, event: HookEvent, payload: Payload, turn: Optional[TurnDraft]) -> None:
    own = t.string(payload.get("prompt_id"))
    known = own in r.state.turns or own in r.state.closed
    if known and any(_works_beside(turn, own) for turn in r.open_turns()):
        # One of two processes has left; the other still works on a turn.
        return
    r.state.ended_ns = event.at_ns
    r.state.end_reason = t.string(payload.get("reason"))
    r.state.end_seen_ns = r.state.now_ns
    r.session_touched = True


_HANDLERS: dict[str, Callable[[Reading, HookEvent, Payload, Optional[TurnDraft]], None]] = {
    "SessionStart": _on_start,
    "UserPromptSubmit": _on_submit,
    "PreToolUse": _on_pre,
    "PostToolUse": _on_post,
    "PostToolUseFailure": _on_post,
    "PermissionRequest": _on_permission,
    "PermissionDenied": _on_denied,
    "Elicitation": _on_elicitation,
    "ElicitationResult": _on_elicitation,
    "SubagentStart": _on_agent,
    "SubagentStop": _on_agent,
    "Stop": _on_stop,
    "StopFailure": _on_failure,
    "PreCompact": _on_compact,
    "PostCompact": _on_compact,
    "SessionEnd": _on_end,
}
