"""Our skills: what an agent reads to manage tracing, and to read traces, when asked to.

Each is a folder here with a ``SKILL.md``, in the form that Claude Code, Codex and Cursor share.
Plugins carry copies; for installations without a plugin they are put into the agent's folder of
the user's own skills, and taken out again. A skill of the user's with the same name stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

from harness_tracing import config
from harness_tracing.agents.base import Agent
from harness_tracing.environments import write_whole
from harness_tracing.errors import RegistrationError
from harness_tracing.paths import Home

SOURCE = Path(__file__).parent


@dataclass(frozen=True)
class Skill:
    """One of our skills and its place: `ours` lies there, or one of the user's `other` making.

    `changed`: whether that is new.
    """

    name: str
    path: Path
    ours: bool
    other: bool = False
    changed: bool = False


def names() -> list[str]:
    """The names of our skills."""
    return sorted(path.parent.name for path in SOURCE.glob("*/SKILL.md"))


def install(agent: Agent, environ: Mapping[str, str], home: Home) -> list[Skill]:
    """Put our skills among the user's, or bring those we put there up to date.

    Raises RegistrationError where the agent has no folder for them, or it cannot be written.
    """
    placed = []
    folder = _folder(agent, environ)
    for skill in _in_folder(folder, home):
        if not skill.other:
            content = _shipped(skill.name)
            changed = _content(skill.path) != content
            # First, so that what is there is always known to be ours.
            _Record.read(home, folder).with_skill(agent, skill, content).write(home)
            if changed:
                _write(skill.path, content)
            skill = replace(skill, ours=True, changed=changed)
        placed.append(skill)
    return placed


def uninstall(
    agent: Agent, environ: Mapping[str, str], home: Home, *, everywhere: bool = False
) -> list[Skill]:
    """Take them out again, and the folders that were made for them; what the user changed stays.

    `everywhere`: also where the agent's variables named another folder at that time. Raises
    RegistrationError where it cannot be done.
    """
    folders = {_folder(agent, environ): None}
    if everywhere:
        folders.update({Path(each): None for each in _recorded(home, agent)})
    return [skill for folder in folders for skill in _taken_out(folder, home)]


def installed(agent: Agent, environ: Mapping[str, str], home: Home) -> list[Skill]:
    """Each skill as it is now. What we ship, or once put there, is ours.

    Raises RegistrationError where the agent has no folder for them, or it cannot be read.
    """
    return _in_folder(_folder(agent, environ), home)


def _taken_out(folder: Path, home: Home) -> Iterator[Skill]:
    found = _in_folder(folder, home)
    record = _Record.read(home, folder)
    emptied = set(record.folders)
    for skill in found:
        if skill.ours:
            _remove(skill.path)
            emptied.add(str(skill.path.parent))
    for each in sorted(emptied, reverse=True):
        with suppress(OSError):  # something of the user's is in it
            Path(each).rmdir()
    record.forget(home)
    return (replace(skill, ours=False, changed=skill.ours) for skill in found)


def _in_folder(folder: Path, home: Home) -> list[Skill]:
    record = _Record.read(home, folder)
    found = []
    for name in names():
        path = folder / name / "SKILL.md"
        there = _content(path)
        if there is None:
            made_by_us = str(path.parent) in record.folders
            taken = not made_by_us and (path.parent.exists() or path.parent.is_symlink())
            found.append(Skill(name, path, ours=False, other=taken))
        else:
            ours = digest(there) in (digest(_shipped(name)), record.files.get(name))
            found.append(Skill(name, path, ours=ours, other=not ours))
    return found


# --- what we put where ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Record:
    """What we put into one folder of skills: each file's hash, and the folders made for it."""

    folder: str
    agent: str
    files: Mapping[str, str]
    folders: tuple[str, ...]

    @staticmethod
    def read(home: Home, folder: Path) -> _Record:
        known = _records(home).get(str(folder), {})
        files, folders = known.get("files", {}), tuple(known.get("folders", ()))
        return _Record(str(folder), known.get("agent", ""), files, folders)

    def with_skill(self, agent: Agent, skill: Skill, content: bytes) -> _Record:
        """With what is about to be put there, and the folders that will be made for it."""
        missing = (str(each) for each in _missing(skill.path.parent))
        folders = tuple(dict.fromkeys((*self.folders, *missing)))
        files = {**self.files, skill.name: digest(content)}
        return _Record(self.folder, agent.name, files, folders)

    def write(self, home: Home) -> None:
        known = {"agent": self.agent, "files": self.files, "folders": self.folders}
        _write_records(home, {**_records(home), self.folder: known})

    def forget(self, home: Home) -> None:
        others = {folder: each for folder, each in _records(home).items() if folder != self.folder}
        _write_records(home, others)


def _recorded(home: Home, agent: Agent) -> list[str]:
    return [folder for folder, each in _records(home).items() if each.get("agent") == agent.name]


def _records(home: Home) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(home.skills.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {folder: each for folder, each in found.items() if isinstance(each, dict)}


def _write_records(home: Home, records: Mapping[str, Any]) -> None:
    try:
        if records:
            home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(home.skills, json.dumps(records, indent=2) + "\n", mode=0o600)
        else:
            home.skills.unlink(missing_ok=True)
    except OSError as error:
        raise _refusal(home.skills, error) from error


def _folder(agent: Agent, environ: Mapping[str, str]) -> Path:
    if agent.skills is None:
        raise RegistrationError(f"{agent.title} has no folder for skills that we know of")
    return agent.skills(environ, config.user_home(environ))


def _shipped(name: str) -> bytes:
    return (SOURCE / name / "SKILL.md").read_bytes()


def digest(content: bytes) -> str:
    """By what a file we put there is known again."""
    return hashlib.sha256(content).hexdigest()


# --- files ---------------------------------------------------------------------------------


def _content(path: Path) -> Optional[bytes]:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _refusal(path, error) from error


def _missing(folder: Path) -> Iterator[Path]:
    """The folders that have to be made for this one to be there."""
    for each in (folder, *folder.parents):
        if each.exists():
            return
        yield each


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content.decode())
    except OSError as error:
        raise _refusal(path, error) from error


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> RegistrationError:
    return RegistrationError(
        f"{path} cannot be read or written ({error.strerror or error}). Make it yours to write and"
        " run this again"
    )
