"""Our hooks in Claude Code's own settings (2.1): `settings.json` in its configuration folder.

Claude Code takes a byte order mark, and drops the whole file for a comment (tried with 2.1.330).
"""

from __future__ import annotations

import shlex
from pathlib import Path

from harness_tracing.agents import json_text
from harness_tracing.agents.base import Event, Machine
from harness_tracing.agents.registration import HooksFile

PLUGIN = "claude-code-tracing"


def registration(machine: Machine, title: str, events: tuple[Event, ...]) -> HooksFile:
    """The registration in the user's settings; ``CLAUDE_CONFIG_DIR`` moves them."""
    named = machine.environ.get("CLAUDE_CONFIG_DIR")
    folder = Path(named).absolute() if named else machine.user_home / ".claude"
    path = folder / "settings.json"
    return HooksFile("claude-code", title, path, events, machine, notes=_notes(path), undo=_undo)


def _notes(path: Path) -> tuple[str, ...]:
    try:
        settings = json_text.scan(path.read_text(encoding="utf-8-sig")).value
    except (OSError, ValueError):
        return ()
    if not isinstance(settings, dict):
        return ()
    notes = []
    if settings.get("disableAllHooks") is True:
        notes.append(
            f"Claude Code runs no hooks while disableAllHooks stands in {path}: change it."
        )
    plugins = settings.get("enabledPlugins")
    for name, enabled in plugins.items() if isinstance(plugins, dict) else ():
        if name.startswith(f"{PLUGIN}@") and enabled is True:
            notes.append(
                f"The plugin {name} is enabled as well. One of both is enough, nothing appears"
                " double; to go back to it alone: harness uninstall claude-code"
            )
    return tuple(notes)


def _undo(path: Path) -> str:
    return f"CLAUDE_CONFIG_DIR={shlex.quote(str(path.parent))} harness uninstall claude-code"
