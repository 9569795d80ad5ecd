"""Sub-agents captured as sessions of their own: their events are brought to their parent."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness_tracing import config, spool
from harness_tracing.model import Subagent, ToolCall
from harness_tracing.paths import Home
from harness_tracing.store import Store
from harness_tracing.worker.presence import Session
from harness_tracing.worker.session import SessionWork
from tests.agents.cursor.scenes import CONVERSATION, answer, event, prompt, shell, stop

CHILD = "71cc77dd-7b6f-4b9f-ba32-93b3c642fd0e"
LOG = logging.getLogger("test")
SECOND = 10**9


@dataclass
class Works:
    """A home with the work on a session and on that of its sub-agent, and one clock."""

    home: Home
    store: Store
    now_ns: int = field(default_factory=time.time_ns)

    def work(self, session_id: str) -> SessionWork:
        """The work of a worker that has just started."""
        session = Session(self.home, "cursor", session_id)
        session.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = config.load({}, agent="cursor", user_env={}, project_env={}, home=self.home.root)
        return SessionWork(session, settings, self.store, LOG, clock=lambda: self.now_ns)

    def capture(self, *events) -> None:
        """Put events into the spool, each where its conversation's lie."""
        for each in events:
            folder = self.home.session_spool("cursor", each.payload["conversation_id"])
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / f"{each.name}.{os.getpid()}.{each.key}"
            path.write_text(json.dumps(dict(each.payload)), encoding="utf-8")
            os.utime(path, ns=(each.at_ns, each.at_ns))

    def waiting(self, session_id: str) -> int:
        """How many events lie in a session's folder."""
        return len(spool.event_files(self.home.session_spool("cursor", session_id)))


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    """An empty home."""
    home = Home(tmp_path / "harness")
    home.root.mkdir(mode=0o700)
    with Store.open(home.store) as store:
        yield Works(home, store)


def scene(works: Works) -> None:
    """A prompt whose sub-agent runs a command in a conversation of its own."""
    own = {"conversation_id": CHILD, "generation_id": CHILD}
    about = {"subagent_id": CHILD, "subagent_type": "explore", "tool_call_id": "task1"}
    works.capture(
        prompt(0),
        event("subagentStart", 100, parent_conversation_id=CONVERSATION, **about),
        *(
            type(each)(each.key, each.name, each.at_ns, {**(each.payload or {}), **own})
            for each in (*shell(200, "t1", "ls"), answer(400, "Two files."))
        ),
        event(
            "subagentStop",
            500,
            parent_conversation_id=CONVERSATION,
            status="completed",
            **about,
            **own,
        ),
    )
    works.capture(answer(600), stop(700))


@pytest.mark.parametrize("first", [CONVERSATION, CHILD])
def test_a_subagents_events_are_told_below_it_whoever_reads_first(works: Works, first: str) -> None:
    scene(works)
    parent, child = works.work(CONVERSATION), works.work(CHILD)
    order = [parent, child] if first == CONVERSATION else [child, parent]

    for _ in range(4):
        for work in order:
            work.step()
        works.now_ns += SECOND

    [turn] = works.store.turn_rows("cursor", CONVERSATION)
    assert turn.final
    assert [(s.tool_use_id, s.agent_id) for s in turn.turn.steps if isinstance(s, ToolCall)] == [
        ("task1", None),
        ("t1", CHILD),
    ]
    assert [s.response for s in turn.turn.steps if isinstance(s, Subagent)] == ["Two files."]
    assert works.store.turn_rows("cursor", CHILD) == []
    assert not child.has_open_turn
    assert (works.waiting(CONVERSATION), works.waiting(CHILD)) == (0, 0)


def test_a_worker_that_starts_anew_tells_the_same(works: Works) -> None:
    scene(works)
    for _ in range(3):
        works.work(CONVERSATION).step()
        works.work(CHILD).step()
    parent = works.work(CONVERSATION)
    for _ in range(4):
        parent.step()
        works.now_ns += SECOND

    [turn] = works.store.turn_rows("cursor", CONVERSATION)
    assert [s.tool_use_id for s in turn.turn.steps if isinstance(s, ToolCall)] == ["task1", "t1"]
    assert works.store.turn_rows("cursor", CHILD) == []
