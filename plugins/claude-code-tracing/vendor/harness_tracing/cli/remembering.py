"""Remembers the line of `harness status`, with all that it depends on (see `quick`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from harness_tracing import agents
from harness_tracing.cli import quick
from harness_tracing.paths import Home
from harness_tracing.surroundings import folders_here

MOST_LINES = 32
"""So many environments: projects, terminals, agents. The oldest are forgotten."""


def remember(
    home: Home, environ: Mapping[str, str], agent: str, line: str, facts: list[str]
) -> None:
    """Keep a line for as long as the facts hold that were true before it was made.

    Where there is no home yet none is made; what cannot be written is not remembered.
    """
    path = quick.place(environ, agent)
    if path is None or not home.root.is_dir() or "\n" in line:
        return
    with suppress(OSError):
        folder = Path(path).parent
        folder.mkdir(mode=0o700, exist_ok=True)
        draft = Path(f"{path}.{os.getpid()}")
        text = "\n".join([quick.FORMAT, line, *facts, "whole"])
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        draft.replace(path)
        _forget_old(folder)


def _forget_old(folder: Path) -> None:
    lines = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in lines[MOST_LINES:]:
        path.unlink()


def facts(home: Home, environ: Mapping[str, str]) -> list[str]:
    """All that a line depends on, as it is now; empty where that cannot be said."""
    paths = dict.fromkeys(map(str, (home.config, *_settings_files(environ))))
    if any("\t" in path or "\n" in path for path in (*paths, str(home.store))):
        return []
    found = [quick.of_file(path) for path in paths]
    if not home.store.exists():
        return [*found, quick.of_file(str(home.store))]
    try:
        return [*found, quick.of_rows(str(home.store))]
    except ValueError:
        return []


def _settings_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Every file in which variables may be set for a session that begins here."""
    known = [agents.get(name) for name in agents.names()]
    # One agent's folders count for another's settings too: it may run inside that one.
    folders = dict.fromkeys(folder for agent in known for folder in folders_here(agent, environ))
    for agent in known:
        for folder in folders:
            for file in agent.settings_files(environ, folder):
                yield file.path
