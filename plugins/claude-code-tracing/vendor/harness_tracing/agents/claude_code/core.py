"""What lines, hooks and endings share: finding turns, threads, tools, and marking what changed."""

from __future__ import annotations

from typing import Optional

from harness_tracing.agents.base import TurnChange
from harness_tracing.agents.claude_code.drafts import (
    AgentDraft,
    CallDraft,
    State,
    Thread,
    ToolDraft,
    TurnDraft,
)
from harness_tracing.agents.reading import News
from harness_tracing.model import Usage

MAIN = "main"
CLOSED_KEPT = 200
CALLS_KEPT = 1000
CONTINUED = "+"


class Reading(News):
    """A state being read on: the state itself and what changed since it was last told."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state
        self.finished: list[TurnChange] = []
        # Open turns that were told: they must not vanish again.
        self.told: set[str] = set()
        # The turn of the line being taken in, where that is not the one its thread is in.
        self.line_turn: Optional[str] = None
        # Which calls of which turns a reply's ids stand for: found at once, however many there are.
        self.replies: dict[str, dict[str, CallDraft]] = {}
        self.told_calls = set(state.told_calls)
        for turn in state.turns.values():
            for call in turn.calls.values():
                if call.answered:
                    self.note_reply(turn, call)

    def note_reply(self, turn: TurnDraft, call: CallDraft) -> None:
        """Remember a call by the ids of its reply."""
        for reply_id in {call.request_id, call.message_id} - {None}:
            self.replies.setdefault(str(reply_id), {})[turn.turn_id] = call

    def replied_in(self, reply_id: Optional[str]) -> dict[str, CallDraft]:
        """The calls that a reply's id stands for, by turn; drafts that were dropped are gone."""
        found = self.replies.get(reply_id or "", {})
        turns = self.state.turns
        return {
            turn_id: call
            for turn_id, call in found.items()
            if turn_id in turns and turns[turn_id].calls.get(call.call_id) is call
        }

    def forget_replies(self, turn: TurnDraft) -> None:
        """The turn is told: its replies are known by their message ids alone."""
        for call in turn.calls.values():
            for reply_id in (call.request_id, call.message_id):
                self.replies.pop(reply_id or "", None)
            if call.message_id is not None:
                self.told_calls.add(call.message_id)

    # -- finding things

    def thread(self, key: str) -> Thread:
        """The conversation of the main agent or of a sub-agent."""
        if key not in self.state.threads:
            self.state.threads[key] = Thread(count=self.state.agents_done.get(key, 0))
        return self.state.threads[key]

    def count(self, thread: Thread, messages: int) -> None:
        """So many more messages in a conversation, if it is known how many there were."""
        if thread.count is not None:
            thread.count += messages

    def count_usage(self, model: Optional[str], usage: Usage) -> None:
        """Tokens of a call that was seen: what cost-state holds beyond them was not."""
        seen = self.state.seen.get(model or "")
        self.state.seen[model or ""] = usage if seen is None else seen + usage

    def open_turns(self) -> list[TurnDraft]:
        """The turns not closed yet, oldest first."""
        return [turn for turn in self.state.turns.values() if not turn.closed]

    def turn(self, turn_id: str) -> TurnDraft:
        """The draft of that turn, made if there is none."""
        if turn_id not in self.state.turns:
            self.state.turns[turn_id] = TurnDraft(turn_id, active_ns=self.state.now_ns)
        return self.state.turns[turn_id]

    def number(self, turn: TurnDraft) -> int:
        """The turn's number within the session; settled when the transcript shows its prompt."""
        return turn.number if turn.number is not None else self.state.turn_count + 1

    def settle_number(self, turn: TurnDraft) -> None:
        """Give the turn the next number if it has none."""
        if turn.number is None:
            self.state.turn_count += 1
            turn.number = self.state.turn_count

    def current(self, key: str) -> Optional[TurnDraft]:
        """The turn a thread is in, if it is not closed."""
        turn_id = self.thread(key).turn_id
        if key != MAIN:
            turn_id = turn_id or self.state.agent_turns.get(key)
        turn = self.state.turns.get(turn_id or "")
        if turn is None or (turn.closed and key not in turn.left_running):
            return None
        return turn

    def working_turn(self, key: str, at_ns: Optional[int]) -> Optional[TurnDraft]:
        """The turn a model call belongs to; one that was closed too early goes on in another.

        Without this a client that works on after an end we took for final would lose calls.
        """
        turn = self.current(key)
        thread = self.thread(key)
        if key != MAIN or (turn is not None and not _is_over(turn)):
            return turn
        if self.skips(thread, at_ns):
            return None
        told = self.announced(at_ns)
        if told is not None or (turn is None and thread.turn_id is None):
            return self._turn_without_prompt(thread, told, at_ns)
        if turn is not None or thread.turn_id is None:
            return turn
        again = self.turn(self.continuation(thread.turn_id))
        again.has_lines = True
        again.cause = "continuation"
        again.prompt_ns = at_ns
        thread.turn_id, thread.skipping = again.turn_id, False
        self.settle_number(again)
        return again

    def skips(self, thread: Thread, at_ns: Optional[int]) -> bool:
        """Whether a thread is in a turn that was told as final, with what happened at `at_ns`.

        Replies that were told are known by their ids; only where there were more than are kept
        does the time have to tell.
        """
        if not thread.skipping or len(self.state.told_calls) < CALLS_KEPT:
            return False
        last_ns = self.state.closed.get(thread.turn_id or "")
        return at_ns is None or last_ns is None or at_ns <= last_ns

    def continuation(self, turn_id: str) -> str:
        """The id of the turn in which one goes on that was told as final already."""
        base = turn_id.split(CONTINUED)[0]
        names = (f"{base}{CONTINUED}{n}" for n in range(1, 10_000))
        return next(name for name in names if name not in self.state.closed)

    def announced(self, at_ns: Optional[int]) -> Optional[TurnDraft]:
        """The turn that hooks told of before `at_ns` and the transcript has yet to show."""
        running = self.current(MAIN)
        since_ns = (running.prompt_ns or 0) if running is not None else 0
        for turn in reversed(self.open_turns()):
            told_ns = turn.hook_ns
            if told_ns is not None and not turn.has_lines and not _is_over(turn):
                return turn if since_ns < told_ns and (at_ns or told_ns) >= told_ns else None
        return None

    def _turn_without_prompt(
        self, thread: Thread, told: Optional[TurnDraft], at_ns: Optional[int]
    ) -> Optional[TurnDraft]:
        """The turn of a reply before which no line of a prompt stands: that was lost."""
        if told is None and f"line:{at_ns}" in self.state.closed:
            return None
        turn = told or self.turn(f"line:{at_ns}")
        turn.has_lines = True
        turn.prompt_ns = turn.hook_ns or at_ns
        thread.turn_id = turn.turn_id
        self.settle_number(turn)
        if turn.hook_prompt is None:
            self.gap(turn, "prompt", "the transcript has a reply and no prompt before it")
        return turn

    def tool(self, tool_use_id: str) -> tuple[Optional[TurnDraft], Optional[ToolDraft]]:
        """The open turn that holds a tool call, and the call."""
        for turn in self.state.turns.values():
            if tool_use_id in turn.tools:
                return turn, turn.tools[tool_use_id]
        return None, None

    def turn_of_agent(self, agent_id: str) -> Optional[TurnDraft]:
        """The turn that a sub-agent works for, which may be an earlier one than runs now."""
        return self.state.turns.get(self.state.agent_turns.get(agent_id, ""))

    def agent(self, turn: TurnDraft, agent_id: str) -> AgentDraft:
        """The draft of a sub-agent in a turn, made and linked if there is none."""
        self._take_over(turn, agent_id)
        agent = turn.agents.get(agent_id)
        if agent is None:
            agent = turn.agents[agent_id] = AgentDraft(agent_id)
            self.state.agent_turns[agent_id] = turn.turn_id
            self.link(agent, turn)
        return agent

    def _take_over(self, turn: TurnDraft, agent_id: str) -> None:
        """Bring a sub-agent from the turn that a hook named to the one that started it.

        Hooks and lines of sub-agents name the main agent's prompt of the moment: what a
        background agent of an earlier turn starts looks like the running turn's.
        """
        other = self.turn_of_agent(agent_id)
        links = self.state.agent_links.get(agent_id, {})
        ours = links.get("toolUseId") in turn.tools
        if other in (None, turn) or not ours or agent_id not in other.agents:
            return
        agent = other.agents[agent_id]
        if agent.has_lines or agent.over:
            return
        turn.agents[agent_id] = other.agents.pop(agent_id)
        self.state.agent_turns[agent_id] = turn.turn_id
        for times in self.state.hooks.values():
            if times.agent_id == agent_id:
                times.prompt_id = turn.turn_id

    def link(self, agent: AgentDraft, turn: TurnDraft) -> None:
        """Take over what the sub-agent's sidecar file says about it."""
        meta = self.state.agent_links.get(agent.agent_id, {})
        if agent.tool_use_id is None and meta.get("toolUseId") in turn.tools:
            agent.tool_use_id = meta["toolUseId"]
        agent.type = agent.type or meta.get("agentType")
        agent.parent_agent_id = agent.parent_agent_id or meta.get("parentAgentId")
        if agent.tool_use_id in turn.tools and agent.parent_agent_id is None:
            agent.parent_agent_id = turn.tools[agent.tool_use_id].agent_id
        if meta.get("finished") and agent.resumed_ns is None:
            agent.finished = True

    def link_waiting(self, turn: TurnDraft, tool_use_id: str) -> None:
        """Find the sub-agents that a tool call started by what their sidecar files say."""
        for agent_id, meta in self.state.agent_links.items():
            if meta.get("toolUseId") == tool_use_id:
                self.link(self.agent(turn, agent_id), turn)

    def agent_over(self, turn: TurnDraft, agent: AgentDraft, at_ns: Optional[int]) -> None:
        """There is evidence of `at_ns` that the sub-agent will do no more.

        Evidence without a time, or older than a message that woke the agent again, tells of
        what it did before that message.
        """
        if agent.resumed_ns is not None and (at_ns is None or at_ns < agent.resumed_ns):
            return
        if at_ns is not None:
            agent.over_ns = max(agent.over_ns or 0, at_ns)
        if not agent.over:
            agent.over = True
            agent.over_seen_ns = self.state.now_ns
        self.touch(turn, "agent:" + agent.agent_id)

    def agent_resumed(self, turn: TurnDraft, agent: AgentDraft, at_ns: Optional[int]) -> None:
        """A message woke a sub-agent that had finished; from now on it works in the background."""
        if at_ns is None or (agent.over_ns is not None and at_ns <= agent.over_ns):
            return
        if agent.over:
            agent.over, agent.over_seen_ns, agent.resumed_ns = False, None, at_ns
            agent.finished = False
        agent.background = True
        self.touch(turn, "agent:" + agent.agent_id)

    def last_call(self, turn: TurnDraft) -> Optional[CallDraft]:
        """The turn's last call of the main agent."""
        return turn.calls.get(turn.last_call_id or "")


def _is_over(turn: TurnDraft) -> bool:
    return turn.end is not None and turn.end.firm
