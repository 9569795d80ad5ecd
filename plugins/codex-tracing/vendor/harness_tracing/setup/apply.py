"""From what is there to what is written: a `Situation`, a `Plan` for it, and the files it makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Optional

from harness_tracing import config
from harness_tracing.agents import settings_files
from harness_tracing.agents.base import Agent, SettingsFile
from harness_tracing.config import proxies
from harness_tracing.config.fields import SECRET, variables_of
from harness_tracing.destinations import Destination
from harness_tracing.errors import ConfigError
from harness_tracing.paths import Home
from harness_tracing.setup import files, plan, undo
from harness_tracing.setup.answers import BACKENDS, Access, Answers, Content
from harness_tracing.setup.files import Change
from harness_tracing.setup.wizard import Present, Where
from harness_tracing.surroundings import known_destinations, settings_here

MASK = "********"
"""What is shown in place of a secret: not even its length."""
_NOTHING: Mapping[str, str] = MappingProxyType({})
_CONTENT = {
    "log_prompts": "prompts and answers",
    "log_tool_details": "what tools were asked",
    "log_tool_content": "what tools returned",
}


@dataclass(frozen=True)
class Situation:
    """What is there: the environment, the user's files, and what was imported into config.yaml.

    `imported` are changes of config.yaml that its user agreed to; all that is asked and written
    stands on the file as it is with them.
    """

    env: Mapping[str, str]
    home: Home
    agent: Optional[Agent]
    imported: tuple[Change, ...] = ()

    @cached_property
    def text(self) -> str:
        """The text of config.yaml, empty where there is none; ConfigError as `config.load`."""
        config.read_config(self.home.config)
        return files.read_text(self.home.config)

    @cached_property
    def content(self) -> dict[str, Any]:
        """The content of config.yaml with what was imported."""
        return files.parsed(files.edited(self.text, self.imported))

    @cached_property
    def titles(self) -> dict[str, str]:
        """The destinations that the agent's sessions go to now, by name; without an agent all."""
        everybodys = settings_here(self.env, self.home)
        chosen = [everybodys[self.agent.name]] if self.agent else everybodys.values()
        known = known_destinations(chosen)
        found = {each.name: each.target.title for each in known}
        for path, value in self.imported:
            if path[0] == "destinations":
                found.setdefault(path[1], f"{path[1]} (imported)")
                if path[2] == "endpoint":
                    found[path[1]] = f"{path[1]} at {value}"
        return found

    @cached_property
    def settings_file(self) -> Optional[SettingsFile]:
        """The file in which the agent's user sets variables for it, where there is such a thing."""
        found = self.agent.settings_files(self.env, None) if self.agent else ()
        return found[0] if found else None

    @property
    def user_env(self) -> Mapping[str, str]:
        """The variables that the agent's user settings set."""
        return self.agent.settings_env(self.env, None)[0] if self.agent else _NOTHING

    def present(self) -> Present:
        """What the questions begin from."""
        agent = self.agent.name if self.agent else None
        bare = {name: self.env[name] for name in ("HOME", "USERPROFILE") if name in self.env}
        now = config.load(
            bare,
            agent=agent,
            user_env=self.user_env,
            home=self.home.root,
            content=self.content,
        )
        content = Content(
            now.user_id or "", now.log_prompts, now.log_tool_details, now.log_tool_content
        )
        return Present(
            title=self.agent.title if self.agent else "every agent",
            agent=agent,
            config=self.content,
            destinations=self.titles,
            project=now.project if agent else None,
            content=content,
            places=dict(self._places()),
            configured=self.home.config.exists() or bool(self.imported or self.titles),
        )

    def _places(self) -> Iterator[tuple[Where, str]]:
        yield "config", f"{self.home.config}: holds for every agent"
        if self.agent is None:
            return
        if self.settings_file is not None:
            form = "the env block of " if self.settings_file.form == "env block" else ""
            yield "agent", f"{form}{self.settings_file.path}: for {self.agent.title} alone"
        else:
            yield "agent", "lines for your shell's profile, which are printed"

    def destination(self, access: Access) -> Destination:
        """What would be sent to; ConfigError says why nothing could be."""
        part = dict((self.content.get("destinations") or {}).get(access.backend) or {})
        part = {key: value for key, value in part.items() if key != "enabled"}
        for key in ("endpoint", "api_key", "space_id", "headers"):
            value = getattr(access, key)
            part.pop(key, None)
            part.update({key: value} if value else {})
        names = ("HOME", "USERPROFILE", *proxies.VARIABLES, *_certificates())
        settings = config.load(
            {name: self.env[name] for name in names if name in self.env},
            home=self.home.root,
            content={"destinations": {access.backend: part}},
        )
        for destination in settings.destinations:
            return destination
        raise ConfigError("; ".join(settings.warnings) or "nothing can be sent there")


def _certificates() -> tuple[str, ...]:
    return variables_of("otlp")["certificate"]


@dataclass(frozen=True)
class Edit:
    """One file as it is going to be. `names` are the keys or variables that change there.

    `settings` is set for an agent's settings file: what that held before can be had again.
    """

    path: Path
    before: str
    after: str
    names: tuple[str, ...]
    mode: Optional[int] = 0o600
    settings: Optional[tuple[str, SettingsFile, settings_files.Changes]] = None

    def write(self) -> bool:
        """Write it; whether that changed anything. ConfigError with the file left as it was."""
        return files.write_text(self.path, self.after, self.mode)


@dataclass(frozen=True)
class Plan:
    """What is going to be written, `rows` to show before, and what the user should know.

    `lines` are for the user's shell, where an agent has no file of its own; keys are left out.
    """

    home: Home
    edits: tuple[Edit, ...]
    rows: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def write(self) -> list[tuple[Edit, bool]]:
        """Write every file, and say of each whether it changed; refuses before the first."""
        for edit in self.edits:
            files.check_writable(edit.path)
        for edit in self.edits:
            if edit.settings is not None and edit.after != edit.before:
                undo.remember(self.home, *edit.settings[:2], edit.after, edit.settings[2])
        return [(edit, edit.write()) for edit in self.edits]


def planned(now: Situation, answers: Answers, where: Where) -> Plan:
    """What answers come to; ConfigError where they cannot stand beside what is there."""
    agent = now.agent.name if now.agent else None
    known = now.titles
    changes = plan.config_changes(answers, now.content, agent, known)
    variables: dict[str, Optional[str]] = {}
    if where == "agent":
        variables = plan.variable_changes(answers, agent, now.user_env)
        changes = [each for each in changes if _is_switch(each, now.content)]
    edits = []
    if where == "config" or changes or now.imported:
        edits.append(_config_edit(now, [*now.imported, *changes]))
    lines: list[str] = []
    if where == "agent" and now.settings_file is not None:
        edits.append(_variables_edit(str(agent), now.settings_file, variables))
    elif where == "agent":
        lines = list(_shell_lines(variables))
    overriding = _overriding(now, answers, where)
    rows = _rows(now, answers, edits)
    return Plan(now.home, tuple(edits), tuple(rows), tuple(overriding), tuple(lines))


def _is_switch(change: Change, content: Mapping[str, Any]) -> bool:
    """Whether a change turns a destination of config.yaml on or off that is not so already."""
    path, value = change
    found: Any = content
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return path[0] == "destinations" and path[-1] == "enabled" and found is not value


def _config_edit(now: Situation, changes: Sequence[Change]) -> Edit:
    after = files.edited(now.text, changes) or files.HEAD
    content = files.parsed(after)
    bare = {name: now.env[name] for name in ("HOME", "USERPROFILE") if name in now.env}
    # What the file says has to hold together before it is written.
    config.load(bare, home=now.home.root, content=content)
    names = [".".join(path) for path, _ in changes if _at(now.text, path) != _at(after, path)]
    return Edit(now.home.config, now.text, after, tuple(dict.fromkeys(names)))


def _at(text: str, path: tuple[str, ...]) -> Any:
    found: Any = files.parsed(text) if text else {}
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _variables_edit(agent: str, file: SettingsFile, variables: settings_files.Changes) -> Edit:
    before = files.read_text(file.path)
    after = settings_files.edited(file, before, variables)
    mode = None if file.form == "env block" and not _holds_key(variables) else 0o600
    names = tuple(variables) if before != after else ()
    return Edit(file.path, before, after, names, mode, (agent, file, variables))


def _holds_key(variables: settings_files.Changes) -> bool:
    return any(value and is_secret(name) for name, value in variables.items())


def is_secret(variable: str) -> bool:
    """Whether a variable's value is shown to nobody."""
    return any(
        variable in names
        for backend in ("ax", "phoenix", "otlp")
        for key, names in variables_of(backend).items()
        if key in SECRET
    )


def _shell_lines(variables: settings_files.Changes) -> Iterator[str]:
    for name, value in variables.items():
        if value is not None:
            shown = "PUT-YOURS-HERE" if is_secret(name) else value
            yield settings_files.export_line(name, shown)


def _overriding(now: Situation, answers: Answers, where: Where) -> Iterator[str]:
    """What comes before what is going to be written."""
    agent = now.agent.name if now.agent else None
    wanted = plan.variable_changes(answers, agent, {**now.env, **now.user_env})
    names = [name for name in wanted if answers.access is None or _counts(name, answers.access)]
    for name in names:
        shell, user = now.env.get(name), now.user_env.get(name)
        if shell and shell not in (wanted[name], user):
            yield f"{name} in your environment comes first for as long as it is set there."
        elif user and user != wanted[name] and where == "config" and now.settings_file:
            yield f"{name} in {now.settings_file.path} comes first."


def _counts(variable: str, access: Access) -> bool:
    """Whether a variable still says something: those of what is turned off do not."""
    others = [name for name in ("ax", "phoenix", "otlp") if name != access.backend]
    off = {name for other in others for names in variables_of(other).values() for name in names}
    return variable not in off


def _rows(now: Situation, answers: Answers, edits: Sequence[Edit]) -> Iterator[tuple[str, str]]:
    access = answers.access
    if access is None:
        yield "Backend", ", ".join(now.titles.values()) or BACKENDS["local"]
    else:
        yield "Backend", BACKENDS[access.backend]
        yield from _access_rows(now, access)
        off = [title for name, title in now.titles.items() if _is_off(name, answers)]
        yield from (("Turned off", title) for title in off)
        yield from (("Besides", now.titles[name]) for name in answers.keep if name in now.titles)
    if answers.project is not None:
        yield "Project", answers.project
    if answers.content is not None:
        yield "User ID", answers.content.user_id or "none"
        on = [text for key, text in _CONTENT.items() if getattr(answers.content, key)]
        yield "Recorded", ", ".join(on) or "neither prompts nor what tools were asked or returned"
    for edit in edits:
        if edit.names or not edit.before:
            yield "Written to", str(edit.path)


def _is_off(name: str, answers: Answers) -> bool:
    assert answers.access is not None
    return name != answers.access.backend and name not in answers.keep


def _access_rows(now: Situation, access: Access) -> Iterator[tuple[str, str]]:
    if access.backend == "local":
        return
    yield "Endpoint", now.destination(access).target.endpoint
    if access.api_key:
        yield "API key", MASK
    if access.space_id:
        yield "Space ID", access.space_id
    if access.headers:
        yield "Headers", ", ".join(f"{name}: {MASK}" for name in access.headers)
