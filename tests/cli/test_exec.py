"""`harness exec`: the command's own exit code, streams and signals; then what it left is sent."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import OK, OtlpHttpStub, Reply
from tests.terminal import at_a_terminal
from tests.worker.conftest import end
from tests.worker.player import Place, wait_for

SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"
EXEC = [sys.executable, "-m", "harness_tracing.cli", "exec"]
posix = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX's")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A fresh home; no process of ours outlives it."""
    place = Place(tmp_path / "home")
    yield place
    end(place)


def start(
    place: Place, *command: str, timeout_s: int = 20, stdin: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command under `harness exec`, without a terminal."""
    return subprocess.run(
        [*EXEC, "--timeout", str(timeout_s), "--", *command],
        env=place.environ(**env),
        cwd=place.user_home,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        start_new_session=True,
        check=False,
    )


def agent(place: Place, last: str = "") -> str:
    """A shell script that does what an agent does in one turn, then `last`."""
    lines = []
    for event in ("SessionStart", "UserPromptSubmit", "Stop"):
        payload = {"session_id": SESSION, "prompt_id": "p1", "prompt": "hello", "cwd": "/"}
        line = shlex.quote(place.line(event))
        lines.append(f"echo {shlex.quote(json.dumps(payload))} | /bin/sh -c {line}")
    named = f"export CLAUDE_CODE_SESSION_ID={SESSION} CLAUDE_PID=$$\n"
    return named + "\n".join([*lines, last])


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "exit 255"], 255),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["no-such-command-anywhere"], 127),
        (["/"], 126),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_exit_code_is_the_commands(place: Place, command: list[str], code: int) -> None:
    assert start(place, *command).returncode == code


def test_a_command_that_is_not_found_is_named(place: Place) -> None:
    done = start(place, "no-such-command-anywhere")
    assert done.stdout == "" and "no-such-command-anywhere" in done.stderr


def test_streams_and_arguments_are_the_commands_own(place: Place) -> None:
    script = 'cat; echo "$@"; echo talk >&2'
    done = start(place, "sh", "-c", script, "x", "-p", "--timeout", "a b", stdin="given\n")
    assert (done.stdout, done.stderr) == ("given\n-p --timeout a b\n", "talk\n")


def test_what_the_command_left_is_sent_when_it_has_ended(place: Place) -> None:
    with OtlpHttpStub() as stub:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url}
        done = start(place, "sh", "-c", agent(place, "exit 3"), **env)
        assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
        assert [span.name for span in stub.spans()] == ["Turn 1"]


@posix
def test_a_command_that_kills_its_process_group_is_still_sent(place: Place) -> None:
    with OtlpHttpStub() as stub:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url}
        done = start(place, "sh", "-c", agent(place, "kill -KILL 0"), **env)
        assert done.returncode == 128 + signal.SIGKILL
        assert [span.name for span in stub.spans()] == ["Turn 1"]


def test_what_cannot_be_sent_is_said_and_the_exit_code_stays(place: Place) -> None:
    with OtlpHttpStub([Reply(401)]) as stub:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url}
        done = start(place, "sh", "-c", agent(place, "echo out"), **env)
    assert (done.returncode, done.stdout) == (0, "out\n")
    assert "401" in done.stderr and "Traceback" not in done.stderr


def test_a_broken_configuration_does_not_keep_the_command_from_running(place: Place) -> None:
    place.home.root.mkdir(parents=True)
    place.home.config.write_text("destinations: 7\n")
    done = start(place, "sh", "-c", "echo out; exit 4")
    assert (done.returncode, done.stdout) == (4, "out\n")
    assert "config.yaml" in done.stderr and "Traceback" not in done.stderr


def heed_signals() -> None:
    """Whoever runs the tests may ignore some, and that is inherited."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def running(place: Place, script: str, *, timeout_s: int = 20, **env: str) -> subprocess.Popen[str]:
    """Start a script under `harness exec` and wait until it says that it runs."""
    process = subprocess.Popen(
        [*EXEC, "--timeout", str(timeout_s), "--", "sh", "-c", script],
        env=place.environ(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_signals,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "runs\n"
    return process


@posix
@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_a_signal_to_us_is_handed_on_once_and_we_wait(place: Place, name: str) -> None:
    script = f"trap 'echo {name}; sleep 0.2; echo ended; exit 9' {name}; echo runs"
    script += "; while :; do sleep 0.1; done"
    process = running(place, script)
    process.send_signal(getattr(signal, f"SIG{name}"))
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == (f"{name}\nended\n", 9)


@posix
def test_a_signal_while_we_send_ends_the_wait_and_not_the_exit_code(place: Place) -> None:
    with OtlpHttpStub([Reply(503)]) as stub:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url}
        script = agent(place, "echo runs; exit 5")
        process = running(place, script, timeout_s=50, **env)
        wait_for(lambda: stub.requests, "an attempt to send")
        until = time.monotonic() + 20
        while process.poll() is None:
            assert time.monotonic() < until
            process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        _, err = process.communicate(timeout=5)
    assert process.returncode == 5
    assert "Traceback" not in err


@posix
def test_keys_at_a_terminal_reach_the_command_once(place: Place) -> None:
    script = "trap 'n=x$n' INT; echo runs; sleep 0.6; sleep 0.6; echo got $n; exit 3"
    child, terminal = at_a_terminal([*EXEC, "--", "sh", "-c", script], place.environ())
    shown = b""
    while b"runs" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    try:
        while chunk := os.read(terminal, 1000):
            shown += chunk
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(terminal)
    assert child.wait(30) == 3
    assert b"got x\r\n" in shown


@posix
def test_a_signal_that_is_ignored_stays_ignored(place: Place) -> None:
    done = subprocess.run(
        ["sh", "-c", 'trap "" HUP; "$@"', "sh", *EXEC, "--", "sh", "-c", "kill -HUP $$; echo on"],
        env=place.environ(),
        capture_output=True,
        text=True,
        timeout=30,
        start_new_session=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "on\n")


@posix
def test_nothing_is_lost_when_we_are_killed_with_the_command(place: Place) -> None:
    with OtlpHttpStub([OK]) as stub:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url}
        process = running(place, agent(place, "echo runs; exec sleep 60"), **env)
        child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        os.kill(process.pid, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
        process.communicate(timeout=10)
        wait_for(stub.spans, "the session's worker sends it")
        assert [span.name for span in stub.spans()] == ["Turn 1"]
