"""Cursor's reader: hook events in, turns out; the transcript for what hooks lack.

A pure state machine. It touches no file and reads no clock: the caller shows it lines and events
and tells it the time. Fields: README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Callable, Optional

import msgspec

from harness_tracing.agents.base import (
    Changes,
    HookEvent,
    Item,
    Line,
    TurnChange,
    WantedFile,
)
from harness_tracing.agents.cursor import assemble, ends, late, parts, transcript
from harness_tracing.agents.cursor.core import Reading
from harness_tracing.agents.cursor.drafts import BY_LINE, AgentDraft, ClosedTurn, State, TurnDraft
from harness_tracing.agents.cursor.hooks import feed_hook
from harness_tracing.agents.reading import restored
from harness_tracing.model import Message, Step, Subagent, ToolCall, Turn, step_id

CLOSED_KEPT = 50


class CursorReader:
    """See :class:`harness_tracing.agents.base.Reader`."""

    skipped_lines: tuple[bytes, ...] = ()

    def __init__(self, state: State) -> None:
        self._r = Reading(state)
        self._dying = False

    @classmethod
    def resume(cls, session_id: str, project: str, snapshot: Optional[bytes]) -> CursorReader:
        """A reader that goes on from a snapshot; from the beginning when it has no use of it."""
        state = restored(snapshot, State, project)
        return cls(state or State(session_id=session_id, project=project))

    def begin(self, path: str, parts: Sequence[str] = ()) -> None:
        """The transcript is known, without a hook that named it.

        Its lines alone make turns only as long as no hook has told of any: lines have no ids by
        which the ones could be told from the others.
        """
        state = self._r.state
        state.transcript = path
        state.alone = state.alone or not (state.begun or state.turns or state.closed)

    # -- items in

    def feed(self, item: Item) -> None:
        """Take one item in. Never raises on what Cursor may write."""
        if isinstance(item, HookEvent):
            self._r.state.alone = False
            feed_hook(self._r, item)
        elif isinstance(item, Line) and item.file == "main":
            seen = self._r.state.segments_seen
            transcript.feed_line(self._r.state, item.value, item.offset)
            if self._r.state.alone and self._r.state.segments_seen > seen:
                self._begin_by_line(item.offset)
            for turn in self._r.state.turns.values():
                self._r.touch(turn, 0)
        elif isinstance(item, Line):
            self._agent_line(item)

    def _begin_by_line(self, offset: int) -> None:
        """A turn that only the transcript tells of: a prompt begins it, the next one ends it."""
        r = self._r
        for turn in list(r.state.turns.values()):
            r.end(turn, firm=True)
            self._finish(turn)
        now_ns = r.state.now_ns
        turn = TurnDraft(f"{BY_LINE}{offset}", now_ns, announced=True, last_ns=now_ns)
        turn.segment = r.state.segments_seen - 1
        r.state.turns[turn.turn_id] = turn

    def _agent_line(self, line: Line) -> None:
        """A sub-agent's own transcript: what it answered, where its summary does not say."""
        answer = transcript.last_text(line.value)
        for turn in self._r.state.turns.values():
            agent = turn.agents.get(line.file.partition(":")[2])
            if agent is not None and answer is not None and agent.transcript is not None:
                agent.answer = answer
                self._r.touch(turn, 0)

    def feed_all(self, items: Sequence[Item]) -> None:
        """Take in what lies waiting: lines have no time of their own, so hooks open turns first."""
        hooks = [item for item in items if isinstance(item, HookEvent)]
        for event in sorted(hooks, key=lambda event: (event.at_ns, event.key)):
            self.feed(event)
        for item in items:
            if not isinstance(item, HookEvent):
                self.feed(item)

    def restarted(self, file: str) -> None:
        """A file begins anew: it was cut or replaced, and its lines will come again."""
        if file == "main":
            transcript.restarted(self._r.state)

    # -- time

    def time_is(self, now_ns: int) -> None:
        """What is fed from here on is seen at this time."""
        self._r.state.now_ns = max(self._r.state.now_ns, now_ns)

    def tick(self, now_ns: int, agent_alive: bool) -> None:
        """Let time pass; closes what has waited long enough."""
        self.time_is(now_ns)
        # Hooks outlive the process that started them: what they tell may still come.
        self._dying = not agent_alive and ends.late_ones_may_come(self._r)
        if not agent_alive and not self._dying:
            self.close(now_ns, "died")
        elif ends.session_is_over(self._r):
            self.close(self._r.state.ended_ns or now_ns, "ended")
        else:
            ends.let_time_pass(self._r)
            for turn in list(self._r.state.turns.values()):
                if ends.is_due(self._r, turn):
                    self._finish(turn)

    def close(self, at_ns: int, why: str) -> None:
        """The session is over: whatever is open ends at its last evidence."""
        r = self._r
        known = [*r.state.turns.values()]
        if why == "died" and r.state.ended_ns is None and known:
            r.state.ended_ns = max(turn.last_ns for turn in known)
            r.state.end_reason = why
        for turn in known:
            ends.end_of_session(r, turn)
            self._finish(turn)
        for closed in list(r.state.closed.values()):
            for agent in list(closed.agents.values()):
                agent.status = agent.status or "interrupted"
                late.settle(r, closed, agent)
        r.state.end_seen_ns = None
        r.session_touched = True

    def _finish(self, turn: TurnDraft) -> None:
        r, state = self._r, self._r.state
        if turn.end is None:
            return
        del state.turns[turn.turn_id]
        r.session_touched = True
        if not r.is_shown(turn, over=True):
            state.lost += len(r.calls(turn).of(turn))
            r.forget(turn)
            return
        self._number(turn)
        final = assemble.turn_of(r, turn)
        r.forget(turn)
        r.finished.append(TurnChange(final, final=True))
        transcript.take(state, turn)
        self._remember(turn, final)

    def _remember(self, turn: TurnDraft, final: Turn) -> None:
        """Keep of a final turn what late events need."""
        state = self._r.state
        ids = [each for each in (turn.generation, *turn.run_ids) if each is not None]
        left = {s.agent_id for s in final.steps if isinstance(s, Subagent) and s.status == "open"}
        agents: dict[str, AgentDraft] = {a: turn.agents[a] for a in left if a in turn.agents}
        state.closed[turn.turn_id] = ClosedTurn(
            turn.turn_id,
            final.number,
            final.status,
            final.started_at_ns,
            final.ended_at_ns or final.started_at_ns,
            ids,
            [step.tool_use_id for step in final.steps if isinstance(step, ToolCall)],
            agents,
        )
        for turn_id in list(state.closed)[:-CLOSED_KEPT]:
            del state.closed[turn_id]

    def _number(self, turn: TurnDraft) -> None:
        """Count a turn once it is told, and name what was lost before it."""
        state = self._r.state
        if turn.number is None:
            state.turn_count += 1
            turn.number = state.turn_count
        if not turn.tab:
            turn.lost += state.lost
            state.lost = 0

    # -- changes out

    def changes(self, with_open: bool = True) -> Changes:
        """What changed since the last call; `with_open` off: what of open turns did waits."""
        r = self._r
        changed = []
        for turn_id in r.take_touched() if with_open else ():
            turn = r.state.turns.get(turn_id)
            if turn is not None and r.is_shown(turn):
                self._number(turn)
                changed.append(self._news(turn))
        session = None
        if r.session_touched or changed:
            session = assemble.session_of(r.state)
        told = Changes(session, tuple(r.finished) + tuple(changed))
        r.finished, r.session_touched = [], False
        return told

    def _news(self, turn: TurnDraft) -> TurnChange:
        """An open turn with those of its steps that are new or have changed."""
        whole = assemble.turn_of(self._r, turn)
        before = self._r.told.get(turn.turn_id, {})
        steps: dict[str, Step] = {step_id(step): step for step in whole.steps}
        self._r.told[turn.turn_id] = steps
        news = tuple(
            step
            for name, step in steps.items()
            if before.get(name) is not step and before.get(name) != step
        )
        return TurnChange(replace(whole, status="open", ended_at_ns=None, steps=news), final=False)

    def wanted_files(self) -> Iterable[WantedFile]:
        """The transcript, and those of sub-agents whose end named one."""
        path = self._r.state.transcript
        if path is not None and path.endswith(".jsonl"):
            yield WantedFile("main", path)
        for turn in self._r.state.turns.values():
            for agent in turn.agents.values():
                if agent.transcript is not None and agent.transcript.endswith(".jsonl"):
                    yield WantedFile("agent:" + agent.agent_id, agent.transcript)

    def open_since_ns(self) -> Optional[int]:
        """The start of the oldest turn that is not final; None when all are."""
        return min((turn.started_ns for turn in self._r.state.turns.values()), default=None)

    def parts(self) -> Iterable[str]:
        """The conversations of sub-agents that have not been told of as ended."""
        state = self._r.state
        agents = [agent for turn in state.turns.values() for agent in turn.agents.values()]
        agents += [agent for closed in state.closed.values() for agent in closed.agents.values()]
        return [each for agent in agents for each in parts.ids_of(agent)]

    def session_over(self) -> bool:
        """Whether sessionEnd came and everything of the session has been told."""
        return self._r.state.ended_ns is not None and self._r.state.end_seen_ns is None

    def pending(self) -> bool:
        """Whether something waits to be told final that moments alone will settle."""
        ended = self._dying or self._r.state.end_seen_ns is not None
        return ended or ends.settles_soon(self._r)

    def snapshot(self, clean: Callable[[Message], Message]) -> bytes:
        """The state from which a new reader goes on; messages in it have gone through `clean`."""
        state = self._r.state
        for segment in state.segments:
            segment.prompt = clean(Message("user", segment.prompt)).content or ""
            segment.answer = clean(Message("assistant", segment.answer)).content
            segment.tools = []
        return msgspec.json.encode(state)
