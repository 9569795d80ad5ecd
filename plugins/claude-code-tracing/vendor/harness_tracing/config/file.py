"""config.yaml: reading it, and saying what in it nobody reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness_tracing.config.layers import Setting
from harness_tracing.config.values import shown
from harness_tracing.errors import ConfigError


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
        raise ConfigError(f"{path} is {shown(content)}; it may be lines of `name: value`")
    return {str(key): value for key, value in content.items()}


def unknown_keys(config: Mapping[str, Any], path: Path, table: Iterable[Setting]) -> Iterator[str]:
    """Warnings for keys nobody reads; ConfigError for what is no group of keys but has to be."""
    settings = [setting for setting in table if setting.in_file]
    groups = ("agents", "ai_integrations", "destinations", "evaluators")
    top = [*(setting.field for setting in settings), *groups]
    yield from unknown_in(config, top, "", path)
    own = [setting.field for setting in settings if setting.per_agent]
    for name, part in group("agents", config.get("agents"), path).items():
        key = f"agents.{name}"
        yield from unknown_in(group(key, part, path), own, key + ".", path)


def group(key: str, value: Any, path: Path) -> Mapping[str, Any]:
    """The value as a group of keys, empty for nothing; ConfigError when it is none.

    What stands there instead is not repeated: it may be a key put in the wrong line.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} in {path} is no group; it may be lines of `name: value`")
    return {str(name): each for name, each in value.items()}


def unknown_in(
    part: Mapping[str, Any], known: Iterable[str], prefix: str, path: Path
) -> Iterator[str]:
    """Warnings for the keys of a group that are not among the known ones."""
    allowed = sorted(known)
    for key in part:
        if key not in allowed:
            yield (
                f"{prefix}{key} in {path} is no setting and passed over;"
                f" there are: {', '.join(allowed)}"
            )
