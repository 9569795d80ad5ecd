"""What may happen to the tracer while the real client works: nothing is lost, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from claude_client import Conversation, Home, wait_until
from harness_tracing.loop_demo.scripted_model import ScriptedModel
from test_turns import FAILING, new_id, run, traced
from tracer import Tracer

AT_ONCE = 20
MARKERS = ("simple", "subagent_nested", "parallel_tools", "tool_failure", "subagent_parallel")
KILLS = [
    pytest.param(number, marks=pytest.mark.soak) if number >= 5 else number for number in range(50)
]


def test_twenty_sessions_at_once_are_all_complete(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    sessions = [(new_id(), MARKERS[number % len(MARKERS)]) for number in range(AT_ONCE)]

    def one(session: tuple[str, str]) -> int:
        session_id, marker = session
        done = home.prompt(f"Please. [[{marker}]]", session_id=session_id, timeout_s=280)
        return done.returncode

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert set(pool.map(one, sessions)) == {0}
    for session_id, _ in sessions:
        traced(tracer, model, session_id, tool_status=FAILING)


@pytest.mark.parametrize("number", KILLS)
def test_a_worker_killed_at_any_moment_loses_and_doubles_nothing(
    home: Home, tracer: Tracer, model: ScriptedModel, number: int
) -> None:
    moments = random.Random(number)
    stop = threading.Event()
    killed = []

    def killer() -> None:
        while not stop.wait(moments.uniform(0.05, 0.8)):
            killed.append(tracer.kill_workers())

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        session_id = run(home, "Please. [[subagent_parallel]]")
        home.prompt("Add SAVE25. [[tool_cycle]]", "--resume", session_id)
    finally:
        stop.set()
        thread.join()
    before = traced(tracer, model, session_id, ["completed", "completed"])
    tracer.kill_workers()
    after = traced(tracer, model, session_id, ["completed", "completed"])
    assert [span.id for span in before.spans] == [span.id for span in after.spans]
    assert sum(killed), "no worker was there to be killed: shows nothing"


def test_a_paused_worker_costs_the_agent_nothing(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = new_id()
    talk = Conversation(home, session_id=session_id)
    talk.say("Say hello. [[simple]]")
    talk.hear_result()
    workers = wait_until(tracer.workers)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        talk.say("Add SAVE25. [[tool_cycle]]")
        talk.hear_result()
        talk.close()
        assert time.monotonic() - started < 20
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    traced(tracer, model, session_id, ["completed", "completed"])


def test_a_transcript_that_moves_is_followed(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = run(home, "Try it aside. [[worktree]]")
    tree = traced(tracer, model, session_id)
    assert tree.turns[0]["output.value"] == "It works in the worktree."


def test_a_transcript_that_vanishes_leaves_what_the_hooks_saw(
    home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    session_id = new_id()
    talk = Conversation(home, session_id=session_id)
    talk.say("Add SAVE25. [[tool_cycle]]")
    talk.hear_result()
    (transcript,) = (home.path / ".claude" / "projects").glob(f"*/{session_id}.jsonl")
    transcript.unlink()
    talk.say("Say hello. [[simple]]")
    talk.hear_result()
    talk.close()
    tracer.flush()
    turns = [span for span in tracer.spans(session_id) if span.type == "turn"]
    assert [turn["output.value"] for turn in turns] == [
        "SAVE25 takes 25 % off; `make check` passes.",
        "Hello. Nothing to change.",
    ]


def test_the_agent_takes_no_longer_than_without_us(
    bare_home: Home, home: Home, tracer: Tracer, model: ScriptedModel
) -> None:
    """A coarse guard against a hook that waits; `make bench` measures properly."""

    def wall_s(*plugin: str) -> float:
        bare_home.always = plugin
        started = time.monotonic()
        run(bare_home, "Look. [[parallel_tools]]")
        return time.monotonic() - started

    with_plugin = tuple(home.always)
    wall_s()
    without, ours = [], []
    for _ in range(3):
        without.append(wall_s())
        ours.append(wall_s(*with_plugin))
    assert statistics.median(ours) < 2 * statistics.median(without) + 1
