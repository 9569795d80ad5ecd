"""Taking our variables out of agents' settings files again: the bytes as they were.

What a file held before is kept below our home when answers are written into it. Where the file
changed since, only those variables go that still say what we wrote, and get back what they said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from harness_tracing.agents import kept, settings_files, user_files
from harness_tracing.agents.base import Outcome, SettingsFile
from harness_tracing.agents.kept import Kept
from harness_tracing.paths import Home


@dataclass(frozen=True)
class _Record(Kept):
    """Whose file it is, and our variables: what each said before us and what we wrote."""

    agent: str
    form: str
    variables: Mapping[str, tuple[Optional[str], Optional[str]]]


def remember(
    home: Home, agent: str, file: SettingsFile, after: str, changes: settings_files.Changes
) -> None:
    """Keep what a settings file holds, right before `after` is written into it.

    Doing it again keeps what was there before the first time, as far as that is still so.
    """
    folder = kept.folder_of(home.variables, file.path)
    content = user_files.read(file.path)
    text = user_files.decode(content or b"", file.path)
    written = user_files.digest(user_files.encode(after, content or b""))
    known = _Record.read(folder)
    earlier = dict(known.variables) if known else {}
    variables = dict(earlier)
    for name, value in changes.items():
        said = settings_files.value_in(file, text, name)
        before, ours = earlier.get(name, (said, said))
        # What its user wrote over ours is what was there before.
        variables[name] = (before if said == ours else said, value)
    if known is not None and known.is_untouched(file.path, content):
        replace(known, written=written, variables=variables).write(folder)
        return
    _Record(
        path=str(file.path),
        agent=agent,
        form=file.form,
        existed=content is not None,
        made_folder=not file.path.parent.exists(),
        written=written,
        variables=variables,
        before=content or b"",
    ).write(folder)


def undo_all(home: Home, agent: str) -> Iterator[Outcome]:
    """Take our variables out of every file of an agent; RegistrationError where that fails."""
    for folder in sorted(home.variables.glob("*")):
        record = _Record.read(folder)
        if record is not None and record.agent == agent:
            yield Outcome(Path(record.path), _undone(record))
            kept.forget(folder)


def _undone(record: _Record) -> bool:
    path = Path(record.path)
    content = user_files.read(path)
    if content is None:
        return False
    restored: Optional[bytes] = record.before if record.existed else None
    if not record.is_untouched(path, content):
        text = _without_ours(record, user_files.decode(content, path))
        is_ours = not record.existed and not text.strip("{} \t\r\n")
        restored = None if is_ours else user_files.encode(text, content)
    return kept.put_back(path, content, restored, made_folder=record.made_folder)


def _without_ours(record: _Record, text: str) -> str:
    form = "exports" if record.form == "exports" else "env block"
    file = SettingsFile(Path(record.path), form)  # type: ignore[arg-type]  # one of the two
    changes = {
        name: before
        for name, (before, ours) in record.variables.items()
        if settings_files.value_in(file, text, name) == ours
    }
    return settings_files.edited(file, text, changes)
