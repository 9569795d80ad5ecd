"""What comes after its turn is final: a tool's end that its hook told late, a sub-agent's."""

from __future__ import annotations

from typing import Optional

from harness_tracing.agents.base import HookEvent, TurnChange
from harness_tracing.agents.cursor import assemble
from harness_tracing.agents.cursor.core import Reading
from harness_tracing.agents.cursor.drafts import AgentDraft, ClosedTurn, End, ToolEvent, TurnDraft
from harness_tracing.agents.cursor.payloads import Payload, note_agent
from harness_tracing.agents.cursor.tools import Call, build_tool
from harness_tracing.model import Step


def tool_told(r: Reading, told: ToolEvent, own: Optional[str]) -> None:
    """Add a tool call to its final turn, unless that has told of it."""
    closed = r.closed_of(own)
    if closed is None or told.tool_use_id is None or told.begins or r.is_told(told.tool_use_id):
        return
    closed.tools.append(told.tool_use_id)
    agents = [a.agent_id for a in closed.agents.values() if a.tool_use_id == told.parent_id]
    tool = build_tool(Call(told.tool_use_id, [told]), _stand_in(closed), next(iter(agents), None))
    _tell(r, closed, (tool,))


def agent_told(r: Reading, event: HookEvent, payload: Payload, agent_id: str) -> bool:
    """Whether a final turn has this sub-agent; its end is added when this is the news of it."""
    for closed in r.state.closed.values():
        agent = closed.agents.get(agent_id)
        if agent is not None:
            note_agent(agent, event.name, event.at_ns, payload)
            if agent.ended_ns is not None:
                settle(r, closed, agent)
            return True
    return False


def settle(r: Reading, closed: ClosedTurn, agent: AgentDraft) -> None:
    """Add a sub-agent that ran on to its final turn, and the tool call behind it."""
    del closed.agents[agent.agent_id]
    _tell(r, closed, assemble.agent_steps(agent, _stand_in(closed), over=True))


def _stand_in(closed: ClosedTurn) -> TurnDraft:
    turn = TurnDraft(closed.turn_id, closed.started_ns)
    turn.end = End(closed.status, closed.ended_ns, True, 0)
    return turn


def _tell(r: Reading, closed: ClosedTurn, steps: tuple[Step, ...]) -> None:
    turn = assemble.late_turn(r.state.session_id, closed, steps)
    r.finished.append(TurnChange(turn, final=True))
    r.session_touched = True
