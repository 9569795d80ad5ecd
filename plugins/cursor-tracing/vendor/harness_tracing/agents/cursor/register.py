"""Our hooks in Cursor's `hooks.json`: one name it does not know, and it drops the whole file."""

from __future__ import annotations

import re
from typing import Optional

from harness_tracing.agents.base import Event, Machine
from harness_tracing.agents.json_text import Node
from harness_tracing.agents.registration import HooksFile

_NUMBERS = re.compile(r"\d+(?:\.\d+)+")


def registration(machine: Machine, title: str, events: tuple[Event, ...]) -> HooksFile:
    """The registration in ``~/.cursor/hooks.json``: the events that the version accepts.

    Of an unknown version only those that every version with hooks has.
    """
    numbers = _NUMBERS.search(machine.version or "")
    version = numbers[0] if numbers else None
    known = _key(version or "")
    taken = tuple(each for each in events if not each.since or known >= _key(each.since))
    return HooksFile(
        "cursor",
        title,
        machine.user_home / ".cursor" / "hooks.json",
        taken,
        machine,
        grouped=False,
        typed=False,
        fresh={"version": 1},
        refuses=_unread,
        notes=_notes(version, len(taken), len(events)),
    )


def _notes(version: Optional[str], taken: int, known: int) -> tuple[str, ...]:
    if taken == known:
        return ()
    which = (
        f"Cursor {version} may not know the others" if version else "Cursor's version is unknown"
    )
    return (
        f"{taken} of {known} events are registered: {which}, and for one name that Cursor"
        " does not know it drops all hooks. With a newer one:"
        " harness install cursor --agent-version VERSION",
    )


def _unread(text: str, _root: Node) -> Optional[str]:
    """What makes Cursor drop the whole file."""
    return "it holds //, which Cursor takes for a comment" if "//" in text else None


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")) if version else ()
