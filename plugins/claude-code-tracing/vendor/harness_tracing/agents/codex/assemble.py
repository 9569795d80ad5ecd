"""Drafts become model values: steps, whole turns, the session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Optional

from harness_tracing.agents import reading
from harness_tracing.agents.codex.core import Reading
from harness_tracing.agents.codex.drafts import (
    AgentDraft,
    CallDraft,
    HookTimes,
    MomentDraft,
    TurnDraft,
)
from harness_tracing.agents.codex.ends import settled
from harness_tracing.agents.codex.tools import SHELL, build_tool, hook_tool, is_left_running
from harness_tracing.agents.reading import in_order
from harness_tracing.model import (
    Gap,
    Message,
    ModelCall,
    Moment,
    Session,
    Step,
    Subagent,
    ToolCall,
    Turn,
    TurnStatus,
    Usage,
)

AGENT_NAME = "codex"
_NEAR_NS = 5 * 10**9


def turn_of(r: Reading, turn: TurnDraft, only: Optional[set[str]], final: bool) -> Turn:
    """The turn as it stands, with all its steps or with `only` those; gaps when `final`."""
    steps = in_order(list(_steps(r, turn, only)))
    if final:
        steps = tuple(s for s in steps if s.agent_id not in turn.left_running)
    end = turn.end
    ended = None if end is None else max(end.at_ns, _latest(turn))
    started = _started(turn)
    return Turn(
        agent=AGENT_NAME,
        session_id=r.state.session_id,
        turn_id=turn.turn_id,
        number=turn.number,
        status="open" if end is None or not final else end.status,
        started_at_ns=started,
        ended_at_ns=None if ended is None or not final else max(ended, started),
        answered_at_ns=_answered(turn),
        prompt=turn.prompt if turn.prompt is not None else turn.hook_prompt,
        response=turn.response if turn.response is not None else turn.hook_response,
        model=turn.model,
        usage=_usage(turn, final),
        steps=steps,
        gaps=tuple(_gaps(r, turn, steps)) if final else tuple(turn.gaps),
        error=turn.error,
        cause=turn.cause or _cause(turn),
        cwd=turn.cwd or r.state.cwd,
        repository=turn.repository,
    )


def _started(turn: TurnDraft) -> int:
    known = [at for at in (turn.started_ns, turn.hook_ns) if at is not None]
    return min(known) if known else turn.last_ns


def _latest(turn: TurnDraft) -> int:
    """The end of the last sub-agent that belongs to the turn."""
    agents = (a for a in turn.agents.values() if a.agent_id not in turn.left_running)
    return max((agent.last_ns or 0 for agent in agents), default=0)


def _answered(turn: TurnDraft) -> Optional[int]:
    if turn.end is None or turn.end.status != "completed":
        return None
    return turn.answered_ns if turn.answered_ns is not None else turn.stop_ns


def _usage(turn: TurnDraft, final: bool) -> Usage:
    if not final or not turn.left_running:
        return turn.usage
    own = (c for c in turn.calls.values() if c.agent_id not in turn.left_running)
    return sum((call.usage for call in own if call.usage is not None), Usage())


def _cause(turn: TurnDraft) -> Optional[str]:
    """``/compact`` is a turn of its own, without a prompt."""
    if turn.prompt is not None or turn.hook_prompt is not None:
        return None
    if any(call.moment_id is None for call in turn.calls.values()):
        return None
    told = turn.compacting or any(m.kind == "compaction" for m in turn.moments.values())
    return "compaction" if told else None


# -- steps


def _steps(r: Reading, turn: TurnDraft, only: Optional[set[str]]) -> Iterator[Step]:
    if only is None:
        only = _step_ids(r, turn)
    told = {"moment:" + moment.moment_id: moment for moment in moments(turn)}
    hooks = r.state.hooks
    for step in only:
        kind, _, name = step.partition(":")
        if kind == "call" and name in turn.calls:
            yield _call(turn, turn.calls[name])
        elif kind == "tool" and name in turn.tools:
            yield build_tool(turn, turn.tools[name], hooks.get(name))
        elif kind == "tool" and name in hooks and r.hook_turn(hooks[name]) is turn:
            yield build_tool(turn, hook_tool(hooks[name]), hooks[name])
        elif kind == "agent" and name in turn.agents:
            yield _agent(r, turn, turn.agents[name])
        elif step in told:
            yield _moment(turn, told[step])


def _step_ids(r: Reading, turn: TurnDraft) -> set[str]:
    return {
        *("call:" + call_id for call_id in turn.calls),
        *("tool:" + tool_id for tool_id in turn.tools),
        *("tool:" + times.tool_use_id for times in hooks_alone(r, turn)),
        *("agent:" + agent_id for agent_id in turn.agents),
        *("moment:" + moment.moment_id for moment in moments(turn)),
    }


def hooks_alone(r: Reading, turn: TurnDraft) -> list[HookTimes]:
    """Tool calls of the turn that no line tells of."""
    return [
        times
        for times in r.state.hooks.values()
        if times.tool_use_id not in turn.tools and r.hook_turn(times) is turn
    ]


def moments(turn: TurnDraft) -> Iterable[MomentDraft]:
    """The turn's moments; those of hooks only where it is over and no rollout tells them."""
    yield from turn.moments.values()
    if not turn.has_lines and turn.end is not None:
        yield from turn.compacting
        yield from turn.steering


def _call(turn: TurnDraft, call: CallDraft) -> ModelCall:
    started, ended = call.started_ns, call.ended_ns
    return ModelCall(
        call_id=call.call_id,
        model=call.model or turn.model,
        started_at_ns=started,
        ended_at_ns=None if ended is None else max(ended, started or ended),
        usage=call.usage or Usage(),
        input_messages=tuple(call.inputs),
        output=_said(call),
        error=call.error,
        message_id=None if call.usage is None or ":" in call.call_id else call.call_id,
        agent_id=call.agent_id,
        earlier_messages=None if call.moment_id else call.earlier,
        attempt=call.attempt,
        kind="compaction" if call.moment_id else None,
        moment_id=call.moment_id,
        provider=call.provider,
        parameters={"reasoning_effort": call.effort} if call.effort else None,
    )


def _said(call: CallDraft) -> Optional[Message]:
    if not (call.texts or call.thoughts or call.tools):
        return None
    return Message(
        role="assistant",
        content="\n".join(call.texts) or None,
        thinking="\n\n".join(call.thoughts) or None,
        tool_requests=tuple(call.tools),
    )


def _agent(r: Reading, turn: TurnDraft, agent: AgentDraft) -> Subagent:
    meta = r.meta(agent.agent_id)
    thread = r.state.threads.get(agent.agent_id)
    parent = meta.parent_id if meta.parent_id != r.main_id else None
    starts = [at for at in (agent.first_ns, _within(turn, meta.hook_start_ns)) if at is not None]
    ends = [at for at in (agent.last_ns, _within(turn, meta.hook_end_ns)) if at is not None]
    status = _agent_status(turn, agent)
    return Subagent(
        agent_id=agent.agent_id,
        type=meta.type or ("default" if thread is not None and thread.seen_meta else None),
        tool_use_id=agent.tool_use_id,
        started_at_ns=min(starts) if starts else None,
        ended_at_ns=max(ends) if ends and status != "open" else None,
        status=status,
        prompt=agent.prompt,
        response=agent.response,
        parent_agent_id=parent if parent in turn.agents else None,
        background=True,
        error=agent.error,
    )


def _within(turn: TurnDraft, at_ns: Optional[int]) -> Optional[int]:
    """A hook's time, if it is of this turn: an agent may work in several."""
    if at_ns is None or at_ns < _started(turn):
        return None
    end = turn.end
    return None if end is not None and at_ns > max(end.at_ns, _latest(turn)) + _NEAR_NS else at_ns


def _agent_status(turn: TurnDraft, agent: AgentDraft) -> TurnStatus:
    if agent.status is not None and not agent.running:
        return agent.status
    if turn.end is None or agent.running:
        return "open"
    return "interrupted" if turn.end.status != "completed" else "open"


def _moment(turn: TurnDraft, moment: MomentDraft) -> Moment:
    details = dict(moment.details)
    if moment.kind == "compaction" and "trigger" not in details:
        hook = _compaction_hook(turn, moment)
        if hook is not None:
            details["trigger"] = hook.details.get("trigger")
    ended = moment.ended_at_ns
    return Moment(
        kind=moment.kind,
        at_ns=moment.at_ns,
        moment_id=moment.moment_id,
        ended_at_ns=None if ended is None else max(ended, moment.at_ns),
        details={k: v for k, v in details.items() if v is not None} or None,
        agent_id=moment.agent_id,
        between_turns=moment.between_turns,
    )


def _compaction_hook(turn: TurnDraft, moment: MomentDraft) -> Optional[MomentDraft]:
    """The PreCompact event of a compaction: the nearest one."""
    near = [
        (abs(hook.at_ns - moment.at_ns), number, hook)
        for number, hook in enumerate(turn.compacting)
        if hook.agent_id == moment.agent_id
    ]
    return min(near)[2] if near else None


# -- gaps


def _gaps(r: Reading, turn: TurnDraft, steps: tuple[Step, ...]) -> list[Gap]:
    gaps = list(turn.gaps)
    tools = [step for step in steps if isinstance(step, ToolCall)]
    if not turn.has_lines:
        why = "the session kept no rollout" if r.state.no_rollout else "its rollout was not found"
        gaps.append(Gap("model calls", why))
        if any(tool.status == "unknown" and tool.name == SHELL for tool in tools):
            gaps.append(Gap("exit codes of commands", "Codex's hooks do not tell them"))
    elif any(tool.status == "unknown" for tool in tools):
        gaps.append(Gap("result of a tool", "neither rollout nor hook told it"))
    if not turn.has_lines and turn.hook_prompt is None and not turn.compacting:
        gaps.append(Gap("prompt", "no hook and no rollout told it"))
    for tool_id, tool in turn.tools.items():
        if is_left_running(tool) and turn.end is not None:
            gaps.append(Gap(f"end of {tool_id}", "its command ran on after the turn"))
    unseen = (agent for agent in turn.agents.values() if not agent.has_lines)
    gaps += [Gap(f"work of sub-agent {a.agent_id}", "no rollout of it was found") for a in unseen]
    gaps += [Gap("subagent still running", agent_id) for agent_id in sorted(turn.left_running)]
    return list(dict.fromkeys(gaps))


# -- late steps, and the session


def late_turn(r: Reading, turn: TurnDraft, agent_ids: set[str]) -> Turn:
    """A closed turn with the steps of sub-agents that outlived it, now that they are final."""
    header = r.state.headers[turn.turn_id]
    steps = tuple(s for s in _steps(r, turn, None) if s.agent_id in agent_ids)
    return reading.late_turn(AGENT_NAME, r.state.session_id, header, in_order(steps))


def still_running(r: Reading, turn: TurnDraft) -> list[str]:
    """The sub-agents that are at work though their turn goes out."""
    now_ns = r.state.now_ns
    return [a.agent_id for a in turn.agents.values() if a.has_lines and not settled(a, now_ns)]


def session_of(r: Reading) -> Session:
    """What the session's turns share."""
    state = r.state
    main = state.threads.get(state.session_id)
    return Session(
        agent=AGENT_NAME,
        session_id=state.session_id,
        project=state.project,
        started_at_ns=state.started_ns,
        ended_at_ns=state.ended_ns,
        agent_version=state.agent_version,
        cwd=state.cwd,
        transcript_path=main.path if main is not None else None,
        pid=state.pid,
        end_reason=state.end_reason,
        attributes=dict(state.attributes),
    )
