"""What hooks, endings and the building of turns share: finding an event's turn, marking changes."""

from __future__ import annotations

from typing import Optional

from harness_tracing.agents.base import TurnChange
from harness_tracing.agents.cursor.drafts import TAB, ClosedTurn, End, State, TurnDraft
from harness_tracing.agents.cursor.tools import Calls
from harness_tracing.agents.cursor.transcript import segment_of
from harness_tracing.model import Step


class Reading:
    """A reader's state together with what it has not told yet."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.session_touched = False
        self.touched: dict[str, None] = {}
        self.finished: list[TurnChange] = []
        self.told: dict[str, dict[str, Step]] = {}
        self._calls: dict[str, Calls] = {}

    def calls(self, turn: TurnDraft) -> Calls:
        """The tool calls of a turn that is not final."""
        return self._calls.setdefault(turn.turn_id, Calls())

    def forget(self, turn: TurnDraft) -> None:
        """The turn is final: what was kept to tell it is not needed any more."""
        for kept in (self.touched, self.told, self._calls):
            kept.pop(turn.turn_id, None)

    def touch(self, turn: TurnDraft, at_ns: int) -> None:
        """There is news of a turn."""
        turn.last_ns = max(turn.last_ns, at_ns)
        turn.active_ns = max(turn.active_ns, self.state.now_ns)
        self.touched[turn.turn_id] = None

    def take_touched(self) -> list[str]:
        """The turns there is news of since the last call."""
        touched, self.touched = list(self.touched), {}
        return touched

    # -- which turn an event belongs to

    def place(self, own: Optional[str], at_ns: int, *, begins: bool) -> Optional[TurnDraft]:
        """The turn of an event with that generation id (None: it has none); None: it has no turn.

        `begins`: the event stands at the beginning of something, so that it may open a turn.
        """
        turn = self.of_generation(own, at_ns) if own is not None else self.current(at_ns)
        if turn is not None and begins and turn.stop_ns is not None and at_ns > turn.stop_ns:
            # A Stop hook's follow-up, or a client that announces no prompts.
            self.end(turn, firm=True)
            return self.open(own, at_ns)
        if turn is None and begins:
            return self.open(own, at_ns)
        return turn

    def of_generation(self, own: str, at_ns: int) -> Optional[TurnDraft]:
        """The turn a generation id names, directly or as the backend's id of its run.

        The SDK names a prompt by the conversation and what its backend does by the id of the
        request, which several prompts may share.
        """
        turns = [t for t in self.state.turns.values() if own in (t.generation, *t.run_ids)]
        running = self.current(at_ns)
        if turns and (turns[-1].stop_ns is None or turns[-1].generation is not None):
            return turns[-1]
        unnamed = running is not None and running.generation is None
        if running is not None and unnamed and not (turns and running.run_ids):
            running.run_ids = [*running.run_ids, own]
            return running
        return turns[-1] if turns else None

    def current(self, at_ns: int) -> Optional[TurnDraft]:
        """The turn that ran at that time, as far as it is not final."""
        turns = [t for t in self.state.turns.values() if t.started_ns <= at_ns and not t.tab]
        return max(turns, key=lambda turn: turn.started_ns) if turns else None

    def of_tool(self, tool_use_id: str) -> Optional[TurnDraft]:
        """The turn that knows a tool call."""
        for turn in self.state.turns.values():
            if any(tool_use_id == event.tool_use_id for event in turn.tools):
                return turn
        return None

    def is_told(self, tool_use_id: str) -> bool:
        """Whether a final turn has told of a tool call."""
        return any(tool_use_id in closed.tools for closed in self.state.closed.values())

    def closed_of(self, own: Optional[str]) -> Optional[ClosedTurn]:
        """The final turn a generation id names; without one the last."""
        closed = list(self.state.closed.values())
        if own is None:
            return closed[-1] if closed else None
        return next((c for c in reversed(closed) if own in c.ids), None)

    def open(self, own: Optional[str], at_ns: int, prompt: bool = False) -> TurnDraft:
        """A new turn. The conversation has gone on: what is open has ended."""
        state = self.state
        before = any(not turn_id.startswith(TAB) for turn_id in state.closed)
        shown = any(self.is_shown(turn) for turn in state.turns.values() if not turn.tab)
        known = state.begun or before or shown
        for other in state.turns.values():
            self.end(other, firm=True)
        kind = "prompt" if prompt else "at"
        name = turn_id = own if own is not None else f"{kind}-{at_ns}"
        count = 0
        while turn_id in state.turns or turn_id in state.closed:
            count += 1
            turn_id = f"{name}+{count}"
        turn = TurnDraft(turn_id, at_ns, generation=own, last_ns=at_ns)
        turn.announced = known
        turn.cwd = state.roots[0] if state.roots else None
        state.turns[turn_id] = turn
        state.ended_ns = state.end_reason = state.end_seen_ns = state.final_status = None
        self.session_touched = True
        self.touch(turn, at_ns)
        return turn

    def tab_turn(self, at_ns: int) -> TurnDraft:
        """The turn of inline completion's edits that goes on, else a new one."""
        state = self.state
        for turn in state.turns.values():
            if turn.tab and turn.end is None:
                return turn
        turn = TurnDraft(f"{TAB}{at_ns}", at_ns, last_ns=at_ns, announced=True)
        turn.cwd = state.roots[0] if state.roots else None
        state.turns[turn.turn_id] = turn
        return turn

    # -- how a turn ended

    def end(self, turn: TurnDraft, *, firm: bool) -> None:
        """End a turn that nothing ended itself: at its last evidence, as that evidence tells."""
        if turn.end is not None:
            turn.end.firm = turn.end.firm or firm
            return
        state = self.state
        segment = segment_of(state, turn)
        if turn.tab:
            turn.end = End("completed", turn.last_ns, firm, state.now_ns)
            self.touched[turn.turn_id] = None
            return
        told = segment.status if segment is not None else None
        if told is not None:
            turn.end = End(told, turn.last_ns, firm, state.now_ns)
            turn.error = turn.error or (segment.error if segment is not None else None)
        elif self.is_answered(turn):
            turn.end = End("completed", turn.last_ns, firm, state.now_ns, told=False)
        else:
            turn.end = End("interrupted", turn.last_ns, firm, state.now_ns, told=False)
        self.touched[turn.turn_id] = None

    def is_answered(self, turn: TurnDraft) -> bool:
        """Whether the model has given its answer, by the hooks or by the transcript."""
        segment = segment_of(self.state, turn)
        return bool(turn.responses) or (segment is not None and segment.answered)

    def is_shown(self, turn: TurnDraft, over: bool = False) -> bool:
        """Whether a turn is told of: what began before tracing did is no turn of ours.

        Its tools alone do not make one, but where the conversation began under our eyes: then
        the client announces no prompts. What the model said does once it is `over`: before that
        it may turn out to be a sub-agent's.
        """
        told = turn.prompt_ns is not None or turn.stop_ns is not None or turn.announced
        said = over and bool(turn.responses or turn.thoughts)
        return told or said or segment_of(self.state, turn) is not None
