"""Cursor's hook events: what each is for, and since which version of Cursor it may be registered.

One name in hooks.json that the installed Cursor does not know makes it drop the whole file, the
user's own hooks included. `SINCE` is therefore the oldest version an event is known to be accepted
by, which may be newer than the one that brought it; see README.md for the evidence.
"""

from __future__ import annotations

from harness_tracing.agents.base import Event

EVENTS: tuple[Event, ...] = (
    Event("sessionStart", "the session's start; with the SDK one for each prompt"),
    Event("beforeSubmitPrompt", "a turn's exact start and its prompt"),
    Event("preToolUse", "the exact start of a tool, its id, name and input"),
    Event("beforeShellExecution", "a command where no preToolUse is known; its place in time"),
    Event("afterShellExecution", "when the command was over, and its output"),
    Event("beforeMCPExecution", "which MCP server a tool belongs to"),
    Event("afterMCPExecution", "when the MCP call was over, and its result"),
    Event("beforeReadFile", "what a file held that was read"),
    Event("afterFileEdit", "what an edit changed, and when"),
    Event("postToolUse", "that a tool ended, its output and exit code"),
    Event("postToolUseFailure", "that a tool failed, was denied or interrupted, and why"),
    Event("subagentStart", "the exact start of a sub-agent, its task and the call behind it"),
    Event("subagentStop", "its end, its outcome and its summary"),
    Event("afterAgentThought", "what the model thought"),
    Event("afterAgentResponse", "the answer, and tokens where Cursor reports them"),
    Event("preCompact", "that the context was compacted, and how full it was"),
    Event("stop", "the turn's end: completed, aborted or failed"),
    Event("sessionEnd", "the session's end; closes turns that no stop event ended"),
)

TAB_EVENTS: tuple[Event, ...] = (
    Event("beforeTabFileRead", "a file that Tab completion read"),
    Event("afterTabFileEdit", "an edit that Tab completion made"),
)
"""What Tab, the inline completion, does. It belongs to no turn: never registered by default."""

SINCE: dict[str, tuple[int, ...]] = {
    "beforeShellExecution": (1, 7),
    "beforeMCPExecution": (1, 7),
    "beforeReadFile": (1, 7),
    "afterFileEdit": (1, 7),
    "beforeSubmitPrompt": (1, 7),
    "stop": (1, 7),
    "afterShellExecution": (2, 0, 77),
    "afterMCPExecution": (2, 0, 77),
    "afterAgentResponse": (2, 0, 77),
    "afterAgentThought": (2, 0, 77),
    "sessionStart": (2, 7),
    "sessionEnd": (2, 7),
    "preToolUse": (2, 7),
    "postToolUse": (2, 7),
    "postToolUseFailure": (2, 7),
    "subagentStart": (2, 7),
    "subagentStop": (2, 7),
    "preCompact": (2, 7),
    "beforeTabFileRead": (2, 7),
    "afterTabFileEdit": (2, 7),
}

CONSERVATIVE: tuple[str, ...] = tuple(name for name, since in SINCE.items() if since <= (1, 7))
"""What every Cursor with hooks accepts: to be registered where the version is not known."""


def accepted(version: tuple[int, ...]) -> tuple[Event, ...]:
    """The events that a Cursor of that version is known to accept, in our order."""
    return tuple(event for event in EVENTS if SINCE[event.name] <= version)
