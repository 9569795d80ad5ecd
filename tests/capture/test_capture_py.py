"""What only capture.py does: it stands in for capture.sh on Windows."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness_tracing.capture import CAPTURE_PY, capture
from tests.capture.hooks import SESSION, Place, payload


def test_it_starts_its_own_interpreter_as_worker_detached(place: Place) -> None:
    mark = place.root / "mark"
    capture.start_detached(
        [sys.executable, "-c", f"import os; open({str(mark)!r}, 'w').write(str(os.getsid(0)))"],
        str(place.root),
        os.environ,
    )
    deadline = time.monotonic() + 20
    while not (mark.exists() and mark.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert int(mark.read_text()) != os.getsid(0)


def test_a_worker_lives_while_its_process_and_its_time_do(tmp_path: Path) -> None:
    pid_file = tmp_path / "worker.pid"
    assert not capture.worker_lives(str(tmp_path))
    pid_file.write_text(f"{os.getpid()}\n")
    os.utime(pid_file, (time.time() + 20,) * 2)
    assert capture.worker_lives(str(tmp_path))
    os.utime(pid_file, (time.time() - 2,) * 2)
    assert not capture.worker_lives(str(tmp_path))
    pid_file.write_text("nobody\n")
    os.utime(pid_file, (time.time() + 20,) * 2)
    assert not capture.worker_lives(str(tmp_path))


def test_an_event_never_replaces_another(tmp_path: Path) -> None:
    paths = [Path(capture.write_event(str(tmp_path), "Stop.1.2", b"%d" % n)) for n in range(3)]
    assert [p.name for p in paths] == ["Stop.1.2", "Stop.1.2.1", "Stop.1.2.2"]
    assert [p.read_bytes() for p in paths] == [b"0", b"1", b"2"]


def test_an_unknown_agent_is_left_alone(place: Place) -> None:
    env = place.environ(CLAUDE_CODE_SESSION_ID=SESSION)
    capture.capture("other", "Stop", env, lambda: b"{}")
    assert place.everything() == []


def test_a_name_that_is_always_taken_is_given_up(tmp_path: Path) -> None:
    for number in range(capture.MOST_CLASHES):
        (tmp_path / ("Stop.1.2" + (f".{number}" if number else ""))).write_text("old")
    with pytest.raises(FileExistsError):
        capture.write_event(str(tmp_path), "Stop.1.2", b"new")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"old"}


def test_a_failure_is_logged_and_hidden_from_the_agent(place: Place) -> None:
    (place.home).mkdir(parents=True)
    (place.home / "spool").write_text("a file in the way")
    words = [sys.executable, "-I", "-B", str(CAPTURE_PY), "claude-code", "Stop"]
    done = subprocess.run(
        words,
        input=payload(),
        env=place.environ(CLAUDE_CODE_SESSION_ID=SESSION),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert "Traceback" in (place.home / "logs" / "capture.log").read_text()
