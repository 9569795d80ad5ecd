"""Our hooks in Claude Code's own settings (2.1): `settings.json` in its configuration folder.

Claude Code takes a byte order mark, and drops the whole file for a comment (tried with 2.1.330).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness_tracing.agents import json_text
from harness_tracing.agents.base import Event, Machine
from harness_tracing.agents.registration import HooksFile, traces

PLUGIN = "claude-code-tracing"


def registration(machine: Machine, title: str, events: tuple[Event, ...]) -> HooksFile:
    """The registration in the user's settings; ``CLAUDE_CONFIG_DIR`` moves them."""
    path = _path(machine)
    return HooksFile("claude-code", title, path, events, machine, notes=_notes(path), undo=_undo)


def plugins(machine: Machine) -> tuple[str, ...]:
    """The names under which the user has our plugin enabled."""
    return tuple(name for name in _enabled(machine) if _is_ours(name))


def other_plugins(machine: Machine) -> tuple[str, ...]:
    """The enabled plugins whose names say that they trace as well."""
    return tuple(name for name in _enabled(machine) if not _is_ours(name) and traces(name))


def _is_ours(plugin: str) -> bool:
    return plugin.startswith(f"{PLUGIN}@")


def _enabled(machine: Machine) -> tuple[str, ...]:
    return _enabled_in(_settings(_path(machine)))


def _enabled_in(settings: Mapping[str, Any]) -> tuple[str, ...]:
    found = settings.get("enabledPlugins")
    named = found.items() if isinstance(found, dict) else ()
    return tuple(name for name, enabled in named if enabled is True)


def _path(machine: Machine) -> Path:
    named = machine.environ.get("CLAUDE_CONFIG_DIR")
    folder = Path(named).absolute() if named else machine.user_home / ".claude"
    return folder / "settings.json"


def _settings(path: Path) -> Mapping[str, Any]:
    try:
        settings = json_text.scan(path.read_text(encoding="utf-8-sig")).value
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _notes(path: Path) -> tuple[str, ...]:
    settings = _settings(path)
    notes = []
    if settings.get("disableAllHooks") is True:
        notes.append(
            f"Claude Code runs no hooks while disableAllHooks stands in {path}: change it."
        )
    notes += [
        f"The plugin {name} is enabled as well. One of both is enough, nothing appears"
        " double; to go back to it alone: harness uninstall claude-code"
        for name in filter(_is_ours, _enabled_in(settings))
    ]
    return tuple(notes)


def _undo(path: Path) -> str:
    return f"CLAUDE_CONFIG_DIR={shlex.quote(str(path.parent))} harness uninstall claude-code"
