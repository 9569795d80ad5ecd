"""Our hooks in Claude Code's own settings (2.1): `settings.json` in its configuration folder.

Claude Code takes a byte order mark, and drops the whole file for a comment (tried with 2.1.330).
"""

from __future__ import annotations

from pathlib import Path

from harness_tracing.agents.base import Event, Machine
from harness_tracing.agents.registration import HooksFile


def registration(machine: Machine, title: str, events: tuple[Event, ...]) -> HooksFile:
    """The registration in the user's settings; ``CLAUDE_CONFIG_DIR`` moves them."""
    named = machine.environ.get("CLAUDE_CONFIG_DIR")
    folder = Path(named).absolute() if named else machine.user_home / ".claude"
    return HooksFile("claude-code", title, folder / "settings.json", events, machine)
