"""How a worker comes and goes: whenever an event is captured, somebody takes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Optional

import pytest

from harness_tracing.locks import FileLock
from harness_tracing.worker.life import live
from harness_tracing.worker.presence import Pace, Presence, Session
from harness_tracing.worker.process import command
from tests.worker.conftest import Undisturbed
from tests.worker.player import (
    AGENT,
    NOBODY,
    Place,
    Recording,
    assert_same,
    capture,
    kill,
    play,
    recording,
    remove_tree,
    wait_for,
)

QUICK = Pace(idle_s=0.3, busy_poll_s=0.02, turn_poll_s=0.02, idle_poll_s=0.02, retry_s=0.1)
SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"


def session(place: Place, session_id: str = SESSION) -> Session:
    """A session of that place, with its folder."""
    found = Session(place.home, AGENT, session_id)
    found.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return found


def prompt(place: Place, prompt_id: str, interpreter: Optional[str] = sys.executable) -> None:
    """Fire the event of a prompt: a turn of its own when it is taken in."""
    payload = {"session_id": SESSION, "prompt_id": prompt_id, "prompt": f"prompt {prompt_id}"}
    place.fire(
        "UserPromptSubmit",
        json.dumps({**payload, "hook_event_name": "UserPromptSubmit"}).encode(),
        interpreter=interpreter,
        CLAUDE_CODE_SESSION_ID=SESSION,
        CLAUDE_PID=str(os.getpid()),
    )


def prompts(place: Place) -> list[str]:
    """The prompts of the stored turns."""
    return sorted(str(turn["prompt"]) for turn in place.turns())


class Halting(Presence):
    """A presence that calls somebody at each step of leaving."""

    def __init__(self, session: Session, at: Callable[[str], None]) -> None:
        super().__init__(session.folder, QUICK)
        self._at, self._releasing = at, False

    def leave(self) -> None:
        self._at("before leaving")
        super().leave()
        self._at("lock released")

    def hide(self) -> None:
        super().hide()
        self._at("pid file removed")


@contextmanager
def running(place: Place, presence: Presence) -> Iterator[threading.Thread]:
    """A worker in a thread of this process; it has ended when the block does."""
    thread = threading.Thread(
        target=live, args=(session(place), place.environ(), presence, QUICK), daemon=True
    )
    thread.start()
    yield thread
    thread.join(20)
    assert not thread.is_alive(), "the worker did not leave"


@pytest.mark.parametrize("step", ["before leaving", "pid file removed", "lock released"])
def test_an_event_at_any_step_of_leaving_is_taken_by_somebody(place: Place, step: str) -> None:
    fired = []

    def at(now: str) -> None:
        if now == step and not fired:
            fired.append(now)
            prompt(place, "while-leaving")
            time.sleep(0.5)

    with running(place, Halting(session(place), at)):
        wait_for(lambda: fired, "the worker leaves")
        wait_for(lambda: prompts(place) == ["prompt while-leaving"], "the prompt is stored")
        remove_tree(place.home.root)


def test_an_event_that_saw_a_live_worker_is_found_by_its_last_look(place: Place) -> None:
    def at(now: str) -> None:
        if now == "before leaving" and not prompts(place):
            prompt(place, "just-before", interpreter=NOBODY)

    presence = Halting(session(place), at)
    with running(place, presence) as thread:
        wait_for(lambda: prompts(place) == ["prompt just-before"], "the prompt is stored")
        assert thread.is_alive(), "its turn is open: the worker stays"
        remove_tree(place.home.root)


def test_a_worker_leaves_when_idle_and_a_later_event_starts_another(place: Place) -> None:
    with running(place, Presence(session(place).folder, QUICK)):
        pass
    assert not (session(place).folder / "worker.pid").exists()

    prompt(place, "later")

    wait_for(lambda: prompts(place) == ["prompt later"], "the prompt is stored")
    assert len(place.workers()) == 1


def test_of_two_workers_racing_for_a_session_one_works(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = capture(place, "tool_cycle")
    words = command(place.home, "--agent", AGENT, "--session", made.session_ids[0])
    racers = [subprocess.Popen(words, env=place.environ(), cwd="/") for _ in range(6)]

    assert [racer.wait(30) for racer in racers] == [0] * 6

    assert not place.event_files()
    assert_same(place.contents(), undisturbed("tool_cycle"))


def test_a_second_worker_for_a_session_that_has_one_goes_at_once(place: Place) -> None:
    prompt(place, "first")
    wait_for(lambda: prompts(place) == ["prompt first"], "the worker is at work")
    (first,) = place.workers()

    words = command(place.home, "--agent", AGENT, "--session", SESSION)
    subprocess.run(words, env=place.environ(), cwd="/", timeout=20, check=True)

    assert place.workers() == [first]


def test_a_worker_that_stood_still_takes_up_what_came_meanwhile(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = Recording.ready(place, recording("tool_cycle"))
    stopped: list[int] = []

    def before(number: int) -> None:
        if number and not stopped:
            wait_for(place.workers, "a worker is there")
            stopped.extend(pid for pid in place.workers() if kill(pid, signal.SIGSTOP))

    play(made, before=before)
    (only,) = stopped
    kill(only, signal.SIGCONT)

    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed("tool_cycle"))


def test_a_worker_waits_for_a_sweep_and_only_one_does(place: Place) -> None:
    folder = session(place).folder
    sweep = Presence(folder)
    assert sweep.borrow()
    entered: list[bool] = []
    waiting = [
        threading.Thread(target=lambda: entered.append(Presence(folder, QUICK).enter()))
        for _ in range(3)
    ]
    for thread in waiting:
        thread.start()
    wait_for(lambda: entered == [False, False], "two of three went")

    sweep.leave()

    for thread in waiting:
        thread.join(10)
    assert entered == [False, False, True]


def test_leaving_twice_takes_nothing_from_the_next_worker(place: Place) -> None:
    folder = session(place).folder
    first, second = Presence(folder), Presence(folder)
    assert first.enter()
    first.leave()
    assert second.enter()

    first.leave()

    assert (folder / "worker.pid").exists()
    assert second.holds()


def test_a_lock_whose_file_was_removed_is_not_held(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.acquire()
    (tmp_path / "lock").unlink()

    assert not first.holds()
    assert second.acquire()
    assert second.holds()


def test_a_worker_leaves_when_its_home_is_deleted_and_leaves_nothing_behind(place: Place) -> None:
    presence = Presence(session(place).folder, QUICK)
    with running(place, presence):
        prompt(place, "open", interpreter=NOBODY)
        wait_for(lambda: prompts(place) == ["prompt open"], "the turn is open")
        remove_tree(place.home.root)
    time.sleep(0.2)

    assert not place.home.root.exists()


def test_a_worker_whose_home_was_made_anew_leaves_it_to_the_next(place: Place) -> None:
    prompt(place, "old")
    wait_for(lambda: prompts(place) == ["prompt old"], "the turn is open")
    (old,) = place.workers()
    kill(old, signal.SIGSTOP)
    remove_tree(place.home.root)
    prompt(place, "new")
    kill(old, signal.SIGCONT)

    wait_for(lambda: prompts(place) == ["prompt new"], "the new home has the new turn")
    wait_for(lambda: old not in place.processes(), "the old worker left")
    assert place.event_files(), "the turn is open: its events have to stay"


def test_a_store_moved_away_under_a_worker_is_made_anew(place: Place) -> None:
    with running(place, Presence(session(place).folder, QUICK)):
        prompt(place, "one", interpreter=NOBODY)
        wait_for(lambda: prompts(place) == ["prompt one"], "the first turn is stored")
        for path in list(place.home.root.glob("store.sqlite3*")):
            path.rename(path.with_name("away-" + path.name))
        prompt(place, "two", interpreter=NOBODY)
        wait_for(
            lambda: prompts(place) == ["prompt one", "prompt two"],
            "the new store has what was open and what came since",
        )
        remove_tree(place.home.root)


def test_an_empty_folder_goes_after_an_hour(place: Place) -> None:
    folder = session(place).folder
    with running(place, Presence(folder, QUICK)):
        pass
    place.flush()
    assert folder.exists()
    long_ago = time.time() - 3700
    os.utime(folder, (long_ago, long_ago))

    place.flush()

    assert not folder.exists()
