"""Compaction: when it happened, whose it is, and what its model call cost.

The client keeps no line of the call that writes the summary. What it cost is what the
session's cost-state holds beyond every call seen, and that stands there only at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.base import TurnChange
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.build import AGENT_NAME, build_call, build_moment
from harness_tracing.agents.claude_code.core import MAIN, Reading
from harness_tracing.agents.claude_code.drafts import (
    CallDraft,
    Compaction,
    End,
    MomentDraft,
    TurnDraft,
    Unpaid,
)
from harness_tracing.agents.reading import late_turn
from harness_tracing.model import Message, Usage

HOOKS_ALONE_NS = 5 * 10**9


def on_pre(r: Reading, at_ns: int, payload: Mapping[str, Any]) -> None:
    """PreCompact: the exact start."""
    r.state.compaction = Compaction(
        started_ns=at_ns,
        trigger=t.string(payload.get("trigger")),
        instructions=t.string(payload.get("custom_instructions")),
        prompt_id=t.string(payload.get("prompt_id")),
    )


def on_post(r: Reading, at_ns: int, payload: Mapping[str, Any]) -> None:
    """PostCompact: the end and the summary; settled when no transcript line tells of it."""
    pending = r.state.compaction or Compaction(prompt_id=t.string(payload.get("prompt_id")))
    pending.ended_ns = at_ns
    pending.summary = t.string(payload.get("compact_summary"))
    r.state.compaction = pending


def on_boundary(r: Reading, key: str, value: Mapping[str, Any], at_ns: Optional[int]) -> None:
    """A compact_boundary line: the compaction is done."""
    if at_ns is None:
        return
    r.state.boundaries_ns = [*r.state.boundaries_ns[-9:], at_ns]
    meta = t.mapping(value.get("compactMetadata"))
    pending, r.state.compaction = r.state.compaction, None
    duration = meta.get("durationMs")
    started = at_ns - int(duration) * 10**6 if isinstance(duration, int) else at_ns
    if pending is not None and pending.started_ns is not None and pending.started_ns <= at_ns:
        started = min(started, pending.started_ns)
    moment = MomentDraft(
        str(value.get("uuid")), "compaction", started, ended_at_ns=at_ns, agent_id=_agent(key)
    )
    details = {
        "trigger": meta.get("trigger") or (pending.trigger if pending else None),
        "pre_tokens": meta.get("preTokens"),
        "post_tokens": meta.get("postTokens"),
        "duration_ms": duration,
        "instructions": pending.instructions if pending else None,
    }
    moment.details = {name: item for name, item in details.items() if item is not None}
    _place(r, key, moment, manual=details["trigger"] == "manual")


def _agent(key: str) -> Optional[str]:
    return None if key == MAIN else key


def _place(r: Reading, key: str, moment: MomentDraft, manual: bool) -> None:
    """Into the turn it interrupted; one asked for between two turns waits for the next."""
    turn = r.current(key)
    last = r.last_call(turn) if turn is not None else None
    owing = r.state.unpaid[moment.moment_id] = Unpaid(moment.at_ns, moment.ended_at_ns)
    if last is not None:
        owing.model = last.model
    elif r.state.seen:
        owing.model = list(r.state.seen)[-1]
    if turn is None or (key == MAIN and (turn.end is not None or manual)):
        moment.between_turns = True
        r.state.waiting_moments[moment.moment_id] = moment
        return
    owing.turn_id = turn.turn_id
    turn.moments[moment.moment_id] = moment
    r.mark(turn, moment.ended_at_ns)
    r.touch(turn, "moment:" + moment.moment_id)


def on_summary(r: Reading, text: str) -> None:
    """The summary that now stands for the whole conversation before it."""
    thread = r.thread(MAIN)
    thread.messages, thread.count = [Message("user", text)], 0
    newest = _newest(r)
    if newest is not None:
        turn, moment = newest
        moment.details["summary"] = text
        if turn is not None:
            r.touch(turn, "moment:" + moment.moment_id)


def _newest(r: Reading) -> Optional[tuple[Optional[TurnDraft], MomentDraft]]:
    for moment in reversed(list(r.state.waiting_moments.values())):
        return None, moment
    for turn in reversed(r.open_turns()):
        for moment in reversed(list(turn.moments.values())):
            if moment.kind == "compaction":
                return turn, moment
    return None


def attach_waiting(r: Reading, turn: TurnDraft) -> None:
    """Compactions since the last turn belong to the one that begins now."""
    for moment_id, moment in r.state.waiting_moments.items():
        turn.moments[moment_id] = moment
        if moment_id in r.state.unpaid:
            r.state.unpaid[moment_id].turn_id = turn.turn_id
        r.touch(turn, "moment:" + moment_id)
    r.state.waiting_moments = {}


def settle_hooks_alone(r: Reading, over: bool) -> None:
    """Make a compaction of hooks when no transcript line came to tell of it."""
    pending = r.state.compaction
    if pending is None or pending.ended_ns is None:
        return
    if not over and r.state.now_ns - pending.ended_ns < HOOKS_ALONE_NS:
        return
    r.state.compaction = None
    at_ns = pending.started_ns if pending.started_ns is not None else pending.ended_ns
    since_ns, until_ns = at_ns - HOOKS_ALONE_NS, pending.ended_ns + HOOKS_ALONE_NS
    if any(since_ns <= boundary_ns <= until_ns for boundary_ns in r.state.boundaries_ns):
        return
    moment = MomentDraft(f"hooks:{at_ns}", "compaction", at_ns, ended_at_ns=pending.ended_ns)
    known = {
        "trigger": pending.trigger,
        "instructions": pending.instructions,
        "summary": pending.summary,
    }
    moment.details = {name: item for name, item in known.items() if item is not None}
    _place(r, MAIN, moment, manual=pending.trigger == "manual")


def is_unpaid(r: Reading, turn: TurnDraft) -> bool:
    """Whether the turn holds a compaction whose usage is not known yet."""
    return any(owing.turn_id == turn.turn_id for owing in r.state.unpaid.values())


def place_last(r: Reading) -> None:
    """A compaction that no turn follows is shown with the turn before it, else as its own."""
    open_turns, header = r.open_turns(), r.state.last_header
    if open_turns:
        attach_waiting(r, open_turns[-1])
    for moment in list(r.state.waiting_moments.values()):
        if header is not None:
            owing = r.state.unpaid.get(moment.moment_id)
            if owing is not None:
                owing.turn_id, owing.header = header.turn_id, header
            late = late_turn(AGENT_NAME, r.state.session_id, header, (build_moment(moment),))
            r.finished.append(TurnChange(late, final=True))
            r.session_touched = True
            continue
        turn = r.turn("compaction:" + moment.moment_id)
        r.settle_number(turn)
        turn.cause, turn.has_lines, turn.prompt_ns = "compaction", True, moment.at_ns
        r.mark(turn, moment.ended_at_ns or moment.at_ns)
        attach_waiting(r, turn)
        moment.between_turns = False
        turn.end = End("completed", turn.last_ns, True, r.state.now_ns)
    r.state.waiting_moments = {}


def reconcile(r: Reading) -> None:
    """Give the compactions of a session that is over what its cost-state holds beyond the calls.

    With several of them the sum goes to the last, which says how many it stands for. A fork's
    cost-state goes on from the other session's, whose calls are not all known here: then the
    cost stays unknown, and nothing is left over that would be its own. What is left over
    elsewhere without a compaction stays unattributed. The call
    becomes part of its turn, or, when that is closed already, a late step of it.
    """
    state = r.state
    beyond = {
        model: _beyond(usage, state.seen.get(model)) for model, usage in state.reported.items()
    }
    rest = {model: usage for model, usage in beyond.items() if usage is not None}
    if state.unpaid and rest and not state.origin_cost_unknown:
        moment_id = list(state.unpaid)[-1]
        owing, number = state.unpaid[moment_id], len(state.unpaid)
        model = owing.model or ""
        usage = rest.pop(model, None)
        if usage is not None:
            state.unpaid = {}
            state.seen[model] = state.seen.get(model, Usage()) + usage
            _pay(r, _call(moment_id, owing, usage, number), owing)
    state.unattributed = {} if state.copied else rest


def _beyond(reported: Usage, seen: Optional[Usage]) -> Optional[Usage]:
    """What was reported beyond what was seen, or None when that is nothing."""
    seen = seen or Usage()
    pairs = (
        (reported.input_tokens, seen.input_tokens),
        (reported.output_tokens, seen.output_tokens),
        (reported.cache_read_tokens, seen.cache_read_tokens),
        (reported.cache_write_tokens, seen.cache_write_tokens),
        (reported.cache_write_1h_tokens, seen.cache_write_1h_tokens),
    )
    rest = [None if have is None else max(0, have - (known or 0)) for have, known in pairs]
    return Usage(*rest) if any(rest) else None


def _call(moment_id: str, owing: Unpaid, usage: Usage, number: int) -> CallDraft:
    call = CallDraft("compaction:" + moment_id, model=owing.model, kind="compaction")
    call.moment_id, call.usage, call.answered = moment_id, usage, True
    call.started_at_ns, call.ended_at_ns = owing.at_ns, owing.ended_at_ns
    if number > 1:
        call.parameters = {"compactions": number}
    return call


def _pay(r: Reading, call: CallDraft, owing: Unpaid) -> None:
    turn = r.state.turns.get(owing.turn_id or "")
    if turn is not None and not turn.closed:
        turn.calls[call.call_id] = call
        r.touch(turn, "call:" + call.call_id)
    elif owing.header is not None:
        late = late_turn(AGENT_NAME, r.state.session_id, owing.header, (build_call(call),))
        r.finished.append(TurnChange(late, final=True))
        r.session_touched = True
