"""Claude Code: what it is called, which of its events we take, where its files lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional

from harness_tracing.agents.base import (
    Agent,
    Event,
    HistorySession,
    Machine,
    Reader,
    Registration,
    SettingsFile,
)


def _reader(session_id: str, project: str, state: Optional[bytes]) -> Reader:
    from harness_tracing.agents.claude_code.reader import ClaudeReader

    return ClaudeReader.resume(session_id, project, state)


def _settings_env(
    env: Mapping[str, str], project_dir: Optional[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    from harness_tracing.agents.claude_code.settings import settings_env

    user_home = env.get("CLAUDE_CONFIG_DIR") or env.get("HOME") or env.get("USERPROFILE") or ""
    return settings_env(user_home, project_dir)


def _settings_files(env: Mapping[str, str], project_dir: Optional[str]) -> tuple[SettingsFile, ...]:
    from harness_tracing.agents.claude_code.settings import settings_files

    user_home = env.get("HOME") or env.get("USERPROFILE") or ""
    return settings_files(user_home, env.get("CLAUDE_CONFIG_DIR"), project_dir)


def _registration(machine: Machine) -> Registration:
    from harness_tracing.agents.claude_code.register import registration

    return registration(machine, AGENT.title, AGENT.events)


def _plugins(machine: Machine) -> tuple[str, ...]:
    from harness_tracing.agents.claude_code.register import plugins

    return plugins(machine)


def _others(machine: Machine) -> tuple[str, ...]:
    from harness_tracing.agents.claude_code.register import other_plugins

    return other_plugins(machine)


def _payload_problem(event: str, payload: Mapping[str, Any]) -> Optional[str]:
    from harness_tracing.agents.claude_code.schemas import payload_problem

    return payload_problem(event, payload)


def _line_problem(line: Mapping[str, Any]) -> Optional[str]:
    from harness_tracing.agents.claude_code.schemas import line_problem

    return line_problem(line)


def _history(env: Mapping[str, str], since_ns: Optional[int]) -> Iterable[HistorySession]:
    from harness_tracing.agents.claude_code.history import sessions

    return sessions(env, since_ns)


def _skills(environ: Mapping[str, str], user_home: Path) -> Path:
    named = environ.get("CLAUDE_CONFIG_DIR")
    return (Path(named).absolute() if named else user_home / ".claude") / "skills"


AGENT = Agent(
    name="claude-code",
    title="Claude Code",
    aliases=("claude",),
    default_project="claude-code",
    events=(
        Event("SessionStart", "the session's start, resume, fork or clear; starts the worker"),
        Event("UserPromptSubmit", "a turn's exact start; its prompt where no transcript is"),
        Event("PreToolUse", "the exact start of a tool, before any permission wait"),
        Event("PostToolUse", "the exact end of a tool and its duration without waits"),
        Event("PostToolUseFailure", "the same for a tool that failed; whether it was interrupted"),
        Event("PermissionRequest", "when a permission dialog opened: the wait is told apart"),
        Event("PermissionDenied", "a denial that the transcript may not explain"),
        Event("Elicitation", "when an MCP server began to wait for the user"),
        Event("ElicitationResult", "when the user had answered it"),
        Event("SubagentStart", "the exact start of a sub-agent"),
        Event("SubagentStop", "its end, and where its transcript lies"),
        Event("Stop", "the answer is complete; the turn's end without a transcript", ends=True),
        Event("StopFailure", "the turn ended in an API error"),
        Event("PreCompact", "the exact start of a compaction"),
        Event("PostCompact", "its end and its summary"),
        Event(
            "SessionEnd", "the session's end; closes failed and interrupted turns", 60, ends=True
        ),
    ),
    session_variable="CLAUDE_CODE_SESSION_ID",
    pid_variable="CLAUDE_PID",
    project_variable="CLAUDE_PROJECT_DIR",
    foreign_variables=("CURSOR_VERSION", "COPILOT_CLI"),
    supported_versions="2.1",
    reader=_reader,
    settings_env=_settings_env,
    settings_files=_settings_files,
    registration=_registration,
    plugins=_plugins,
    others=_others,
    over_shell=True,
    payload_problem=_payload_problem,
    line_problem=_line_problem,
    history=_history,
    program="claude",
    folder=".claude",
    skills=_skills,
    learned_on="2.1.330",
    docs={
        "read from": "hooks, transcript",
        "turns": "exact",
        "model calls": "one each",
        "tokens": "per call",
        "reasoning tokens": "where recorded",
        "cost": "per call",
        "failed requests": "each attempt",
        "thinking": "yes",
        "tools": "exact, under their call",
        "MCP server of a tool": "yes",
        "exit codes": "as ok or error",
        "permission waits": "yes",
        "sub-agents": "with their calls",
        "compaction": "with its cost",
        "messages while it runs": "yes",
        "interruption": "yes",
        "inline completion": "has none",
        "without the agent's files": "turns and tools",
    },
)
