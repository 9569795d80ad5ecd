"""Sub-agents that work in a conversation of their own, as the runtime of Cursor's SDK has it.

Their events name that conversation, and so are captured as another session. Once the session
they work for knows them, their events are brought to it: here they find their place.
"""

from __future__ import annotations

from typing import Optional

from harness_tracing.agents.base import HookEvent
from harness_tracing.agents.cursor import payloads as p
from harness_tracing.agents.cursor.core import Reading
from harness_tracing.agents.cursor.drafts import AgentDraft, Said, ToolEvent, TurnDraft
from harness_tracing.agents.cursor.payloads import Payload
from harness_tracing.agents.cursor.tools import SAME_EVENT_NS


def is_of_part(r: Reading, payload: Payload) -> bool:
    """Whether an event happened in another conversation than the session's own."""
    return p.text(payload.get("conversation_id")) not in (None, r.state.session_id)


def ids_of(agent: AgentDraft) -> tuple[str, ...]:
    """The names under which a sub-agent's own events may come."""
    both = (agent.agent_id, agent.conversation_id)
    return tuple(each for each in both if each is not None)


def agent_of(turn: TurnDraft, conversation_id: Optional[str]) -> Optional[AgentDraft]:
    """The sub-agent of a turn that works in that conversation."""
    return next((a for a in turn.agents.values() if conversation_id in ids_of(a)), None)


def turn_of(r: Reading, payload: Payload) -> Optional[TurnDraft]:
    """The turn of the sub-agent in whose conversation an event happened, or that it names."""
    names = ("conversation_id", "parent_conversation_id")
    for conversation_id in filter(None, (p.text(payload.get(name)) for name in names)):
        for turn in r.state.turns.values():
            if agent_of(turn, conversation_id) is not None:
                return turn
    return None


def feed_part(r: Reading, event: HookEvent, payload: Payload) -> None:
    """Take in an event of a sub-agent's conversation; one of nobody's changes nothing."""
    conversation_id = p.text(payload.get("conversation_id"))
    for turn in r.state.turns.values():
        agent = agent_of(turn, conversation_id)
        if agent is not None:
            _take(agent, turn, event, payload)
            r.touch(turn, event.at_ns)
            return


def _take(agent: AgentDraft, turn: TurnDraft, event: HookEvent, payload: Payload) -> None:
    said = p.text(payload.get("text")) or ""
    if event.name == "afterAgentThought":
        took_ns = p.nanoseconds(payload.get("duration_ms"))
        note(agent.thoughts, Said(event.at_ns, said, took_ns))
    elif event.name == "afterAgentResponse":
        note(agent.responses, Said(event.at_ns, said, usage=p.usage(payload)))
        agent.answer = agent.responses[-1].text or agent.answer
    else:
        told = p.tool_event(event.name, event.at_ns, payload) if event.name in p.OF_TOOLS else None
        if told is not None:
            told.agent_id = agent.agent_id
            add_tool(turn, told)


def add_tool(turn: TurnDraft, told: ToolEvent) -> None:
    """Add an event of a tool call; which ones without an id are the same is seen later."""
    name = (told.event, told.tool_use_id)
    if told.tool_use_id is None or name not in [(e.event, e.tool_use_id) for e in turn.tools]:
        turn.tools.append(told)


def note(told: list[Said], said: Said) -> bool:
    """Add what is said, unless the same hook, registered twice, has told it already."""
    for other in told:
        if other.text == said.text and abs(other.at_ns - said.at_ns) <= SAME_EVENT_NS:
            return False
    told.append(said)
    told.sort(key=lambda each: each.at_ns)
    return True
