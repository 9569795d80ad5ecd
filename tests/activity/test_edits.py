"""What was changed and read, and how it is told as a diff."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness_tracing.activity import edits_of, reads_of
from harness_tracing.model import ToolCall, Turn
from tests.activity.test_commands import call, turn_of

PATCH = """*** Begin Patch
*** Update File: a.py
@@
-old
+new
*** Add File: b.py
+made
*** Delete File: c.py
*** End Patch
"""


def tool(name: str, asked: Any, status: Any = "ok", result: Any = None, **fields: Any) -> ToolCall:
    return ToolCall("t", name, 10, 20, status, input=asked, result=result, **fields)


def told(*calls: ToolCall) -> list[tuple[Any, ...]]:
    return [(e.path, e.kind, e.added, e.removed) for e in edits_of(turn_of(*calls))]


MOVED = {"type": "update", "unified_diff": "@@ -1 +1 @@\n-a\n+b\n", "move_path": "/w/b.py"}
OLD_NEW = {"file_path": "/home/dev/shop/a.py", "old_string": "one\ntwo", "new_string": "one\n2\n3"}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (tool("Edit", OLD_NEW), [("/home/dev/shop/a.py", "update", 2, 1)]),
        (
            tool("MultiEdit", {"file_path": "a.py", "edits": [OLD_NEW, OLD_NEW]}),
            [("a.py", "update", 4, 2)],
        ),
        (
            tool("Write", {"file_path": "a.py", "content": "x\ny\n"}, result={"type": "create"}),
            [("a.py", "create", 2, 0)],
        ),
        (
            tool("Write", {"file_path": "a.py", "content": "x\n"}, result={"originalFile": "y\n"}),
            [("a.py", "update", 1, 1)],
        ),
        (tool("Write", {"file_path": "a.py", "content": "x\n"}), [("a.py", "unknown", None, None)]),
        (
            tool("Write", {"file_path": "a.py", "content": "y\nx\n"},
                 result={"originalFile": "y\n"}),
            [("a.py", "update", 1, 0)],
        ),
        (
            tool("Write", {"file_path": "a.tsx"}, result={"edits": [
                {"old_string": "", "new_string": "blue"}]}),
            [("a.tsx", "unknown", 1, 0)],
        ),
        (
            tool("apply_patch", PATCH),
            [("a.py", "update", 1, 1), ("b.py", "create", 1, 0), ("c.py", "delete", None, None)],
        ),
        (
            tool("apply_patch", "…", result={"changes": {"/w/a.py": MOVED}}),
            [("/w/b.py", "move", 1, 1)],
        ),
        (
            tool("Write", {"file_path": "a.tsx"}, result={"edits": [
                {"old_string": "red", "new_string": "blue"}]}),
            [("a.tsx", "update", 1, 1)],
        ),
        (tool("Edit", OLD_NEW, status="error"), []),
        (tool("Edit", OLD_NEW, status="denied"), []),
        (tool("Edit", "[tool input hidden: 80 chars]"), [(None, "unknown", None, None)]),
        (tool("Edit", OLD_NEW, mcp_server="shop"), []),
    ],
)  # fmt: skip
def test_an_edit_by_a_tool(call: ToolCall, expected: list[tuple[Any, ...]]) -> None:
    assert told(call) == expected


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("cat > a.py <<'EOF'\nx\nEOF", ["a.py"]),
        ("echo x >> a.py; ls", ["a.py"]),
        ("sed -i 's/a/b/' a.py b.py", ["a.py", "b.py"]),
        ("sed -i -e s/a/b/ a.py", ["a.py"]),
        ("echo x | tee a.py", ["a.py"]),
        ("cd app && rm old.py", ["app/old.py"]),
        ("mv a.py b.py", ["b.py"]),
        (f"apply_patch <<'EOF'\n{PATCH}EOF", ["a.py", "b.py", "c.py"]),
        ("ruff format .", [None]),
        ("git stash pop", [None]),
        ("ruff format --check . && git stash list", []),
        ("git checkout -b fix && git add -A && git commit -m x && git reset HEAD~1", []),
        ("git checkout -- . ; git reset --hard", [None, None]),
        ("git restore --staged a.py; git apply --check p.diff", []),
        ("sed -n 1,5p a.py > /dev/null 2>&1", []),
        ("make check > build/log", []),
        ("echo 'sed -i x' && grep -i y a.py", []),
    ],
)
def test_an_edit_by_a_command(line: str, paths: list[str | None]) -> None:
    found = [edit.path for edit in edits_of(turn_of(call(line)))]
    assert found == [None if path is None else f"/home/dev/shop/{path}" for path in paths]


@pytest.mark.parametrize("status", ["error", "denied"])
def test_a_command_that_failed_changed_nothing(status: Any) -> None:
    assert edits_of(turn_of(call("sed -i s/a/b/ a.py", status=status))) == ()


def test_what_the_agent_saw_a_command_change_counts_and_caches_do_not() -> None:
    made = "/home/dev/shop/a.py"
    seen = {
        "files": [{"filePath": made, "hunks": [], "created": True}],
        "changedFiles": [made, "/home/dev/shop/__pycache__/a.pyc"],
    }
    found = edits_of(turn_of(call("./generate > elsewhere.py", result={"bashEditDiff": seen})))
    assert [(edit.path, edit.kind) for edit in found] == [("/home/dev/shop/a.py", "create")]


def test_a_project_in_a_folder_named_build_is_edited_like_any_other() -> None:
    inside = replace(turn_of(call("touch a.py; touch build/b.o")), cwd="/home/dev/build/shop")
    assert [edit.path for edit in edits_of(inside)] == ["/home/dev/build/shop/a.py"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("a.py", True),
        ("/home/dev/shop/src/a.py", True),
        ("Makefile", True),
        ("requirements.txt", True),
        ("docs/guide.md", False),
        ("README", False),
        ("notes.txt", False),
        ("/tmp/a.py", False),
        ("/home/dev/.claude/plans/a.py", False),
    ],
)
def test_code_is_what_can_break_a_check(path: str, code: bool) -> None:
    (edit,) = edits_of(turn_of(tool("Write", {"file_path": path, "content": ""})))
    assert edit.is_code("/home/dev/shop") is code


def test_a_project_may_lie_anywhere() -> None:
    (edit,) = edits_of(turn_of(tool("Write", {"file_path": "/tmp/shop/a.py", "content": ""})))
    assert edit.is_code("/tmp/shop")
    assert not edit.is_code("/tmp/other")
    assert not edit.is_code(None)


def test_files_are_read_by_tools_and_by_commands() -> None:
    turn: Turn = turn_of(
        tool("Read", {"file_path": "/home/dev/shop/a.py"}),
        tool("Read", {"file_path": "missing.py"}, status="error"),
        call("cd app && head -n 20 b.py && sed -n '1,5p' c.py"),
        call("cat nothing.py", status="error"),
    )
    assert [path for path, _ in reads_of(turn)] == [
        "/home/dev/shop/a.py",
        "/home/dev/shop/app/b.py",
        "/home/dev/shop/app/c.py",
    ]
