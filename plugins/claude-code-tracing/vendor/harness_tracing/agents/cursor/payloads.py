"""Payloads of Cursor's hooks, read once: dictionaries in, our own values out.

Tolerates anything: what is missing or of another type is None. Fields: README.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Optional

import msgspec

from harness_tracing.agents.cursor.drafts import AgentDraft, ToolEvent
from harness_tracing.model import Failure, TurnStatus, Usage

Payload = Mapping[str, Any]

STATUSES: dict[str, TurnStatus] = {
    "completed": "completed",
    "success": "completed",
    "error": "failed",
    "failed": "failed",
    "aborted": "interrupted",
    "cancelled": "interrupted",
}
SHELL, MCP, READ, EDIT, OTHER = "shell", "mcp", "read", "edit", "other"
OF_TOOLS = (
    "preToolUse",
    "postToolUse",
    "postToolUseFailure",
    "beforeShellExecution",
    "afterShellExecution",
    "beforeMCPExecution",
    "afterMCPExecution",
    "beforeReadFile",
    "afterFileEdit",
)
TAB_EDIT = "afterTabFileEdit"
_EDITORS = {TAB_EDIT: "TabWrite"}
_NO_EDITS = ("Read", "Grep", "List", "ReadLints", "Delete", "Glob")
_INTERRUPTED = ("aborted", "interrupted", "cancelled", "canceled")


def text(value: object) -> Optional[str]:
    """The value when it is a text that says something."""
    return value if isinstance(value, str) and value else None


def mapping(value: object) -> Payload:
    """The value when it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def parsed(value: object) -> Any:
    """JSON inside a text as a value; everything else, and text that is no JSON, as it is."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value


def model(value: object) -> Optional[str]:
    """The name of a model; events of tools say "unknown"."""
    return None if value == "unknown" else text(value)


def nanoseconds(milliseconds: object) -> Optional[int]:
    """A duration in ms as ns."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        return None
    return int(milliseconds * 1e6) if 0 <= milliseconds < 1e12 else None


def usage(payload: Payload) -> Optional[Usage]:
    """The tokens an event reports; None when it reports none."""
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    counts = [_count(payload.get(name)) for name in names]
    return None if all(count is None for count in counts) else Usage(*counts)


def _count(value: object) -> Optional[int]:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if value >= 0 else None


def generation(payload: Payload) -> Optional[str]:
    """The id of one prompt's work; None where Cursor repeats the conversation's id instead."""
    own = text(payload.get("generation_id"))
    return None if own in (payload.get("conversation_id"), payload.get("session_id")) else own


def is_cursors(payload: Payload) -> bool:
    """Whether Cursor wrote it: another agent may run hooks that were not made for it."""
    return "cursor_version" in payload or "conversation_id" in payload


def tool_event(event: str, at_ns: int, payload: Payload) -> Optional[ToolEvent]:
    """An event about a tool call; None when it does not say which."""
    if event in ("preToolUse", "postToolUse", "postToolUseFailure"):
        return _by_id(event, at_ns, payload)
    return _by_subject(event, at_ns, payload)


def _by_id(event: str, at_ns: int, payload: Payload) -> Optional[ToolEvent]:
    tool_use_id = text(payload.get("tool_use_id"))
    name = text(payload.get("tool_name")) or "unknown"
    if tool_use_id is None:
        return None
    asked = parsed(payload.get("tool_input"))
    kind, subject = _subject(name, asked)
    made = ToolEvent(event, at_ns, name, kind, subject, tool_use_id, input=asked)
    made.parent_id = text(payload.get("parent_tool_call_id"))
    made.duration_ns = nanoseconds(payload.get("duration"))
    made.output = payload.get("tool_output")
    if event == "postToolUseFailure":
        failed = text(payload.get("failure_type")) or "error"
        made.denied = failed == "permission_denied"
        made.interrupted = payload.get("is_interrupt") is True or failed in _INTERRUPTED
        kind_told = "tool_error" if failed == "error" else failed
        made.failure = Failure(kind_told, text(payload.get("error_message")))
    return made


def _subject(name: str, asked: object) -> tuple[str, str]:
    """What the events without an id name this call by."""
    told = mapping(asked)
    if name.startswith("MCP:"):
        return MCP, name[4:] + canonical(asked)
    if name == "Shell":
        return SHELL, text(told.get("command")) or ""
    path = text(told.get("file_path")) or text(told.get("path")) or ""
    if name == "Read":
        return READ, path
    return (EDIT, path) if path and name not in _NO_EDITS else (OTHER, "")


def canonical(value: object) -> str:
    """The same text for the same JSON, whatever its spaces and order."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _by_subject(event: str, at_ns: int, payload: Payload) -> Optional[ToolEvent]:
    if event.endswith("ShellExecution"):
        command = text(payload.get("command"))
        asked = _known(command=command, cwd=text(payload.get("cwd")))
        made = ToolEvent(event, at_ns, "Shell", SHELL, command or "", input=asked)
        made.output = text(payload.get("output"))
    elif event.endswith("MCPExecution"):
        name, asked = text(payload.get("tool_name")) or "", parsed(payload.get("tool_input"))
        made = ToolEvent(event, at_ns, "MCP:" + name, MCP, name + canonical(asked), input=asked)
        made.mcp_server = text(payload.get("mcp_server_name"))
        made.output = payload.get("result_json")
    else:
        path = text(payload.get("file_path"))
        read = event == "beforeReadFile"
        name, kind = ("Read", READ) if read else (_EDITORS.get(event, "Write"), EDIT)
        made = ToolEvent(event, at_ns, name, kind, path or "", input=_known(file_path=path))
        content = payload.get("content")
        made.content = content if read and isinstance(content, str) else None
        made.edits = None if read else payload.get("edits")
    made.duration_ns = nanoseconds(payload.get("duration"))
    return made if made.subject else None


def _known(**values: Optional[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def note_agent(agent: AgentDraft, event: str, at_ns: int, payload: Payload) -> None:
    """Take over what an event tells of a sub-agent."""
    agent.type = text(payload.get("subagent_type")) or agent.type
    agent.task = text(payload.get("task")) or agent.task
    agent.background = agent.background or payload.get("is_parallel_worker") is True
    if event == "subagentStart":
        agent.started_ns = agent.started_ns or at_ns
        return
    if agent.ended_ns is not None:
        return
    agent.ended_ns = at_ns
    took_ns = nanoseconds(payload.get("duration_ms"))
    if agent.started_ns is None and took_ns is not None:
        agent.started_ns = at_ns - took_ns
    agent.status = STATUSES.get(str(payload.get("status")))
    agent.summary = text(payload.get("summary"))
    agent.transcript = text(payload.get("agent_transcript_path"))
    agent.conversation_id = text(payload.get("child_conversation_id"))
    message = text(payload.get("error_message"))
    if agent.status == "failed" or message is not None:
        agent.error = Failure("subagent_error", message)
