"""`harness demo loop`: the whole loop with recordings, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness_tracing.loop_demo import project, tickets
from harness_tracing.loop_demo.loop import Outcome
from harness_tracing.loop_demo.recorded import RECORDINGS, Moved
from harness_tracing.loop_demo.show import came_out_well
from tests.cli.conftest import CommandLine
from tools.docs_tutorial import AS_THE_TUTORIAL, PAGE, page, timeless

LARGEST_RECORDING = 50_000


def test_with_recordings_it_prints_the_tutorial_and_leaves_nothing(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], **AS_THE_TUTORIAL}
    done = subprocess.run(
        [sys.executable, "-m", "harness_tracing.cli", "demo", "loop", "--yes", "--recorded"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "RECORDED sessions" in done.stderr
    assert PAGE.read_text(encoding="utf-8") == page(timeless(done.stdout)), "run: make docs"
    assert list(tmp_path.iterdir()) == []
    (folder,) = set(re.findall(r"/\S*?harness-demo-\w+", done.stdout))
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("before", "after", "declined", "well"),
    [
        (("partial", "partial"), ("verified",), False, True),
        (("partial", "partial"), ("partial",), False, False),
        (("partial", "partial"), ("partial",), True, True),
        (("partial", "partial"), (), True, True),
        (("partial", "verified"), ("verified",), False, False),
        ((), ("verified",), False, False),
    ],
)
def test_it_came_out_well_when_the_second_half_is_better(
    before: tuple[str, ...], after: tuple[str, ...], declined: bool, well: bool
) -> None:
    assert came_out_well(Outcome(before, after, declined)) == well


# --- what it refuses -----------------------------------------------------------------------


def test_without_a_terminal_it_has_nobody_to_ask(run: CommandLine) -> None:
    ran = run.process("demo", "loop", "--recorded")
    assert ran.code == 2 and "--yes" in ran.err


def test_real_and_recorded_exclude_each_other(run: CommandLine) -> None:
    assert run("demo", "loop", "--yes", "--real", "--recorded").code == 2


def test_a_folder_that_holds_something_is_left_alone(run: CommandLine) -> None:
    (run.folder / "mine").write_text("mine")
    ran = run("demo", "loop", "--yes", "--recorded", "--folder", str(run.folder))
    assert ran.code == 1 and "not empty" in ran.err
    assert [path.name for path in run.folder.iterdir()] == ["mine"]


def test_a_client_that_is_not_there_is_said(run: CommandLine) -> None:
    ran = run("demo", "loop", "--yes", "--claude", "/nowhere/claude")
    assert ran.code == 1 and "/nowhere/claude is no program" in ran.err


def test_real_needs_a_client(run: CommandLine) -> None:
    run.environ["PATH"] = str(run.folder)
    ran = run("demo", "loop", "--yes", "--real")
    assert ran.code == 1 and "--real needs" in ran.err


# --- the project, the recordings -----------------------------------------------------------


def test_the_project_passes_its_own_gate_and_is_always_the_same_commit(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    commits = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        project.generate(folder, environ)
        done = subprocess.run(["make", "check"], cwd=folder, env=environ, capture_output=True)
        assert done.returncode == 0, done
        head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, env=environ)
        commits.add(head)
        changed = ["git", "status", "--porcelain"]
        assert subprocess.check_output(changed, cwd=folder, env=environ) == b""
    assert len(commits) == 1


def test_the_project_fails_its_gate_when_it_is_broken(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    for name, old, new in (
        ("lint", "percent = ", "percent == = "),
        ("types", "-> Decimal", "-> Decimul"),
        ("tests", "(100 - percent)", "(90 - percent)"),
    ):
        folder = tmp_path / name
        project.generate(folder, environ)
        path = folder / "store" / "pricing.py"
        path.write_text(path.read_text().replace(old, new))
        done = subprocess.run(["make", "check"], cwd=folder, env=environ, capture_output=True)
        assert done.returncode != 0, name


def test_without_git_the_project_is_there_all_the_same(tmp_path: Path) -> None:
    project.generate(tmp_path / "here", {"HOME": str(tmp_path), "PATH": str(tmp_path)})
    found = {path.name for path in (tmp_path / "here").iterdir()}
    assert found == {".claude", ".gitignore", "CLAUDE.md", "Makefile", "store", "tests"}


@pytest.mark.parametrize("ticket", tickets.TICKETS, ids=lambda ticket: ticket.name)
def test_a_recording_is_of_its_ticket(ticket: tickets.Ticket) -> None:
    path = RECORDINGS / f"{ticket.name}.json"
    recording = json.loads(path.read_text(encoding="utf-8"))
    payloads = {each["event"]: each["payload"] for each in recording["events"]}
    assert payloads["UserPromptSubmit"]["prompt"] == ticket.prompt
    assert {each["payload"]["session_id"] for each in recording["events"]} == {ticket.session_id}
    asked = [tool.name for step in ticket.steps for tool in step.tools]
    used = [e["payload"]["tool_name"] for e in recording["events"] if e["event"] == "PostToolUse"]
    assert used == asked
    assert recording["said"] == ticket.steps[-1].text
    assert path.stat().st_size < LARGEST_RECORDING
    assert not re.search(r"/(tmp|root|work|Users)/", path.read_text(encoding="utf-8"))


def test_what_is_moved_has_other_paths_and_times() -> None:
    moved = Moved({"/demo/home": "C:\\Users\\me"}, 1_500_000_000)
    text = '{"at": "2026-11-23T08:05:26.004Z", "cwd": "/demo/home/x"}'
    told = json.loads(moved.text(text))
    assert told == {"at": "2026-11-23T08:05:27.504Z", "cwd": "C:\\Users\\me/x"}
