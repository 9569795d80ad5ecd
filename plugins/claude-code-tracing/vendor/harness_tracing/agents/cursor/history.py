"""The conversations Cursor keeps on disk: one transcript each, in a folder per project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Optional

from harness_tracing import config
from harness_tracing.agents.base import HistorySession
from harness_tracing.agents.history import changed_since


def sessions(env: Mapping[str, str], since_ns: Optional[int]) -> Iterator[HistorySession]:
    """The conversations whose transcript changed since then (Unix ns).

    Those of sub-agents lie below the one they work for. None says where it worked: only the
    name of the project's folder does.
    """
    projects = config.user_home(env) / ".cursor" / "projects"
    found = projects.glob("*/agent-transcripts/*/*.jsonl")
    for path, modified_ns in changed_since(found, since_ns):
        if path.stem == path.parent.name:
            folder = path.parents[2].name
            yield HistorySession(path.stem, str(path), modified_ns, None, folder)
