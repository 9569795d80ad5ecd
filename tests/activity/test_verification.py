"""The project's gate, and whether it passed after the last change to the code."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from harness_tracing.activity import Gate, declared_gate, gate_of, verification_of
from harness_tracing.model import Step, ToolCall, Turn

MAKE_CHECK = Gate(("make", "check"), "given")


def steps(*calls: ToolCall) -> Turn:
    """A turn whose calls ran one after the other."""
    timed: tuple[Step, ...] = tuple(
        replace(each, tool_use_id=f"t{place}", started_at_ns=place * 10, ended_at_ns=place * 10 + 5)
        for place, each in enumerate(calls, start=1)
    )
    return Turn("claude-code", "s", "t", 1, "completed", 0, 1000, steps=timed, cwd="/home/dev/shop")


def bash(command: str, status: Any = "ok", output: str = "") -> ToolCall:
    return ToolCall("t", "Bash", None, None, status, input={"command": command}, output=output)


def edit(path: str = "a.py") -> ToolCall:
    return ToolCall("t", "Write", None, None, "ok", input={"file_path": path, "content": "x"})


def hidden() -> ToolCall:
    return ToolCall("t", "Bash", None, None, "ok", input="[tool input hidden: 9 chars]")


@pytest.mark.parametrize(
    ("calls", "verdict"),
    [
        ([edit(), bash("make check")], "verified"),
        ([edit(), bash("make check", "error")], "not_verified"),
        ([edit()], "not_verified"),
        ([bash("make check"), edit()], "not_verified"),
        ([edit(), bash("make check"), edit("b.py")], "not_verified"),
        ([edit(), bash("make check"), edit("README.md")], "verified"),
        ([edit(), bash("make check"), edit("/tmp/x.py")], "verified"),
        ([edit(), bash("make check", "error"), bash("make check")], "verified"),
        ([edit(), bash("make check"), bash("make check", "error")], "not_verified"),
        ([edit(), bash("pytest -q")], "partial"),
        ([bash("make check"), edit(), bash("pytest -q")], "partial"),
        ([edit(), bash("pytest -q", "error")], "not_verified"),
        ([edit(), bash("make check | tail -3")], "cannot_tell"),
        (
            [edit(), bash("make check | tail -3", output="make: *** [check] Error 2")],
            "not_verified",
        ),
        ([edit(), bash("make check | tail -3"), bash("make check")], "verified"),
        ([edit(), bash("make check", "denied")], "not_verified"),
        ([edit(), bash("make -n check")], "not_verified"),
        ([edit(), bash("make check ARGS='-k one'")], "partial"),
        ([edit(), bash("make lint check")], "verified"),
        ([edit(), bash("make check > report.json")], "verified"),
        ([edit(), bash("make check && git checkout -b fix && git commit -am x")], "verified"),
        ([edit(), bash("cd /home/dev/shop && make check")], "verified"),
        ([edit(), bash("cd app && make check")], "partial"),
        ([edit(), bash("cd app && ls"), bash("make check")], "partial"),
        ([edit(), bash("(cd app && ls); make check")], "verified"),
        ([edit(), bash("sed -i s/a/b/ c.py && make check")], "verified"),
        ([edit(), bash("make check && sed -i s/a/b/ c.py")], "not_verified"),
        ([edit(), bash("make check"), bash("git stash pop")], "cannot_tell"),
        ([edit(), hidden()], "cannot_tell"),
        ([edit(), hidden(), bash("make check")], "verified"),
        ([hidden()], "cannot_tell"),
        ([edit(), bash("echo " + "x" * 200_000 + "; make check")], "cannot_tell"),
        ([bash("make check")], "nothing_edited"),
        ([edit("README.md")], "nothing_edited"),
    ],
)
def test_the_verdict(calls: list[ToolCall], verdict: str) -> None:
    assert verification_of([steps(*calls)], MAKE_CHECK).verdict == verdict


def test_without_a_gate_the_verdict_names_what_passed() -> None:
    found = verification_of([steps(edit(), bash("pytest -q"))], None)
    assert found.verdict == "no_gate"
    assert "`pytest -q`" in found.reason


def test_a_run_that_began_before_the_edit_was_done_does_not_verify_it() -> None:
    turn = steps(edit(), bash("make check"))
    late, run = turn.steps
    assert isinstance(late, ToolCall)
    overlapping = replace(turn, steps=(replace(late, ended_at_ns=500), run))
    assert verification_of([overlapping], MAKE_CHECK).verdict == "not_verified"


def test_a_session_is_judged_over_all_its_turns() -> None:
    first, second = steps(edit()), steps(bash("make check"))
    second = replace(second, number=2, turn_id="u", steps=tuple(
        replace(each, started_at_ns=100, ended_at_ns=120)  # type: ignore[type-var]
        for each in second.steps))  # fmt: skip
    assert verification_of([first], MAKE_CHECK).verdict == "not_verified"
    assert verification_of([first, second], MAKE_CHECK).verdict == "verified"


PACKAGE = json.dumps({"scripts": {"check": "eslint . && jest", "test": "jest"}})
ONLY_TEST = json.dumps({"scripts": {"test": "jest"}})
NO_TEST = json.dumps({"scripts": {"test": 'echo "Error: no test specified" && exit 1'}})


@pytest.mark.parametrize(
    ("files", "gate"),
    [
        ({"Makefile": "check: lint\n\tpytest\n"}, "make check"),
        ({"Makefile": "check := 1\ntest:\n\tpytest\n"}, None),
        ({"Makefile": "test:\n", "package.json": PACKAGE}, "npm run check"),
        ({"package.json": ONLY_TEST}, "npm test"),
        ({"package.json": ONLY_TEST, "tox.ini": "[tox]"}, "tox"),
        ({"package.json": NO_TEST}, None),
        ({"package.json": "{not json"}, None),
        ({"justfile": "check *args:\n  pytest"}, "just check"),
        ({"pyproject.toml": "[tool.poe.tasks]\ncheck = 'pytest'\n"}, "poe check"),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 100\n"}, None),
        ({}, None),
    ],
)
def test_a_gate_is_what_the_project_declares(files: dict[str, str], gate: str | None) -> None:
    found = declared_gate(files, "on disk")
    assert (found.text if found else None) == gate


def read(path: str, output: str, **asked: Any) -> ToolCall:
    return ToolCall("t", "Read", 1, 2, "ok", input={"file_path": path, **asked}, output=output)


@pytest.mark.parametrize(
    ("calls", "source"),
    [
        (
            [read("/home/dev/shop/Makefile", "1\tcheck:\n2\t\tpytest\n")],
            "Makefile as seen in the session",
        ),
        ([bash("cat Makefile", output="check:\n\tpytest\n")], "Makefile as seen in the session"),
        ([read("/home/dev/shop/app/Makefile", "1\tcheck:\n")], "Makefile on disk"),
        ([read("/home/dev/shop/Makefile", "1\tcheck:\n", limit=1)], "Makefile on disk"),
    ],
)
def test_what_the_session_saw_counts_before_what_is_there_now(
    calls: list[ToolCall], source: str
) -> None:
    found = gate_of([steps(*calls)], on_disk={"Makefile": "check:\n"})
    assert found is not None and found.source == source


@pytest.mark.parametrize(
    ("call", "gate"),
    [
        (bash("make check"), "make check"),
        (bash("make check", "error", "make: *** [check] Error 1"), "make check"),
        (bash("make check", "error", "make: *** No rule to make target 'check'.  Stop."), None),
        (bash("npm run check"), "npm run check"),
        (bash("cd /elsewhere && make check"), None),
        (bash("pytest"), None),
    ],
)
def test_a_check_that_ran_is_declared_somewhere(call: ToolCall, gate: str | None) -> None:
    found = gate_of([steps(call)])
    assert (found.text if found else None) == gate


def test_a_given_gate_counts_most() -> None:
    found = gate_of([steps(bash("make check"))], given="tox -e py", on_disk={"Makefile": "check:"})
    assert found == Gate(("tox", "-e", "py"), "given")
    run = verification_of([steps(edit(), bash("tox -e py"))], found)
    assert run.verdict == "verified"


def test_a_gate_is_recognised_behind_its_wrappers() -> None:
    gate = gate_of([], given="uv run python -m pytest")
    turn = steps(edit(), bash("timeout 60 .venv/bin/python -m pytest -q"))
    assert verification_of([turn], gate).verdict == "verified"
    narrower = steps(edit(), bash("pytest tests/test_a.py"))
    assert verification_of([narrower], gate).verdict == "partial"


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        ("npm test", "verified"),
        ("npm t", "verified"),
        ("yarn test", "verified"),
        ("npm test -- --silent", "verified"),
        ("npm test -- src/a.test.ts", "partial"),
        ("npm run lint", "partial"),
        ("npm install", "not_verified"),
    ],
)
def test_a_package_s_script_by_any_of_its_runners(command: str, verdict: str) -> None:
    gate = Gate(("npm", "test"), "package.json on disk")
    assert verification_of([steps(edit(), bash(command))], gate).verdict == verdict
