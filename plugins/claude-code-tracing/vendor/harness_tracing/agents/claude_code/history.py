"""The sessions Claude Code keeps on disk: one transcript each, in a folder per project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

from harness_tracing import config
from harness_tracing.agents.base import HistorySession
from harness_tracing.agents.claude_code import transcript as t
from harness_tracing.agents.history import changed_since, first_lines

# Files of sub-agents, which older clients kept beside their session's, have other names.
_SESSION = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)


def sessions(env: Mapping[str, str], since_ns: Optional[int]) -> Iterator[HistorySession]:
    """The sessions whose transcript changed since then (Unix ns)."""
    named = env.get("CLAUDE_CONFIG_DIR")
    home = Path(named) if named else config.user_home(env) / ".claude"
    for path, modified_ns in changed_since((home / "projects").glob("*/*.jsonl"), since_ns):
        if _SESSION.fullmatch(path.stem):
            folder = path.parent.name
            yield HistorySession(path.stem, str(path), modified_ns, _cwd(path), folder)


def _cwd(path: Path) -> Optional[str]:
    told = (t.string(value.get("cwd")) for value in first_lines(path))
    return next((cwd for cwd in told if cwd is not None), None)
