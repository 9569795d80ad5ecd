"""ARIZE_EXPORT_WAIT_S: the end of a turn or session waits until the worker has delivered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness_tracing.capture import CAPTURE_SH
from tests.capture.hooks import AGENT, AVAILABLE, SESSION, Hook, Place, payload

NAMED = {"CLAUDE_CODE_SESSION_ID": SESSION}


def folder(place: Place) -> Path:
    found = place.home / "spool" / AGENT / SESSION
    found.mkdir(parents=True, mode=0o700, exist_ok=True)
    return found


def live(place: Place) -> Path:
    """The pid file of a live worker, which is this process."""
    pid_file = folder(place) / "worker.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    os.utime(pid_file, (time.time() + 30,) * 2)
    return pid_file


def question(place: Place, within_s: float = 10.0) -> Path:
    """The file by which a hook asks, as soon as it is there."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        for path in folder(place).glob("flush.*"):
            return path
        time.sleep(0.01)
    raise AssertionError("nobody asks")


class Running:
    """A hook that runs while the test goes on."""

    def __init__(self, hook: Hook, place: Place, event: str = "SessionEnd", **env: str) -> None:
        words = place.environ(**NAMED, **env)
        self.thread = threading.Thread(
            target=hook.run, args=(payload(), words), kwargs={"event": event}
        )
        self.thread.start()

    @property
    def waits(self) -> bool:
        self.thread.join(0.4)
        return self.thread.is_alive()

    def has_returned(self) -> bool:
        self.thread.join(10)
        return not self.thread.is_alive()


def test_it_stays_until_the_worker_takes_the_question_away(hook: Hook, place: Place) -> None:
    live(place)
    running = Running(hook, place, ARIZE_EXPORT_WAIT_S="60")
    asked = question(place)
    assert asked.name.startswith("flush.wait.") and asked.stat().st_size == 0
    (event,) = [path for path in place.events() if path.name.startswith("SessionEnd")]
    event.unlink()  # as a worker does that has taken it in
    assert running.waits
    asked.unlink()
    assert running.has_returned()


def test_it_goes_on_when_the_worker_says_why_not(hook: Hook, place: Place) -> None:
    live(place)
    running = Running(hook, place, "Stop", ARIZE_EXPORT_WAIT_S="60")
    asked = question(place)
    asked.write_text("connection refused")
    assert running.has_returned()
    assert not asked.exists()


def test_it_goes_on_when_the_worker_leaves(hook: Hook, place: Place) -> None:
    pid_file = live(place)
    running = Running(hook, place, ARIZE_EXPORT_WAIT_S="60")
    asked = question(place)
    pid_file.unlink()
    assert running.has_returned()
    assert not asked.exists()


def test_a_worker_that_was_just_started_is_waited_for(shell: Hook, place: Place) -> None:
    running = Running(shell, place, ARIZE_EXPORT_WAIT_S="60")
    asked = question(place)
    assert running.waits, "no worker is there yet"
    live(place)
    assert running.waits
    asked.unlink()
    assert running.has_returned()


def test_at_the_time_limit_it_takes_the_question_back(hook: Hook, place: Place) -> None:
    live(place)
    started = time.monotonic()
    running = Running(hook, place, ARIZE_EXPORT_WAIT_S="1")
    asked = question(place)
    assert running.has_returned()
    assert time.monotonic() - started >= 0.9
    assert not asked.exists()


@pytest.mark.parametrize("value", ["", "0", "0.9", "-5", "5s", "soon", "1e3", " 7", "٣"])
def test_what_is_no_number_of_seconds_is_no_wait(hook: Hook, place: Place, value: str) -> None:
    live(place)
    hook.run(payload(), place.environ(ARIZE_EXPORT_WAIT_S=value, **NAMED), event="SessionEnd")
    assert list(folder(place).glob("flush.*")) == []


@pytest.mark.parametrize("event", ["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse"])
def test_other_events_never_wait(hook: Hook, place: Place, event: str) -> None:
    live(place)
    folder_time = folder(place)
    hook.run(payload(), place.environ(ARIZE_EXPORT_WAIT_S="60", **NAMED), event=event)
    assert list(folder_time.glob("flush.*")) == []


@pytest.mark.parametrize("value", ["600", "601", "3600", "99999999999999999999"])
def test_a_number_of_any_length_is_a_wait(hook: Hook, place: Place, value: str) -> None:
    live(place)
    running = Running(hook, place, ARIZE_EXPORT_WAIT_S=value)
    question(place).unlink()
    assert running.has_returned()


@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
def test_a_project_cannot_make_its_user_wait(hook: Hook, place: Place, name: str) -> None:
    live(place)
    project = place.root / "cloned"
    (project / ".claude").mkdir(parents=True)
    settings = {"env": {"ARIZE_EXPORT_WAIT_S": "600"}}
    (project / ".claude" / name).write_text(json.dumps(settings))
    env = {"CLAUDE_PROJECT_DIR": str(project), "ARIZE_EXPORT_WAIT_S": "600"}
    hook.run(payload(), place.environ(**env, **NAMED), event="SessionEnd")
    assert list(folder(place).glob("flush.*")) == []


def test_an_agent_that_ends_the_hook_leaves_no_question_behind(shell: Hook, place: Place) -> None:
    live(place)
    words = [*AVAILABLE[shell.kind], "-c", shell.line("SessionEnd", "/bin/true")]
    env = place.environ(ARIZE_EXPORT_WAIT_S="60", **NAMED)
    process = subprocess.Popen(words, env=env, stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    process.stdin.write(payload())
    process.stdin.close()
    asked = question(place)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert not asked.exists()


def test_without_the_waiting_part_it_goes_on(shell: Hook, place: Place) -> None:
    live(place)
    alone = place.root / "alone" / "capture.sh"
    alone.parent.mkdir()
    alone.write_bytes(CAPTURE_SH.read_bytes())
    env = place.environ(ARIZE_EXPORT_WAIT_S="60", **NAMED)
    shell.run(payload(), env, event="SessionEnd", capture=alone)
    assert len([p for p in place.events() if p.name.startswith("SessionEnd")]) == 1
