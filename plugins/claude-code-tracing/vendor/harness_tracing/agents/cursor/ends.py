"""When a turn is over, and when it may be told as final.

Cursor's stop event comes when the answer is there and its tools have run: what a Stop hook makes
the agent go on with is a prompt of its own. Only hooks that Cursor does not wait for, as
postToolUse, may still be on their way. Where no stop event comes, the next prompt, the session's
end or the transcript ends a turn.
"""

from __future__ import annotations

from harness_tracing.agents.cursor.core import Reading
from harness_tracing.agents.cursor.drafts import AgentDraft, End, TurnDraft
from harness_tracing.agents.cursor.payloads import STATUSES
from harness_tracing.agents.cursor.transcript import segment_of

SECOND = 10**9
SETTLE_NS = 2 * SECOND
LATE_NS = 5 * SECOND
QUIET_NS = 600 * SECOND
BACKGROUND_NS = 1800 * SECOND
# Inline completion has no end of its own.
TAB_QUIET_NS = 60 * SECOND


def let_time_pass(r: Reading) -> None:
    """Give an end to turns that no event ended: by the transcript's word, or after a long quiet."""
    for turn in list(r.state.turns.values()):
        if turn.end is not None:
            continue
        segment = segment_of(r.state, turn)
        quiet = r.state.now_ns - turn.active_ns
        if turn.tab:
            if quiet >= TAB_QUIET_NS:
                r.end(turn, firm=True)
        elif segment is not None and segment.status is not None:
            r.end(turn, firm=False)
        elif quiet >= QUIET_NS and not is_running(r, turn) and r.is_answered(turn):
            r.end(turn, firm=True)


def end_of_session(r: Reading, turn: TurnDraft) -> None:
    """End a turn with its session, as that ended where it says so."""
    status = STATUSES.get(r.state.final_status or "")
    if turn.end is None and status is not None and not turn.tab:
        turn.end = End(status, turn.last_ns, True, r.state.now_ns)
    r.end(turn, firm=True)


def is_running(r: Reading, turn: TurnDraft) -> bool:
    """Whether a tool call or a sub-agent has begun and not ended, as far as events tell."""
    calls = r.calls(turn).of(turn)
    closed = {call.tool_use_id for call in calls if call.closed}
    left = [agent for agent in turn.agents.values() if not over(agent, closed)]
    return bool(left) or any(not call.closed for call in calls)


def over(agent: AgentDraft, closed: set[str]) -> bool:
    """Whether a sub-agent has ended; one that is waited for ends with its tool call."""
    return agent.ended_ns is not None or (not agent.background and agent.tool_use_id in closed)


def is_due(r: Reading, turn: TurnDraft) -> bool:
    """Whether a turn with an end can be told as final now."""
    if turn.end is None:
        return False
    waited = r.state.now_ns - max(turn.end.seen_ns, turn.active_ns)
    if waited < SETTLE_NS:
        return False
    if not is_running(r, turn):
        return True
    if _works_on(turn):
        return waited >= BACKGROUND_NS
    return waited >= (LATE_NS if turn.end.firm else QUIET_NS)


def _works_on(turn: TurnDraft) -> bool:
    return any(agent.background and agent.ended_ns is None for agent in turn.agents.values())


def settles_soon(r: Reading) -> bool:
    """Whether a turn has an end and waits for moments only."""
    for turn in r.state.turns.values():
        if turn.end is None:
            continue
        if not is_running(r, turn) or (turn.end.firm and not _works_on(turn)):
            return True
        if r.state.now_ns - max(turn.end.seen_ns, turn.active_ns) < SETTLE_NS:
            return True
    return False


def session_is_over(r: Reading) -> bool:
    """Whether sessionEnd came and what belongs before it has had time to come."""
    seen_ns, now_ns = r.state.end_seen_ns, r.state.now_ns
    if seen_ns is None:
        return False
    late = any(is_running(r, turn) for turn in r.state.turns.values())
    return now_ns - max(seen_ns, r.state.active_ns) >= (LATE_NS if late else SETTLE_NS)


def late_ones_may_come(r: Reading) -> bool:
    """Whether a tool call's end, told by a hook that nobody waits for, may be on its way.

    Or somebody who knows a turn that nothing announced as a sub-agent's.
    """
    return any(
        (is_running(r, turn) or not r.is_shown(turn)) and r.state.now_ns - turn.active_ns < LATE_NS
        for turn in r.state.turns.values()
    )
