"""Claude Code's reader: hook events and transcript lines in, turns out.

A pure state machine. It touches no file and reads no clock: the caller shows it lines and
events and tells it the time. Fields were learned on Claude Code 2.1.330; see README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import Callable, Optional

import msgspec

from harness_tracing.agents.base import (
    Changes,
    Document,
    HookEvent,
    Item,
    Line,
    Listing,
    TurnChange,
    WantedFile,
)
from harness_tracing.agents.claude_code import assemble, branches, compaction, ends
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.claude_code.build import AGENT_NAME
from harness_tracing.agents.claude_code.core import CALLS_KEPT, CLOSED_KEPT, MAIN, Reading
from harness_tracing.agents.claude_code.drafts import State, TurnDraft
from harness_tracing.agents.claude_code.hooks import feed_hook
from harness_tracing.agents.claude_code.lines import feed_line
from harness_tracing.agents.reading import by_time, header_of, late_turn, restored
from harness_tracing.model import Message

# Lines of the client's own bookkeeping; the request bodies among them are most of a file.
SKIPPED_LINES: tuple[bytes, ...] = (
    b'{"type":"api-request-blob"',
    b'{"type":"api-request-shape"',
    b'{"type":"file-history-snapshot"',
    b'{"type":"tools-used"',
    b'{"type":"last-prompt"',
)


AGENT_TOOLS = ("Agent", "Task")


class ClaudeReader:
    """See :class:`harness_tracing.agents.base.Reader`."""

    skipped_lines = SKIPPED_LINES

    def __init__(self, state: State) -> None:
        self._r = Reading(state)

    @classmethod
    def resume(cls, session_id: str, project: str, snapshot: Optional[bytes]) -> ClaudeReader:
        """A reader that goes on from a snapshot; from the beginning when it has no use of it."""
        state = restored(snapshot, State, project)
        return cls(state or State(session_id=session_id, project=project))

    def begin(self, path: str, parts: Sequence[str] = ()) -> None:
        """The transcript is known, without a hook that named it."""
        self._r.state.transcript = path

    # -- items in

    def feed(self, item: Item) -> None:
        """Take one item in. Never raises on what Claude Code may write."""
        if isinstance(item, HookEvent):
            feed_hook(self._r, item)
        elif isinstance(item, Line):
            self._feed_line(item)
        elif isinstance(item, Document):
            self._feed_document(item)
        elif isinstance(item, Listing):
            self._feed_listing(item)

    def feed_all(self, items: Sequence[Item]) -> None:
        """Take in what lies waiting: files in their own order, hooks at their time among them."""
        for item in by_time(items, t.time_ns):
            self.feed(item)

    def _feed_line(self, line: Line) -> None:
        key = line.file.split(":", 1)[1] if line.file.startswith("agent:") else MAIN
        feed_line(self._r, key, line.value, line.offset)

    def _feed_document(self, document: Document) -> None:
        kind, _, name = document.file.partition(":")
        if kind == "output":
            turn, tool = self._r.tool(name)
            if turn is not None and tool is not None:
                tool.full_output = document.text
                self._r.touch(turn, "tool:" + name)
            return
        try:
            meta = msgspec.json.decode(document.text)
        except msgspec.DecodeError:
            return
        if not isinstance(meta, dict):
            return
        self._r.state.agent_links[name] = links = _known_links(meta)
        turn, _ = self._r.tool(str(links.get("toolUseId")))
        if turn is not None and not turn.closed:
            self._r.agent(turn, name)
        for turn in self._r.state.turns.values():
            if name in turn.agents:
                self._r.link(turn.agents[name], turn)

    def _feed_listing(self, listing: Listing) -> None:
        for name in listing.names:
            agent_id = name[6:-6]
            if not (name.startswith("agent-") and name.endswith(".jsonl")):
                continue
            if agent_id not in self._r.state.agents_done:
                self._r.state.agent_links.setdefault(agent_id, {})

    def restarted(self, file: str) -> None:
        """A file begins anew: it was cut or replaced, and its lines will come again."""
        key = file.split(":", 1)[1] if file.startswith("agent:") else MAIN
        self._r.state.threads.pop(key, None)
        if key == MAIN:
            self._r.state.own_replies = False
            self._r.state.held, self._r.state.branches = [], {}

    # -- time

    def time_is(self, now_ns: int) -> None:
        """What is fed from here on is seen at this time."""
        self._r.state.now_ns = max(self._r.state.now_ns, now_ns)

    def tick(self, now_ns: int, agent_alive: bool) -> None:
        """Let time pass; closes what has waited long enough.

        To be called when nothing is left to feed: a file first named by the last lines may
        hold more of a turn that seems to be over.
        """
        state = self._r.state
        self.time_is(now_ns)
        compaction.settle_hooks_alone(self._r, over=False)
        if not agent_alive:
            self.close(now_ns, "died")
        elif ends.session_is_over(self._r):
            self.close(state.ended_ns or now_ns, "ended")
        else:
            ends.let_time_pass(self._r)
            self._close_due()

    def close(self, at_ns: int, why: str) -> None:
        """The session is over: whatever is open ends at its last evidence."""
        r = self._r
        compaction.settle_hooks_alone(r, over=True)
        for turn in r.open_turns():
            if turn.end is None:
                ends.end_by_evidence(r, turn)
        compaction.place_last(r)
        compaction.reconcile(r)
        if r.state.ended_ns is None and why == "died" and r.state.turns:
            r.state.ended_ns = max(turn.last_ns for turn in r.state.turns.values())
            r.state.end_reason = why
        for turn in list(r.state.turns.values()):
            for agent in turn.agents.values():
                agent.over = True
                agent.over_seen_ns = 0
            if turn.closed:
                self._late(turn)
            else:
                self._finish(turn)
        r.state.end_seen_ns = None
        r.session_touched = True

    def _close_due(self) -> None:
        for turn in list(self._r.state.turns.values()):
            if turn.closed:
                self._late(turn)
            elif ends.is_due(self._r, turn):
                self._finish(turn)

    def _finish(self, turn: TurnDraft) -> None:
        r = self._r
        now_ns = r.state.now_ns
        if turn.end is None:
            return
        r.settle_number(turn)
        turn.left_running = [
            agent.agent_id
            for agent in turn.agents.values()
            if not ends.settled(turn, agent, now_ns) and agent.background
        ]
        final = assemble.turn_of(r, turn, None, final=True)
        r.finished.append(TurnChange(final, final=True))
        r.touched.pop(turn.turn_id, None)
        r.session_touched = True
        turn.closed = True
        header = header_of(final)
        r.state.last_header = header
        if turn.left_running:
            r.state.headers[turn.turn_id] = header
        for owing in r.state.unpaid.values():
            if owing.turn_id == turn.turn_id:
                owing.header = header
        self._remember(turn)

    def _remember(self, turn: TurnDraft) -> None:
        """Forget a closed turn but for its id; one with agents still at work stays."""
        state = self._r.state
        state.closed[turn.turn_id] = turn.last_ns
        if not turn.has_lines:
            state.closed_unseen = [*state.closed_unseen[-CLOSED_KEPT:], turn.turn_id]
        branches.forget(self._r, turn.turn_id)
        for turn_id in list(state.closed)[:-CLOSED_KEPT]:
            del state.closed[turn_id]
        if turn.left_running:
            return
        calls = [call.message_id for call in turn.calls.values() if call.message_id is not None]
        tools = [*turn.tools, *(times.tool_use_id for times in assemble.hook_tools(self._r, turn))]
        state.told_calls = [*state.told_calls, *calls][-CALLS_KEPT:]
        self._r.forget_replies(turn)
        state.told_tools = [*state.told_tools, *tools][-CALLS_KEPT:]
        state.turns.pop(turn.turn_id, None)
        for tool_use_id, times in list(state.hooks.items()):
            if times.prompt_id == turn.turn_id or tool_use_id in turn.tools:
                del state.hooks[tool_use_id]
        for agent_id in turn.agents:
            self._let_agent_go(agent_id, turn)

    def _let_agent_go(self, agent_id: str, turn: TurnDraft) -> None:
        """Forget a sub-agent whose turn is over, unless a later turn has woken it again."""
        state = self._r.state
        if state.agent_turns.get(agent_id) not in (None, turn.turn_id):
            return
        thread = state.threads.pop(agent_id, None)
        state.agents_done[agent_id] = thread.count if thread is not None else None
        state.agent_turns.pop(agent_id, None)
        state.agent_links.pop(agent_id, None)

    def _late(self, turn: TurnDraft) -> None:
        r = self._r
        ready = {
            agent_id
            for agent_id in turn.left_running
            if ends.settled(turn, turn.agents[agent_id], r.state.now_ns)
        }
        if not ready:
            return
        header = r.state.headers[turn.turn_id]
        steps = assemble.late_steps(r, turn, ready)
        r.finished.append(
            TurnChange(late_turn(AGENT_NAME, r.state.session_id, header, steps), final=True)
        )
        r.touched.pop(turn.turn_id, None)
        turn.left_running = [a for a in turn.left_running if a not in ready]
        if not turn.left_running:
            del r.state.headers[turn.turn_id]
        self._remember(turn)

    # -- changes out

    def changes(self, with_open: bool = True) -> Changes:
        """What changed since the last call; `with_open` off: what of open turns did waits."""
        r = self._r
        touched = r.take_touched() if with_open else {}
        changed = [
            TurnChange(assemble.turn_of(r, r.state.turns[turn_id], steps, final=False), False)
            for turn_id, steps in touched.items()
            if turn_id in r.state.turns and not r.state.turns[turn_id].closed
        ]
        session = assemble.session_of(r) if r.session_touched else None
        changes = Changes(session, tuple(r.finished) + tuple(changed))
        r.told = (r.told | touched.keys()) & r.state.turns.keys()
        r.finished, r.session_touched = [], False
        return changes

    def wanted_files(self) -> Iterable[WantedFile]:
        """The transcript, its sub-agents' files beside it, and large outputs named in them."""
        state = self._r.state
        if state.transcript is None:
            return
        yield WantedFile("main", state.transcript)
        folder = _subagents(state.transcript)
        yield WantedFile("agents", folder, "folder")
        for agent_id in list(state.agent_links):
            meta = f"agent-{agent_id}.meta.json"
            yield WantedFile("meta:" + agent_id, str(PurePath(folder, meta)), "document")
        for agent_id in self._readable_agents():
            lines = f"agent-{agent_id}.jsonl"
            yield WantedFile("agent:" + agent_id, str(PurePath(folder, lines)))
        for turn in state.turns.values():
            for tool in turn.tools.values():
                if tool.output_file is not None and tool.full_output is None:
                    yield WantedFile("output:" + tool.tool_use_id, tool.output_file, "once")

    def _readable_agents(self) -> list[str]:
        """Sub-agents whose turn is known: lines read before that would belong nowhere.

        One without a sidecar file is found by its lines alone, once a tool may have started it.
        """
        state = self._r.state
        known = list(state.agent_turns)
        if any(_may_have_started_more(turn) for turn in state.turns.values()):
            known += [a for a, meta in state.agent_links.items() if not meta and a not in known]
        return known

    def open_since_ns(self) -> Optional[int]:
        """The first sign of the oldest turn that is not done with; None when all are."""
        times = [
            min(at for at in (turn.prompt_ns, turn.hook_ns, turn.last_ns) if at is not None)
            for turn in self._r.state.turns.values()
        ]
        return min(times) if times else None

    def parts(self) -> Iterable[str]:
        """None: sub-agents' events name the session they belong to."""
        return ()

    def session_over(self) -> bool:
        """Whether SessionEnd came and everything of the session has been told."""
        return self._r.state.ended_ns is not None and self._r.state.end_seen_ns is None

    def pending(self) -> bool:
        """Whether something waits to be told final that moments alone will settle."""
        return self._r.state.end_seen_ns is not None or ends.settles_soon(self._r)

    def snapshot(self, clean: Callable[[Message], Message]) -> bytes:
        """The state from which a new reader goes on; messages in it have gone through `clean`."""
        for thread in self._r.state.threads.values():
            thread.messages = [clean(message) for message in thread.messages]
        return msgspec.json.encode(self._r.state)


@lru_cache(maxsize=16)  # asked in every round of every session
def _subagents(transcript: str) -> str:
    """The folder beside a transcript that has its sub-agents' files."""
    return str(PurePath(transcript).with_suffix("") / "subagents")


def _may_have_started_more(turn: TurnDraft) -> bool:
    started = {agent.tool_use_id for agent in turn.agents.values()}
    tools = (tool for tool in turn.tools.values() if tool.name in AGENT_TOOLS)
    return any(tool.tool_use_id not in started for tool in tools)


def _known_links(meta: dict[str, object]) -> dict[str, object]:
    names = ("toolUseId", "parentAgentId", "agentType", "finished")
    return {name: meta[name] for name in names if name in meta}
