"""`harness uninstall --all`: the users' files as they were, nothing of ours left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness_tracing import agents
from harness_tracing.paths import Home
from tests.cli.conftest import CommandLine

ODD = b"""{ "model":"opus",
\t"hooks": {"Stop":[ {"hooks":[{"type":"command","command":"make check"}]} ]},
      "env": { "MINE":"1" } }"""
CODEX = b'{\r\n  "hooks": {}\r\n}\r\n'
REGISTERED = {"claude": ".claude/settings.json", "codex": ".codex/hooks.json"}


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def user(run: CommandLine) -> CommandLine:
    """A user with configurations of their own, and hooks of ours in all three agents."""
    for name, content in zip(REGISTERED.values(), (ODD, CODEX)):
        (run.folder / name).parent.mkdir()
        (run.folder / name).write_bytes(content)
    return run


def test_every_file_has_its_bytes_again_and_nothing_of_ours_is_left(user: CommandLine) -> None:
    before = everything(user.folder)
    project = user.folder / "project"
    project.mkdir()
    for agent in agents.names():
        assert user("install", agent).code == 0
    assert user("install", "cursor", "--project", str(project)).code == 0
    assert everything(user.folder) != before
    ran = user("uninstall", "--all", "--yes", "--delete-store")
    assert (ran.code, ran.out) == (0, ""), ran.err
    assert everything(user.folder) == before
    assert not (user.folder / ".arize").exists()
    assert not any(project.iterdir())


def test_skills_and_hooks_leave_no_folder_that_was_made_for_them(run: CommandLine) -> None:
    before = sorted(run.folder.rglob("*"))
    assert run("install", "claude").code == 0
    assert run("skills", "install", "claude").code == 0
    assert run("uninstall", "--all", "--yes").code == 0
    assert sorted(run.folder.rglob("*")) == before


def test_switches_and_hooks_in_one_file_come_out_in_either_order(user: CommandLine) -> None:
    path = user.folder / REGISTERED["claude"]
    for order in (("install", "disable"), ("disable", "install")):
        for command in order:
            assert user(command, "claude").code == 0
        assert path.read_bytes() != ODD
        assert user("uninstall", "--all", "--yes", "--delete-store").code == 0
        assert path.read_bytes() == ODD
        time.sleep(0.01)  # records are told apart by their time


def test_the_store_stays_unless_it_is_to_go(traced: CommandLine) -> None:
    ran = traced("uninstall", "--all", "--yes")
    assert ran.code == 0 and f"stay in {traced.home.store}" in ran.err
    assert {path.name.split("-")[0] for path in traced.home.root.iterdir()} == {"store.sqlite3"}
    (session,) = traced("sessions", "list", "--json").json[:1]
    assert session["turns"]
    assert traced("uninstall", "--all", "--yes", "--delete-store").code == 0
    assert not traced.home.root.exists()


def test_without_a_yes_nothing_happens(traced: CommandLine) -> None:
    before = everything(traced.folder)
    ran = traced.process("uninstall", "--all", stdin="y\nn\n")
    assert ran.code == 1 and "nothing was removed" in ran.err
    assert "Keep the recorded sessions" in ran.err
    assert set(before) <= set(everything(traced.folder))


def test_asked_for_the_store_no_means_delete(traced: CommandLine) -> None:
    ran = traced.process("uninstall", "--all", stdin="n\ny\n")
    assert ran.code == 0, ran.err
    assert not traced.home.root.exists()


def test_what_is_not_ours_stays(run: CommandLine) -> None:
    run("install", "codex")
    theirs = run.home.root / "config.json"
    theirs.write_text("{}")
    ran = run("uninstall", "--all", "--yes")
    assert f"Left, since it is not ours: {theirs}" in ran.err
    assert list(run.home.root.iterdir()) == [theirs]


def test_a_file_that_cannot_be_restored_keeps_what_restoring_needs(user: CommandLine) -> None:
    user("install", "claude")
    user("install", "codex")
    broken = user.folder / REGISTERED["codex"]
    broken.write_text("{")
    ran = user("uninstall", "--all", "--yes")
    assert ran.code == 1 and str(broken) in ran.err
    assert (user.folder / REGISTERED["claude"]).read_bytes() == ODD
    assert list((user.home.registrations / "codex").rglob("before"))


def test_processes_of_this_home_are_ended_and_no_others(run: CommandLine) -> None:
    run("install", "codex")
    running = "import time; time.sleep(60)"

    def start(home: Home) -> subprocess.Popen[bytes]:
        words = ["-c", running, "-m", "harness_tracing.worker", "--home", str(home.root)]
        return subprocess.Popen([sys.executable, *words])

    ours, others = start(run.home), start(Home(run.folder / "another"))
    python = run.home.versions / "1" / "bin" / "python"
    python.parent.mkdir(parents=True)
    shutil.copy("/bin/sleep", python)
    below = subprocess.Popen([str(python), "60"])
    try:
        ran = run("uninstall", "--all", "--yes")
        assert "Ended: 2 processes" in ran.err
        for each in (ours, below):
            each.wait(10)  # raises while it lives
        assert others.poll() is None
    finally:
        for each in (ours, others, below):
            each.kill()
            each.wait()


def test_an_enabled_plugin_is_told_of(run: CommandLine) -> None:
    settings = run.folder / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"enabledPlugins": {"claude-code-tracing@x": true}}')
    assert "claude-code-tracing@x of Claude Code stays" in run("uninstall", "--all", "--yes").err


@pytest.mark.parametrize(
    "words",
    [
        ("uninstall",),
        ("uninstall", "codex", "--all"),
        ("uninstall", "codex", "--yes"),
        ("uninstall", "--all", "--project", os.sep),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(run: CommandLine, words: tuple[str]) -> None:
    assert run(*words).code == 2
