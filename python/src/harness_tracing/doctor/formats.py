"""Checks whether agents still write what their readers were made for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Optional

from harness_tracing import spool
from harness_tracing.agents.base import Agent
from harness_tracing.doctor import Finding, Place
from harness_tracing.errors import TracerError
from harness_tracing.observe.text import plural

_MOST_EVENTS = 50
_TAIL_BYTES = 200_000
_LOOK_BACK_NS = 7 * 86_400 * 10**9
_SAFE = (" is a required property", " was unexpected)", " were unexpected)")


def check_formats(place: Place) -> Iterator[Finding]:
    """Hold a sample of what each agent wrote lately against the schemas beside its reader."""
    for each in place.agents:
        checked = 0
        problems: dict[Optional[str], None] = {}
        for problem in _of_events(place, each.agent):
            checked += 1
            problems.setdefault(problem, None)
        for problem in _of_lines(place, each.agent):
            checked += 1
            problems.setdefault(problem, None)
        found = [problem for problem in problems if problem]
        for problem in found[:3]:
            yield Finding(
                each.agent.title,
                False,
                f"writes something else than we know: {problem}",
                "its sessions are read all the same, but something may be missing: update harness,"
                " and tell us this line",
            )
        if checked and not found:
            message = f"{plural(checked, 'event')} and lines of late are as we know them"
            yield Finding(each.agent.title, True, message)


def _of_events(place: Place, agent: Agent) -> Iterator[Optional[str]]:
    """What is wrong with each captured event that lies in spool or quarantine."""
    if agent.payload_problem is None:
        return
    for file in _event_files(place, agent)[-_MOST_EVENTS:]:
        with suppress(OSError, ValueError, RecursionError):
            payload = spool.parse(file.path.read_bytes())
            if isinstance(payload, Mapping):
                yield _shown(agent.payload_problem(file.event, payload))


def _event_files(place: Place, agent: Agent) -> list[spool.SpoolFile]:
    folders = [*(place.home.spool / agent.name).glob("*")]
    folders += (place.home.quarantine / agent.name).glob("*")
    files = [file for folder in folders for file in spool.event_files(folder)]
    return sorted(files, key=lambda file: file.at_ns)


def _of_lines(place: Place, agent: Agent) -> Iterator[Optional[str]]:
    """What is wrong with each of the last lines of the agent's newest session file."""
    path = _newest(place, agent)
    if path is None or agent.line_problem is None:
        return
    for text in _last_lines(path):
        with suppress(ValueError, RecursionError):
            line = json.loads(text)
            if isinstance(line, dict):
                yield _shown(agent.line_problem(line))


def _newest(place: Place, agent: Agent) -> Optional[Path]:
    if agent.history is None:
        return None
    since_ns = place.now_ns - _LOOK_BACK_NS
    try:
        found = list(agent.history(place.env, since_ns))
    except (TracerError, OSError):
        return None
    newest = max(found, key=lambda session: session.modified_ns, default=None)
    return Path(newest.path) if newest is not None else None


def _last_lines(path: Path) -> list[bytes]:
    with suppress(OSError), path.open("rb") as file:
        begins = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
        file.seek(begins)
        lines = file.read().split(b"\n")
        # The first one is cut, unless it begins where the file does; the last may be in writing.
        return lines[1 if begins else 0 : -1]
    return []


def _shown(problem: Optional[str]) -> Optional[str]:
    """Where it is, and what, if that repeats nothing of a session's content."""
    if problem is None or problem.endswith(_SAFE):
        return problem
    return problem.partition(": ")[0]
