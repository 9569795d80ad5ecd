"""Codex: what it is called, which of its events we take, where its files lie."""

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
    Trusted,
)


def _reader(session_id: str, project: str, state: Optional[bytes]) -> Reader:
    from harness_tracing.agents.codex.reader import CodexReader

    return CodexReader.resume(session_id, project, state)


def _settings_env(
    env: Mapping[str, str], project_dir: Optional[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    from harness_tracing.agents.codex.settings import settings_env

    return settings_env(env), {}


def _settings_files(env: Mapping[str, str], project_dir: Optional[str]) -> tuple[SettingsFile, ...]:
    from harness_tracing.agents.codex.settings import settings_path

    path = settings_path(env)
    return () if path is None else (SettingsFile(path, "exports"),)


def _registration(machine: Machine) -> Registration:
    from harness_tracing.agents.codex.register import registration

    return registration(machine, AGENT.title, AGENT.events)


def _hint(machine: Machine) -> tuple[str, ...]:
    found = _trust(machine)
    return (f"Codex: {found.state}. {found.advice}".strip(),)


def _trust(machine: Machine) -> Trusted:
    from harness_tracing.agents.codex.register import codex_home
    from harness_tracing.agents.codex.trust import trust

    found = trust(codex_home(machine.environ, machine.user_home))
    return Trusted(found.state == "trusted", found.state, found.advice)


def _plugins(machine: Machine) -> tuple[str, ...]:
    from harness_tracing.agents.codex.register import plugins

    return plugins(machine)


def _payload_problem(event: str, payload: Mapping[str, Any]) -> Optional[str]:
    from harness_tracing.agents.codex.schemas import payload_problem

    return payload_problem(event, payload)


def _line_problem(line: Mapping[str, Any]) -> Optional[str]:
    from harness_tracing.agents.codex.schemas import line_problem

    return line_problem(line)


def _history(env: Mapping[str, str], since_ns: Optional[int]) -> Iterable[HistorySession]:
    from harness_tracing.agents.codex.history import sessions

    return sessions(env, since_ns)


def _skills(environ: Mapping[str, str], user_home: Path) -> Path:
    from harness_tracing.agents.codex.register import codex_home

    return codex_home(environ, user_home) / "skills"


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
        Event("Stop", "the answer is complete; the turn's end without a rollout", ends=True),
        Event("Interrupt", "the user stopped the turn", 3),
        Event("SessionEnd", "the session's end; closes failed and interrupted turns", 3, ends=True),
    ),
    session_variable=None,
    pid_variable=None,
    project_variable=None,
    foreign_variables=(),
    supported_versions="0.169 (rollouts: 0.80)",
    reader=_reader,
    settings_env=_settings_env,
    settings_files=_settings_files,
    session_key="session_id",
    own_shell=True,
    registration=_registration,
    hint=_hint,
    plugins=_plugins,
    trust=_trust,
    one_project=(
        "Codex gives its hooks nothing from a project's folder. To trace one project alone:"
        " harness disable codex, and start it there as `ARIZE_TRACE_ENABLED=true codex`"
    ),
    payload_problem=_payload_problem,
    line_problem=_line_problem,
    history=_history,
    program="codex",
    folder=".codex",
    skills=_skills,
    learned_on="0.169.0",
    docs={
        "read from": "hooks, rollout",
        "turns": "exact",
        "model calls": "one each",
        "tokens": "per call",
        "reasoning tokens": "per call",
        "cost": "per call",
        "failed requests": "the last attempt",
        "thinking": "summaries",
        "tools": "exact, under their call",
        "MCP server of a tool": "yes",
        "exit codes": "yes",
        "permission waits": "yes",
        "sub-agents": "with their calls",
        "compaction": "with its tokens",
        "messages while it runs": "yes",
        "interruption": "yes",
        "inline completion": "has none",
        "without the agent's files": "turns and tools",
    },
)
