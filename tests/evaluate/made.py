"""Turns made by hand, as short as a line per tool call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

from harness_tracing.model import ModelCall, Moment, Step, ToolCall, Turn

FOLDER = "/app"


def bash(
    command: str, output: str = "", *, failed: bool = False, status: Any = None, **more: Any
) -> ToolCall:
    """A shell call that passed, or failed."""
    status = status or ("error" if failed else "ok")
    return _call("Bash", {"command": command}, output, status, **more)


def read(path: str, **more: Any) -> ToolCall:
    """A file was read."""
    return _call("Read", {"file_path": _whole(path)}, "1\tx", "ok", **more)


def grep(path: str) -> ToolCall:
    """A search printed lines of one file."""
    return _call("Grep", {"pattern": "x", "path": _whole(path)}, "1:x", "ok")


def edit(path: str, old: str = "a = 1", new: str = "a = 2", **more: Any) -> ToolCall:
    """A text in a file was replaced."""
    asked = {"file_path": _whole(path), "old_string": old, "new_string": new}
    return _call("Edit", asked, "done", more.pop("status", "ok"), **more)


def write(path: str, content: str = "x = 1\n") -> ToolCall:
    """A new file was written."""
    asked = {"file_path": _whole(path), "content": content}
    result = {"type": "create", "filePath": _whole(path), "content": content}
    return _call("Write", asked, "created", "ok", result=result)


def tool(name: str, asked: Any, output: Optional[str] = "", **more: Any) -> ToolCall:
    """Any other tool."""
    return _call(name, asked, output, more.pop("status", "ok"), **more)


def model_call(earlier: int = 0) -> ModelCall:
    """The model was asked, with so many messages that came before."""
    return ModelCall("c", "m", None, None, earlier_messages=earlier)


def compaction(agent_id: Optional[str] = None) -> Moment:
    """The thread's earlier messages were replaced by a summary."""
    return Moment("compaction", 0, "m", agent_id=agent_id)


def turn(
    *steps: Step,
    answer: Optional[str] = "Done.",
    status: Any = "completed",
    prompt: str = "Do it.",
    number: int = 1,
) -> Turn:
    """A turn of these steps, a second each."""
    timed: list[Step] = []
    for place, step in enumerate(steps, 1):
        at = place * 1_000_000_000
        if isinstance(step, ToolCall):
            step = replace(
                step, tool_use_id=f"t{place}", started_at_ns=at, ended_at_ns=at + 500_000_000
            )
        elif isinstance(step, Moment):
            step = replace(step, at_ns=at, moment_id=f"m{place}")
        timed.append(step)
    return Turn(
        "claude-code",
        "s",
        "turn",
        number,
        status,
        0,
        ended_at_ns=(len(steps) + 1) * 1_000_000_000,
        prompt=prompt,
        response=answer,
        steps=tuple(timed),
        cwd=FOLDER,
    )


def _whole(path: str) -> str:
    return path if path.startswith("/") else f"{FOLDER}/{path}"


def _call(name: str, asked: Any, output: Optional[str], status: Any, **more: Any) -> ToolCall:
    return ToolCall("", name, None, None, status, input=asked, output=output, **more)
