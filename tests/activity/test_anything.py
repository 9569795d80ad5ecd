"""Whatever agents and models write, reading it gives facts and no errors."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness_tracing.activity import commands_of, edits_of, gate_of, reads_of, verification_of
from harness_tracing.activity.outcomes import ended
from harness_tracing.activity.script import simple_commands
from harness_tracing.activity.shell import parsed
from harness_tracing.model import ToolCall, Turn

PIECES = st.sampled_from(
    [
        *("make", "check", "pytest -q", "cd app", "echo $?", " && ", " || ", "; ", " & ", " | "),
        *("\n", "(", ")", "{ ", "; }", "if ", "; then ", "; fi", "! ", "$(", "`", "'", '"', "\\"),
        *("<<'E'\nx\nE\n", "<<E", "> f", "2>&1", "bash -c ", "set -e; ", "# x\n", "X=1 ", "*", "é"),
        *("for i in a; do ", "; done", "case x in a) ", ";; esac", "set -o pipefail; ", "exit 1"),
    ]
)
LINES = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join))
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "command cmd file_path path content edits old_string changes structuredPatch "
                "bashEditDiff files changedFiles exit_code cwd lines unified_diff".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["Bash", "exec", "exec_command", "Edit", "Write", "apply_patch", "Read", "Frobnicate", "Agent"]
)
CALLS = st.builds(
    ToolCall,
    st.just("t"),
    NAMES,
    st.none() | st.integers(0, 50),
    st.none() | st.integers(0, 50),
    st.sampled_from(["ok", "error", "denied", "interrupted", "unknown", "running"]),
    input=JSON | LINES.map(lambda line: {"command": line}),
    output=st.none() | st.text(max_size=30),
    result=JSON,
)


@given(LINES, st.sampled_from([True, False, None]), st.text(max_size=20))
def test_any_line_of_shell(line: str, succeeded: bool | None, output: str) -> None:
    script = parsed(line)
    found = ended(script, succeeded, output)
    assert [each.command for each in found] == list(simple_commands(script))
    if succeeded is None and "echo" not in line:
        assert {each.outcome for each in found} <= {"unknown"}
    assert all(each.why for each in found if each.outcome == "unknown")


@given(st.lists(CALLS, max_size=4))
def test_any_tool_call(calls: list[ToolCall]) -> None:
    turn = Turn("claude-code", "s", "t", 1, "completed", 0, 100, steps=tuple(calls), cwd="/w")
    for edit in edits_of(turn):
        assert (edit.added is None) == (edit.diff is None)
    assert all(command.outcome for command in commands_of(turn))
    assert all(isinstance(path, str) for path, _ in reads_of(turn))
    assert verification_of([turn], gate_of([turn])).reason
