"""The events that are registered with each agent, and whether its lines need a shell.

Made by `make vendor` from the agents' descriptors, whose loading takes far longer.
"""

from __future__ import annotations

REGISTERED: dict[str, tuple[bool, tuple[str, ...]]] = {
    "claude-code": (
        False,
        (
            "SessionStart",
            "UserPromptSubmit",
            "PreToolUse",
            "PostToolUse",
            "PostToolUseFailure",
            "PermissionRequest",
            "PermissionDenied",
            "Elicitation",
            "ElicitationResult",
            "SubagentStart",
            "SubagentStop",
            "Stop",
            "StopFailure",
            "PreCompact",
            "PostCompact",
            "SessionEnd",
        ),
    ),
    "codex": (
        True,
        (
            "SessionStart",
            "UserPromptSubmit",
            "PreToolUse",
            "PostToolUse",
            "PermissionRequest",
            "PreCompact",
            "PostCompact",
            "SubagentStart",
            "SubagentStop",
            "Stop",
            "Interrupt",
            "SessionEnd",
        ),
    ),
    "cursor": (
        True,
        (
            "sessionStart",
            "beforeSubmitPrompt",
            "preToolUse",
            "beforeShellExecution",
            "afterShellExecution",
            "beforeMCPExecution",
            "afterMCPExecution",
            "beforeReadFile",
            "afterFileEdit",
            "postToolUse",
            "postToolUseFailure",
            "subagentStart",
            "subagentStop",
            "afterAgentThought",
            "afterAgentResponse",
            "preCompact",
            "stop",
            "sessionEnd",
        ),
    ),
}
ALIASES: dict[str, str] = {
    "claude": "claude-code",
}
