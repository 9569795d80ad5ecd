"""What an edit changed, as hunks of a unified diff, from what each agent records of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Optional

from harness_tracing.activity import tools
from harness_tracing.model import ToolCall

_FILE_LINE = re.compile(r"^\*\*\* (Add|Update|Delete) File: (.+)$")
_KINDS: dict[str, Literal["create", "update", "delete"]] = {
    "Add": "create",
    "Update": "update",
    "Delete": "delete",
    "add": "create",
    "update": "update",
    "delete": "delete",
}


@dataclass(frozen=True)
class Change:
    """One file of an edit. `diff` is None where only the fact is recorded."""

    path: str
    kind: Literal["create", "update", "delete", "move", "unknown"]
    diff: Optional[str]


def changes_of(call: ToolCall) -> list[Change]:
    """The files a tool made for editing changed, with what is recorded of how."""
    asked = call.input if isinstance(call.input, dict) else {}
    result = call.result if isinstance(call.result, dict) else {}
    if isinstance(result.get("changes"), dict):
        return list(_of_codex(result["changes"]))
    text = call.input if isinstance(call.input, str) else asked.get("command", asked.get("input"))
    if isinstance(text, str) and "*** Begin Patch" in text:
        return list(of_envelope(text))
    path = tools.path_of(call)
    return [] if path is None else [_of_one_file(call, path, asked, result)]


def _of_one_file(
    call: ToolCall, path: str, asked: Mapping[str, Any], result: Mapping[str, Any]
) -> Change:
    kind: Literal["create", "update", "delete", "unknown"] = "update"
    diff = of_hunks(result.get("structuredPatch")) or _of_edits(result.get("edits"))
    content = asked.get("content", asked.get("file_text"))
    name = call.name.lower()
    if "delete" in name:
        return Change(path, "delete", diff)
    if diff is None and isinstance(content, str):
        before = result.get("originalFile")
        known = isinstance(before, str) or result.get("type") == "create"
        kind = "create" if result.get("type") == "create" or name.startswith("create") else "update"
        diff = unified(before if isinstance(before, str) else "", content) if known else None
    if diff is None:
        diff = _of_edits(asked.get("edits")) or _of_edits([asked])
    was_there = result.get("type") == "update" or isinstance(result.get("originalFile"), str)
    if kind == "update" and "write" in name and not was_there and "\n-" not in (diff or ""):
        kind = "unknown"  # it may have been new
    return Change(path, kind, diff)


def _of_codex(changes: Mapping[str, Any]) -> Iterator[Change]:
    for path, change in changes.items():
        if not isinstance(change, dict):
            continue
        diff, content = change.get("unified_diff"), change.get("content")
        kind = _KINDS.get(str(change.get("type")), "update")
        if not isinstance(diff, str) and isinstance(content, str):
            diff = unified("", content) if kind == "create" else unified(content, "")
        moved = change.get("move_path")
        if isinstance(moved, str):
            yield Change(moved, "move", diff if isinstance(diff, str) else None)
        else:
            yield Change(str(path), kind, diff if isinstance(diff, str) else None)


def of_envelope(text: str) -> Iterator[Change]:
    """The files of a patch in the form ``apply_patch`` takes."""
    path: Optional[str] = None
    kind: Literal["create", "update", "delete"] = "update"
    lines: list[str] = []
    for line in [*text.split("\n"), "*** End Patch"]:
        head = _FILE_LINE.match(line)
        if (head or line.startswith("*** End Patch")) and path is not None:
            yield Change(path, kind, "\n".join(lines) + "\n" if lines else None)
            path, lines = None, []
        if head:
            path, kind = head[2].strip(), _KINDS[head[1]]
        elif path is not None and not line.startswith("*** "):
            lines.append(line)


def listed(value: Any) -> Sequence[Any]:
    """A list as it is, nothing of anything else."""
    return value if isinstance(value, (list, tuple)) else ()


def of_hunks(hunks: Any) -> Optional[str]:
    """Hunks as Claude Code records them (``oldStart``, ``lines`` …) as text."""
    if not listed(hunks):
        return None
    parts: list[str] = []
    for hunk in hunks:
        if not isinstance(hunk, dict) or not listed(hunk.get("lines")):
            return None
        old, new = (
            f"{hunk.get(side + 'Start')},{hunk.get(side + 'Lines')}" for side in ("old", "new")
        )
        parts += [f"@@ -{old} +{new} @@", *map(str, hunk["lines"])]
    return "\n".join(parts) + "\n"


def _of_edits(edits: Any) -> Optional[str]:
    """Pairs of old and new text; where in the file they stand is not recorded."""
    parts = []
    for edit in listed(edits):
        if not isinstance(edit, dict):
            continue
        old, new = (_text_of(edit, side) for side in ("old", "new"))
        if (old or new) and not tools.is_hidden(old) and not tools.is_hidden(new):
            parts.append(unified(old or "", new or "", numbered=False))
    return "".join(parts) or None


def _text_of(edit: Mapping[str, Any], side: str) -> Optional[str]:
    found = (edit.get(key) for key in (f"{side}_string", f"{side}_str", f"{side}String"))
    return next((text for text in found if isinstance(text, str)), None)


def unified(before: str, after: str, *, numbered: bool = True) -> str:
    """The hunks of a unified diff; without line numbers for fragments of a file."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    kept = list(lines)[2:]
    if not numbered:
        kept = ["@@" if line.startswith("@@ ") else line for line in kept]
    return "".join(line + "\n" for line in kept)
