"""Drafts become model values: a turn with its steps, statuses decided, gaps named."""

from __future__ import annotations

from typing import Optional

from harness_tracing.agents.cursor import ends
from harness_tracing.agents.cursor.core import Reading
from harness_tracing.agents.cursor.drafts import (
    BY_LINE,
    AgentDraft,
    ClosedTurn,
    Said,
    Segment,
    State,
    TurnDraft,
)
from harness_tracing.agents.cursor.tools import Call, build_tool, task_call
from harness_tracing.agents.cursor.transcript import segment_of
from harness_tracing.model import (
    Failure,
    Gap,
    Moment,
    Session,
    Step,
    Subagent,
    ToolCall,
    Turn,
    TurnStatus,
    Usage,
    step_id,
)

AGENT_NAME = "cursor"
NO_CALLS = Gap("single model calls", "Cursor's backend makes them; hooks tell of a turn as a whole")
NO_TOKENS = Gap("tokens", "not reported by Cursor")
NO_TIMES = Gap("times", "Cursor's transcript has none; when it last changed stands for them")
NO_PROMPT = Gap("prompt", "neither a hook nor the transcript told it")
NO_ANSWER = Gap("response", "neither a hook nor the transcript told it")
NO_END = Gap("end of the turn", "no stop event came")
NO_REASON = Gap("reason of the failure", "not told by Cursor")
NO_OUTCOME = Gap("outcome of a tool", "no event told how it ended")
NO_COMPACTION_END = Gap("end of a compaction", "Cursor tells of its start only")
STILL_RUNNING = Gap("subagent still running", "it goes on in the background")


def session_of(state: State) -> Session:
    """The session; with several workspace folders all of them are named."""
    attributes = {}
    if len(state.roots) > 1:
        attributes["cursor.workspace_roots"] = "\n".join(state.roots)
    if state.background:
        attributes["cursor.background_agent"] = "true"
    return Session(
        agent=AGENT_NAME,
        session_id=state.session_id,
        project=state.project,
        started_at_ns=state.started_ns,
        ended_at_ns=state.ended_ns,
        agent_version=state.agent_version,
        cwd=state.roots[0] if state.roots else None,
        transcript_path=state.transcript,
        end_reason=state.end_reason,
        attributes=attributes,
    )


def turn_of(r: Reading, turn: TurnDraft) -> Turn:
    """A turn with all its steps, as far as it has come."""
    segment = segment_of(r.state, turn)
    steps = steps_of(r, turn, segment)
    usage = usage_of(turn)
    status: TurnStatus = turn.end.status if turn.end is not None else "open"
    return Turn(
        agent=AGENT_NAME,
        session_id=r.state.session_id,
        turn_id=turn.turn_id,
        number=turn.number or 0,
        status=status,
        started_at_ns=turn.started_ns,
        ended_at_ns=turn.end.at_ns if turn.end is not None else None,
        answered_at_ns=_answered_ns(turn),
        prompt=_prompt(turn, segment),
        response=_response(turn, segment),
        model=turn.model,
        usage=usage or Usage(),
        steps=steps,
        gaps=_gaps(turn, segment, steps, usage) if turn.end is not None else (),
        error=_error(turn, segment) if status == "failed" else None,
        cause="tab" if turn.tab else None,
        cwd=turn.cwd,
    )


def usage_of(turn: TurnDraft) -> Optional[Usage]:
    """The turn's tokens: what stop says of it all, else what its answers say together.

    A sub-agent with a conversation of its own is another run of Cursor's, with its own tokens.
    """
    own = turn.responses
    told = [turn.stop_usage] if turn.stop_usage is not None else [said.usage for said in own]
    told += [said.usage for agent in turn.agents.values() for said in agent.responses]
    known = [usage for usage in told if usage is not None]
    return sum(known, Usage()) if known else None


def _prompt(turn: TurnDraft, segment: Optional[Segment]) -> Optional[str]:
    if turn.prompt is None and segment is not None:
        return segment.prompt
    return turn.prompt


def _response(turn: TurnDraft, segment: Optional[Segment]) -> Optional[str]:
    texts = [said.text for said in turn.responses if said.text]
    if texts:
        return texts[-1]
    return segment.answer if segment is not None else None


def _answered_ns(turn: TurnDraft) -> Optional[int]:
    if turn.responses:
        return turn.responses[-1].at_ns
    completed = turn.end is not None and turn.end.status == "completed"
    return turn.stop_ns if completed else None


def _error(turn: TurnDraft, segment: Optional[Segment]) -> Failure:
    return Failure("error", turn.error or (segment.error if segment is not None else None))


# -- steps


def steps_of(r: Reading, turn: TurnDraft, segment: Optional[Segment]) -> tuple[Step, ...]:
    """The steps of a turn in order of start."""
    known_calls = r.calls(turn)
    calls = known_calls.of(turn)
    if turn.end is None and r.state.tool_ids_seen and not turn.tab:
        # The event that names the id of such a call may yet come.
        calls = [call for call in calls if call.has_id]
    if not calls and segment is not None:
        calls = [Call(told.tool_use_id or "", [told]) for told in segment.tools]
    agents = _agents(turn, calls)
    by_call = {agent.tool_use_id: agent.agent_id for agent in agents}
    steps: list[Step] = [
        known_calls.built(call, turn, _agent_id(call) or by_call.get(_parent(call)))
        for call in calls
    ]
    known = {call.tool_use_id for call in calls}
    closed = {call.tool_use_id for call in calls if call.closed}
    for agent in agents:
        built = agent_steps(agent, turn, over=ends.over(agent, closed))
        steps += [s for s in built if not (isinstance(s, ToolCall) and s.tool_use_id in known)]
    return _in_order([*steps, *_moments(turn)])


def _parent(call: Call) -> str:
    return next((e.parent_id for e in call.events if e.parent_id is not None), "")


def _agent_id(call: Call) -> Optional[str]:
    return next((e.agent_id for e in call.events if e.agent_id is not None), None)


def _agents(turn: TurnDraft, calls: list[Call]) -> list[AgentDraft]:
    """The turn's sub-agents; one that only its tools' events tell of is named by its call."""
    told = {agent.tool_use_id for agent in turn.agents.values()}
    unnamed = dict.fromkeys(p for p in map(_parent, calls) if p and p not in told)
    return [*turn.agents.values(), *(AgentDraft(parent, parent) for parent in unnamed)]


def agent_steps(agent: AgentDraft, turn: TurnDraft, over: bool) -> tuple[Step, ...]:
    """A sub-agent and the tool call behind it, as its own events tell of that."""
    status = agent.status or _agent_status(agent, turn, over)
    ended = agent.ended_ns
    built = build_tool(
        Call(agent.tool_use_id, [task_call(agent.tool_use_id, agent.task, agent.started_ns)]),
        turn,
        None,
    )
    outcome = {"completed": "ok", "failed": "error", "open": "running"}.get(status, "interrupted")
    task = ToolCall(
        tool_use_id=agent.tool_use_id,
        name=built.name,
        started_at_ns=agent.started_ns,
        ended_at_ns=ended,
        status=outcome,  # type: ignore[arg-type]
        input=built.input,
        output=agent.summary or agent.answer,
        error=agent.error,
        agent_id=agent.parent_agent_id,
    )
    return task, Subagent(
        agent_id=agent.agent_id,
        type=agent.type,
        tool_use_id=agent.tool_use_id,
        started_at_ns=agent.started_ns,
        ended_at_ns=ended,
        status=status,
        prompt=agent.task,
        response=agent.summary or agent.answer,
        parent_agent_id=agent.parent_agent_id,
        background=agent.background,
        error=agent.error,
    )


def _agent_status(agent: AgentDraft, turn: TurnDraft, over: bool) -> TurnStatus:
    if over:
        return "completed"
    if turn.end is None or agent.background:
        return "open"
    return "interrupted"


def _moments(turn: TurnDraft) -> list[Step]:
    moments: list[Step] = [_said("thinking", said) for said in turn.thoughts]
    for agent in turn.agents.values():
        moments += [_said("thinking", said, agent.agent_id) for said in agent.thoughts]
    moments += [_said("message", said) for said in turn.responses[:-1] if said.text]
    moments += [_said("prompt", said) for said in turn.queued]
    for compaction in turn.compactions:
        name = f"compaction-{compaction.at_ns}"
        details = compaction.details or None
        moments.append(Moment("compaction", compaction.at_ns, name, details=details))
    if turn.attachments:
        at_ns = turn.prompt_ns or turn.started_ns
        details = {"attachments": turn.attachments}
        moments.append(Moment("attachments", at_ns, f"attachments-{at_ns}", details=details))
    return moments


def _said(kind: str, said: Said, agent_id: Optional[str] = None) -> Moment:
    details: dict[str, object] = {"text": said.text}
    if said.duration_ns is not None:
        details["duration_ms"] = said.duration_ns // 10**6
    name = f"{kind}-{said.at_ns}"
    return Moment(kind, said.at_ns, name, details=details, agent_id=agent_id)


_ORDER = {ToolCall: 0, Subagent: 1, Moment: 2}


def _in_order(steps: list[Step]) -> tuple[Step, ...]:
    def key(step: Step) -> tuple[int, int, str]:
        at_ns = step.at_ns if isinstance(step, Moment) else step.started_at_ns
        if at_ns is None and isinstance(step, ToolCall):
            at_ns = step.ended_at_ns
        return at_ns or 0, _ORDER[type(step)], step_id(step)

    return tuple(sorted(steps, key=key))


# -- gaps


def _gaps(
    turn: TurnDraft, segment: Optional[Segment], steps: tuple[Step, ...], usage: Optional[Usage]
) -> tuple[Gap, ...]:
    end = turn.end
    assert end is not None
    tools = [step for step in steps if isinstance(step, ToolCall)]
    agents = [step for step in steps if isinstance(step, Subagent)]
    answer = _response(turn, segment)
    completed = end.status == "completed"
    found = (
        (NO_CALLS, True),
        (NO_TOKENS, usage is None),
        (NO_TIMES, turn.turn_id.startswith(BY_LINE)),
        (NO_PROMPT, _prompt(turn, segment) is None and not turn.tab),
        (NO_ANSWER, answer is None and (completed or not end.told) and not turn.tab),
        (NO_END, not end.told),
        (NO_REASON, end.status == "failed" and _error(turn, segment).message is None),
        (NO_OUTCOME, any(tool.status == "unknown" for tool in tools)),
        (NO_COMPACTION_END, bool(turn.compactions)),
        (STILL_RUNNING, any(agent.status == "open" for agent in agents)),
    )
    before = (Gap(f"{turn.lost} tool calls before it", "their turn began before it was traced"),)
    return tuple(gap for gap, holds in found if holds) + (before if turn.lost else ())


def late_turn(session_id: str, closed: ClosedTurn, steps: tuple[Step, ...]) -> Turn:
    """A turn that is final, with steps that follow it."""
    return Turn(
        agent=AGENT_NAME,
        session_id=session_id,
        turn_id=closed.turn_id,
        number=closed.number,
        status=closed.status,
        started_at_ns=closed.started_ns,
        ended_at_ns=closed.ended_ns,
        steps=steps,
    )
