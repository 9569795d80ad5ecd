"""Which commands a line of shell ran, and how each of them ended."""

from __future__ import annotations

import posixpath
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from harness_tracing.activity import commands_of
from harness_tracing.model import ToolCall, Turn


def call(command: Any, status: Any = "ok", output: str = "", **fields: Any) -> ToolCall:
    return ToolCall(
        "t", "Bash", 10, 20, status, input={"command": command}, output=output, **fields
    )


def turn_of(*calls: ToolCall) -> Turn:
    return Turn("claude-code", "s", "t", 1, "completed", 0, 100, steps=calls, cwd="/home/dev/shop")


def ended(command: Any, status: Any = "ok", output: str = "", **fields: Any) -> dict[str, str]:
    """Each command's words and how it ended."""
    found = commands_of(turn_of(call(command, status, output, **fields)))
    return {" ".join(each.words): each.outcome for each in found}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("make check", ["make check"]),
        ("cd app && FOO=1 make check", ["cd app", "make check"]),
        ("bash -lc 'cd app; make check'", ["cd app", "make check"]),
        ("bash -eo pipefail -c 'make check | tail'", ["make check", "tail"]),
        ("env -u X A=b timeout 60 nice -n 5 make check", ["make check"]),
        ("uv run --group dev .venv/bin/python -m pytest -q", ["pytest -q"]),
        ("npx --yes eslint src", ["eslint src"]),
        ("sudo -u ci sh -c \"env bash -c 'make check'\"", ["make check"]),
        ("cat > a.py <<'EOF' && pytest\nmake check\nEOF\nmypy .", ["cat", "pytest", "mypy ."]),
        ("echo 'make check'; grep \"make check\" x", ["echo make check", "grep make check x"]),
        ("# make check\nls", ["ls"]),
        ("X=$(make check)", ["make check"]),
        ("for f in *; do ruff check $f; done", ["ruff check $f"]),
        (["bash", "-lc", "make check"], ["make check"]),
        ("git commit -m 'a; make check'", ["git commit -m a; make check"]),
    ],
)
def test_the_commands_of_a_line(line: Any, words: list[str]) -> None:
    assert list(ended(line)) == words


@pytest.mark.parametrize(
    ("line", "status", "outcome"),
    [
        ("make check", "ok", "passed"),
        ("make check", "error", "failed"),
        ("make check", "unknown", "unknown"),
        ("make check", "denied", "not run"),
        ("make check", "interrupted", "unknown"),
        ("make check && ls", "ok", "passed"),
        ("make check && ls", "error", "unknown"),
        ("cd app && make check", "error", "failed"),
        ("ruff check && make check", "error", "not passed"),
        ("make check; ls", "ok", "unknown"),
        ("ls; make check", "ok", "passed"),
        ("set -e; make check; ls", "ok", "passed"),
        ("make check | tail -5", "ok", "unknown"),
        ("make check 2>&1 | tail -5", "error", "unknown"),
        ("cd app && make check 2>&1 | tail -5", "ok", "unknown"),
        ("set -o pipefail; make check | tail", "ok", "passed"),
        ("set -o pipefail; make check | tail", "error", "unknown"),
        ("bash -o pipefail -c 'make check | tail'", "ok", "passed"),
        ("make check || true", "ok", "unknown"),
        ("make check || exit 1", "ok", "passed"),
        ("make check || make fix", "error", "failed"),
        ("! make check", "ok", "failed"),
        ("! make check", "error", "passed"),
        ("make check &", "ok", "unknown"),
        ("if make check; then ls; fi", "ok", "unknown"),
        ("(cd app; make check)", "ok", "passed"),
        ("{ make check; } > log", "error", "failed"),
        ("make check 'unclosed", "ok", "unknown"),
    ],
)
def test_how_a_command_ended_is_concluded_from_the_status_of_the_line(
    line: str, status: Any, outcome: str
) -> None:
    found = {words: how for words, how in ended(line, status).items() if "make check" in words}
    assert set(found.values()) == {outcome}


@pytest.mark.parametrize(
    ("line", "output", "outcome"),
    [
        ("make check; echo $?", "…\n0\n", "passed"),
        ('make check; echo "exit: $?"', "exit: 2", "failed"),
        ('make check; echo "exit: $?"', "something else", "unknown"),
        ("make check | tail; echo $?", "0", "unknown"),
        ("make check | tail; echo EXIT=${PIPESTATUS[0]}", "EXIT=1", "failed"),
        ("make check && echo FINE || echo BAD", "FINE", "passed"),
        ("make check && echo FINE || echo BAD", "BAD", "failed"),
        ("make check && ls || true", "a\n\nb", "unknown"),
        ("make check 2>&1 | tail -3", "make: *** [Makefile:3: check] Error 1", "failed"),
        ("make check 2>&1 | tail -3", "12 passed in 0.31s", "unknown"),
    ],
)
def test_what_was_printed_tells_where_the_status_does_not(
    line: str, output: str, outcome: str
) -> None:
    assert ended(line, "ok", output)["make check"] == outcome


@pytest.mark.parametrize(
    ("command", "output", "outcome"),
    [
        ("pytest -q", "== 3 passed, 1 warning in 0.12s ==", "passed"),
        ("pytest -q", "=== 1 failed, 3 passed in 0.12s ===", "failed"),
        ("pytest -q", "collecting …", "unknown"),
        ("python3 -m unittest", "Ran 2 tests in 0.0s\n\nOK", "passed"),
        ("python3 -m unittest", "FAILED (failures=1)", "failed"),
        ("ruff check .", "All checks passed!", "passed"),
        ("mypy .", "Found 2 errors in 1 file (checked 3 source files)", "failed"),
        ("mypy .", "Success: no issues found in 3 source files", "passed"),
        ("npx jest", "Tests:       1 failed, 2 passed, 3 total", "failed"),
        ("cargo test", "test result: ok. 3 passed; 0 failed", "passed"),
        ("go test ./...", "ok  \texample.com/a\t0.1s", "passed"),
    ],
)
def test_runners_are_known_by_what_they_print(command: str, output: str, outcome: str) -> None:
    found = commands_of(turn_of(call(f"{command} 2>&1 | tail -20", "ok", output)))
    assert found[0].outcome == outcome


def test_a_known_status_counts_more_than_what_was_printed() -> None:
    assert ended("make check", "ok", "make: *** [x] Error 1 (ignored)")["make check"] == "passed"
    assert ended("pytest", "error", "3 passed in 0.1s")["pytest"] == "failed"


def test_what_claude_code_calls_a_success_with_a_condition_that_is_false_failed() -> None:
    told = {"returnCodeInterpretation": "Files differ"}
    assert ended("diff a b", result=told)["diff a b"] == "failed"


def test_two_runs_of_one_runner_share_an_output_that_tells_nothing() -> None:
    found = ended("pytest a | tail; pytest b | tail", "ok", "1 passed in 0.1s")
    assert found["pytest a"] == "unknown"


def test_why_it_is_not_known_is_said() -> None:
    (check, _) = commands_of(turn_of(call("make check | tail")))
    assert check.why == "its exit status went into `tail`"


@pytest.mark.parametrize(
    "fields",
    [
        {"result": {"backgroundTaskId": "b1"}},
        {"output": "Process running with session ID 7\n"},
        {"result": {"exit_code": None}, "status": "unknown"},
    ],
)
def test_what_runs_on_has_no_status_yet(fields: dict[str, Any]) -> None:
    assert ended("make check", **fields)["make check"] == "unknown"


def test_an_exit_code_counts_more_than_what_the_agent_calls_the_call() -> None:
    assert ended("make check", result={"exit_code": 2})["make check"] == "failed"
    assert ended("make check", result={"exitCode": 0})["make check"] == "passed"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('const r = await tools.exec_command({cmd: "make check"});', [("make", "check")]),
        ("await tools.exec_command({'cmd': 'cd a && make check', workdir: '/x'})",
         [("cd", "a"), ("make", "check")]),
        ("await tools.exec_command({workdir: '/x', cmd: `make check`})", [("make", "check")]),
        ("await tools.exec_command({cmd: `make ${target}`})", []),
        ('text("make check")', []),
    ],
)  # fmt: skip
def test_code_that_calls_tools_names_its_commands(
    source: str, words: list[tuple[str, ...]]
) -> None:
    cell = ToolCall("cell", "exec", 1, 2, "ok", input=source)
    found = commands_of(turn_of(cell))
    assert [each.words for each in found] == words
    assert {each.outcome for each in found} <= {"unknown"}


def test_code_whose_calls_were_recorded_does_not_count_twice() -> None:
    cell = ToolCall("cell", "exec", 1, 2, "ok", input='tools.exec_command({cmd: "make check"})')
    own = call("make check", parent_tool_use_id="cell")
    assert [each.tool for each in commands_of(turn_of(cell, own))] == [own]


@pytest.mark.parametrize("line", ["{\U000f3f86", "(" * 5000 + ")" * 5000, "$(" * 3000, "make \x00"])
def test_no_line_ends_the_process(line: str) -> None:
    code = f"from harness_tracing.activity.shell import parsed; parsed({line!a})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_words_beyond_ascii_stay_what_they_are() -> None:
    assert list(ended("cd 'größe 🐍' && make prüfung")) == ["cd größe 🐍", "make prüfung"]


def test_a_hidden_command_is_no_command() -> None:
    assert ended("[tool input hidden: 12 chars]") == {}


@pytest.mark.parametrize(
    ("line", "folders"),
    [
        ("cd app && make check && cd /srv && ls", ["app", "app", "/srv", "/srv"]),
        ("(cd app && ls); make check", ["app", "app", "."]),
        ("{ cd app; }; make check", ["app", "app"]),
        ("bash -c 'cd app; ls'; make check", ["app", "app", "."]),
        ("cd app; (cd sub; ls); make check", ["app", "app/sub", "app/sub", "app"]),
    ],
)
def test_where_a_command_ran_is_followed_through_its_line(line: str, folders: list[str]) -> None:
    found = commands_of(turn_of(call(line)))
    assert [posixpath.relpath(each.folder or "", "/home/dev/shop") for each in found] == [
        posixpath.relpath(folder, "/home/dev/shop") if folder.startswith("/") else folder
        for folder in folders
    ]


@pytest.mark.parametrize(
    ("agent", "of", "output", "folder"),
    [
        ("claude-code", None, "", "/home/dev/shop/app"),
        ("claude-code", None, "Shell cwd was reset to /home/dev/shop", "/home/dev/shop"),
        ("claude-code", "agent-1", "", "/home/dev/shop"),
        ("codex", None, "", "/home/dev/shop"),
    ],
)
def test_whose_shell_stays_in_its_folder(
    agent: str, of: str | None, output: str, folder: str
) -> None:
    turn = turn_of(call("cd app && ls", output=output, agent_id=of), call("make", agent_id=of))
    assert commands_of(replace(turn, agent=agent))[-1].folder == folder
