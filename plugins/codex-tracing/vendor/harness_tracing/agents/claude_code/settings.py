"""The environment that Claude Code's settings files give to its hooks.

Claude Code merges the `env` blocks of its settings files into the environment of everything it
starts: local over project over user over the shell (README.md). Hooks do not always get all of
it (``OTEL_*`` is stripped), and commands run from a terminal get nothing: so we read the files.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from harness_tracing.agents.base import SettingsFile

_log = logging.getLogger(__name__)

# A settings file is some kilobytes; what is larger is no settings file.
_LARGEST = 5_000_000


def settings_env(
    user_home: str, project_dir: Optional[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Variables set by the user's settings file, and those set by the project's.

    `user_home` is the user's home folder or, where ``CLAUDE_CONFIG_DIR`` is set, the folder it
    names, which stands for ``~/.claude``. `project_dir` is ``CLAUDE_PROJECT_DIR``;
    its settings.local.json comes before its settings.json. Files that are missing or broken
    count as empty, with a line in the log; never raises.
    """
    user = _env_block(Path(user_home, ".claude", "settings.json"))
    if user is None:
        user = _env_block(Path(user_home, "settings.json"))
    project: dict[str, str] = {}
    if project_dir and not _same_folder(project_dir, user_home):
        for name in ("settings.json", "settings.local.json"):
            project.update(_env_block(Path(project_dir, ".claude", name)) or {})
    return user or {}, project


def settings_files(
    user_home: str, config_dir: Optional[str], project_dir: Optional[str]
) -> tuple[SettingsFile, ...]:
    """The files that `settings_env` reads, whether they are there or not; what wins comes last."""
    folder = Path(config_dir) if config_dir else Path(user_home, ".claude")
    user = SettingsFile(folder / "settings.json", "env block")
    if not project_dir or _same_folder(project_dir, user_home):
        return (user,)
    names = ("settings.json", "settings.local.json")
    return (
        user,
        *(SettingsFile(Path(project_dir, ".claude", n), "env block", True) for n in names),
    )


def _same_folder(a: str, b: str) -> bool:
    """In the home folder itself ~/.claude/settings.json is the user's file, and no project's."""
    return os.path.realpath(a) == os.path.realpath(b)


def _env_block(path: Path) -> Optional[dict[str, str]]:
    """The file's `env` block as texts; None when there is no such file."""
    if not path.is_absolute():
        # Without a home folder this would be a file of whatever project we are in.
        return None
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read and counts as empty: %s", path, error)
        return {}
    try:
        settings = json.loads(text) if len(text) <= _LARGEST else None
    except (ValueError, RecursionError) as error:
        _log.warning("%s is not valid JSON and counts as empty: %s", path, error)
        return {}
    env = settings.get("env") if isinstance(settings, dict) else None
    if not isinstance(env, dict):
        return {}
    return {name: _text(value) for name, value in env.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float, bool))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
