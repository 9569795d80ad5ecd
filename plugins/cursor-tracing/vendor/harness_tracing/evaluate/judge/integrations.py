"""Which models may judge, by name, as `ai_integrations` of config.yaml says (docs/judges.md).

Only the user's own config.yaml is asked, never a project's file: it decides where recorded text
goes. A key is named by its variable and never stands in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, cast
from urllib.parse import urlsplit

from harness_tracing.errors import ConfigError
from harness_tracing.evaluate.judge.anthropic_api import ANTHROPIC_URL, Anthropic
from harness_tracing.evaluate.judge.asking import Provider
from harness_tracing.evaluate.judge.claude_code import ClaudeCode
from harness_tracing.evaluate.judge.codex import Codex
from harness_tracing.evaluate.judge.openai_api import OPENAI_URL, OpenAICompatible, Structured

_APIS = {
    "openai": (OPENAI_URL, "OPENAI_API_KEY"),
    "anthropic": (ANTHROPIC_URL, "ANTHROPIC_API_KEY"),
}
_COMMANDS = {"claude-code": "claude", "codex": "codex"}
_COMMON = ("provider", "model", "timeout_s", "max_output_tokens")
_KEYS = {
    "openai": (*_COMMON, "api_key_env", "base_url", "structured"),
    "anthropic": (*_COMMON, "api_key_env", "base_url"),
    "claude-code": (*_COMMON, "command"),
    "codex": (*_COMMON, "command", "arguments"),
}
_STRUCTURED = ("json_schema", "tool")


@dataclass(frozen=True)
class Integration:
    """One judge of config.yaml. `base_url` and `api_key_env` belong to APIs, the rest to agents.

    `api_key_env` None: no key is sent.
    """

    name: str
    provider: str
    model: Optional[str] = None
    base_url: Optional[str] = None
    api_key_env: Optional[str] = None
    structured: str = "json_schema"
    command: Optional[str] = None
    arguments: tuple[str, ...] = ()
    timeout_s: Optional[float] = None
    max_output_tokens: int = 4096

    @property
    def sends_to(self) -> str:
        """Where recorded text goes with it, for whoever is asked to agree."""
        if self.base_url is not None:
            return self.base_url
        return f"whatever your `{self.command}` is signed in to"


def integrations(config: Mapping[str, Any], path: Path) -> dict[str, Integration]:
    """All that config.yaml names (its content and its path); raises ConfigError."""
    group = config.get("ai_integrations")
    if group is None:
        return {}
    if not isinstance(group, Mapping):
        raise ConfigError(f"ai_integrations in {path} is no group of named integrations; {_SEE}")
    return {str(name): _integration(str(name), part, path) for name, part in group.items()}


def connect(integration: Integration, env: Mapping[str, str]) -> Provider:
    """The provider of an integration, with its key from this environment.

    Raises ConfigError when the variable is not set, ExtraMissing when its SDK is not installed.
    """
    timeout = {} if integration.timeout_s is None else {"timeout_s": integration.timeout_s}
    most = integration.max_output_tokens
    model, command = integration.model, integration.command
    if integration.provider == "claude-code":
        assert command is not None
        return ClaudeCode(env, model=model, command=command, max_output_tokens=most, **timeout)
    if integration.provider == "codex":
        assert command is not None
        return Codex(
            env,
            model=model,
            command=command,
            arguments=integration.arguments,
            max_output_tokens=most,
            **timeout,
        )
    assert model is not None
    assert integration.base_url is not None
    key, url = _key(integration, env), integration.base_url
    if integration.provider == "anthropic":
        return Anthropic(model, key, base_url=url, max_output_tokens=most, **timeout)
    structured = cast(Structured, integration.structured)
    return OpenAICompatible(
        model, key, base_url=url, structured=structured, max_output_tokens=most, **timeout
    )


def _key(integration: Integration, env: Mapping[str, str]) -> Optional[str]:
    if integration.api_key_env is None:
        return None
    key = env.get(integration.api_key_env, "").strip()
    if not key:
        raise ConfigError(
            f"{integration.api_key_env} is not set, from which ai_integrations."
            f"{integration.name} takes its key; set it, or name another as api_key_env"
        )
    return key


def _integration(name: str, part: Any, path: Path) -> Integration:
    where = f"ai_integrations.{name} in {path}"
    if not isinstance(part, Mapping) or part.get("provider") not in _KEYS:
        raise ConfigError(f"{where} needs `provider:`, one of {', '.join(_KEYS)}; {_SEE}")
    provider = str(part["provider"])
    if "api_key" in part:
        raise ConfigError(f"{where} holds a key; name its variable instead, as api_key_env")
    unknown = [str(key) for key in part if key not in _KEYS[provider]]
    if unknown:
        known = ", ".join(_KEYS[provider])
        raise ConfigError(f"{where}: {unknown[0]} is no setting of {provider}; there are {known}")
    values = {key: _value(where, key, value) for key, value in part.items() if value is not None}
    if provider in _COMMANDS:
        values.setdefault("command", _COMMANDS[provider])
        return Integration(name=name, **values)
    if "model" not in values:
        raise ConfigError(f"{where} needs `model:`; {_SEE}")
    url, key_env = _APIS[provider]
    if "base_url" not in values:  # the vendor's key is for the vendor alone
        values.setdefault("api_key_env", key_env)
    return Integration(name=name, **{"base_url": url, **values})


def _value(where: str, key: str, value: Any) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if key == "timeout_s" and number and value > 0:
        return float(value)
    if key == "max_output_tokens" and number and value == int(value) and value > 0:
        return int(value)
    if key == "arguments" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if key == "structured" and value in _STRUCTURED:
        return value
    if key == "base_url" and isinstance(value, str) and _is_endpoint(value):
        return value
    texts = ("provider", "model", "api_key_env", "command")
    if key in texts and isinstance(value, str) and value.strip():
        return value.strip()
    raise ConfigError(f"{where}: {key} cannot be what it is there; {_SEE}")


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


_SEE = "docs/judges.md shows what it may look like"
