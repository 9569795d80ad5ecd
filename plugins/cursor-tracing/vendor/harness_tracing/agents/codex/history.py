"""The sessions Codex keeps on disk: rollouts, by day or put away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Optional

from harness_tracing import config
from harness_tracing.agents.base import COMPRESSED_SUFFIX, HistorySession
from harness_tracing.agents.codex import rollout as r_
from harness_tracing.agents.codex.reader import ARCHIVE
from harness_tracing.agents.codex.register import codex_home
from harness_tracing.agents.history import changed_since, first_lines


def sessions(env: Mapping[str, str], since_ns: Optional[int]) -> Iterator[HistorySession]:
    """The sessions whose rollouts changed since then (Unix ns).

    Threads of sub-agents and reviews are parts of the session that started them. Title threads
    keep no rollout. A compressed rollout does not say whose part it is: each is one of its own.
    """
    home = codex_home(env, config.user_home(env))
    found_at = changed_since(_rollouts(home), None)
    threads = [_Thread.of(path, modified_ns) for path, modified_ns in found_at]
    found: dict[str, list[_Thread]] = {}
    parents = {thread.thread_id: thread.parent_id for thread in threads if thread is not None}
    for thread in threads:
        if thread is not None:
            found.setdefault(_root(thread.thread_id, parents), []).append(thread)
    for session_id, own in found.items():
        main = next((thread for thread in own if thread.thread_id == session_id), None)
        modified_ns = max(thread.modified_ns for thread in own)
        if main is not None and (since_ns is None or modified_ns >= since_ns):
            parts = tuple(thread.path for thread in own if thread is not main)
            yield HistorySession(session_id, main.path, modified_ns, main.cwd, "", parts)
    for path, modified_ns in changed_since(_rollouts(home, COMPRESSED_SUFFIX), since_ns):
        thread_id = r_.thread_of(path.name[: -len(COMPRESSED_SUFFIX)])
        if thread_id is not None and thread_id not in parents:
            yield HistorySession(thread_id, str(path), modified_ns)


def _rollouts(home: Path, suffix: str = "") -> Iterator[Path]:
    name = "rollout-*.jsonl" + suffix
    return chain((home / "sessions").glob(f"*/*/*/{name}"), (home / ARCHIVE).rglob(name))


@dataclass(frozen=True)
class _Thread:
    """A rollout, as its first line tells of it; `parent_id`: who started it, or its session."""

    thread_id: str
    path: str
    modified_ns: int
    parent_id: Optional[str]
    cwd: Optional[str]

    @classmethod
    def of(cls, path: Path, modified_ns: int) -> Optional[_Thread]:
        thread_id = r_.thread_of(path.name)
        if thread_id is None:
            return None
        meta = r_.mapping(next(first_lines(path), {}).get("payload"))
        parent_id = r_.string(meta.get("parent_thread_id")) or r_.string(meta.get("session_id"))
        if parent_id == thread_id:
            parent_id = None
        cwd = r_.string(meta.get("cwd"))
        return cls(thread_id, str(path), modified_ns, parent_id, cwd)


def _root(thread_id: str, parents: Mapping[str, Optional[str]]) -> str:
    """The thread that nobody started, however deep this one lies below it."""
    for _ in range(len(parents)):
        parent_id = parents.get(thread_id)
        if parent_id is None:
            break
        thread_id = parent_id
    return thread_id
