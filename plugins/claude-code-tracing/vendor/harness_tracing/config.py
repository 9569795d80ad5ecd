"""Every setting of a session, where it came from, and whose word counts for it.

Variables override config.yaml. An agent merges three places into the environment of its hooks:
the user's shell, the user's settings file and the project's. A project file may come with a
cloned repository, so only what :data:`_TABLE` allows is taken from it: on and off, the project's
name, and content switches towards less. A variable that a project file sets to the very value
found in the environment counts as the project's.

Pure: the environment and the blocks of settings files are arguments; only config.yaml is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable, Literal, Optional
from urllib.parse import unquote

from harness_tracing.errors import ConfigError
from harness_tracing.paths import DEFAULT_HOME, Home

# Twelve of the longest values of 128 Ki characters still fit a span into the 4 MiB that a gRPC
# receiver takes by default, and what agents show to their models is seldom a fourth of one.
DEFAULT_MAX_VALUE_CHARS = 131_072
SHORTEST_MAX_VALUE_CHARS = 256

Shape = Literal["turns", "calls"]


class Source(Enum):
    """Whose word a value is; the text is what a user reads."""

    ARGUMENT = "command line"
    ENV = "environment"
    USER = "agent's user settings"
    PROJECT = "project settings"
    CONFIG = "config.yaml"
    DEFAULT = "default"


@dataclass(frozen=True)
class Origin:
    """Where a value came from: the source and the variable or key there."""

    source: Source
    name: str = ""


@dataclass(frozen=True)
class SecretPattern:
    """A user's own rule for secrets: what matches becomes ``[redacted:<kind>]``.

    Where the pattern has a group named ``secret`` only that part is replaced.
    """

    kind: str
    regex: re.Pattern[str]


@dataclass(frozen=True)
class Settings:
    """What holds for a session. `origins` says for each of the other fields where it came from.

    Paths are absolute. `retention_days` None keeps sessions for ever. `warnings` are sentences
    for the user about what was passed over and why.
    """

    home: Home
    enabled: bool
    untraced: bool
    project: str
    user_id: Optional[str]
    log_prompts: bool
    log_tool_details: bool
    log_tool_content: bool
    redact_secrets: bool
    secret_patterns: tuple[SecretPattern, ...]
    max_value_chars: int
    shape: Shape
    verbose: bool
    dry_run: bool
    log_file: Optional[Path]
    retention_days: Optional[int]
    resource_attributes: Mapping[str, str]
    origins: Mapping[str, Origin] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


_Read = Callable[[Any, Path], Any]

# --- reading values: each raises ValueError, the text of which follows "is …; it may be"


def _switch(value: Any, _: Path) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise ValueError("true or false")


def _untraced(value: Any, _: Path) -> bool:
    """Any value but 0 counts, as in capture: who sets it wants silence."""
    return bool(value != "0")


def _text(value: Any, _: Path) -> str:
    if isinstance(value, (Mapping, list, bool)) or not str(value).strip():
        raise ValueError("a text")
    return str(value).strip()


def _shape(value: Any, _: Path) -> str:
    if value not in ("turns", "calls"):
        raise ValueError("turns or calls")
    return str(value)


def _path(value: Any, home: Path) -> Path:
    if isinstance(value, str) and (value == "~" or value.startswith(("~/", "~\\"))):
        return home / value[2:]
    # Hooks run in whatever folder the agent is in: a relative path would move about.
    if not isinstance(value, str) or not Path(value).is_absolute():
        raise ValueError("an absolute path or one that begins with ~/")
    return Path(value)


def _count(least: int) -> _Read:
    def read(value: Any, _: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"a whole number from {least} on")
        return value

    return read


def _patterns(value: Any, _: Path) -> tuple[SecretPattern, ...]:
    if not isinstance(value, Mapping):
        raise ValueError("kinds of secrets with a regular expression each")
    return tuple(_pattern(str(kind), str(regex)) for kind, regex in value.items())


def _pattern(kind: str, regex: str) -> SecretPattern:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", kind):
        raise ValueError(f"kinds of letters, digits, - and _, which {_shown(kind)} is not")
    try:
        compiled = re.compile(regex)
    except re.error as error:
        raise ValueError(f"regular expressions, which that of {kind} is not: {error}") from None
    if compiled.fullmatch(""):
        raise ValueError(f"regular expressions that match no empty text, as that of {kind} does")
    return SecretPattern(kind, compiled)


def _attributes(value: Any, _: Path) -> dict[str, str]:
    """A mapping, or ``name=text,…`` with percent signs decoded, as OpenTelemetry has it."""
    if isinstance(value, Mapping):
        return {str(name): str(text) for name, text in value.items()}
    pairs = [pair.partition("=") for pair in str(value).split(",") if pair.strip()]
    if not all(name.strip() and equals for name, equals, _text in pairs):
        raise ValueError("name=text, separated by commas")
    return {unquote(name.strip()): unquote(text.strip()) for name, _equals, text in pairs}


def _shown(value: Any) -> str:
    """A value for a message, short: it may be anything, also a key put in the wrong line."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


# --- the table of settings


@dataclass(frozen=True)
class _Setting:
    """How a field of Settings is found. Its key in config.yaml has the field's name.

    `project`: what of it a project's files may decide. `per_agent`: the key may also stand below
    ``agents.<name>``, which then comes first. `unreadable`: what a variable counts as whose value
    nobody understands; None passes it over.
    """

    field: str
    variables: tuple[str, ...]
    read: _Read
    default: Any
    project: Literal["nothing", "anything", "less"] = "nothing"
    per_agent: bool = False
    in_file: bool = True
    unreadable: Any = None


def _content(field: str, variable: str) -> _Setting:
    """A switch that hides when it cannot be understood: hidden can be shown, not the reverse."""
    return _Setting(field, (variable,), _switch, True, "less", True, unreadable=False)


_NAMES = ("ARIZE_PROJECT_NAME", "PHOENIX_PROJECT")
_ATTRIBUTES = _Setting("resource_attributes", ("OTEL_RESOURCE_ATTRIBUTES",), _attributes, {})
_TABLE = (
    _Setting("untraced", ("HARNESS_UNTRACED",), _untraced, False, "anything", in_file=False),
    _Setting("enabled", ("ARIZE_TRACE_ENABLED",), _switch, True, "anything", True),
    _Setting("project", _NAMES, _text, "default", "anything", True),
    _Setting("user_id", ("ARIZE_USER_ID",), _text, None, per_agent=True),
    _content("log_prompts", "ARIZE_LOG_PROMPTS"),
    _content("log_tool_details", "ARIZE_LOG_TOOL_DETAILS"),
    _content("log_tool_content", "ARIZE_LOG_TOOL_CONTENT"),
    _Setting("redact_secrets", (), _switch, True),
    _Setting("secret_patterns", (), _patterns, ()),
    _Setting("max_value_chars", (), _count(SHORTEST_MAX_VALUE_CHARS), DEFAULT_MAX_VALUE_CHARS),
    _Setting("shape", ("ARIZE_TRACE_SHAPE",), _shape, "turns"),
    _Setting("verbose", ("ARIZE_VERBOSE",), _switch, False),
    _Setting("dry_run", ("ARIZE_DRY_RUN",), _switch, False),
    _Setting("log_file", ("ARIZE_LOG_FILE",), _path, None),
    _Setting("retention_days", (), _count(1), None),
    _ATTRIBUTES,
)
_HOME = _Setting("home", ("ARIZE_HARNESS_HOME",), _path, None, in_file=False)
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


# --- resolving

_Found = Optional[tuple[Any, Origin]]


@dataclass(frozen=True)
class _Layers:
    """The places a setting is looked for in, and which agent's part of config.yaml counts."""

    env: Mapping[str, str]
    user_env: Mapping[str, str]
    project_env: Mapping[str, str]
    agent: Optional[str]
    user_home: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    config_path: Path = Path()
    warnings: list[str] = field(default_factory=list)

    def find(self, setting: _Setting) -> tuple[Any, Origin]:
        """The value and its origin, from the highest place that has one."""
        project = self._of_project(setting)
        if project is not None and setting.project == "less":
            return project
        found = self._own_env(setting)
        if found is None and project is not None:
            found = project
        return found or self._of_user(setting) or self.in_file(setting) or self._default(setting)

    def _own_env(self, setting: _Setting) -> _Found:
        """The environment's word, unless a project's file put it there."""
        for variable in setting.variables:
            value = self.env.get(variable)
            if value and value != self.project_env.get(variable):
                of_user = value == self.user_env.get(variable)
                origin = Origin(Source.USER if of_user else Source.ENV, variable)
                found = self._read(setting, value, origin)
                if found is not None:
                    return found
        return None

    def _of_user(self, setting: _Setting) -> _Found:
        for variable in setting.variables:
            value = self.user_env.get(variable)
            found = self._read(setting, value, Origin(Source.USER, variable)) if value else None
            if found is not None:
                return found
        return None

    def _of_project(self, setting: _Setting) -> _Found:
        for variable in setting.variables:
            value = self.project_env.get(variable)
            if not value:
                continue
            if setting.project == "nothing":
                self.warnings.append(f"{variable} is passed over: a project may not set it")
                continue
            found = self._read(setting, value, Origin(Source.PROJECT, variable))
            if found is not None and not (setting.project == "less" and found[0]):
                return found
        return None

    def _read(self, setting: _Setting, value: str, origin: Origin) -> _Found:
        try:
            return setting.read(value, self.user_home), origin
        except ValueError as error:
            instead = "it hides" if setting.unreadable is not None else "it is passed over"
            self.warnings.append(
                f"{origin.name} ({origin.source.value}) is {_shown(value)}; {instead}."
                f" It may be {error}"
            )
            return None if setting.unreadable is None else (setting.unreadable, origin)

    def in_file(self, setting: _Setting) -> _Found:
        """What config.yaml says, the agent's own part of it first."""
        places = [("", self.config)]
        if setting.per_agent and self.agent is not None:
            part = (self.config.get("agents") or {}).get(self.agent)
            places.insert(0, (f"agents.{self.agent}.", part or {}))
        for prefix, part in places:
            value = part.get(setting.field) if setting.in_file else None
            if value is not None:
                key = prefix + setting.field
                try:
                    return setting.read(value, self.user_home), Origin(Source.CONFIG, key)
                except ValueError as error:
                    raise ConfigError(
                        f"{key} in {self.config_path} is {_shown(value)}; it may be {error}"
                    ) from None
        return None

    def _default(self, setting: _Setting) -> tuple[Any, Origin]:
        of_agent = setting.field == "project" and self.agent is not None
        return self.agent if of_agent else setting.default, Origin(Source.DEFAULT)


def user_home(env: Mapping[str, str]) -> Path:
    """The user's home folder: ``HOME``, on Windows ``USERPROFILE``, else the password database.

    Raises ConfigError when nobody knows it.
    """
    for variable in ("HOME", "USERPROFILE"):
        if Path(env.get(variable, "")).is_absolute():
            return Path(env[variable])
    try:
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except (ImportError, KeyError):
        raise ConfigError("HOME is not set; set it to your home folder") from None


def load(
    env: Mapping[str, str],
    *,
    agent: Optional[str] = None,
    user_env: Mapping[str, str] = _NO_VARIABLES,
    project_env: Mapping[str, str] = _NO_VARIABLES,
    home: Optional[Path] = None,
) -> Settings:
    """All settings, for `agent` where one is given.

    `env` is the environment of a hook or of the command; `user_env` and `project_env` are what
    the agent's settings files of user and project add to it (`Agent.settings_env`). `home`, when
    given, comes before all else. Raises ConfigError when config.yaml cannot be read or has a
    value that cannot be what it is meant to be, naming the key and what it may be. A variable
    like that is a warning: a session must not stay untraced for a typing error.
    """
    layers = _Layers(env, user_env, project_env, agent, user_home(env))
    root, origin = (home, Origin(Source.ARGUMENT, "--home")) if home else layers.find(_HOME)
    chosen = Home(root if root is not None else layers.user_home / DEFAULT_HOME)
    config = read_config(chosen.config)
    layers = replace(layers, config=config, config_path=chosen.config)
    layers.warnings.extend(_unknown_keys(config, chosen.config))
    values: dict[str, Any] = {"home": chosen}
    origins = {"home": origin}
    for setting in _TABLE:
        values[setting.field], origins[setting.field] = layers.find(setting)
    in_file = layers.in_file(_ATTRIBUTES)
    if in_file is not None:  # the variable overrides single attributes, not all of them
        values["resource_attributes"] = {**in_file[0], **values["resource_attributes"]}
    return Settings(**values, origins=origins, warnings=tuple(dict.fromkeys(layers.warnings)))


# --- config.yaml


def read_config(path: Path) -> dict[str, Any]:
    """The content of config.yaml, empty when there is none; ConfigError when it is not readable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    # Imported late: most workers start without a config.yaml, and YAML costs 50 ms.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = str(error.problem or error.context).splitlines()[0]
        raise ConfigError(f"{path}{line} is not valid YAML: {problem}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is {_shown(content)}; it may be lines of `name: value`")
    return {str(key): value for key, value in content.items()}


def _unknown_keys(config: Mapping[str, Any], path: Path) -> Iterator[str]:
    """Warnings for keys nobody reads; ConfigError for what is no group of keys but has to be."""
    top = [setting.field for setting in _TABLE if setting.in_file] + ["agents"]
    yield from _unknown_in(config, top, "", path)
    agents = config.get("agents") or {}
    _must_be_group("agents", agents, path)
    for name, part in agents.items():
        _must_be_group(f"agents.{name}", part or {}, path)
        own = [setting.field for setting in _TABLE if setting.per_agent]
        yield from _unknown_in(part or {}, own, f"agents.{name}.", path)


def _must_be_group(key: str, value: Any, path: Path) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} in {path} is {_shown(value)}; it may be lines of `name: value`")


def _unknown_in(
    part: Mapping[str, Any], known: list[str], prefix: str, path: Path
) -> Iterator[str]:
    for key in part:
        if key not in known:
            allowed = ", ".join(sorted(known))
            yield f"{prefix}{key} in {path} is no setting and passed over; there are: {allowed}"
