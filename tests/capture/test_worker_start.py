"""When capture starts a worker, with what, and when it builds an installed version instead."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from harness_tracing import __version__
from harness_tracing.capture import CAPTURE_SH
from tests.capture.hooks import AGENT, SESSION, Hook, Place, payload

NAMED = {"CLAUDE_CODE_SESSION_ID": SESSION}
NO_PYTHON = "no Python 3.9 or newer"


def pid_file(place: Place, text: str, ahead_s: float) -> None:
    """What a worker leaves in the session folder."""
    folder = place.home / "spool" / AGENT / SESSION
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    (folder / "worker.pid").write_text(text)
    os.utime(folder / "worker.pid", (time.time() + ahead_s,) * 2)


def tools_without_python(place: Place) -> str:
    """A PATH on which capture finds what it needs, and no interpreter."""
    folder = place.root / "tools"
    folder.mkdir()
    for tool in ("cat", "dd", "mkdir", "mv", "date", "find", "touch", "sh", "uname", "busybox"):
        found = subprocess.run(
            ["sh", "-c", f"command -v {tool}"], capture_output=True, text=True, check=False
        )
        if found.stdout.startswith("/"):
            (folder / tool).symlink_to(Path(found.stdout.strip()).resolve())
    return str(folder)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


def installed(place: Place, script: str, version: str = __version__) -> Path:
    """An installed version whose interpreter is a shell script."""
    python = place.home / "current" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n" + script)
    python.chmod(0o755)
    (place.home / "current" / "version").write_text(version + "\n")
    return python


def test_a_worker_is_started_for_the_session(shell: Hook, place: Place) -> None:
    shell.run(payload(), place.environ(**NAMED), interpreter=str(place.worker))
    assert place.calls(1) == [
        f"-I -m harness_tracing.worker --home {place.home} --agent claude-code --session {SESSION}"
    ]


def test_events_of_no_session_have_a_worker_too(shell: Hook, place: Place) -> None:
    shell.run(payload(None), place.environ(), interpreter=str(place.worker))
    assert place.calls(1)[0].endswith("--session _common")


def test_the_event_is_there_before_the_worker_is(shell: Hook, place: Place) -> None:
    seen = place.root / "seen"
    place.worker.write_text(f'#!/bin/sh\nls "$5"/spool/*/* >{seen}.part; mv {seen}.part {seen}\n')
    shell.run(payload(), place.environ(**NAMED), interpreter=str(place.worker))
    wait_for(seen)
    assert "Stop." in seen.read_text()


def test_the_hook_does_not_wait_for_the_worker_nor_lend_it_its_streams(
    shell: Hook, place: Place
) -> None:
    done = place.root / "done"
    place.worker.write_text(
        "#!/bin/sh\n"
        '[ -t 0 ] || read -r line && echo "got $line"; echo out; echo err >&2; pwd >&2\n'
        f"sleep 1; touch {done}\n"
    )
    started = time.monotonic()
    shell.run(payload(), place.environ(**NAMED), interpreter=str(place.worker))
    assert time.monotonic() - started < 0.9
    wait_for(done)


def test_the_worker_outlives_its_terminal(shell: Hook, place: Place) -> None:
    done = place.root / "done"
    place.worker.write_text(f"#!/bin/sh\nkill -HUP $$; kill -INT $$; kill -TERM $$; touch {done}\n")
    shell.run(payload(), place.environ(**NAMED), interpreter=str(place.worker))
    wait_for(done)


def test_beside_a_live_worker_no_other_is_started(shell: Hook, place: Place) -> None:
    pid_file(place, f"{os.getpid()}\n", ahead_s=20)
    shell.run(payload(), place.environ(**NAMED), interpreter=str(place.worker))
    time.sleep(0.3)
    assert (len(place.events()), place.calls()) == (1, [])


@pytest.mark.parametrize("text", ["", "\n", "0\n", "-1\n", "x\n", "99999999\n"])
def test_a_pid_that_is_nobodys_is_no_worker(shell: Hook, place: Place, text: str) -> None:
    pid_file(place, text, ahead_s=20)
    shell.run(payload(), place.environ(**NAMED), interpreter=str(place.worker))
    assert len(place.calls(1)) == 1


def test_a_worker_that_no_longer_keeps_its_time_is_dead(shell: Hook, place: Place) -> None:
    pid_file(place, f"{os.getpid()}\n", ahead_s=-2)
    shell.run(payload(), place.environ(**NAMED), interpreter=str(place.worker))
    assert len(place.calls(1)) == 1


def test_at_most_two_children_for_an_event(shell: Hook, place: Place) -> None:
    calls = place.root / "children"
    tools = place.root / "counted"
    tools.mkdir()
    for tool in ("cat", "dd", "mkdir"):
        found = subprocess.check_output(["sh", "-c", f"command -v {tool}"], text=True).strip()
        (tools / tool).write_text(f'#!/bin/sh\necho {tool} >>{calls}\nexec {found} "$@"\n')
        (tools / tool).chmod(0o755)
    pid_file(place, f"{os.getpid()}\n", ahead_s=20)
    env = place.environ(PATH=str(tools))
    shell.run(payload(), {**env, **NAMED})
    assert place.event() == payload()
    if "busybox" in shell.kind:
        return  # runs some of them inside itself
    assert calls.read_text().split() == ["cat"]
    calls.unlink()
    shell.run(payload(), env)
    assert calls.read_text().split() == ["dd", "cat"]


def test_the_installed_version_runs_the_worker_of_plugins(shell: Hook, place: Place) -> None:
    installed(place, place.worker.read_text())
    shell.run(payload(), place.environ(**NAMED), interpreter=None)
    assert len(place.calls(1)) == 1
    assert not (place.home / "bootstrap").exists()


def test_an_interpreter_that_is_gone_gives_way_to_the_installed_one(
    shell: Hook, place: Place
) -> None:
    installed(place, place.worker.read_text())
    shell.run(payload(), place.environ(**NAMED), interpreter="/nowhere/python")
    assert len(place.calls(1)) == 1


def test_without_any_interpreter_one_is_looked_for_and_the_event_waits(
    shell: Hook, place: Place
) -> None:
    env = place.environ(PATH=tools_without_python(place), **NAMED)
    shell.run(payload(), env, interpreter=None)
    wait_for(place.home / "bootstrap" / "state.json")
    assert NO_PYTHON in (place.home / "bootstrap" / "state.json").read_text()
    assert place.event() == payload()


def test_it_is_looked_for_once_a_minute(shell: Hook, place: Place) -> None:
    env = place.environ(PATH=tools_without_python(place), **NAMED)
    state, wait = place.home / "bootstrap" / "state.json", place.home / "bootstrap" / "wait"
    shell.run(payload(), env, interpreter=None)
    wait_for(state)
    state.unlink()
    shell.run(payload(), env, interpreter=None)
    time.sleep(0.5)
    assert not state.exists()
    os.utime(wait, (time.time() - 120,) * 2)
    shell.run(payload(), env, interpreter=None)
    wait_for(state)


def test_where_an_interpreter_is_given_nothing_is_built(shell: Hook, place: Place) -> None:
    place.worker.write_text(f"#!/bin/sh\ntouch {place.worker_calls}; exit 1\n")
    shell.run(payload(), place.environ(**NAMED), interpreter=str(place.worker))
    wait_for(place.worker_calls)
    time.sleep(0.3)
    assert sorted(p.name for p in place.home.iterdir()) == ["spool"]


def test_an_installed_interpreter_that_is_gone_is_seen_to(shell: Hook, place: Place) -> None:
    python = installed(place, "exit 0\n")
    python.unlink()
    python.symlink_to("/nowhere/python3")
    env = place.environ(PATH=tools_without_python(place), **NAMED)
    shell.run(payload(), env, interpreter=None)
    wait_for(place.home / "bootstrap" / "state.json")


@pytest.mark.parametrize("script", ["exit 1", "kill -SEGV $$", "exit 127"])
def test_an_installed_interpreter_that_no_longer_starts_is_seen_to(
    shell: Hook, place: Place, script: str
) -> None:
    installed(place, script + "\n")
    env = place.environ(PATH=tools_without_python(place), **NAMED)
    shell.run(payload(), env, interpreter=None)
    wait_for(place.home / "bootstrap" / "state.json")


@pytest.mark.parametrize("script", ["exit 143", "exit 130", 'rm -r "$5"; exit 1'])
def test_a_worker_that_was_told_to_end_or_whose_home_went_is_left_at_that(
    shell: Hook, place: Place, script: str
) -> None:
    installed(place, f"touch {place.worker_calls}; {script}\n")
    shell.run(payload(), place.environ(**NAMED), interpreter=None)
    wait_for(place.worker_calls)
    time.sleep(0.4)
    assert not (place.home / "bootstrap").exists()


def test_an_installed_version_of_another_number_is_seen_to_while_it_works(
    shell: Hook, place: Place
) -> None:
    installed(place, place.worker.read_text(), version="0.0.1")
    env = place.environ(PATH=tools_without_python(place), **NAMED)
    shell.run(payload(), env, interpreter=None)
    wait_for(place.home / "bootstrap" / "state.json")
    assert len(place.calls(1)) == 1


def test_nothing_is_built_while_a_bootstrap_asks_to_wait(shell: Hook, place: Place) -> None:
    wait = place.home / "bootstrap" / "wait"
    wait.parent.mkdir(parents=True)
    wait.touch()
    os.utime(wait, (time.time() + 50,) * 2)
    shell.run(payload(), place.environ(**NAMED), interpreter=None)
    time.sleep(0.3)
    assert [p.name for p in wait.parent.iterdir()] == ["wait"]


def test_capture_knows_the_version_it_belongs_to() -> None:
    assert f"\nh_version={__version__}\n" in CAPTURE_SH.read_text()
