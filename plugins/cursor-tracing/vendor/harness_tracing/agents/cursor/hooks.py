"""Hook events: what Cursor tells of a turn while it runs, and nearly all there is."""

from __future__ import annotations

from typing import Callable, Optional

from harness_tracing.agents.base import HookEvent
from harness_tracing.agents.cursor import late, parts
from harness_tracing.agents.cursor import payloads as p
from harness_tracing.agents.cursor.core import Reading
from harness_tracing.agents.cursor.drafts import (
    AgentDraft,
    CompactionDraft,
    End,
    Said,
    ToolEvent,
    TurnDraft,
)
from harness_tracing.agents.cursor.parts import note
from harness_tracing.agents.cursor.payloads import Payload
from harness_tracing.agents.cursor.tools import SAME_EVENT_NS

_FILLED = (
    "trigger",
    "context_usage_percent",
    "context_tokens",
    "context_window_size",
    "message_count",
    "messages_to_compact",
    "is_first_compaction",
)


def feed_hook(r: Reading, event: HookEvent) -> None:
    """Take in one hook event; one that is unknown or not Cursor's changes nothing."""
    payload = event.payload
    handler = _HANDLERS.get(event.name)
    if handler is None or (payload is not None and not p.is_cursors(payload)):
        return
    if parts.is_of_part(r, payload or {}) and not event.name.startswith("subagent"):
        parts.feed_part(r, event, payload or {})
        return
    _session(r, event, payload or {})
    handler(r, event, payload or {})


def _session(r: Reading, event: HookEvent, payload: Payload) -> None:
    state = r.state
    state.active_ns = state.now_ns
    if state.started_ns is None:
        state.started_ns = event.at_ns
        r.session_touched = True
    path = p.text(payload.get("transcript_path"))
    if path is not None and path != state.transcript:
        state.transcript = path
        r.session_touched = True
    state.agent_version = p.text(payload.get("cursor_version")) or state.agent_version
    roots = payload.get("workspace_roots")
    told = [root for root in roots if p.text(root)] if isinstance(roots, list) else []
    state.roots = state.roots or told
    state.background = state.background or payload.get("is_background_agent") is True


def _on_start(r: Reading, event: HookEvent, payload: Payload) -> None:
    r.state.begun = True
    r.state.ended_ns = r.state.end_reason = r.state.end_seen_ns = r.state.final_status = None
    r.session_touched = True


def _on_prompt(r: Reading, event: HookEvent, payload: Payload) -> None:
    own, prompt = p.generation(payload), p.text(payload.get("prompt"))
    turn = _awaiting(r, own, event.at_ns)
    if turn is not None and turn.prompt_ns is not None:
        again = prompt == turn.prompt and event.at_ns - turn.prompt_ns <= SAME_EVENT_NS
        if own is not None and not again:
            note(turn.queued, Said(event.at_ns, prompt or ""))
        if own is not None or again:
            r.touch(turn, event.at_ns)
            return
        turn = None
    turn = turn or r.open(own, event.at_ns, prompt=True)
    turn.started_ns = min(turn.started_ns, event.at_ns)
    turn.prompt_ns, turn.prompt = event.at_ns, prompt
    turn.model = p.model(payload.get("model")) or turn.model
    attached = payload.get("attachments")
    turn.attachments = [
        {name: part[name] for name in ("type", "file_path") if p.text(part.get(name))}
        for part in map(p.mapping, attached if isinstance(attached, list) else ())
    ]
    r.touch(turn, event.at_ns)


def _awaiting(r: Reading, own: Optional[str], at_ns: int) -> Optional[TurnDraft]:
    """The turn that a prompt may already belong to: the same event told twice, or out of order.

    A generation of the IDE may be given a further message. Without an id another prompt is
    another turn.
    """
    if own is not None:
        turn = next((t for t in r.state.turns.values() if t.generation == own), None)
    else:
        turn = r.current(at_ns)
        fresh = turn is not None and at_ns - turn.started_ns <= SAME_EVENT_NS
        turn = turn if fresh and turn is not None and turn.generation is None else None
    return turn if turn is not None and turn.stop_ns is None and turn.end is None else None


def _on_tool(r: Reading, event: HookEvent, payload: Payload) -> None:
    told = p.tool_event(event.name, event.at_ns, payload)
    if told is None:
        return
    r.state.tool_ids_seen = r.state.tool_ids_seen or told.tool_use_id is not None
    turn = _turn_of_tool(r, told, p.generation(payload))
    if turn is None:
        late.tool_told(r, told, p.generation(payload))
        return
    parts.add_tool(turn, told)
    turn.cwd = turn.cwd or p.text(payload.get("cwd"))
    turn.model = turn.model or p.model(payload.get("model"))
    r.touch(turn, event.at_ns)


def _on_tab(r: Reading, event: HookEvent, payload: Payload) -> None:
    """An edit of inline completion's: with those around it a turn beside the agent's own."""
    told = p.tool_event(event.name, event.at_ns, payload)
    if told is None:
        return
    turn = r.tab_turn(event.at_ns)
    parts.add_tool(turn, told)
    r.touch(turn, event.at_ns)


def _turn_of_tool(r: Reading, told: ToolEvent, own: Optional[str]) -> Optional[TurnDraft]:
    """The turn of a tool call; None when that turn is final, or none is known."""
    for tool_use_id in filter(None, (told.tool_use_id, told.parent_id)):
        turn = r.of_tool(tool_use_id)
        if turn is not None or r.is_told(tool_use_id):
            return turn
    if told.begins:
        return r.place(own, told.at_ns, begins=True)
    ran_ns = told.at_ns - (told.duration_ns or 0)
    turn = r.of_generation(own, ran_ns) if own is not None else r.current(ran_ns)
    if turn is not None or r.closed_of(own) is not None:
        return turn
    # Its beginning was not told, as it never is of an edit.
    return (
        next(iter(r.state.turns.values()), None)
        if own is None and r.state.turns
        else r.open(own, told.at_ns)
    )


def _on_agent(r: Reading, event: HookEvent, payload: Payload) -> None:
    agent_id = p.text(payload.get("subagent_id"))
    if agent_id is None:
        return
    turn = next((t for t in r.state.turns.values() if agent_id in t.agents), None)
    if turn is None and late.agent_told(r, event, payload, agent_id):
        return
    turn = turn or parts.turn_of(r, payload)
    if turn is None and not parts.is_of_part(r, payload):
        own, begins = p.generation(payload), event.name == "subagentStart"
        turn = r.place(own, event.at_ns, begins=begins)
    if turn is None:
        return
    call_id = p.text(payload.get("tool_call_id"))
    agent = turn.agents.setdefault(agent_id, AgentDraft(agent_id, call_id or f"task-{agent_id}"))
    agent.tool_use_id = call_id or agent.tool_use_id
    above = parts.agent_of(turn, p.text(payload.get("parent_conversation_id")))
    if above is not None and above is not agent:
        agent.parent_agent_id = above.agent_id
    p.note_agent(agent, event.name, event.at_ns, payload)
    r.touch(turn, event.at_ns)


def _on_thought(r: Reading, event: HookEvent, payload: Payload) -> None:
    turn = _turn_of_text(r, event, payload)
    said = p.text(payload.get("text"))
    if turn is None or said is None:
        return
    took_ns = p.nanoseconds(payload.get("duration_ms"))
    note(turn.thoughts, Said(event.at_ns, said, took_ns))
    r.touch(turn, event.at_ns)


def _on_response(r: Reading, event: HookEvent, payload: Payload) -> None:
    turn = _turn_of_text(r, event, payload)
    if turn is None:
        return
    turn.model = p.model(payload.get("model")) or turn.model
    said = p.text(payload.get("text")) or ""
    note(turn.responses, Said(event.at_ns, said, usage=p.usage(payload)))
    r.touch(turn, event.at_ns)


def _turn_of_text(r: Reading, event: HookEvent, payload: Payload) -> Optional[TurnDraft]:
    """Texts tell of a turn that hooks did not announce, but come too late for one that is final."""
    own = p.generation(payload)
    known = r.of_generation(own, event.at_ns) if own is not None else r.current(event.at_ns)
    if known is not None or (own is not None and r.closed_of(own) is not None):
        return known
    return r.open(own, event.at_ns)


def _on_compact(r: Reading, event: HookEvent, payload: Payload) -> None:
    turn = r.place(p.generation(payload), event.at_ns, begins=True)
    if turn is None:
        return
    details = {name: payload[name] for name in _FILLED if payload.get(name) is not None}
    near = [c for c in turn.compactions if abs(c.at_ns - event.at_ns) <= SAME_EVENT_NS]
    if not any(c.details == details for c in near):
        turn.compactions.append(CompactionDraft(event.at_ns, details))
    r.touch(turn, event.at_ns)


def _on_stop(r: Reading, event: HookEvent, payload: Payload) -> None:
    own = p.generation(payload)
    turn = r.of_generation(own, event.at_ns) if own is not None else r.current(event.at_ns)
    if turn is None:
        return
    turn.stop_usage = turn.stop_usage or p.usage(payload)
    turn.model = turn.model or p.model(payload.get("model"))
    if turn.stop_ns is None:
        turn.stop_ns = event.at_ns
        status = p.STATUSES.get(str(payload.get("status")))
        if status is not None:
            firm = turn.end is not None and turn.end.firm
            turn.end = End(status, event.at_ns, firm, r.state.now_ns)
        else:
            r.end(turn, firm=False)
    r.touch(turn, event.at_ns)


def _on_end(r: Reading, event: HookEvent, payload: Payload) -> None:
    state = r.state
    if state.end_seen_ns is None:
        state.end_seen_ns = state.now_ns
    state.ended_ns = event.at_ns
    state.end_reason = p.text(payload.get("reason"))
    final = p.text(payload.get("final_status"))
    # The SDK's session is one prompt, and ends as that did; the IDE's ends when it is closed.
    state.final_status = final if final == state.end_reason else None
    r.session_touched = True


_HANDLERS: dict[str, Callable[[Reading, HookEvent, Payload], None]] = {
    "sessionStart": _on_start,
    "beforeSubmitPrompt": _on_prompt,
    **dict.fromkeys(p.OF_TOOLS, _on_tool),
    p.TAB_EDIT: _on_tab,
    "subagentStart": _on_agent,
    "subagentStop": _on_agent,
    "afterAgentThought": _on_thought,
    "afterAgentResponse": _on_response,
    "preCompact": _on_compact,
    "stop": _on_stop,
    "sessionEnd": _on_end,
}
