"""Which turn a line of the main transcript belongs to, where "the one that runs" is not enough.

Two processes may work on one session at once, and the client does not always write lines in the
order things happened: a queued prompt can stand before the end of the turn it waited for. Every
line names the line it follows; with the owners of those lines known, each line finds its turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.core import MAIN, Reading
from harness_tracing.agents.claude_code.drafts import Thread, TurnDraft
from harness_tracing.agents.claude_code.ends import end_by_evidence

Value = Mapping[str, Any]


def owner_of(r: Reading, value: Value) -> Optional[TurnDraft]:
    """The open turn that holds the line which this one follows."""
    turn = r.state.turns.get(r.state.owners.get(t.string(value.get("parentUuid")) or "", ""))
    return None if turn is None or turn.closed else turn


def follow(r: Reading, value: Value) -> None:
    """Go over to the branch of a line that belongs to another running turn than the last one.

    A turn that has ended is not gone back to: what the client still writes for it follows its
    lines, but so does the next turn's first reply when the user had queued a prompt.
    """
    turn = owner_of(r, value)
    thread = r.thread(MAIN)
    if turn is None or turn.end is not None or turn.turn_id == thread.turn_id:
        return
    put_aside(r, thread)
    known = r.state.branches.pop(turn.turn_id, None)
    r.state.threads[MAIN] = known or Thread(turn_id=turn.turn_id, count=None)


def put_aside(r: Reading, thread: Thread) -> None:
    """Keep the conversation of a turn that goes on beside the one to come."""
    turn = r.state.turns.get(thread.turn_id or "")
    if turn is not None and not turn.closed:
        r.state.branches[turn.turn_id] = thread


def own(r: Reading, value: Value) -> None:
    """Note whose a line is, once it has been taken in."""
    uuid = t.string(value.get("uuid"))
    turn_id = r.thread(MAIN).turn_id if r.line_turn is None else r.line_turn
    if uuid is not None and turn_id in r.state.turns:
        r.state.owners[uuid] = turn_id


def forget(r: Reading, turn_id: str) -> None:
    """A turn is closed: no line will ask for it any more."""
    owners = r.state.owners
    r.state.owners = {uuid: owner for uuid, owner in owners.items() if owner != turn_id}
    r.state.branches.pop(turn_id, None)


def make_way(r: Reading, turn: TurnDraft, value: Value, at_ns: Optional[int]) -> None:
    """A new prompt ends the turns before it, but for one that another process works on.

    Whoever goes on from a turn names one of its lines; a prompt that follows none of them was
    written by somebody who does not know of it.
    """
    parent = t.string(value.get("parentUuid"))
    for other in r.open_turns():
        if other is turn or other.end is not None:
            continue
        if not other.has_lines:
            # Its line may still come, if its prompt is the later one.
            if at_ns is None or other.hook_ns is None or other.hook_ns < at_ns:
                end_by_evidence(r, other, firm=False)
            continue
        if parent is None or r.state.owners.get(parent) == other.turn_id:
            end_by_evidence(r, other)
            continue
        other.beside = turn.beside = True
        thread = r.thread(MAIN)
        if thread.turn_id == other.turn_id:
            put_aside(r, thread)
            r.state.threads[MAIN] = Thread(count=None)
