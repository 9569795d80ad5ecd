"""When a turn is over, and when it may be told as final.

A turn ends when its rollout says so (``task_complete``, ``turn_aborted``), or by its last
evidence: at the next turn, the session's end, the process's death, and, where a process serves
many sessions and outlives them, after ten silent minutes. It is *due* when nothing that belongs
to it can still come.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from harness_tracing.agents.codex.core import Reading
from harness_tracing.agents.codex.drafts import AgentDraft, End, Thread, ToolDraft, TurnDraft
from harness_tracing.model import Failure, TurnStatus

SECOND = 10**9
# How we name the turns of clients that do not: by the time of the line that begins one.
UNNAMED = "line:"
# The hooks of what a line tells lie in the spool by then.
SETTLE_NS = SECOND // 4
FLUSH_NS = 2 * SECOND
SESSION_END_NS = SECOND
UNHEARD_NS = 2 * SECOND
QUIET_NS = 600 * SECOND
BACKGROUND_NS = 1800 * SECOND
AHEAD_NS = 90 * SECOND


def thread_ended(
    r: Reading,
    thread: Thread,
    turn: TurnDraft,
    status: TurnStatus,
    at_ns: int,
    error: Optional[Failure] = None,
    response: Optional[str] = None,
) -> None:
    """A thread's own turn is over: the main thread's, or a sub-agent's."""
    agent_id = r.agent_id(thread)
    if agent_id is not None:
        agent = r.agent(turn, agent_id)
        agent.running, agent.status, agent.error = False, status, error
        agent.last_ns = max(at_ns, agent.last_ns or at_ns)
        agent.response = response or agent.response
        agent.seen_ns = r.state.now_ns
    elif not thread.folded:
        turn.response = response or turn.response
        turn.error = error
        turn.last_ns = max(turn.last_ns, at_ns)
        turn.end = End(status, at_ns, r.state.now_ns)
        # What only waited for the end to be told as cut, or as left running.
        for tool in turn.tools.values():
            if tool.output is None or tool.item_ended_ns is None:
                r.touch(turn, "tool:" + tool.tool_use_id)
    r.touch(turn)


def end_by_evidence(r: Reading, turn: TurnDraft, why: str) -> None:
    """End a turn that did not end itself: at its last evidence, as that evidence tells."""
    status: TurnStatus = "completed" if _answered(turn) else "interrupted"
    at_ns = max(turn.last_ns, turn.stop_ns or 0, turn.interrupt_ns or 0, *_hook_times(r, turn))
    turn.end = End(status, at_ns, r.state.now_ns)
    if turn.has_lines and status != "completed":
        r.gap(turn, "end of the turn", why)
    for agent in turn.agents.values():
        if agent.running:
            agent.running, agent.status = False, "interrupted"
    for step in (*(f"tool:{t}" for t in turn.tools), *(f"agent:{a}" for a in turn.agents)):
        r.touch(turn, step)
    r.touch(turn)


def _hook_times(r: Reading, turn: TurnDraft) -> Iterator[int]:
    for times in r.state.hooks.values():
        if times.tool_use_id in turn.tools or r.hook_turn(times) is turn:
            known = (times.pre_ns, times.wait_ns, times.post_ns)
            yield from (at for at in known if at is not None)


def _answered(turn: TurnDraft) -> bool:
    if turn.stop_ns is not None:
        return turn.stop_ns >= (turn.interrupt_ns or 0)
    # Clients that name no turns write no ends either: the last reply tells.
    last = next((call for call in reversed(turn.calls.values()) if call.agent_id is None), None)
    unnamed = turn.turn_id.startswith(UNNAMED)
    return unnamed and last is not None and last.error is None and not last.tools


def settled(agent: AgentDraft, now_ns: int) -> bool:
    """Whether all of a sub-agent has been seen."""
    if agent.has_lines:
        return not agent.running
    return now_ns - agent.seen_ns >= FLUSH_NS


def let_time_pass(r: Reading) -> None:
    """Give an end to turns that have been quiet for long enough."""
    now_ns = r.state.now_ns
    for turn in r.open_turns():
        if turn.end is not None or now_ns - turn.active_ns < QUIET_NS:
            continue
        if not turn.has_lines:
            if turn.stop_ns is not None or turn.interrupt_ns is not None:
                end_by_evidence(r, turn, "")
        elif r.state.served and not _running_tools(r, turn):
            end_by_evidence(r, turn, "nothing was written for ten minutes")


def _running_tools(r: Reading, turn: TurnDraft) -> bool:
    if any(_runs(tool) for tool in turn.tools.values()):
        return True
    return any(
        times.post_ns is None and times.tool_use_id not in turn.tools
        for times in r.state.hooks.values()
        if r.hook_turn(times) is turn
    )


def _runs(tool: ToolDraft) -> bool:
    return tool.output_ns is None and tool.item_ended_ns is None


def is_due(r: Reading, turn: TurnDraft) -> bool:
    """Whether a turn with an end can be told as final now."""
    end, now_ns = turn.end, r.state.now_ns
    if end is None or turn.closed:
        return False
    waited = now_ns - end.seen_ns
    if waited < SETTLE_NS or (end.at_ns > now_ns and waited < AHEAD_NS):
        return False
    unsettled = [a for a in turn.agents.values() if not settled(a, now_ns)]
    if any(agent.has_lines for agent in unsettled):
        return waited >= BACKGROUND_NS
    return not unsettled


def settles_soon(r: Reading) -> bool:
    """Whether a turn has an end and waits for moments only, not for sub-agents at work."""
    now_ns = r.state.now_ns
    for turn in r.open_turns():
        if turn.end is None:
            continue
        at_work = any(a.has_lines and not settled(a, now_ns) for a in turn.agents.values())
        if not at_work or now_ns - turn.end.seen_ns < SETTLE_NS:
            return True
    return False


def is_of_another_process(r: Reading) -> bool:
    """Whether a turn has just begun that no hook has told of yet.

    A resumed session writes it down moments before its first hook fires, and the process that
    is known to be dead is the earlier one.
    """
    return any(
        turn.end is None and turn.hook_ns is None and r.state.now_ns - turn.last_ns < UNHEARD_NS
        for turn in r.state.turns.values()
    )


def session_is_over(r: Reading) -> bool:
    """Whether SessionEnd came and nothing has followed it for a moment."""
    seen_ns, now_ns = r.state.end_seen_ns, r.state.now_ns
    return seen_ns is not None and now_ns - max(seen_ns, r.state.active_ns) >= SESSION_END_NS
