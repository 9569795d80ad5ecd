"""Codex: what it is called, which of its events we take, where its files lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from harness_tracing.agents.base import Agent, Event, Reader


def _reader(session_id: str, project: str, state: Optional[bytes]) -> Reader:
    from harness_tracing.agents.codex.reader import CodexReader

    return CodexReader.resume(session_id, project, state)


def _settings_env(
    env: Mapping[str, str], project_dir: Optional[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return {}, {}


AGENT = Agent(
    name="codex",
    title="Codex",
    aliases=(),
    default_project="codex",
    events=(
        Event("SessionStart", "the session's start, resume, fork or clear; starts the worker"),
        Event("UserPromptSubmit", "a turn's exact start; a message that steers it"),
        Event("PreToolUse", "the exact start of a tool, before any approval"),
        Event("PostToolUse", "its end; its output where no rollout is"),
        Event("PermissionRequest", "when an approval was asked for: the wait is told apart"),
        Event("PreCompact", "the exact start of a compaction"),
        Event("PostCompact", "its end"),
        Event("SubagentStart", "the exact start of a sub-agent"),
        Event("SubagentStop", "its end, and where its rollout lies"),
        Event("Stop", "the answer is complete; the turn's end without a rollout"),
        Event("Interrupt", "the user stopped the turn"),
        Event("SessionEnd", "the session's end; closes failed and interrupted turns"),
    ),
    session_variable=None,
    pid_variable=None,
    project_variable=None,
    foreign_variables=(),
    supported_versions="0.169",
    reader=_reader,
    settings_env=_settings_env,
    session_key="session_id",
    own_shell=True,
)
