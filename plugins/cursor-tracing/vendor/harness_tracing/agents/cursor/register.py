"""Our hooks in Cursor's `hooks.json`: one name it does not know, and it drops the whole file."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Optional

from harness_tracing.agents.base import Event, Machine
from harness_tracing.agents.cursor.events import TAB_EVENTS
from harness_tracing.agents.json_text import Node
from harness_tracing.agents.registration import HooksFile, recorded_paths

_NUMBERS = re.compile(r"\d+(?:\.\d+)+")
_SHARED = (
    "Whoever gets the project gets this file with it, if it is committed: where harness is not"
    " installed its lines do nothing. Cursor runs them in workspaces that you trust."
)


def registration(machine: Machine, title: str, events: tuple[Event, ...]) -> HooksFile:
    """The registration in the user's ``~/.cursor/hooks.json``, or in that of a project.

    It takes the events that the version accepts: of an unknown version those that every version
    with hooks has, and what is registered already. Tab's edits are among them when asked for, or
    registered already.
    """
    numbers = _NUMBERS.search(machine.version or "")
    version = numbers[0] if numbers else None
    path = _path(machine.project or machine.user_home)
    projects = recorded_paths(machine.records, "cursor") if machine.project is None else ()
    places = (_path(machine.user_home), path, *projects)
    made = HooksFile(
        "cursor",
        title,
        path,
        events,
        machine,
        grouped=False,
        typed=False,
        fresh={"version": 1},
        refuses=_unread,
        beside=tuple(dict.fromkeys(places)),
        undo=lambda other: _undo(other, machine.user_home),
    )
    tab = machine.tab_edits
    if tab is None:
        tab = any(made.present(event.name) for event in TAB_EVENTS)
    wanted = (*events, *(TAB_EVENTS if tab else ()))
    known = _key(version or "")

    def is_taken(event: Event) -> bool:
        # Doing it again without knowing better takes nothing away.
        registered = version is None and made.present(event.name)
        return not event.since or known >= _key(event.since) or registered

    taken = tuple(filter(is_taken, wanted))
    notes = _notes(version, len(taken), len(wanted))
    if machine.project is not None:
        notes += (_SHARED,)
    return replace(made, events=taken, notes=notes)


def _path(folder: Path) -> Path:
    return folder / ".cursor" / "hooks.json"


def _undo(path: Path, user_home: Path) -> str:
    if path == _path(user_home):
        return "harness uninstall cursor"
    return f"harness uninstall cursor --project {shlex.quote(str(path.parent.parent))}"


def _notes(version: Optional[str], taken: int, known: int) -> tuple[str, ...]:
    if taken == known:
        return ()
    which = (
        f"Cursor {version} may not know the others" if version else "Cursor's version is unknown"
    )
    return (
        f"{taken} of {known} events are registered: {which}, and for one name that Cursor"
        " does not know it drops all hooks. Its menu has the number under About; with a newer one:"
        " harness install cursor --agent-version VERSION",
    )


def _unread(text: str, _root: Node) -> Optional[str]:
    """What makes Cursor drop the whole file."""
    return "it holds //, which Cursor takes for a comment" if "//" in text else None


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")) if version else ()
