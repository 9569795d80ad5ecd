"""Cursor: what it is called, which of its events we take, where its files lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from harness_tracing.agents.base import Agent, Event, Reader


def _reader(session_id: str, project: str, state: Optional[bytes]) -> Reader:
    from harness_tracing.agents.cursor.reader import CursorReader

    return CursorReader.resume(session_id, project, state)


def _settings_env(
    env: Mapping[str, str], project_dir: Optional[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return {}, {}


AGENT = Agent(
    name="cursor",
    title="Cursor",
    aliases=(),
    default_project="cursor",
    events=(
        Event("sessionStart", "the session's start; starts the worker"),
        Event("sessionEnd", "its end; closes what is open"),
        Event("beforeSubmitPrompt", "a turn's exact start and its prompt"),
        Event("preToolUse", "the exact start of a tool, with its id"),
        Event("postToolUse", "its output and exit code"),
        Event("postToolUseFailure", "the same for a tool that failed"),
        Event("subagentStart", "the start of a sub-agent"),
        Event("subagentStop", "its end"),
        Event("beforeShellExecution", "when a command began, after any approval"),
        Event("afterShellExecution", "its output and duration"),
        Event("beforeMCPExecution", "which MCP server a call goes to"),
        Event("afterMCPExecution", "its result and duration"),
        Event("beforeReadFile", "a file the agent reads, where no other event tells"),
        Event("afterFileEdit", "what an edit changed"),
        Event("afterAgentResponse", "an answer, and tokens where Cursor reports them"),
        Event("afterAgentThought", "what the model thought"),
        Event("preCompact", "a compaction"),
        Event("stop", "the turn's end and how it ended"),
    ),
    session_variable=None,
    pid_variable=None,
    project_variable="CURSOR_PROJECT_DIR",
    foreign_variables=(),
    supported_versions="1.0",
    reader=_reader,
    settings_env=_settings_env,
    session_key="conversation_id",
    own_shell=True,
)
