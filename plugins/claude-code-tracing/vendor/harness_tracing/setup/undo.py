"""Taking our variables out of agents' settings files again: the bytes as they were.

What a file held before is kept below our home when answers are written into it. Where the file
changed since, only those variables go that still say what we wrote, and get back what they said.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Optional

from harness_tracing.agents import settings_files, user_files
from harness_tracing.agents.base import Outcome, SettingsFile
from harness_tracing.paths import Home


@dataclass(frozen=True)
class _Record:
    """One file: what it held (`before`), the hash of what we wrote, and our variables there.

    `variables` has for each what it said before us and what we wrote.
    """

    path: str
    agent: str
    form: str
    existed: bool
    made_folder: bool
    written: str
    variables: Mapping[str, tuple[Optional[str], Optional[str]]]
    before: bytes

    @staticmethod
    def folder(home: Home, path: Path) -> Path:
        return home.variables / hashlib.sha256(os.fsencode(path)).hexdigest()[:12]

    @staticmethod
    def read(folder: Path) -> Optional[_Record]:
        try:
            known = json.loads((folder / "record.json").read_bytes())
            return _Record(before=(folder / "before").read_bytes(), **known)
        except (OSError, ValueError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        known = asdict(self)
        user_files.write(folder / "before", known.pop("before"))
        user_files.write(folder / "record.json", json.dumps(known, indent=2).encode())

    @staticmethod
    def forget(folder: Path) -> None:
        for name in ("record.json", "before"):
            with suppress(OSError):
                (folder / name).unlink()
        for emptied in (folder, folder.parent):
            with suppress(OSError):
                emptied.rmdir()


def remember(
    home: Home, agent: str, file: SettingsFile, after: str, changes: settings_files.Changes
) -> None:
    """Keep what a settings file holds, right before `after` is written into it.

    Doing it again keeps what was there before the first time, as far as that is still so.
    """
    folder, content = _Record.folder(home, file.path), user_files.read(file.path)
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
    if known is not None and content is not None and user_files.digest(content) == known.written:
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
            _Record.forget(folder)


def _undone(record: _Record) -> bool:
    path = Path(record.path)
    content = user_files.read(path)
    if content is None:
        return False
    restored: Optional[bytes] = record.before if record.existed else None
    if user_files.digest(content) != record.written:
        text = _without_ours(record, user_files.decode(content, path))
        is_ours = not record.existed and not text.strip("{} \t\r\n")
        restored = None if is_ours else user_files.encode(text, content)
    if restored is None:
        user_files.remove(path, record.made_folder)
    elif restored != content:
        user_files.check_writable(path)
        user_files.write(path, restored)
    return restored != content


def _without_ours(record: _Record, text: str) -> str:
    form = "exports" if record.form == "exports" else "env block"
    file = SettingsFile(Path(record.path), form)  # type: ignore[arg-type]  # one of the two
    changes = {
        name: before
        for name, (before, ours) in record.variables.items()
        if settings_files.value_in(file, text, name) == ours
    }
    return settings_files.edited(file, text, changes)
