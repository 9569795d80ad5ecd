"""Drafts become model values: times put in order, statuses decided, gaps named."""

from __future__ import annotations

from typing import Any, Optional

from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.drafts import (
    AgentDraft,
    CallDraft,
    End,
    HookTimes,
    MomentDraft,
    ToolDraft,
    TurnDraft,
)
from harness_tracing.model import (
    Failure,
    Message,
    ModelCall,
    Moment,
    Repository,
    Subagent,
    ToolCall,
    ToolStatus,
    TurnStatus,
    Usage,
)

AGENT_NAME = "claude-code"
PROVIDER = "anthropic"
NO_TIMES = HookTimes("", "")


def build_call(call: CallDraft, end: Optional[End] = None) -> ModelCall:
    """A model call as the transcript tells it; `end` is its turn's, when that is over."""
    ended, error = call.ended_at_ns, call.error
    if end is not None and without_reply(call):
        ended = ended if ended is not None else end.at_ns
        error = error or Failure("interrupted", "no reply to the request was recorded")
    return ModelCall(
        call_id=call.call_id,
        model=call.model,
        started_at_ns=call.started_at_ns,
        ended_at_ns=_not_before(ended, call.started_at_ns),
        usage=call_usage(call),
        input_messages=tuple(call.inputs),
        output=_output(call),
        finish_reason=call.finish_reason,
        error=error,
        request_id=call.request_id,
        message_id=call.message_id,
        agent_id=call.agent_id,
        earlier_messages=None if call.kind else call.earlier,
        attempt=call.attempt,
        kind=call.kind,
        moment_id=call.moment_id,
        provider=PROVIDER,
        parameters=call.parameters,
    )


def without_reply(call: CallDraft) -> bool:
    """Whether neither a reply to a request nor an error was written down."""
    return not call.answered and call.error is None and call.kind is None


def call_usage(call: CallDraft) -> Usage:
    """Its tokens; of a reply that was cut off the output count is only a beginning."""
    if call.usage is not None:
        return call.usage
    if call.raw_usage is None:
        return Usage()
    usage = t.usage_of(call.raw_usage, call.was_thinking)
    if not call.aborted:
        return usage
    return Usage(
        usage.input_tokens,
        None,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
    )


def _output(call: CallDraft) -> Optional[Message]:
    if not (call.texts or call.thoughts or call.tools):
        return None
    return Message(
        role="assistant",
        content="\n".join(call.texts) or None,
        thinking="\n".join(call.thoughts) or None,
        tool_requests=tuple(call.tools),
    )


def _not_before(at_ns: Optional[int], start_ns: Optional[int]) -> Optional[int]:
    """An end that a clock set back cannot put before its start."""
    if at_ns is None or start_ns is None:
        return at_ns
    return max(at_ns, start_ns)


def build_tool(
    tool: ToolDraft, hook: Optional[HookTimes], turn: TurnDraft, signalled: bool
) -> ToolCall:
    """A tool call: content from the transcript, exact times from hooks.

    `signalled`: its command was taken down together with its agent.
    """
    times = hook or NO_TIMES
    status = _tool_status(tool, times, turn, signalled)
    start, end = _tool_times(tool, times, turn, status)
    wait_start, wait = _wait(tool, times, end)
    return ToolCall(
        tool_use_id=tool.tool_use_id,
        name=tool.name,
        started_at_ns=start,
        ended_at_ns=end,
        status=status,
        call_id=tool.call_id,
        input=tool.input,
        output=tool.full_output if tool.full_output is not None else _tool_output(tool, times),
        result=tool.result if tool.result is not None else _hook_result(tool, times),
        waited_ns=wait,
        wait_started_at_ns=wait_start,
        wait_kind=times.wait_kind if wait is not None else None,
        error=_tool_error(tool, times, status),
        agent_id=tool.agent_id,
        mcp_server=tool.name.split("__")[1] if tool.name.count("__") >= 2 else None,
    )


def _tool_output(tool: ToolDraft, times: HookTimes) -> Optional[str]:
    if tool.output is not None or tool.result_at_ns is not None or tool.cut_short:
        return tool.output
    response = times.response
    if isinstance(response, dict) and isinstance(response.get("stdout"), str):
        return str(response["stdout"]) + str(response.get("stderr") or "")
    return response if isinstance(response, str) else times.error


def _hook_result(tool: ToolDraft, times: HookTimes) -> Any:
    """The structured result from the hook: of a sub-agent's tools the transcript has none."""
    response = times.response
    if isinstance(response, str) or (tool.result_at_ns is not None and tool.agent_id is None):
        return None
    if isinstance(response, dict) and response.get("persistedOutputPath"):
        return {name: item for name, item in response.items() if name != "stdout"}
    return response


def _tool_status(tool: ToolDraft, times: HookTimes, turn: TurnDraft, signalled: bool) -> ToolStatus:
    if tool.denial == "interrupted" or tool.cut_short:
        return "interrupted"
    if tool.denial == "user-rejected":
        asked = times.wait_kind == "permission" and times.post_ns is None
        return "denied" if asked or tool.decision == "reject" else "interrupted"
    if tool.denial is not None or times.denied is not None:
        return "denied"
    if times.interrupted or (tool.is_error and signalled and not times.failed):
        return "interrupted"
    if tool.is_error or times.failed:
        return "error"
    if tool.result_at_ns is not None or times.post_ns is not None:
        return "ok"
    if turn.end is None or _is_background_work(turn, tool):
        return "running"
    if tool.agent_id is not None:
        return "interrupted"
    return "unknown" if turn.end.status == "completed" else "interrupted"


def _is_background_work(turn: TurnDraft, tool: ToolDraft) -> bool:
    """Whether a sub-agent runs it that may go on when the turn has ended."""
    agent = turn.agents.get(tool.agent_id or "")
    return agent is not None and agent.background and not agent.over


def _tool_times(
    tool: ToolDraft, times: HookTimes, turn: TurnDraft, status: ToolStatus
) -> tuple[Optional[int], Optional[int]]:
    start = times.pre_ns if times.pre_ns is not None else tool.asked_at_ns
    end = times.post_ns if times.post_ns is not None else tool.result_at_ns
    if end is None and status != "running" and turn.end is not None:
        end = max(turn.end.at_ns, start or 0)
    if start is not None and end is not None and end < start:
        # Hook and file disagree on the clock; what the file says stands.
        start = min(tool.asked_at_ns if tool.asked_at_ns is not None else end, end)
    return start, end


def _wait(
    tool: ToolDraft, times: HookTimes, end: Optional[int]
) -> tuple[Optional[int], Optional[int]]:
    """When a person began to be waited for and for how long; a rule that decides makes no wait."""
    if times.wait_ns is None or end is None:
        return None, None
    if tool.decision == "reject" and tool.decided_by in ("config", "hook"):
        return None, None
    until = times.answered_ns
    if until is None and times.post_ns is not None and times.duration_ns is not None:
        until = times.post_ns - times.duration_ns
    until = end if until is None else until
    return times.wait_ns, max(0, until - times.wait_ns)


def _tool_error(tool: ToolDraft, times: HookTimes, status: ToolStatus) -> Optional[Failure]:
    text = tool.output if tool.output is not None else times.error
    if status == "denied":
        return Failure("permission_denied", text or times.denied)
    if status == "interrupted":
        return Failure("interrupted", text)
    if status != "error":
        return None
    return t.tool_failure(text)


def hook_tool(times: HookTimes) -> ToolDraft:
    """A tool call that only hooks tell of."""
    return ToolDraft(
        times.tool_use_id,
        times.name,
        agent_id=times.agent_id,
        input=times.input,
        asked_at_ns=times.pre_ns,
    )


def build_agent(agent: AgentDraft, turn: TurnDraft, status: TurnStatus) -> Subagent:
    """A sub-agent; its interval holds every line of its own file."""
    starts = [at for at in (agent.hook_start_ns, agent.first_ns) if at is not None]
    ends = [at for at in (agent.hook_end_ns, agent.last_ns) if at is not None]
    ended = max(ends) if ends and status != "open" else None
    return Subagent(
        agent_id=agent.agent_id,
        type=agent.type,
        tool_use_id=agent.tool_use_id,
        started_at_ns=min(starts) if starts else None,
        ended_at_ns=ended,
        status=status,
        prompt=agent.prompt,
        response=agent.response,
        parent_agent_id=agent.parent_agent_id,
        background=agent.background,
        error=agent.error,
    )


def build_moment(moment: MomentDraft) -> Moment:
    """A moment as it was noted."""
    return Moment(
        kind=moment.kind,
        at_ns=moment.at_ns,
        moment_id=moment.moment_id,
        ended_at_ns=_not_before(moment.ended_at_ns, moment.at_ns),
        details=dict(moment.details) or None,
        agent_id=moment.agent_id,
        between_turns=moment.between_turns,
    )


def build_repository(turn: TurnDraft) -> Repository:
    """What the transcript says of the repository; url and commit are the worker's to find."""
    return Repository(branch=turn.branch)
