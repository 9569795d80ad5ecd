"""Tracing on and off for an agent, everywhere or in one project: the right file, one setting.

What was in a file before is kept below our home until it is taken back: then the file has its
bytes again, or, where it changed meanwhile, all but our setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Optional

from harness_tracing import config
from harness_tracing.agents import kept, settings_files, user_files
from harness_tracing.agents.base import Agent, SettingsFile
from harness_tracing.agents.kept import Kept
from harness_tracing.config import Settings
from harness_tracing.errors import ConfigError
from harness_tracing.paths import Home
from harness_tracing.setup import files as config_file

VARIABLE = "ARIZE_TRACE_ENABLED"
_PRIVATE, _OF_PROJECT = 0o600, 0o644


@dataclass(frozen=True)
class Place:
    """A file that says whether an agent is traced, and how it says so.

    `config_key` is set for config.yaml, `settings` for a file of the agent's.
    """

    agent: Agent
    path: Path
    of_project: bool = False
    settings: Optional[SettingsFile] = None
    config_key: tuple[str, ...] = ()

    def says(self, text: str) -> Optional[str]:
        """The setting as the text has it, None where it has none; ConfigError if it is broken."""
        if self.settings is not None:
            said = settings_files.value_in(self.settings, text, VARIABLE)
            return None if said is None else said.lower()
        found: object = config_file.parsed(text) if text.strip() else {}
        for key in self.config_key:
            found = found.get(key) if isinstance(found, Mapping) else None
        return None if found is None else str(found).lower()

    def edited(self, text: str, value: Optional[bool]) -> str:
        """The text with the setting changed, or without it; ConfigError if it is broken."""
        if self.settings is not None:
            word = None if value is None else _word(value)
            return settings_files.edited(self.settings, text, {VARIABLE: word})
        return config_file.edited(text, [(self.config_key, value)])


@dataclass(frozen=True)
class Edited:
    """What became of an edit: the file, and whether it changed."""

    path: Path
    changed: bool


def place(
    agent: Agent,
    env: Mapping[str, str],
    home: Home,
    project: Optional[Path] = None,
    *,
    shared: bool = False,
) -> Place:
    """The file for an agent's user, or for a project: its user's own, or the one that is shared.

    Raises ConfigError, saying what to do instead, where the agent has no such file.
    """
    of_project = project is not None
    found = [
        file
        for file in agent.settings_files(env, str(project) if project else None)
        if file.of_project == of_project
    ]
    if found:
        file = found[0 if shared else -1]
        return Place(agent, file.path, of_project, file)
    if project is None:
        config.read_config(home.config)  # says what is wrong with it, if anything is
        return Place(agent, home.config, config_key=("agents", agent.name, "enabled"))
    if agent.settings_files(env, None) and not agent.one_project:
        raise ConfigError(f"{project} is your home folder: leave --project out")
    raise ConfigError(agent.one_project or f"{agent.title} has no settings of a project")


def in_force(
    agent: Agent, env: Mapping[str, str], home: Home, project: Optional[Path] = None
) -> Settings:
    """What will hold for the agent's sessions in a project, or where no project says anything."""
    user_env, project_env = agent.settings_env(env, str(project) if project else None)
    merged = {**env, **user_env, **project_env} if agent.over_shell else env
    return config.load(
        merged, agent=agent.name, user_env=user_env, project_env=project_env, home=home.root
    )


def put(at: Place, enabled: bool, home: Home, *, is_so_without: bool = False) -> Edited:
    """Have the file say so. `is_so_without`: it need not say it, since the rest does.

    Where taking our own edit back does it, the file gets its old bytes.
    """
    content = user_files.read(at.path)
    text = user_files.decode(content or b"", at.path)
    record = _Record.read(_folder(home, at.path))
    said = _said_before(at, record)
    if record is not None and (said == _word(enabled) or (said is None and is_so_without)):
        return undo(at, home)
    if at.says(text) == _word(enabled) or (at.says(text) is None and is_so_without):
        return Edited(at.path, False)
    written = user_files.encode(at.edited(text, enabled), content or b"")
    user_files.check_writable(at.path)
    before = content or b""
    if record is not None and record.is_untouched(at.path, content):
        before = record.before
    elif record is not None:
        before = user_files.encode(at.edited(text, _switch(said)), before)
    _Record(
        path=str(at.path),
        agent=at.agent.name,
        of_project=at.of_project,
        existed=record.existed if record else content is not None,
        made_folder=record.made_folder if record else _is_ours(at.path.parent, home),
        written=user_files.digest(written),
        before=before,
    ).write(_folder(home, at.path))
    mode = _OF_PROJECT if at.of_project else _PRIVATE
    user_files.write(at.path, written, fresh_mode=mode)
    return Edited(at.path, True)


def _said_before(at: Place, record: Optional[_Record]) -> Optional[str]:
    """What the file said before we changed it for the first time."""
    if record is None:
        return None
    return at.says(user_files.decode(record.before, at.path))


def _switch(said: Optional[str]) -> Optional[bool]:
    return None if said is None else said == "true"


def _is_ours(folder: Path, home: Home) -> bool:
    """Whether a folder is there only for files that we made."""
    known = (record for record in _Record.all(home.scopes) if Path(record.path).parent == folder)
    return not folder.exists() or any(record.made_folder for record in known)


def undo(at: Place, home: Home) -> Edited:
    """Take back what `put` did to the file; where we did nothing, nothing happens."""
    folder = _folder(home, at.path)
    record, content = _Record.read(folder), user_files.read(at.path)
    if record is None or content is None:
        kept.forget(folder)
        return Edited(at.path, False)
    restored: Optional[bytes] = record.before if record.existed else None
    if not record.is_untouched(at.path, content):
        value = _switch(_said_before(at, record))
        text = at.edited(user_files.decode(content, at.path), value)
        empty = not record.existed and not text.strip("{} \t\r\n")
        restored = None if empty else user_files.encode(text, content)
    changed = kept.put_back(at.path, content, restored, made_folder=record.made_folder)
    kept.forget(folder)
    return Edited(at.path, changed)


def undo_all(home: Home, agent: Agent, env: Mapping[str, str]) -> Iterator[Edited]:
    """Take back every edit of an agent's files, for who uninstalls; one at a time."""
    for record in _Record.all(home.scopes):
        if record.agent != agent.name:
            continue
        path = Path(record.path)
        project = path.parent.parent if record.of_project else None
        for at in _places(agent, env, home, project):
            if at.path == path:
                yield undo(at, home)
                break


def _places(
    agent: Agent, env: Mapping[str, str], home: Home, project: Optional[Path]
) -> Iterator[Place]:
    for shared in (False, True):
        with suppress(ConfigError):
            yield place(agent, env, home, project, shared=shared)


def _word(enabled: bool) -> Literal["true", "false"]:
    return "true" if enabled else "false"


# --- what taking back restores -------------------------------------------------------------


@dataclass(frozen=True)
class _Record(Kept):
    """Whose file it is, besides."""

    agent: str
    of_project: bool


def _folder(home: Home, path: Path) -> Path:
    return kept.folder_of(home.scopes, path)
