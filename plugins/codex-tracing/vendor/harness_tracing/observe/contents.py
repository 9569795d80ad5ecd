"""The contents behind the lines of the tree: prompts, inputs, outputs, and diffs of edits."""

from __future__ import annotations

from dataclasses import replace
from textwrap import indent
from typing import Any, Optional

from rich.console import Group, RenderableType
from rich.text import Text

from harness_tracing.activity import Edit, edits_of
from harness_tracing.model import ModelCall, Step, Subagent, ToolCall, Turn
from harness_tracing.observe.rows import block, words
from harness_tracing.observe.text import json_text

Parts = list[RenderableType]

_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def of_turn_start(turn: Turn) -> Parts:
    """What was asked, when one line of it does not say it all."""
    return _part("prompt", turn.prompt)


def of_text(text: Optional[str]) -> Parts:
    """A text that its line shortened: all of it."""
    return [block(text)] if text else []


def of_step(step: Step, turn: Turn) -> Parts:
    """What went in and what came out; messages that the tree shows elsewhere are left out."""
    if isinstance(step, ModelCall):
        return _of_call(step, turn)
    if isinstance(step, ToolCall):
        return _part("input", step.input) + _part("output", step.output)
    if isinstance(step, Subagent):
        return _part("prompt", step.prompt) + _part("response", step.response)
    return _part("details", step.details)


def _of_call(call: ModelCall, turn: Turn) -> Parts:
    prompts = {turn.prompt}
    prompts.update(step.prompt for step in turn.steps if isinstance(step, Subagent))
    parts: Parts = []
    for message in call.input_messages:
        if message.role in ("system", "user") and message.content not in prompts:
            parts += _part(f"{message.role} message", message.content)
    if call.output is not None:
        parts += _part("thinking", call.output.thinking) + _part("text", call.output.content)
    return parts


def of_edits(tool: ToolCall, turn: Turn) -> Parts:
    """What a tool call changed, file by file, as unified diffs."""
    return [_diff(edit, turn.cwd) for edit in edits_of(replace(turn, steps=(tool,)))]


def _diff(edit: Edit, folder: Optional[str]) -> RenderableType:
    path = edit.path or "a file that is not named"
    root = folder.rstrip("/") + "/" if folder else None
    shown = path[len(root) :] if root and path.startswith(root) else path
    kind = "" if edit.kind in ("update", "unknown") else f" ({edit.kind})"
    head = words(f"{shown}{kind}", "bold")
    if edit.diff is None:
        return Group(head, Text("what changed in it was not recorded", "dim"))
    lines = edit.diff.rstrip("\n").split("\n")
    return Group(head, *[block(line, _DIFF_STYLES.get(line[:1], "")) for line in lines])


def _part(name: str, value: Any) -> Parts:
    if value is None or value in ("", {}, []):
        return []
    return [Group(Text(name, "dim italic"), block(_readable(value).rstrip("\n")))]


def _readable(value: Any) -> str:
    """Texts as they are, fields one below the other, anything else as JSON."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return json_text(value)
    return "\n".join(_field(str(key), item) for key, item in value.items())


def _field(key: str, value: Any) -> str:
    text = value if isinstance(value, str) else json_text(value)
    if "\n" not in text:
        return f"{key}: {text}"
    return f"{key}:\n{indent(text, '    ', lambda line: True)}"
