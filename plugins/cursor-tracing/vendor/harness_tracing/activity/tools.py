"""Agents' tools by what they do, whatever each agent calls them and their arguments."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, Optional

from harness_tracing.model import ToolCall

ToolKind = Literal["shell", "read", "edit", "search", "agent", "other"]

_KINDS: dict[str, ToolKind] = {
    **dict.fromkeys(
        (
            "bash",
            "shell",
            "exec_command",
            "local_shell",
            "local_shell_call",
            "shell_command",
            "container.exec",
            "run_terminal_cmd",
            "run_shell_command",
            "execute_bash",
            "terminal",
            "powershell",
        ),
        "shell",
    ),
    **dict.fromkeys(("read", "read_file", "view", "view_file", "fs_read", "notebookread"), "read"),
    **dict.fromkeys(
        (
            "edit",
            "multiedit",
            "write",
            "write_file",
            "notebookedit",
            "apply_patch",
            "replace",
            "str_replace",
            "str_replace_editor",
            "edit_file",
            "search_replace",
            "create",
            "create_file",
            "delete",
            "delete_file",
            "fs_write",
        ),
        "edit",
    ),
    **dict.fromkeys(
        ("grep", "glob", "ls", "list_dir", "grep_search", "file_search", "codebase_search"),
        "search",
    ),
    **dict.fromkeys(("agent", "task", "spawn_agent"), "agent"),
}
_HIDDEN = re.compile(r"\[[a-z ]+ hidden: \d+ chars\]")
_COMMAND_KEYS = ("command", "cmd", "script")
_PATH_KEYS = ("file_path", "path", "absolute_path", "target_file", "notebook_path", "filename")
_FOLDER_KEYS = ("workdir", "cwd", "working_directory", "directory")
_EXIT_CODE = re.compile(r"Exit code (\d+)|exit(?:ed with)? code:? (\d+)", re.IGNORECASE)
# A cell of code that calls tools: the command stands in it as a string of JavaScript.
_CELL_COMMAND = re.compile(
    r"""\bexec_command\(\s*\{[^}]*?["']?\b(?:cmd|command)\b["']?\s*:\s*"""
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\$]|\\.|\$(?!\{))*`)""",
    re.DOTALL,
)


def kind_of(tool: ToolCall) -> ToolKind:
    """What kind of tool it is; a tool of an MCP server is "other"."""
    return "other" if tool.mcp_server is not None else _kind(tool.name)


@lru_cache(maxsize=256)
def _kind(name: str) -> ToolKind:
    return _KINDS.get(name.lower().rsplit(".", 1)[-1], "other")


def is_hidden(value: Any) -> bool:
    """Whether a value was hidden before it was stored: a content switch was off."""
    if not isinstance(value, str) or value[:1] != "[":
        return False
    return _HIDDEN.fullmatch(value) is not None


def shell_text(tool: ToolCall) -> Optional[str]:
    """The command line that a shell tool was asked to run; None when that is not known."""
    asked = tool.input
    if isinstance(asked, dict):
        asked = _first_given(asked)
    if isinstance(asked, str):
        return None if is_hidden(asked) else asked
    if isinstance(asked, (list, tuple)) and all(isinstance(word, str) for word in asked):
        return shlex.join(asked)
    return None


def _first_given(asked: Mapping[str, Any]) -> Any:
    for key in _COMMAND_KEYS:
        if asked.get(key):
            return asked[key]
    return None


def cell_commands(tool: ToolCall) -> list[str]:
    """The commands written out in a cell of code (Codex's code mode), as far as they are fixed."""
    source = tool.input if isinstance(tool.input, str) else None
    return [_unquoted(found) for found in _CELL_COMMAND.findall(source or "")]


def _unquoted(literal: str) -> str:
    if literal[0] == '"':
        try:
            return str(json.loads(literal, strict=False))
        except ValueError:
            pass
    simple = {"n": "\n", "t": "\t", "\n": ""}
    return re.sub(r"\\(.)", lambda found: simple.get(found[1], found[1]), literal[1:-1], flags=re.S)


def path_of(tool: ToolCall) -> Optional[str]:
    """The file that a tool was asked to read or edit."""
    return _first_text(tool.input, _PATH_KEYS)


def folder_of(tool: ToolCall) -> Optional[str]:
    """The folder that a shell tool was asked to run in."""
    folder = _first_text(tool.input, _FOLDER_KEYS)
    result = tool.result if isinstance(tool.result, dict) else {}
    if folder is None and isinstance(result.get("cwd"), str):
        folder = str(result["cwd"]).removeprefix("file://")
    return folder


def _first_text(value: Any, keys: tuple[str, ...]) -> Optional[str]:
    if isinstance(value, dict):
        for key in keys:
            found = value.get(key)
            if isinstance(found, str) and found:
                return found
    return None


def output_of(tool: ToolCall) -> str:
    """All that is known of what the tool printed."""
    result = tool.result if isinstance(tool.result, dict) else {}
    parts = [tool.output, result.get("output"), tool.error.message if tool.error else None]
    told = [part for part in parts if isinstance(part, str) and not is_hidden(part)]
    return told[0] if len(told) == 1 else "\n".join(dict.fromkeys(told))


def succeeded(tool: ToolCall) -> Optional[bool]:
    """Whether the command line of a shell tool ended with status 0; None when not known.

    A command that went on in the background has no status yet, whatever its tool call says.
    """
    result = tool.result if isinstance(tool.result, dict) else {}
    asked = tool.input if isinstance(tool.input, dict) else {}
    if result.get("backgroundTaskId") or asked.get("run_in_background") is True:
        return None
    if result:
        for key in ("exit_code", "exitCode"):
            if isinstance(result.get(key), int):
                return int(result[key]) == 0
    if tool.status == "ok":
        if result.get("returnCodeInterpretation"):
            return False  # Claude Code calls it a success all the same
        return None if "Process running with session ID" in (tool.output or "") else True
    return False if tool.status == "error" else None


def exit_code(tool: ToolCall) -> Optional[int]:
    """The exit status of a command as a number, where the agent tells it."""
    result = tool.result if isinstance(tool.result, dict) else {}
    for key in ("exit_code", "exitCode"):
        if isinstance(result.get(key), int):
            return int(result[key])
    said = _EXIT_CODE.match(tool.error.message or "") if tool.error else None
    return int(said[1] or said[2]) if said else None
