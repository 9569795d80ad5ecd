"""The log file: private, bounded, clean of secrets, and never in the way."""

from __future__ import annotations

import errno
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from secret_corpus import GITHUB

from harness_tracing.config import Settings, load
from harness_tracing.locks import FileLock
from harness_tracing.log import agent_log, log_path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"HOME": str(tmp_path)})


@pytest.fixture(autouse=True)
def _no_handlers_left() -> Iterator[None]:
    root = logging.getLogger("harness_tracing")
    before, propagate, level = list(root.handlers), root.propagate, root.level
    # pytest listens by itself to a logger that another test has cut off from the root.
    root.handlers, root.propagate = [], True
    yield
    root.handlers, root.propagate = before, propagate
    root.setLevel(level)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_a_line_has_time_level_process_and_message(settings: Settings) -> None:
    agent_log(settings, "codex").info("turn %s stored", 7)

    (line,) = lines(settings.home.logs / "codex.log")
    time, level, process, message = line.split(" ", 3)
    assert time.endswith("Z")
    assert (level, process, message) == ("INFO", str(os.getpid()), "turn 7 stored")


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_only_its_user_can_read_it(settings: Settings) -> None:
    agent_log(settings, "codex").info("x")

    path = log_path(settings, "codex")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_variable_moves_it_and_verbose_adds_to_it(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "ARIZE_LOG_FILE": str(tmp_path / "own" / "x.log")}

    agent_log(load(env), "codex").debug("quiet")
    agent_log(load({**env, "ARIZE_VERBOSE": "true"}), "codex").debug("loud")

    assert [line.split(" ", 3)[3] for line in lines(tmp_path / "own" / "x.log")] == ["loud"]


def test_asking_again_writes_each_line_once(settings: Settings) -> None:
    agent_log(settings, "codex").info("a")
    agent_log(settings, "codex").info("b")

    assert len(lines(log_path(settings, "codex"))) == 2


def test_what_other_modules_of_ours_log_is_there_too(settings: Settings) -> None:
    agent_log(settings, "codex")
    logging.getLogger("harness_tracing.agents.claude_code.settings").warning("broken")

    assert "broken" in lines(log_path(settings, "codex"))[0]


def test_secrets_are_not_logged_not_even_in_tracebacks(settings: Settings) -> None:
    log = agent_log(settings, "codex")
    log.warning("token %s", GITHUB)
    try:
        raise ValueError(f"password='hunter2' {GITHUB}")
    except ValueError:
        log.exception("failed")

    text = log_path(settings, "codex").read_text(encoding="utf-8")
    assert GITHUB not in text
    assert "hunter2" not in text
    assert "Traceback" in text


def test_a_full_file_is_moved_aside_once(settings: Settings) -> None:
    log = agent_log(settings, "codex")
    for number in range(260):
        log.info("%d %s", number, "x" * 10_000)

    path = log_path(settings, "codex")
    assert path.stat().st_size <= 1_000_000
    assert path.with_name("codex.log.1").stat().st_size <= 1_000_000
    assert sorted(p.name for p in path.parent.iterdir()) == ["codex.log", "codex.log.1"]
    assert " 259 x" in lines(path)[-1]


def test_many_processes_write_whole_lines(settings: Settings, tmp_path: Path) -> None:
    program = (
        "import sys; from harness_tracing.config import load; from harness_tracing.log import *;"
        "log = agent_log(load({'HOME': sys.argv[1]}), 'codex');"
        "[log.info('line %d %s end', n, 'x' * 200) for n in range(200)]"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]

    for process in [subprocess.Popen(command) for _ in range(4)]:
        assert process.wait() == 0

    written = lines(log_path(settings, "codex"))
    assert len(written) == 800
    assert all(line.endswith(" end") for line in written)


def test_only_one_process_moves_a_full_file(settings: Settings) -> None:
    log, path = agent_log(settings, "codex"), log_path(settings, "codex")
    log.info("first")
    os.truncate(path, 1_000_000)
    another = FileLock(path)
    assert another.acquire()

    log.info("while another moves it")
    assert not path.with_name("codex.log.1").exists()
    assert "while another moves it" in lines(path)[-1]

    another.release()
    log.info("after")
    assert [line.split(" ", 3)[3] for line in lines(path)] == ["after"]
    assert "while another moves it" in lines(path.with_name("codex.log.1"))[-1]


def test_a_log_that_cannot_be_written_disturbs_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    env = {"HOME": str(tmp_path), "ARIZE_LOG_FILE": str(tmp_path / "file" / "x.log")}

    agent_log(load(env), "codex").error("lost")

    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_loses_the_line_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    env = {"HOME": str(tmp_path), "ARIZE_LOG_FILE": "/dev/full"}
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        Path("/dev/full").write_text("x")

    agent_log(load(env), "codex").error("lost")

    assert capfd.readouterr() == ("", "")


def test_a_message_that_does_not_fit_its_arguments_disturbs_nobody(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    log = agent_log(settings, "codex")
    log.info("%d %d", "one")  # the mistake under test
    log.info("next \udc80")

    assert capfd.readouterr() == ("", "")
    assert lines(log_path(settings, "codex"))[-1].endswith("next \\udc80")
