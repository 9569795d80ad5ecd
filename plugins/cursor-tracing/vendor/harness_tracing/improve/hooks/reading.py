"""Reading Claude Code's payloads and transcripts (2.1.330), the latest line first."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

# ---

MOST_BYTES = 64_000_000
BLOCK_BYTES = 1 << 20


class TooLongError(Exception):
    """The transcript goes further back than a hook should read."""


class Call(NamedTuple):
    """A tool call with its result. `error`: it failed. `told`: what Claude Code noted of it."""

    name: str
    asked: dict[str, Any]
    error: bool
    denied: bool
    text: str
    told: dict[str, Any]
    of_main_agent: bool


def payload(event: str) -> dict[str, Any]:
    """What Claude Code says on stdin for this event; empty for anything and anyone else."""
    try:
        told = json.loads(sys.stdin.buffer.read().decode("utf-8", "replace"))
    except ValueError:
        return {}
    # Other agents run the hooks of a project's .claude/settings.json too, with their own files.
    foreign = "cursor_version" in told if isinstance(told, dict) else True
    if foreign or os.environ.get("COPILOT_CLI") or told.get("hook_event_name") != event:
        return {}
    return told if isinstance(told.get("transcript_path"), str) else {}


def one_line(name: str) -> str:
    """A file's name as it may stand in a message: an agent reads it, so it has to stay a name."""
    return "".join(char if char.isprintable() else "?" for char in name)[:200]


def lines_backwards(path: str) -> Iterator[bytes]:
    """The lines of a file, the last one first; TooLongError after MOST_BYTES."""
    with open(path, "rb") as file:
        at = left = file.seek(0, os.SEEK_END)
        rest: list[bytes] = []
        while at > 0:
            if left - at > MOST_BYTES:
                raise TooLongError
            size = min(BLOCK_BYTES, at)
            at -= size
            file.seek(at)
            first, *whole = file.read(size).split(b"\n")
            if whole:
                yield whole.pop() + b"".join(reversed(rest))
                rest = []
                yield from reversed(whole)
            rest.append(first)
        yield b"".join(reversed(rest))


def parsed(line: bytes) -> dict[str, Any]:
    """A line as JSON; empty for one that is broken, or being written."""
    try:
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def blocks(line: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The blocks of a kind in the message of a line."""
    message = line.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    found = content if isinstance(content, list) else []
    return [each for each in found if isinstance(each, dict) and each.get("type") == kind]


def turn_of(transcript: str, prompt_id: Optional[str]) -> tuple[list[Call], Optional[str]]:
    """The tool calls since the last prompt in their order, and the folder the turn began in."""
    folder: Optional[str] = None
    asked: list[dict[str, Any]] = []
    results: dict[str, dict[str, Any]] = {}
    for raw in lines_backwards(transcript):
        if b'"tool_use"' not in raw and b'"user"' not in raw:
            continue
        line = parsed(raw)
        if line.get("type") == "assistant":
            asked += reversed(_asked(line))
        elif line.get("type") == "user" and not line.get("isSidechain"):
            own = line.get("promptId")
            if own is not None and prompt_id is not None and own != prompt_id:
                break
            prompt_id = prompt_id or own
            _note(results, line)
            if own is not None or is_prompt(line):
                folder = line["cwd"] if isinstance(line.get("cwd"), str) else folder
            if own is None and is_prompt(line):
                break
    asked.reverse()
    for path in _subagents(transcript) if prompt_id else ():
        asked += _of_subagent(path, str(prompt_id), results)
    asked.sort(key=lambda each: str(each["at"]))
    calls = (_call(each, results.get(each["id"])) for each in asked)
    return [call for call in calls if call is not None], folder


def is_prompt(line: dict[str, Any]) -> bool:
    """Whether somebody asked for something with it."""
    machine = line.get("isMeta") or line.get("isCompactSummary") or line.get("isSidechain")
    return not machine and not blocks(line, "tool_result")


def _asked(line: dict[str, Any]) -> list[dict[str, Any]]:
    main = not line.get("isSidechain")
    return [
        {"id": str(block.get("id")), "block": block, "at": line.get("timestamp"), "main": main}
        for block in blocks(line, "tool_use")
    ]


def _note(results: dict[str, dict[str, Any]], line: dict[str, Any]) -> None:
    for block in blocks(line, "tool_result"):
        results[str(block.get("tool_use_id"))] = {"block": block, "line": line}


def _subagents(transcript: str) -> list[str]:
    folder = os.path.join(os.path.splitext(transcript)[0], "subagents")
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [os.path.join(folder, name) for name in names if name.endswith(".jsonl")]


def _of_subagent(
    path: str, prompt_id: str, results: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []
    for raw in lines_backwards(path):
        line = parsed(raw)
        if line.get("type") == "user":
            if line.get("promptId") not in (None, prompt_id):
                break
            _note(results, line)
        elif line.get("type") == "assistant":
            asked += reversed(_asked(line))
    asked.reverse()
    return asked


def _call(asked: dict[str, Any], result: Optional[dict[str, Any]]) -> Optional[Call]:
    """None for a call without a result: it did not run, or runs still."""
    block, given = asked["block"], asked["block"].get("input")
    if result is None:
        return None
    told, content = result["line"].get("toolUseResult"), result["block"].get("content")
    text = content if isinstance(content, str) else json.dumps(content)
    return Call(
        str(block.get("name")),
        given if isinstance(given, dict) else {},
        bool(result["block"].get("is_error")),
        bool(result["line"].get("toolDenialKind")),
        text,
        told if isinstance(told, dict) else {},
        bool(asked["main"]),
    )
