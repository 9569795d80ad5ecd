"""What lines, hooks and endings share: finding threads, turns, tools, and marking what changed."""

from __future__ import annotations

from typing import Optional

from harness_tracing.agents.base import TurnChange
from harness_tracing.agents.codex import rollout as r_
from harness_tracing.agents.codex.drafts import (
    AgentDraft,
    AgentMeta,
    HookTimes,
    State,
    Thread,
    ToolDraft,
    TurnDraft,
)
from harness_tracing.agents.reading import News

CLOSED_KEPT = 1000
CALLS_KEPT = 2000
HOOKS_KEPT = 5000
THREADS_KEPT = 100


class Reading(News):
    """A state being read on: the state itself and what changed since it was last told."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state
        self.finished: list[TurnChange] = []
        # Model calls that were told or are about to be: a repeated line tells none twice.
        self.known_calls = set(state.told_calls)
        for turn in state.turns.values():
            self.known_calls.update(turn.calls)

    # -- finding things

    @property
    def main_id(self) -> str:
        """The main thread's id: hooks call it the session's."""
        return self.state.session_id

    @property
    def main(self) -> Thread:
        """The main thread."""
        return self.thread(self.main_id)

    def thread(self, thread_id: str) -> Thread:
        """The conversation of the main agent or of a sub-agent."""
        threads = self.state.threads
        if thread_id not in threads:
            threads[thread_id] = Thread(thread_id)
        return threads[thread_id]

    def agent_id(self, thread: Thread) -> Optional[str]:
        """Whose steps a thread's are: None for the main agent's."""
        own = thread.thread_id == self.main_id or thread.folded
        return None if own else thread.thread_id

    def note_path(self, path: Optional[str]) -> Optional[str]:
        """Remember where a thread's rollout lies; the thread's id."""
        thread_id = r_.thread_of(path)
        if thread_id is not None and path is not None:
            self.thread(thread_id).path = path
        return thread_id

    def open_turns(self) -> list[TurnDraft]:
        """The turns not closed yet, oldest first."""
        return [turn for turn in self.state.turns.values() if not turn.closed]

    def turn(self, turn_id: str) -> Optional[TurnDraft]:
        """The draft of that turn, made if there is none; None when it was told as final."""
        state = self.state
        turn = state.turns.get(turn_id)
        if turn is not None:
            return None if turn.closed else turn
        if turn_id in state.closed:
            return None
        state.turn_count += 1
        turn = TurnDraft(turn_id, state.turn_count, active_ns=state.now_ns)
        turn.moments, state.waiting_moments = state.waiting_moments, {}
        state.turns[turn_id] = turn
        for moment_id in turn.moments:
            self.touch(turn, "moment:" + moment_id)
        return turn

    def current(self, thread: Thread) -> Optional[TurnDraft]:
        """The turn a thread works in, if that may still take steps."""
        turn = self.state.turns.get(thread.root_turn_id or "")
        if turn is None or (turn.closed and thread.thread_id not in turn.left_running):
            return None
        return turn

    def root_of(self, turn_id: Optional[str]) -> Optional[str]:
        """The main thread's turn for any thread's turn."""
        return self.state.turn_roots.get(turn_id or "", turn_id)

    def tool(self, turn: TurnDraft, tool_use_id: str, name: str) -> ToolDraft:
        """The draft of a tool call in a turn, made if there is none."""
        if tool_use_id not in turn.tools:
            turn.tools[tool_use_id] = ToolDraft(tool_use_id, name)
        self.touch(turn, "tool:" + tool_use_id)
        return turn.tools[tool_use_id]

    def agent(self, turn: TurnDraft, agent_id: str) -> AgentDraft:
        """The draft of a sub-agent in a turn, made if there is none."""
        if agent_id not in turn.agents:
            turn.agents[agent_id] = AgentDraft(agent_id, seen_ns=self.state.now_ns)
        self.touch(turn, "agent:" + agent_id)
        return turn.agents[agent_id]

    def meta(self, agent_id: str) -> AgentMeta:
        """What is known of a sub-agent."""
        return self.state.agents.setdefault(agent_id, AgentMeta())

    def hook_turn(self, times: HookTimes) -> Optional[TurnDraft]:
        """The turn that a tool belongs to of which hooks told."""
        turn = self.state.turns.get(self.root_of(times.turn_id) or "")
        if turn is None and times.agent_id is not None:
            turn = next((t for t in self.state.turns.values() if times.agent_id in t.agents), None)
        return turn
