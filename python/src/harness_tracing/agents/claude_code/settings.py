"""The `env` blocks of Claude Code's settings files: hooks do not always get all of them.

Claude Code removes every OTEL_* variable from a hook's environment, and gives settings over the
shell's variables. Whose word a value is, the user's or a project's, only the files tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

CAP_BYTES = 1 << 20


def settings_env(
    env: Mapping[str, str], project_dir: Optional[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The variables set by the user's settings and by the project's (local over shared).

    A file that is missing or broken sets nothing: Claude Code itself tells its user.
    """
    home = env.get("HOME") or env.get("USERPROFILE")
    folder = env.get("CLAUDE_CONFIG_DIR") or (str(Path(home) / ".claude") if home else None)
    user = _env_block(Path(folder) / "settings.json") if folder else {}
    if not project_dir:
        return user, {}
    project = Path(project_dir) / ".claude"
    if folder and project == Path(folder):
        return user, {}
    shared, local = (_env_block(project / n) for n in ("settings.json", "settings.local.json"))
    return user, {**shared, **local}


def _env_block(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_size > CAP_BYTES:
            return {}
        settings = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    block = settings.get("env") if isinstance(settings, dict) else None
    if not isinstance(block, dict):
        return {}
    return {str(name): _as_text(value) for name, value in block.items()}


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
