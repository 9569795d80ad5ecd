"""A background agent that outlives its turn by more than half an hour."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness_tracing.store import Store
from harness_tracing.worker.presence import Session
from harness_tracing.worker.session import SessionWork
from harness_tracing.worker.settings import settings_for
from tests.worker.conftest import Undisturbed
from tests.worker.player import AGENT, Place, Recording, assert_same, put_event, recording

MINUTE_NS = 60 * 10**9
LOG = logging.getLogger("test")
NAME = "subagent_background"
# How much of the agent's file is there when the half hour is over: a tool that runs, or a
# request without an answer.
TOOL_RUNS, CALL_RUNS = 15, 21
MAIN_LINES_OF_FIRST_TURN = 34


class Half:
    """The recording up to its first turn's end, the rest to come when asked for."""

    def __init__(self, place: Place, store: Store, agent_lines: int) -> None:
        self.place, self.store = place, store
        self.made = Recording.ready(place, recording(NAME), past=True)
        (self.session_id,) = self.made.session_ids
        (agent_file,) = (path for path in self.made.files if path.name.startswith("agent-"))
        (main_file,) = (path for path in self.made.files if path != agent_file)
        self.agent_id = agent_file.stem.removeprefix("agent-")
        names = [call.event for call in self.made.calls]
        stop = names.index("Stop") + 1
        self.known = stop if agent_lines == TOOL_RUNS else names.index("SubagentStop")
        self.now_ns = self.made.calls[stop].at_ns
        self._captured(0, self.known)
        lines = {main_file: MAIN_LINES_OF_FIRST_TURN, agent_file: agent_lines}
        self.made.show({str(p.relative_to(place.user_home)): n for p, n in lines.items()})

    def _captured(self, first: int, last: int) -> None:
        for call in self.made.calls[first:last]:
            content = call.payload.encode()
            path = put_event(self.place, call.session_id, call.event, content, call.at_ns)
            path.rename(path.with_name(f"{call.event}.{os.getpid()}.{call.at_ns}"))

    def rest(self) -> None:
        """What remains of the session."""
        self._captured(self.known, len(self.made.calls))
        self.made.show_all()

    def worker(self) -> SessionWork:
        """A worker that knows only what is stored."""
        session = Session(self.place.home, AGENT, self.session_id)
        settings = settings_for(session, self.place.environ())
        return SessionWork(session, settings, self.store, LOG, clock=lambda: self.now_ns)

    def after(self, work: SessionWork, minutes: int) -> None:
        """Let time pass and work until nothing is new."""
        self.now_ns += minutes * MINUTE_NS
        while work.step():
            pass


@contextmanager
def half(place: Place, agent_lines: int) -> Iterator[Half]:
    """The first half of the recording in a place, with its store."""
    place.home.root.mkdir(parents=True)
    with Store.open(place.home.store) as store:
        yield Half(place, store, agent_lines)


@pytest.mark.parametrize("agent_lines", [TOOL_RUNS, CALL_RUNS])
@pytest.mark.parametrize("killed", [False, True], ids=["", "killed"])
def test_its_turn_goes_out_with_a_gap_and_its_steps_follow_under_the_same_parent(
    place: Place, undisturbed: Undisturbed, agent_lines: int, killed: bool
) -> None:
    with half(place, agent_lines) as session:
        work = session.worker()
        session.after(work, 0)
        session.after(work, 29)
        assert [turn.status for turn in session.store.turns(AGENT, session.session_id)] == ["open"]

        session.after(work, 2)

        (row,) = session.store.turn_rows(AGENT, session.session_id)
        gap = {"what": "subagent still running", "why": session.agent_id}
        assert (row.final, row.turn.status) == (True, "completed")
        assert [vars(each) for each in row.turn.gaps] == [gap]
        assert place.event_files(), "events stay until the agent is done"

        work = session.worker() if killed else work
        session.rest()
        session.after(work, 0)
        session.after(work, 1)

        first, second = session.store.turn_rows(AGENT, session.session_id)
        assert {"agent:" + session.agent_id} < first.late_step_ids
        assert second.turn.cause == "task_notification"
        assert not place.event_files()

    wanted = json.loads(undisturbed(NAME))
    whole_usage = wanted[0]["usage"]
    wanted[0]["gaps"] = [gap]
    stored = json.loads(place.contents())
    # The header went out without the agent's part; the totals have grown by it since.
    assert first.usage.input_tokens == whole_usage["input_tokens"]
    assert stored[0].pop("usage") != wanted[0].pop("usage")
    assert_same(json.dumps(stored, indent=1), json.dumps(wanted, indent=1))
