"""`harness flush --wait`: everything captured is stored, or it says what is not and why."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from tests.worker.conftest import Undisturbed
from tests.worker.player import (
    Place,
    Recording,
    assert_same,
    capture,
    kill,
    play,
    put_event,
    recording,
    wait_for,
)

SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"


def prompt(place: Place, text: str = "hello") -> None:
    """Fire the hook of a prompt."""
    payload = {"session_id": SESSION, "prompt_id": f"p-{text}", "prompt": text}
    place.fire(
        "UserPromptSubmit",
        json.dumps(payload).encode(),
        CLAUDE_CODE_SESSION_ID=SESSION,
        CLAUDE_PID=str(os.getpid()),
    )


def test_a_live_worker_is_asked(place: Place, undisturbed: Undisturbed) -> None:
    play(Recording.ready(place, recording("tool_cycle")))

    done = place.harness("flush", "--wait")

    assert (done.returncode, done.stderr) == (0, "")
    assert_same(place.contents(), undisturbed("tool_cycle"))


def test_an_open_turn_is_stored_and_does_not_count_as_left(place: Place) -> None:
    prompt(place)

    done = place.harness("flush", "--wait")

    assert (done.returncode, done.stderr) == (0, "")
    assert [turn["status"] for turn in place.turns()] == ["open"]
    wait_for(place.workers, "its worker goes on")


def test_a_dead_workers_work_is_done(place: Place, undisturbed: Undisturbed) -> None:
    made = Recording.ready(place, recording("tool_cycle"))

    def before(number: int) -> None:
        if number == len(made.calls):
            place.kill_all()

    play(made, before=before)

    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed("tool_cycle"))


def test_a_worker_that_dies_while_asked_is_replaced(place: Place) -> None:
    prompt(place)
    wait_for(place.workers, "a worker")
    (pid,) = place.workers()
    kill(pid, signal.SIGSTOP)
    prompt(place, "again")
    with ThreadPoolExecutor(1) as pool:
        flushed = pool.submit(place.flush)
        time.sleep(0.5)
        assert not flushed.done()
        place.kill_all()
        assert flushed.result(20).left == 0

    assert sorted(turn["prompt"] for turn in place.turns()) == ["again", "hello"]


def test_a_worker_that_stands_still_is_named_in_time(place: Place) -> None:
    prompt(place)
    wait_for(place.turns, "the turn in the store")
    (pid,) = place.workers()
    kill(pid, signal.SIGSTOP)

    started = time.monotonic()
    done = place.harness("flush", "--wait", "--timeout", "1")

    assert done.returncode == 1
    assert "did not answer in time" in done.stderr
    assert SESSION in done.stderr
    assert time.monotonic() - started < 10
    assert not list(place.home.spool.glob("*/*/flush.*")), "the question was taken back"


def test_an_event_that_is_not_whole_is_named(place: Place) -> None:
    put_event(place, SESSION, "Stop", b'{"session_id": "0f')

    done = place.harness("flush", "--wait", "--timeout", "1")

    assert done.returncode == 1
    assert done.stderr.count("not whole yet") == 1
    assert "1 captured events" in done.stderr


def test_two_flushes_at_once_both_end_well(place: Place, undisturbed: Undisturbed) -> None:
    capture(place, "tool_cycle")
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: place.harness("flush", "--wait"), range(2)))

    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
    assert_same(place.contents(), undisturbed("tool_cycle"))


def test_without_waiting_it_returns_at_once(place: Place) -> None:
    prompt(place)
    wait_for(place.turns, "the turn in the store")
    (pid,) = place.workers()
    kill(pid, signal.SIGSTOP)

    started = time.monotonic()
    assert place.harness("flush").returncode == 0
    assert time.monotonic() - started < 10
