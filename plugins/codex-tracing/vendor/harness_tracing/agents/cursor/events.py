"""Cursor's hook events: what each is for, and since which version of Cursor it may be registered.

One name in hooks.json that the installed Cursor does not know makes it drop the whole file, the
user's own hooks included. `since` is therefore the oldest version an event is known to be
accepted by, which may be newer than the one that brought it: README.md has the evidence. Events
without it were there when hooks came, with 1.7. What Tab, the inline completion, does belongs
to no turn, and is taken only where the user asks for it.
"""

from __future__ import annotations

from harness_tracing.agents.base import Event

# Seen accepted by Cursor 2.0.77, and by 2.7.0.
_SECOND = "2.0.77"
_THIRD = "2.7"

EVENTS: tuple[Event, ...] = (
    Event("sessionStart", "the session's start; with the SDK one for each prompt", since=_THIRD),
    Event("beforeSubmitPrompt", "a turn's exact start and its prompt"),
    Event("preToolUse", "the exact start of a tool, its id, name and input", since=_THIRD),
    Event("beforeShellExecution", "a command where no preToolUse is known; its place in time"),
    Event("afterShellExecution", "when the command was over, and its output", since=_SECOND),
    Event("beforeMCPExecution", "which MCP server a tool belongs to"),
    Event("afterMCPExecution", "when the MCP call was over, and its result", since=_SECOND),
    Event("beforeReadFile", "what a file held that was read"),
    Event("afterFileEdit", "what an edit changed, and when"),
    Event("postToolUse", "that a tool ended, its output and exit code", since=_THIRD),
    Event(
        "postToolUseFailure", "that a tool failed, was denied or interrupted, and why", since=_THIRD
    ),
    Event(
        "subagentStart",
        "the exact start of a sub-agent, its task and the call behind it",
        since=_THIRD,
    ),
    Event("subagentStop", "its end, its outcome and its summary", since=_THIRD),
    Event("afterAgentThought", "what the model thought", since=_SECOND),
    Event("afterAgentResponse", "the answer, and tokens where Cursor reports them", since=_SECOND),
    Event("preCompact", "that the context was compacted, and how full it was", since=_THIRD),
    Event("stop", "the turn's end: completed, aborted or failed", ends=True),
    Event(
        "sessionEnd",
        "the session's end; closes turns that no stop event ended",
        ends=True,
        since=_THIRD,
    ),
)

TAB_EVENTS: tuple[Event, ...] = (
    Event("afterTabFileEdit", "an inline completion that changed a file", since=_THIRD),
)
