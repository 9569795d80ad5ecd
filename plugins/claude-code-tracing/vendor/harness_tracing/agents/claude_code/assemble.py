"""A whole turn out of its drafts: header, steps, usage, gaps."""

from __future__ import annotations

from typing import Optional

from harness_tracing.agents.claude_code import build, ends
from harness_tracing.agents.claude_code.core import Reading
from harness_tracing.agents.claude_code.drafts import (
    AgentDraft,
    CallDraft,
    HookTimes,
    ToolDraft,
    TurnDraft,
)
from harness_tracing.agents.reading import in_order
from harness_tracing.model import (
    Gap,
    ModelCall,
    Moment,
    Session,
    Step,
    ToolCall,
    Turn,
    TurnStatus,
    Usage,
)


def turn_of(r: Reading, turn: TurnDraft, only: Optional[set[str]], final: bool) -> Turn:
    """The turn as known now; `only` names the steps wanted (None: all).

    Of a final turn the steps of sub-agents that still run are left out: they follow later.
    """
    hidden = set(turn.left_running) if final else set()
    steps = _steps(r, turn, only, hidden, final)
    end = turn.end
    status: TurnStatus = end.status if end is not None and final else "open"
    started = _started(r, turn)
    ended = max([end.at_ns, started, *_ends(steps)]) if end and final else None
    last = r.last_call(turn)
    return Turn(
        agent=build.AGENT_NAME,
        session_id=r.state.session_id,
        turn_id=turn.turn_id,
        number=r.number(turn),
        status=status,
        started_at_ns=started,
        ended_at_ns=ended,
        answered_at_ns=_answered(turn, last, ended) if final else None,
        prompt=turn.prompt if turn.prompt is not None else turn.hook_prompt,
        response=_response(turn),
        model=last.model if last is not None else None,
        usage=_sum(steps) if only is None else _usage(turn, hidden),
        steps=in_order(steps),
        gaps=tuple(_gaps(r, turn, hidden, steps if final else None)),
        error=turn.failure if status == "failed" else None,
        cause=turn.cause,
        caused_by=turn.caused_by,
        cwd=turn.cwd,
        repository=build.build_repository(turn),
    )


def _steps(
    r: Reading, turn: TurnDraft, only: Optional[set[str]], hidden: set[str], final: bool
) -> list[Step]:
    def wanted(name: str, agent_id: Optional[str]) -> bool:
        return (only is None or name in only) and agent_id not in hidden

    steps: list[Step] = [
        build.build_call(call, turn.end if final or turn.closed else None)
        for call in turn.calls.values()
        if wanted("call:" + call.call_id, call.agent_id)
    ]
    steps += [
        _tool(r, turn, tool, r.state.hooks.get(tool.tool_use_id))
        for tool in turn.tools.values()
        if wanted("tool:" + tool.tool_use_id, tool.agent_id)
    ]
    steps += [
        build.build_tool(build.hook_tool(times), times, turn, False)
        for times in hook_tools(r, turn)
        if wanted("tool:" + times.tool_use_id, times.agent_id)
    ]
    steps += [
        build.build_agent(agent, turn, agent_status(r, turn, agent))
        for agent in turn.agents.values()
        if wanted("agent:" + agent.agent_id, agent.agent_id)
    ]
    steps += [
        build.build_moment(moment)
        for moment in turn.moments.values()
        if wanted("moment:" + moment.moment_id, moment.agent_id)
    ]
    return steps


def _tool(r: Reading, turn: TurnDraft, tool: ToolDraft, times: Optional[HookTimes]) -> ToolCall:
    return build.build_tool(tool, times, turn, ends.cut_by_signal(turn, tool.output))


def hook_tools(r: Reading, turn: TurnDraft) -> list[HookTimes]:
    """Tools that hooks told of and the transcript does not: only once it has had its say."""
    if turn.has_lines and turn.end is None:
        return []
    return [
        times
        for times in r.state.hooks.values()
        if times.prompt_id == turn.turn_id and r.tool(times.tool_use_id)[1] is None
    ]


def agent_status(r: Reading, turn: TurnDraft, agent: AgentDraft) -> TurnStatus:
    """A sub-agent that is over completed, failed, or was cut off before it answered."""
    if agent.error is not None:
        return "failed"
    last = turn.calls.get(agent.last_call_id or "")
    answered = last is not None and last.finish_reason not in ("tool_use", None)
    if ends.settled(turn, agent, r.state.now_ns):
        return "completed" if answered or not agent.has_lines else "interrupted"
    return "interrupted" if turn.end is not None and agent.over else "open"


def _started(r: Reading, turn: TurnDraft) -> int:
    times = [at for at in (turn.prompt_ns, turn.hook_ns) if at is not None]
    times += [c.started_at_ns for c in turn.calls.values() if c.started_at_ns and not c.kind]
    times += [tool.asked_at_ns for tool in turn.tools.values() if tool.asked_at_ns]
    times += [h.pre_ns for h in hook_tools(r, turn) if h.pre_ns]
    return min(times) if times else turn.last_ns


def _ends(steps: list[Step]) -> list[int]:
    """When the steps of a turn end: none of them may outlive it."""
    found = []
    for step in steps:
        if isinstance(step, Moment) and step.between_turns:
            continue
        found += [step.at_ns] if isinstance(step, Moment) else [step.started_at_ns or 0]
        found.append(step.ended_at_ns or 0)
    return found


def _answered(turn: TurnDraft, last: Optional[CallDraft], ended: Optional[int]) -> Optional[int]:
    """When the answer was complete; a turn without an answer has no such time."""
    if turn.end is None or turn.end.status != "completed":
        return None
    answered = last.ended_at_ns if last is not None and last.ended_at_ns else turn.answered_ns
    return min(answered, ended) if answered is not None and ended is not None else answered


def _response(turn: TurnDraft) -> Optional[str]:
    """The main agent's last text; where the transcript ends before it, what Stop was told."""
    if turn.stop_message is not None and _cut_before_answer(turn):
        return turn.stop_message
    for call in reversed(list(turn.calls.values())):
        if call.agent_id is None and call.texts and call.kind is None:
            return "\n".join(call.texts)
    return turn.stop_message


def _cut_before_answer(turn: TurnDraft) -> bool:
    """Whether Stop told of an answer that the transcript does not have."""
    last = turn.calls.get(turn.last_call_id or "")
    answered = last is not None and last.finish_reason not in ("tool_use", None)
    return turn.stop_ns is not None and turn.end is not None and not answered


def _sum(steps: list[Step]) -> Usage:
    return sum((step.usage for step in steps if isinstance(step, ModelCall)), Usage())


def _usage(turn: TurnDraft, hidden: set[str]) -> Usage:
    total = Usage()
    for call in turn.calls.values():
        if call.agent_id not in hidden:
            total = total + build.call_usage(call)
    return total


def _gaps(
    r: Reading, turn: TurnDraft, hidden: set[str], final_steps: Optional[list[Step]]
) -> list[Gap]:
    gaps = list(turn.gaps)
    calls = [c for c in turn.calls.values() if c.agent_id not in hidden]
    if any(call.start_guessed for call in calls):
        why = "the client wrote no api-request line for it"
        gaps.append(Gap("exact start of a model call", why))
    if any(call.aborted for call in calls):
        gaps.append(
            Gap("output tokens of an interrupted call", "its stream was cut before the final count")
        )
    if any(c.was_thinking and build.call_usage(c).reasoning_tokens is None for c in calls):
        gaps.append(Gap("reasoning tokens", "the client recorded no count beside the thinking"))
    if final_steps is not None:
        gaps += _final_gaps(r, turn, hidden, final_steps)
    return list(dict.fromkeys(gaps))


def _final_gaps(r: Reading, turn: TurnDraft, hidden: set[str], steps: list[Step]) -> list[Gap]:
    gaps = []
    if not turn.has_lines:
        gaps.append(Gap("model calls", "the session kept no transcript"))
    elif hook_tools(r, turn):
        gaps.append(Gap("model call behind a tool", "only hooks told of the tool"))
    if turn.has_lines and _cut_before_answer(turn):
        gaps.append(Gap("last model call", "the transcript ends before it"))
    if not turn.has_lines and turn.hook_prompt is None:
        gaps.append(Gap("prompt", "no hook and no transcript told it"))
    if any(isinstance(step, ToolCall) and step.status == "unknown" for step in steps):
        gaps.append(Gap("result of a tool", "neither transcript nor hook told it"))
    calls = (c for c in turn.calls.values() if c.agent_id not in hidden)
    if any(build.without_reply(call) for call in calls):
        gaps.append(Gap("tokens of a call without a reply", "the client recorded nothing of it"))
    if any(owing.turn_id == turn.turn_id for owing in r.state.unpaid.values()):
        gaps.append(Gap("tokens of the compaction", "known only when the session ends"))
    gaps += [Gap("subagent still running", agent_id) for agent_id in sorted(hidden)]
    return gaps


def session_of(r: Reading) -> Session:
    """What the session's turns share."""
    state = r.state
    attributes = dict(state.attributes)
    if state.entrypoint is not None:
        attributes["entrypoint"] = state.entrypoint
    for model, usage in state.unattributed.items():
        attributes["unattributed_tokens." + model] = str(usage.total_tokens)
    return Session(
        agent=build.AGENT_NAME,
        session_id=state.session_id,
        project=state.project,
        started_at_ns=state.started_ns,
        ended_at_ns=state.ended_ns,
        agent_version=state.agent_version,
        cwd=state.cwd,
        transcript_path=state.transcript,
        pid=state.pid,
        end_reason=state.end_reason,
        cost_usd_reported=state.reported_usd,
        attributes=attributes,
    )


def late_steps(r: Reading, turn: TurnDraft, agent_ids: set[str]) -> tuple[Step, ...]:
    """The steps of sub-agents that outlived their turn, now that they are final."""
    whole = turn_of(r, turn, None, final=False)
    return tuple(step for step in whole.steps if getattr(step, "agent_id", None) in agent_ids)
