"""Entries of Claude Code's `permissions.deny`: drafted from what was done, and tried on records.

A deny entry is no script, so its replay is a matcher of ours: `Read(PATH)` for a file, also where
a command such as `cat` reads it, and `Bash(TEXT)` with `*` for any text, against each simple
command of a command line. So Claude Code 2.1.330 takes them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness_tracing.activity import TurnActivity, activity_of
from harness_tracing.evaluate.finding import span_of
from harness_tracing.evaluate.rules.gate_weakening import stepped_around
from harness_tracing.improve.proposal import Replay
from harness_tracing.improve.replay import Recorded
from harness_tracing.model import Turn

_MOST = 8


def entries_for(rule: str, turns: Iterable[tuple[Turn, Sequence[str]]], folder: str) -> list[str]:
    """What to deny, from turns a rule was not content with and the spans that show it."""
    found: dict[str, None] = {}
    for turn, evidence in turns:
        did = activity_of(turn)
        if rule == "secret_exposure":
            paths = [path for path, call in did.reads if span_of(turn, call) in evidence]
            found.update(dict.fromkeys(_reads(paths, folder)))
        elif rule == "gate_weakening":
            found.update(dict.fromkeys(_commands(did)))
    return list(found)[:_MOST]


def _reads(paths: Iterable[str], folder: str) -> Iterator[str]:
    for path in paths:
        if re.fullmatch(r"[\w./@+-]+", path):
            yield f"Read({_named(path, folder)})"


def _named(path: str, folder: str) -> str:
    """The path as permissions name it: below the project, else from the root."""
    whole = os.path.normpath(Path(folder, path))
    if whole.startswith(folder.rstrip("/") + "/"):
        return "./" + whole[len(folder.rstrip("/")) + 1 :]
    return "/" + whole


def _commands(did: TurnActivity) -> Iterator[str]:
    for command in did.commands:
        words = command.words
        if (
            command.outcome == "not run"
            or "--no-verify" not in words
            or not stepped_around(command)
        ):
            continue
        verb = next((word for word in words[1:] if re.fullmatch(r"[a-z-]+", word)), None)
        if command.name == "git" and verb and not verb.startswith("-"):
            yield f"Bash(git {verb} *--no-verify*)"


def replay(entries: Sequence[str], sessions: Iterable[Sequence[Recorded]], folder: str) -> Replay:
    """What the entries would have denied in recorded turns."""
    blocked = right = wrong = seen = 0
    for recorded in (each for session in sessions for each in session):
        seen += 1
        if any(_denies(entry, recorded.turn, folder) for entry in entries):
            blocked += 1
            right += recorded.passed is False
            wrong += recorded.passed is not False and recorded.measurable
    return Replay(blocked, right, wrong, seen)


def _denies(entry: str, turn: Turn, folder: str) -> bool:
    found = re.fullmatch(r"(Read|Bash)\((.*)\)", entry)
    if found is None:
        return False
    did = activity_of(turn)
    if found[1] == "Read":
        return any(_named(path, folder) == found[2] for path, _ in did.reads)
    pattern = ".*".join(map(re.escape, found[2].split("*")))
    return any(
        re.fullmatch(pattern, " ".join(command.words), re.DOTALL)
        for command in did.commands
        if command.outcome != "not run"
    )
