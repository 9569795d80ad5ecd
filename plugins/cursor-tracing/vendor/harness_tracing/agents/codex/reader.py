"""Codex's reader: hook events and rollout lines in, turns out.

A pure state machine. It touches no file and reads no clock: the caller shows it lines and
events and tells it the time. Fields were learned on Codex 0.169.0; see README.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import PurePath
from typing import Callable, Optional

import msgspec

from harness_tracing.agents.base import (
    Changes,
    HookEvent,
    Item,
    Line,
    Listing,
    TurnChange,
    WantedFile,
)
from harness_tracing.agents.codex import assemble, ends
from harness_tracing.agents.codex import rollout as r_
from harness_tracing.agents.codex.core import CALLS_KEPT, CLOSED_KEPT, THREADS_KEPT, Reading
from harness_tracing.agents.codex.drafts import State, Thread, TurnDraft
from harness_tracing.agents.codex.hooks import feed_hook
from harness_tracing.agents.codex.lines import feed_line
from harness_tracing.agents.codex.tools import is_left_running
from harness_tracing.agents.reading import by_time, header_of, restored
from harness_tracing.model import Message, ToolCall

MAIN = "main"
_THREAD = "thread:"
_DAY = "day:"
_WITHOUT_END = {"ended": "the session ended", "imported": "the rollout ends before it"}
ARCHIVE = "archived_sessions"


class CodexReader:
    """See :class:`harness_tracing.agents.base.Reader`."""

    # A line begins with its time: none can be told by how it begins.
    skipped_lines: tuple[bytes, ...] = ()

    def __init__(self, state: State) -> None:
        self._r = Reading(state)

    @classmethod
    def resume(cls, session_id: str, project: str, snapshot: Optional[bytes]) -> CodexReader:
        """A reader that goes on from a snapshot; from the beginning when it has no use of it."""
        state = restored(snapshot, State, project)
        return cls(state or State(session_id=session_id, project=project))

    def begin(self, path: str, parts: Sequence[str] = ()) -> None:
        """The main thread's rollout and its sub-agents' are known, without a hook."""
        self._r.main.path = path
        for part in parts:
            self._r.note_path(part)

    # -- items in

    def feed(self, item: Item) -> None:
        """Take one item in. Never raises on what Codex may write."""
        if isinstance(item, HookEvent):
            feed_hook(self._r, item)
        elif isinstance(item, Line):
            feed_line(self._r, self._thread_id(item.file), item.value, item.offset)
        elif isinstance(item, Listing):
            self._feed_listing(item)

    def feed_all(self, items: Sequence[Item]) -> None:
        """Take in what lies waiting: files in their own order, hooks at their time among them."""
        for item in by_time(items, r_.time_ns):
            self.feed(item)

    def _thread_id(self, file: str) -> str:
        return file[len(_THREAD) :] if file.startswith(_THREAD) else self._r.main_id

    def _feed_listing(self, listing: Listing) -> None:
        """A folder of rollouts: the ones of threads whose file no hook named are in it."""
        folder = listing.file[len(_DAY) :]
        for thread in self._r.state.threads.values():
            if thread.path is not None:
                continue
            for name in listing.names:
                if name.endswith(thread.thread_id + ".jsonl"):
                    thread.path = str(PurePath(folder, name))

    def restarted(self, file: str) -> None:
        """A file begins anew: it was cut or replaced, and its lines will come again."""
        thread_id = self._thread_id(file)
        known = self._r.state.threads.pop(thread_id, None)
        fresh = self._r.thread(thread_id)
        if known is not None:
            fresh.path = known.path
            fresh.root_turn_id, fresh.turn_id = known.root_turn_id, known.turn_id

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
        if not agent_alive:
            if not ends.is_of_another_process(self._r):
                self.close(now_ns, "died")
        elif ends.session_is_over(self._r):
            self.close(state.ended_ns or now_ns, "ended")
        else:
            ends.let_time_pass(self._r)
            self._close_due()

    def close(self, at_ns: int, why: str) -> None:
        """The session is over: whatever is open ends at its last evidence."""
        r = self._r
        told = _WITHOUT_END.get(why, "Codex ended without writing it")
        if r.state.ended_ns is None and why == "died" and r.state.turns:
            r.state.ended_ns = max(turn.last_ns for turn in r.state.turns.values())
            r.state.end_reason = why
        for turn in list(r.state.turns.values()):
            for agent in turn.agents.values():
                if agent.running:
                    agent.running, agent.status = False, "interrupted"
                    r.touch(turn, "agent:" + agent.agent_id)
                agent.seen_ns = 0
            if turn.closed:
                self._late(turn)
                continue
            if turn.end is None:
                ends.end_by_evidence(r, turn, told)
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
        turn.left_running = assemble.still_running(r, turn)
        final = assemble.turn_of(r, turn, None, final=True)
        r.finished.append(TurnChange(final, final=True))
        r.touched.pop(turn.turn_id, None)
        r.session_touched = True
        turn.closed = True
        if turn.left_running:
            r.state.headers[turn.turn_id] = header_of(final)
        for step in final.steps:
            if isinstance(step, ToolCall) and (step.status == "unknown" or _was_left(turn, step)):
                r.state.left_tools[step.tool_use_id] = turn.turn_id
        self._remember(turn)

    def _remember(self, turn: TurnDraft) -> None:
        """Forget a closed turn but for its id; one with agents still at work stays."""
        state = self._r.state
        if turn.turn_id not in state.closed:
            state.closed = [*state.closed[1 - CLOSED_KEPT :], turn.turn_id]
        if turn.left_running:
            return
        for times in assemble.hooks_alone(self._r, turn):
            del state.hooks[times.tool_use_id]
        for tool_id in turn.tools:
            state.hooks.pop(tool_id, None)
        state.told_calls = [*state.told_calls, *turn.calls][-CALLS_KEPT:]
        state.turns.pop(turn.turn_id, None)
        state.headers.pop(turn.turn_id, None)
        self._let_threads_go()

    def _let_threads_go(self) -> None:
        """Of sub-agents that are done only the newest are followed on: they may be woken."""
        state = self._r.state
        done = [t.thread_id for t in state.threads.values() if self._is_done(t)]
        for thread_id in done[: max(0, len(done) - THREADS_KEPT)]:
            del state.threads[thread_id]
            state.agents.pop(thread_id, None)
        for turn_id in [t for t in state.turn_roots if state.turn_roots[t] in state.closed]:
            if len(state.turn_roots) > CLOSED_KEPT:
                del state.turn_roots[turn_id]
        for tool_id in list(state.left_tools)[:-CLOSED_KEPT]:
            del state.left_tools[tool_id]

    def _is_done(self, thread: Thread) -> bool:
        return thread.thread_id != self._r.main_id and self._r.current(thread) is None

    def _late(self, turn: TurnDraft) -> None:
        r = self._r
        working = assemble.still_running(r, turn)
        ready = {agent_id for agent_id in turn.left_running if agent_id not in working}
        if not ready:
            return
        r.finished.append(TurnChange(assemble.late_turn(r, turn, ready), final=True))
        r.touched.pop(turn.turn_id, None)
        turn.left_running = [a for a in turn.left_running if a not in ready]
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
        r.finished, r.session_touched = [], False
        return changes

    def wanted_files(self) -> Iterable[WantedFile]:
        """The rollouts of the session's threads; where one is not known, folders to look in."""
        r = self._r
        main = r.main
        if main.path is not None:
            yield WantedFile(MAIN, main.path)
        for thread in list(r.state.threads.values()):
            if thread is not main and thread.path is not None and self._is_readable(thread):
                yield WantedFile(_THREAD + thread.thread_id, thread.path)
        for folder in self._folders():
            yield WantedFile(_DAY + folder, folder, "folder")

    def _is_readable(self, thread: Thread) -> bool:
        """A sub-agent's lines wait until its turn is known: before they would belong nowhere."""
        return thread.seen_meta or bool(self._r.state.turns) or self._r.main.path is None

    def _folders(self) -> list[str]:
        """The days' folders in which rollouts may lie that no hook named."""
        threads = self._r.state.threads.values()
        anchor = next((t.path for t in threads if t.path is not None), None)
        missing = [t for t in threads if t.path is None]
        if anchor is None or not missing or len(PurePath(anchor).parents) < 5:
            return []
        sessions = PurePath(anchor).parents[3]
        if PurePath(anchor).parent.name == ARCHIVE:
            sessions = PurePath(anchor).parents[1] / "sessions"
        return sorted({str(sessions / day) for t in missing for day in _days(t.thread_id)})

    def open_since_ns(self) -> Optional[int]:
        """The first sign of the oldest turn that is not done with; None when all are."""
        times = [
            min(at for at in (turn.started_ns, turn.hook_ns, turn.last_ns) if at is not None)
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
        state = self._r.state
        for thread in state.threads.values():
            thread.inputs = [clean(message) for message in thread.inputs]
        for moment in state.waiting_moments.values():
            output = moment.details.get("output")
            if isinstance(output, str):
                moment.details["output"] = clean(Message("tool", output)).content
        # Without a turn there is none that hooks could belong to.
        return msgspec.json.encode(state if state.turns else replace(state, hooks={}))


def _was_left(turn: TurnDraft, step: ToolCall) -> bool:
    tool = turn.tools.get(step.tool_use_id)
    return tool is not None and is_left_running(tool)


def _days(thread_id: str) -> Iterator[str]:
    """The folders a thread's rollout may lie in: they are named by local dates."""
    born_ns = r_.born_ns(thread_id)
    if born_ns is None:
        return
    born = datetime.fromtimestamp(born_ns // 10**9, timezone.utc)
    for offset in (-1, 0, 1):
        yield (born + timedelta(days=offset)).strftime("%Y/%m/%d")
