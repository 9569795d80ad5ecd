"""An agent that dies without a word: its turn is closed where it ended, soon."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness_tracing import worker
from harness_tracing.model import Session
from harness_tracing.store import SessionChange, Store
from harness_tracing.worker.processes import is_running, started_at, was_running
from tests.worker.player import AGENT, Place, Recording, kill, put_event, recording, wait_for

SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"


@contextmanager
def agent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for the agent."""
    process = subprocess.Popen(["sleep", "600"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def play_half(place: Place, pid: int) -> Recording:
    """Play a session up to the middle of its turn."""
    made = Recording.ready(place, recording("tool_cycle"))
    second = [i for i, call in enumerate(made.calls) if call.event == "PreToolUse"][1]
    for call in made.calls[: second + 1]:
        made.show(call.lines)
        made.fire(call, CLAUDE_PID=str(pid))
    return made


def status(place: Place) -> list[str]:
    """The status of each stored turn."""
    return [turn["status"] for turn in place.turns()]


def test_a_turn_is_closed_where_it_ended_when_its_agent_dies(place: Place) -> None:
    with agent() as process:
        play_half(place, process.pid)
        wait_for(lambda: status(place) == ["open"], "the turn is open")
        time.sleep(0.5)  # played faster than it was recorded, its last lines lie ahead
    died_ns = time.time_ns()

    wait_for(lambda: status(place) == ["interrupted"], "the turn is closed")

    wait_for(lambda: not place.processes(), "the worker left")
    (turn,) = place.turns()
    assert turn["ended_at_ns"] <= died_ns
    assert not place.event_files()
    tools = {step["name"]: step["status"] for step in turn["steps"] if "tool_use_id" in step}
    assert tools == {"Read": "ok", "Edit": "interrupted"}


def test_a_command_closes_it_when_the_worker_had_been_killed_before(place: Place) -> None:
    with agent() as process:
        play_half(place, process.pid)
        wait_for(lambda: status(place) == ["open"], "the turn is open")
        place.kill_all()
        listed = place.harness("sessions", "list", "--json")
        assert json.loads(listed.stdout)[0]["session_id"]
        assert status(place) == ["open"], "its agent lives"
    time.sleep(0.2)

    place.harness("sessions", "list")

    assert status(place) == ["interrupted"]
    assert not place.event_files()


def test_it_is_closed_too_when_its_events_were_lost(place: Place) -> None:
    with agent() as process:
        play_half(place, process.pid)
        wait_for(lambda: status(place) == ["open"], "the turn is open")
        place.kill_all()
    for path in place.event_files():
        path.unlink()

    place.harness("sessions", "list")

    assert status(place) == ["interrupted"]


def test_a_worker_of_another_session_closes_it(place: Place) -> None:
    with agent() as process:
        play_half(place, process.pid)
        wait_for(lambda: status(place) == ["open"], "the turn is open")
        place.kill_all()
    for path in place.event_files():
        long_ago_ns = time.time_ns() - 60 * 10**9
        os.utime(path, ns=(long_ago_ns, long_ago_ns))

    payload = {"session_id": SESSION, "prompt_id": "p", "prompt": "hello"}
    place.fire(
        "UserPromptSubmit",
        json.dumps(payload).encode(),
        CLAUDE_CODE_SESSION_ID=SESSION,
        CLAUDE_PID=str(os.getpid()),
    )

    wait_for(lambda: sorted(status(place)) == ["interrupted", "open"], "both are seen to")


def test_an_agent_with_the_number_of_a_dead_one_is_alive(place: Place) -> None:
    """In a container the agent has the same number each time it is started."""
    dead = Session(AGENT, SESSION, "p", pid=os.getpid(), pid_started_at_ns=1)
    place.home.root.mkdir(parents=True)
    with Store.open(place.home.store) as store:
        store.write(SessionChange(dead))
    payload = {"session_id": SESSION, "prompt_id": "p", "prompt": "hello"}
    put_event(place, SESSION, "UserPromptSubmit", payload)

    worker.sweep(place.home, place.environ())

    assert status(place) == ["open"]


def test_a_process_is_known_by_its_start() -> None:
    with agent() as process:
        started = started_at(process.pid)
        assert started is not None
        assert is_running(process.pid, started)
        assert not is_running(process.pid, started + 10**7)
        assert not is_running(process.pid, None), "it was gone when it was noted"
        assert was_running(process.pid, time.time_ns())
        assert not was_running(process.pid, time.time_ns() - 3600 * 10**9)
        assert kill(process.pid)
        wait_for(lambda: not is_running(process.pid, started), "a zombie is dead")


def test_a_session_whose_agent_is_not_known_is_dead_after_a_day(place: Place) -> None:
    def submit(at_ns: int) -> None:
        path = put_event(
            place, SESSION, "UserPromptSubmit", {"session_id": SESSION, "prompt_id": "p"}, at_ns
        )
        path.rename(path.with_name("UserPromptSubmit.0.1"))

    hour_ns = 3600 * 10**9
    submit(time.time_ns() - 2 * hour_ns)
    worker.sweep(place.home, place.environ())
    assert status(place) == ["open"]

    for path in place.event_files():
        path.unlink()
    with Store.open(place.home.store) as store:
        store.delete_session(AGENT, SESSION)
    submit(time.time_ns() - 25 * hour_ns)
    worker.sweep(place.home, place.environ())
    worker.sweep(place.home, place.environ())
    assert status(place) == ["interrupted"]
