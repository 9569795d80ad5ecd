"""When a turn is over, and when it may be told as final.

A turn has an *end* once something says so; it is *due* when nothing that belongs to it can
still come. Firm ends: the client's own summary line, an interruption, the next prompt.
Others wait a moment for what may follow them.
"""

from __future__ import annotations

from typing import Optional

from harness_tracing.agents.claude_code import compaction
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import MAIN, Reading
from harness_tracing.agents.claude_code.drafts import AgentDraft, CallDraft, End, TurnDraft

SECOND = 10**9
SOFT_END_NS = 2 * SECOND
FLUSH_NS = 2 * SECOND
SESSION_END_NS = SECOND
NO_SUMMARY_NS = 30 * SECOND
# The first version known to end every turn with a stop_hook_summary line.
SUMMARY_SINCE = (2, 1, 330)
NO_TRANSCRIPT_NS = 600 * SECOND
BACKGROUND_NS = 1800 * SECOND
AHEAD_NS = 90 * SECOND


def end_by_evidence(r: Reading, turn: TurnDraft, firm: bool = True) -> None:
    """End a turn that nothing ended itself: at its last evidence, as that evidence tells."""
    last = r.last_call(turn)
    if turn.failure is not None:
        end = End("failed", turn.failure_ns or turn.last_ns, firm, r.state.now_ns)
    elif turn.stop_ns is not None or (
        last is not None and _answered(last) and not _running_tools(turn)
    ):
        end = End("completed", turn.last_ns, firm, r.state.now_ns)
    else:
        end = End("interrupted", turn.last_ns, firm, r.state.now_ns)
    turn.end = end
    r.touch(turn)


def _answered(call: CallDraft) -> bool:
    return call.answered and not call.aborted and call.finish_reason not in ("tool_use", None)


def _running_tools(turn: TurnDraft) -> bool:
    return any(
        tool.agent_id is None and tool.result_at_ns is None and not tool.cut_short
        for tool in turn.tools.values()
    )


def settled(turn: TurnDraft, agent: AgentDraft, now_ns: int) -> bool:
    """Whether all of a sub-agent has been seen; its file may lag behind the news of its end.

    Its sidecar file's word alone (`finished`) has no time: it counts once the answer is there.
    """
    if not (agent.over or agent.finished):
        return False
    last = turn.calls.get(agent.last_call_id or "")
    if agent.error is not None or (last is not None and _answered(last)):
        return True
    since_ns = agent.over_seen_ns
    return agent.over and since_ns is not None and now_ns - since_ns >= FLUSH_NS


def let_time_pass(r: Reading) -> None:
    """Give an end to turns that have been quiet for long enough."""
    now_ns = r.state.now_ns
    turns = r.open_turns()
    for turn in turns:
        if turn.end is not None:
            continue
        quiet = now_ns - turn.active_ns
        if turn.stop_ns is not None:
            limit = _patience_after_stop(r, turn)
            if limit is not None and quiet >= limit:
                end_by_evidence(r, turn)
        elif turn is not turns[-1] and quiet >= NO_SUMMARY_NS and not _at_work(turn, now_ns):
            end_by_evidence(r, turn)


def _patience_after_stop(r: Reading, turn: TurnDraft) -> Optional[int]:
    """How long after Stop a turn may be silent before that was its end; None: for ever.

    A client that writes summary lines will write one: until then another Stop hook runs, for as
    long as it likes, and may yet make the agent go on.
    """
    if not turn.has_lines:
        return NO_TRANSCRIPT_NS
    if r.state.summaries:
        return None
    version = t.version(r.state.agent_version)
    return NO_TRANSCRIPT_NS if version >= SUMMARY_SINCE else NO_SUMMARY_NS


def _at_work(turn: TurnDraft, now_ns: int) -> bool:
    return any(not settled(turn, agent, now_ns) for agent in turn.agents.values())


def is_due(r: Reading, turn: TurnDraft) -> bool:
    """Whether a turn with an end can be told as final now."""
    end, now_ns = turn.end, r.state.now_ns
    if end is None or turn.closed:
        return False
    waited = now_ns - end.seen_ns
    if end.at_ns > now_ns and waited < AHEAD_NS:
        # Lines ahead of our clock: hooks of this turn are still to come.
        return False
    if not end.firm and waited < (NO_TRANSCRIPT_NS if _file_lags(r, turn) else SOFT_END_NS):
        return False
    if compaction.is_unpaid(r, turn) and waited < SOFT_END_NS:
        return False
    if _output_missing(turn) and waited < FLUSH_NS:
        return False
    unsettled = [a for a in turn.agents.values() if not settled(turn, a, now_ns)]
    if not unsettled:
        return True
    if any(agent.background for agent in unsettled):
        return waited >= BACKGROUND_NS
    return waited >= FLUSH_NS


def _file_lags(r: Reading, turn: TurnDraft) -> bool:
    """Whether a turn that only hooks told of will yet have its lines: the file is behind them."""
    last_ns = r.thread(MAIN).last_ns
    return not turn.has_lines and last_ns is not None and last_ns < (turn.hook_ns or 0)


def _output_missing(turn: TurnDraft) -> bool:
    return any(tool.output_file and tool.full_output is None for tool in turn.tools.values())


def settles_soon(r: Reading) -> bool:
    """Whether a turn has an end and waits for moments only, not for background agents."""
    now_ns = r.state.now_ns
    for turn in r.open_turns():
        if turn.end is None or _file_lags(r, turn):
            continue
        ahead = turn.end.at_ns > now_ns and now_ns - turn.end.seen_ns < AHEAD_NS
        if ahead or now_ns - turn.end.seen_ns < SOFT_END_NS:
            return True
        if not any(a.background and not settled(turn, a, now_ns) for a in turn.agents.values()):
            return True
    return False


def session_is_over(r: Reading) -> bool:
    """Whether SessionEnd came and nothing has followed it for a moment."""
    seen_ns, now_ns = r.state.end_seen_ns, r.state.now_ns
    return seen_ns is not None and now_ns - max(seen_ns, r.state.active_ns) >= SESSION_END_NS


def cut_by_signal(turn: TurnDraft, text: Optional[str]) -> bool:
    """Whether a command's result is that of one its dying agent took down."""
    interrupted = turn.end is not None and turn.end.status == "interrupted"
    return interrupted and t.exit_code(text) in t.SIGNAL_EXIT_CODES
