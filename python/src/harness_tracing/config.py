"""Every setting, resolved once, with where it came from.

Order: environment, the agent's own user settings, config.yaml, default. Files that come with a
project (somebody else may have written them) may switch tracing on or off, name the project,
and hide more content; nothing else of them counts, nor does a variable of the same value, since
agents merge those files into the environment. The only module that interprets variables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Literal, Optional, TypeVar
from urllib.parse import unquote

from harness_tracing.errors import ConfigError
from harness_tracing.paths import DEFAULT_HOME, Home

Origin = Literal["environment", "agent settings", "project settings", "config.yaml", "default"]
ProjectMay = Literal["set", "reduce", "nothing"]
Shape = Literal["turns", "calls"]
T = TypeVar("T")

# Longer than any file a person reads in a trace, and far below what a request may hold.
DEFAULT_MAX_VALUE_CHARS = 200_000
ON = frozenset({"1", "true", "yes", "on"})
OFF = frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True)
class Source:
    """Where a setting's value came from: the layer, and the variable or key in it."""

    origin: Origin
    name: str


@dataclass(frozen=True)
class Settings:
    """The settings that hold for one agent in one place; `sources` says why each is as it is."""

    home: Home
    enabled: bool = True
    project: str = "default"
    user_id: Optional[str] = None
    log_prompts: bool = True
    log_tool_details: bool = True
    log_tool_content: bool = True
    redact_secrets: bool = True
    secret_patterns: tuple[tuple[str, str], ...] = ()
    max_value_chars: int = DEFAULT_MAX_VALUE_CHARS
    shape: Shape = "turns"
    verbose: bool = False
    dry_run: bool = False
    log_file: Optional[Path] = None
    retention_days: Optional[int] = None
    resource_attributes: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def load(
    env: Mapping[str, str],
    *,
    agent: Optional[str] = None,
    default_project: Optional[str] = None,
    user_env: Optional[Mapping[str, str]] = None,
    project_env: Optional[Mapping[str, str]] = None,
) -> Settings:
    """Resolve all settings.

    `user_env` and `project_env` are the variables that the agent's user settings and the
    project's files set. Raises ConfigError when config.yaml cannot be read or holds a value of
    the wrong type; a variable with a wrong value is passed over with a warning, and a content
    switch that cannot be understood hides.
    """
    layers = _Layers(dict(env), dict(user_env or {}), dict(project_env or {}), {})
    home = home_of(layers)
    layers.file = _read_file(home.config)
    values = {name: resolve(layers) for name, resolve in _settings(agent, default_project).items()}
    unknown = [
        f"{home.config}: {key!r} is no setting and is passed over"
        for key in layers.file
        if key not in values and key not in _OTHER_KEYS
    ]
    return Settings(
        home=home, **values, sources=layers.sources, warnings=(*layers.warnings, *unknown)
    )


_OTHER_KEYS = ("agents", "destinations", "judges")


@dataclass
class _Layers:
    """The places a value may come from, and what was found out while looking."""

    env: dict[str, str]
    user: dict[str, str]
    project: dict[str, str]
    file: dict[str, Any]
    sources: dict[str, Source] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def own(self, variable: str) -> Optional[str]:
        """The environment's value, unless a project file put it there."""
        value = self.env.get(variable)
        return None if value is None or value == self.project.get(variable) else value


def home_of(layers: _Layers) -> Home:
    """The folder that holds everything; ConfigError when no home can be made out."""
    variable = "ARIZE_HARNESS_HOME"
    for value, origin in (
        (layers.own(variable), "environment"),
        (layers.user.get(variable), "agent settings"),
    ):
        if value and Path(value).is_absolute():
            layers.sources["home"] = Source(origin, variable)  # type: ignore[arg-type]
            return Home(Path(value))
        if value:
            layers.warnings.append(f"{variable}={value!r} is not absolute and is passed over")
    user_home = layers.env.get("HOME") or layers.env.get("USERPROFILE")
    if not user_home:
        raise ConfigError(
            f"neither HOME nor {variable} is set; set {variable} to a folder of yours"
        )
    layers.sources["home"] = Source("default", "~/" + DEFAULT_HOME.as_posix())
    return Home(Path(user_home) / DEFAULT_HOME)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ConfigError(
            f"{path} is no valid YAML: {error}; correct it or move it away"
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} has to hold settings as `name: value` lines")
    return {str(key): value for key, value in content.items()}


Resolve = Callable[[_Layers], Any]


def _settings(agent: Optional[str], default_project: Optional[str]) -> dict[str, Resolve]:
    """Each setting: variables that set it, what a project may do, how it is read."""
    names = ("ARIZE_PROJECT_NAME", "PHOENIX_PROJECT")
    off, on = False, True
    return {
        "enabled": _one("enabled", ("ARIZE_TRACE_ENABLED",), _flag, on, "set"),
        "project": _one("project", names, _text, default_project or agent or "default", "set"),
        "user_id": _one("user_id", ("ARIZE_USER_ID",), _text, None),
        "log_prompts": _one("log_prompts", ("ARIZE_LOG_PROMPTS",), _switch, on, "reduce"),
        "log_tool_details": _one(
            "log_tool_details", ("ARIZE_LOG_TOOL_DETAILS",), _switch, on, "reduce"
        ),
        "log_tool_content": _one(
            "log_tool_content", ("ARIZE_LOG_TOOL_CONTENT",), _switch, on, "reduce"
        ),
        "redact_secrets": _one("redact_secrets", (), _flag, on),
        "secret_patterns": _one("secret_patterns", (), _patterns, ()),
        "max_value_chars": _one("max_value_chars", (), _count, DEFAULT_MAX_VALUE_CHARS),
        "shape": _one("shape", ("ARIZE_TRACE_SHAPE",), _shape, "turns"),
        "verbose": _one("verbose", ("ARIZE_VERBOSE",), _flag, off),
        "dry_run": _one("dry_run", ("ARIZE_DRY_RUN",), _flag, off),
        "log_file": _one("log_file", ("ARIZE_LOG_FILE",), _path, None),
        "retention_days": _one("retention_days", (), _count, None),
        "resource_attributes": _one(
            "resource_attributes", ("OTEL_RESOURCE_ATTRIBUTES",), _attributes, {}
        ),
    }


def _one(
    name: str,
    variables: tuple[str, ...],
    read: Callable[[Any], Any],
    default: Any,
    project_may: ProjectMay = "nothing",
) -> Resolve:
    def resolve(layers: _Layers) -> Any:
        value, source = _outer(layers, name, variables, read, default)
        for variable in variables if project_may != "nothing" else ():
            given = layers.project.get(variable)
            if given is None or (project_may == "set" and source.origin == "environment"):
                continue
            wanted = _try(layers, variable, given, read)
            if wanted is None or (project_may == "reduce" and wanted):
                continue
            value, source = wanted, Source("project settings", variable)
            break
        layers.sources[name] = source
        return value

    return resolve


def _outer(
    layers: _Layers, name: str, variables: tuple[str, ...], read: Callable[[Any], Any], default: Any
) -> tuple[Any, Source]:
    """The value without the project's word."""
    places: list[tuple[Origin, Callable[[str], Optional[str]]]] = [
        ("environment", layers.own),
        ("agent settings", layers.user.get),
    ]
    for origin, get in places:
        for variable in variables:
            given = get(variable)
            value = None if given is None else _try(layers, variable, given, read)
            if value is not None:
                return value, Source(origin, variable)
    if name in layers.file and layers.file[name] is not None:
        try:
            return read(layers.file[name]), Source("config.yaml", name)
        except ValueError as error:
            raise ConfigError(f"config.yaml: {name} {error}") from error
    return default, Source("default", name)


def _try(layers: _Layers, variable: str, given: str, read: Callable[[Any], T]) -> Optional[T]:
    try:
        return read(given)
    except ValueError as error:
        layers.warnings.append(f"{variable} {error}; it is passed over")
        return None


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ON or text in OFF:
        return text in ON
    raise ValueError(f"has to be true or false, not {value!r}")


def _switch(value: Any) -> bool:
    """A content switch: what cannot be understood hides rather than shows."""
    return value if isinstance(value, bool) else str(value).strip().lower() in ON


def _text(value: Any) -> Optional[str]:
    if not isinstance(value, (str, int)) or isinstance(value, bool) or not str(value).strip():
        raise ValueError(f"has to be a text, not {value!r}")
    return str(value).strip()


def _count(value: Any) -> Optional[int]:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"has to be a whole number above 0, not {value!r}")
    return value


def _shape(value: Any) -> Any:
    if value not in ("turns", "calls"):
        raise ValueError(f"has to be `turns` or `calls`, not {value!r}")
    return value


def _path(value: Any) -> Optional[Path]:
    path = Path(str(value))
    if not path.is_absolute():
        raise ValueError(f"has to be an absolute path, not {value!r}")
    return path


def _attributes(value: Any) -> Mapping[str, str]:
    """Resource attributes: a mapping, or `key=value,…` with percent-encoding as OTel has it."""
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    pairs = [part.partition("=") for part in str(value).split(",") if part.strip()]
    if any(not name.strip() or not equals for name, equals, _ in pairs):
        raise ValueError("has to be `key=value` pairs, separated by commas")
    return {unquote(name.strip()): unquote(item.strip()) for name, _, item in pairs}


def _patterns(value: Any) -> tuple[tuple[str, str], ...]:
    """Secret patterns of the user's own: a mapping of kind to regular expression."""
    import re

    if not isinstance(value, Mapping):
        raise ValueError("has to map a kind of secret to its regular expression")
    for kind, pattern in value.items():
        try:
            re.compile(str(pattern))
        except re.error as error:
            raise ValueError(f"{kind}: {error} in {pattern!r}") from error
    return tuple((str(kind), str(pattern)) for kind, pattern in value.items())
