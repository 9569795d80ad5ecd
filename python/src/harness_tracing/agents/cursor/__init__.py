"""Cursor: what it is called, which of its events we take, where its settings are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional

from harness_tracing.agents.base import Agent, HistorySession, Machine, Reader, Registration
from harness_tracing.agents.cursor.events import EVENTS, TAB_EVENTS


def _reader(session_id: str, project: str, state: Optional[bytes]) -> Reader:
    from harness_tracing.agents.cursor.reader import CursorReader

    return CursorReader.resume(session_id, project, state)


def _settings_env(
    env: Mapping[str, str], project_dir: Optional[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Cursor has no settings file with variables: the shell's environment is all there is."""
    return {}, {}


def _registration(machine: Machine) -> Registration:
    from harness_tracing.agents.cursor.register import registration

    return registration(machine, AGENT.title, AGENT.events)


def _payload_problem(event: str, payload: Mapping[str, Any]) -> Optional[str]:
    from harness_tracing.agents.cursor.schemas import payload_problem

    return payload_problem(event, payload)


def _line_problem(line: Mapping[str, Any]) -> Optional[str]:
    from harness_tracing.agents.cursor.schemas import line_problem

    return line_problem(line)


def _history(env: Mapping[str, str], since_ns: Optional[int]) -> Iterable[HistorySession]:
    from harness_tracing.agents.cursor.history import sessions

    return sessions(env, since_ns)


def _skills(environ: Mapping[str, str], user_home: Path) -> Path:
    return user_home / ".cursor" / "skills"


AGENT = Agent(
    name="cursor",
    title="Cursor",
    aliases=(),
    default_project="cursor",
    events=EVENTS,
    session_variable=None,
    pid_variable=None,
    project_variable="CURSOR_PROJECT_DIR",
    foreign_variables=(),
    supported_versions="1.7 (six events), 2.7 (all)",
    reader=_reader,
    settings_env=_settings_env,
    session_key="conversation_id",
    own_shell=True,
    registration=_registration,
    one_project=(
        "Cursor has no settings of a project for hooks. To trace one project alone, register them"
        " there: harness uninstall cursor, then harness install cursor --project DIR"
    ),
    payload_problem=_payload_problem,
    line_problem=_line_problem,
    version_command=("cursor", "--version"),
    history=_history,
    program="cursor",
    folder=".cursor",
    skills=_skills,
    learned_on="2.7 (IDE), SDK 1.0.32",
    takes=("project", "tab_edits"),
    optional_events=TAB_EVENTS,
    docs={
        "read from": "hooks, transcript",
        "turns": "exact",
        "model calls": "no",
        "tokens": "per turn, where reported",
        "reasoning tokens": "no",
        "cost": "no",
        "failed requests": "no",
        "thinking": "yes",
        "tools": "exact",
        "MCP server of a tool": "yes",
        "exit codes": "from 2.7 on",
        "permission waits": "no",
        "sub-agents": "with their tools",
        "compaction": "that it happened",
        "messages while it runs": "in the IDE",
        "interruption": "yes",
        "inline completion": "edits, if asked for",
        "without the agent's files": "nearly all",
    },
)
