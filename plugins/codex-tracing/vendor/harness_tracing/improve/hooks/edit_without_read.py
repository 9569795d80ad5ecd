"""A PreToolUse hook: a file is read in this session before it is changed.

It blocks a change of a file that is there and was neither read nor written by the same agent
since its context was last compacted. It lets go whenever that cannot be told.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from harness_tracing.improve.hooks.reading import blocks, lines_backwards, one_line, parsed, payload

# ---

EDITORS = ("Edit", "MultiEdit", "Write", "NotebookEdit")
PATHS = ("file_path", "notebook_path", "path")


def main() -> int:
    """The exit code: 2 refuses the change, and the agent reads why on stderr."""
    told = payload("PreToolUse")
    asked = told.get("tool_input")
    if told.get("tool_name") not in EDITORS or not isinstance(asked, dict):
        return 0
    named = asked.get("file_path") or asked.get("notebook_path")
    if not isinstance(named, str) or not named:
        return 0
    path = os.path.join(str(told.get("cwd") or ""), named)
    transcript = thread_of(told)
    if not os.path.isfile(path) or not os.path.isfile(transcript):
        return 0
    if is_known(path, transcript, str(told.get("tool_use_id"))):
        return 0
    sys.stderr.write(
        f"{one_line(named)} was not read in this session, or only before its context was compacted."
        " Read it, then make the change.\n"
    )
    return 2


def thread_of(told: dict[str, Any]) -> str:
    """The transcript of the agent that asks: a sub-agent has its own."""
    main_file = str(told["transcript_path"])
    if not told.get("agent_id"):
        return main_file
    name = f"agent-{told['agent_id']}.jsonl"
    return os.path.join(os.path.splitext(main_file)[0], "subagents", name)


def is_known(path: str, transcript: str, own_id: str) -> bool:
    """Whether the file was read or written in the transcript since the last compaction."""
    name = os.path.basename(path)
    failed: set[str] = {own_id}
    for raw in lines_backwards(transcript):
        if b'"compact_boundary"' in raw and parsed(raw).get("subtype") == "compact_boundary":
            return False
        if b'"is_error":true' in raw:
            results = blocks(parsed(raw), "tool_result")
            failed |= {str(each.get("tool_use_id")) for each in results if each.get("is_error")}
        elif name.encode("utf-8") in raw and _shows(parsed(raw), path, name, failed):
            return True
    return False


def _shows(line: dict[str, Any], path: str, name: str, failed: set[str]) -> bool:
    """Whether a line gave the agent the file: a call, or a file that was attached."""
    if line.get("type") == "attachment":
        return name in str(line.get("attachment"))
    for block in blocks(line, "tool_use") if line.get("type") == "assistant" else []:
        asked = block.get("input")
        if str(block.get("id")) in failed or not isinstance(asked, dict):
            continue
        if any(_same(asked.get(key), path) for key in PATHS):
            return True
        if name in str(asked.get("command", "")):
            return True
    return False


def _same(named: Any, path: str) -> bool:
    if not isinstance(named, str) or os.path.basename(named) != os.path.basename(path):
        return False
    return os.path.realpath(named) == os.path.realpath(path) or not os.path.isabs(named)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception:  # whatever is wrong here must not keep an agent from its work
        sys.exit(0)
