"""Our hooks in Codex's `hooks.json` (0.169): its traps, and where it lies.

Codex reads `hooks.json` and the hooks of `config.toml`. We take the first: config.toml is then
touched by Codex alone, which keeps the user's trust there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from harness_tracing.agents.base import Event, Machine
from harness_tracing.agents.json_text import Node, children
from harness_tracing.agents.registration import HooksFile

TOP_LEVEL = ("hooks", "description")
_HOOKS_TABLE = re.compile(r"^[ \t]*\[\[?[ \t]*hooks\.(?!state\b)", re.MULTILINE)
_PLUGIN = re.compile(
    r"""^[ \t]*\[plugins\.["'](codex-tracing@[^"']+)["']\][^\n]*\n(?:(?![ \t]*\[)[^\n]*\n)*?"""
    r"""[ \t]*enabled[ \t]*=[ \t]*true""",
    re.MULTILINE,
)
HANDLER_TYPES = ("command", "prompt", "agent")


def codex_home(environ: Mapping[str, str], user_home: Path) -> Path:
    """Codex's folder: ``CODEX_HOME`` as Codex reads it (empty: not set; no ``~``; relative)."""
    named = environ.get("CODEX_HOME")
    return Path(named).absolute() if named else user_home / ".codex"


def registration(machine: Machine, title: str, events: tuple[Event, ...]) -> HooksFile:
    """The registration in ``hooks.json``."""
    path = codex_home(machine.environ, machine.user_home) / "hooks.json"
    notes = _notes(path.with_name("config.toml"))
    return HooksFile(
        "codex", title, path, events, machine, bom=False, refuses=_unread, notes=notes, undo=_undo
    )


def plugins(machine: Machine) -> tuple[str, ...]:
    """The names under which the user has our plugin enabled."""
    try:
        config = codex_home(machine.environ, machine.user_home) / "config.toml"
        return tuple(_PLUGIN.findall(config.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return ()


def _undo(path: Path) -> str:
    return f"CODEX_HOME={shlex.quote(str(path.parent))} harness uninstall codex"


def _notes(config: Path) -> tuple[str, ...]:
    try:
        text = config.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ()
    notes = []
    if _HOOKS_TABLE.search(text):
        notes.append(
            f"{config} has hooks too. Codex runs both, and says at each start that it would rather"
            " have one file."
        )
    plugin = _PLUGIN.search(text)
    if plugin is not None:
        notes.append(
            f"The plugin {plugin[1]} is enabled as well. One of both is enough, nothing appears"
            " double; to go back to it alone: harness uninstall codex"
        )
    return tuple(notes)


def _unread(_text: str, root: Node) -> Optional[str]:
    """What makes Codex drop the whole file."""
    for member in root.children:
        if member.key not in TOP_LEVEL:
            return f"its top level may hold {' and '.join(TOP_LEVEL)} only, not {member.key}"
    for event in children(root.member("hooks")):
        for group in event.children:
            for handler in children(group.member("hooks")):
                kind = handler.member("type")
                if kind is None or kind.value not in HANDLER_TYPES:
                    return f"a handler of {event.key} is of no known type"
    return None
