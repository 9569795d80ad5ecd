"""The fields of one destination: which keys and variables say them, and whose words these are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

from harness_tracing.config.headers import credential, headers
from harness_tracing.config.layers import Layers, Setting
from harness_tracing.config.settings import Origin, Source
from harness_tracing.config.values import Read, shape, switch, text
from harness_tracing.destinations import Kind, Protocol
from harness_tracing.errors import ConfigError
from harness_tracing.paths import absolute

CONTENT = ("log_prompts", "log_tool_details", "log_tool_content")
"""The switches that hide content from a destination."""


class LeftOutError(Exception):
    """Where a destination is cannot be told, or must not be guessed."""


class WaitsError(Exception):
    """Where it is can be told, but it cannot be sent to."""


@dataclass(frozen=True)
class Told:
    """A value and whose word it is."""

    value: Any = field(repr=False)
    origin: Origin

    @property
    def of_file(self) -> bool:
        """Whether it stands in a file of the user's."""
        return self.origin.source in (Source.USER, Source.CONFIG)

    @property
    def shown(self) -> str:
        """How a message names it, without the value."""
        return f"{self.origin.name} ({self.origin.source.value})"


def _protocol(value: Any, _: Path) -> Protocol:
    word = str(value).strip().lower()
    if word in ("http", "http/protobuf"):
        return "http"
    if word == "grpc":
        return "grpc"
    raise ValueError("http/protobuf or grpc; OTLP as JSON is not supported")


def _milliseconds(value: Any, _: Path) -> float:
    digits = str(value).strip()
    if not re.fullmatch(r"[0-9]{1,8}", digits) or int(digits) == 0:
        raise ValueError("a number of milliseconds")
    return int(digits) / 1000


def _address(value: Any, _: Path) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("https://host[:port][/path], or host:port for gRPC")
    return value.strip()


READ: Mapping[str, Read] = {
    "endpoint": _address,
    "api_key": credential,
    "space_id": credential,
    "headers": headers,
    "protocol": _protocol,
    "certificate": absolute,
    "project": text,
    "shape": shape,
    "stream": switch,
    "log_prompts": switch,
    "log_tool_details": switch,
    "log_tool_content": switch,
    "annotations": switch,
    "enabled": switch,
    "insecure": switch,
    "timeout_s": _milliseconds,
}
"""How the value of each field of a destination is read."""
MEANINGS: Mapping[str, str] = {
    "endpoint": "where it is: a URL, or `host:port` for gRPC",
    "api_key": "the key it wants",
    "space_id": "the space of Arize AX that turns go to",
    "headers": "headers of every request: `name: value` lines, or `name=value,…`",
    "protocol": "`http/protobuf` or `grpc`, where the endpoint does not say it",
    "certificate": "a file of CA certificates that is trusted instead of the system's",
    "project": "a project of its own, instead of the session's",
    "shape": "a shape of its own, instead of `shape`",
    "stream": "`true`: finished steps go out while their turn runs; only with `shape: calls`",
    "log_prompts": "`false`: prompts and answers do not go there",
    "log_tool_details": "`false`: what tools were asked does not go there",
    "log_tool_content": "`false`: what tools returned does not go there",
    "annotations": "`false`: verdicts on turns (evaluators', people's) do not follow them there",
    "enabled": "`false`: nothing is sent there",
    "insecure": "`true`: gRPC to a `host:port` without TLS",
    "timeout_s": "milliseconds that one request may take",
}
"""Every field of a destination, and what it means: a line of the reference page."""
SECRET = ("api_key", "headers")
"""The fields whose values are shown to nobody."""
_OTLP = "OTEL_EXPORTER_OTLP"


def _otlp(name: str) -> tuple[str, str]:
    return f"{_OTLP}_TRACES_{name}", f"{_OTLP}_{name}"


_CERTIFICATE = {"certificate": _otlp("CERTIFICATE")}
_VARIABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "ax": {
        "api_key": ("ARIZE_API_KEY",),
        "space_id": ("ARIZE_SPACE_ID",),
        "endpoint": ("ARIZE_OTLP_ENDPOINT",),
    },
    "phoenix": {"endpoint": ("PHOENIX_ENDPOINT",), "api_key": ("PHOENIX_API_KEY",)},
    "otlp": {
        "endpoint": _otlp("ENDPOINT"),
        "headers": _otlp("HEADERS"),
        "protocol": _otlp("PROTOCOL"),
        "insecure": _otlp("INSECURE"),
        "timeout_s": _otlp("TIMEOUT"),
    },
}
_KINDS: Mapping[str, Kind] = {"ax": "ax", "phoenix": "phoenix", "otlp": "otlp"}
_PHOENIX_PROJECT = Setting(
    "phoenix_project", ("PHOENIX_PROJECT",), text, None, "anything", in_file=False
)
# Without these nobody asks for a destination: the rest may be meant for other programs.
_ASKING = ("endpoint", "api_key", "space_id", "headers")
# A wrong value of these costs nothing but their effect.
_HARMLESS = ("timeout_s", "insecure", "protocol")
_ONLY_VARIABLES = ("insecure", "timeout_s")


def variables_of(name: str) -> Mapping[str, tuple[str, ...]]:
    """The variables of the destination of that name, by field."""
    return {**_VARIABLES.get(name, {}), **_CERTIFICATE}


def keys_of(kind: Kind) -> list[str]:
    """What may stand in config.yaml of a destination of that kind."""
    keys = [key for key in READ if key not in _ONLY_VARIABLES]
    return ["kind", *(key for key in keys if key != "space_id" or kind == "ax")]


@dataclass(frozen=True)
class Asked:
    """One destination that somebody asks for: its name, its kind, its part of config.yaml."""

    layers: Layers
    name: str
    kind: Kind
    part: Mapping[str, Any]
    in_config: bool

    @classmethod
    def of(cls, layers: Layers, name: str, part: Optional[Mapping[str, Any]]) -> Asked:
        """The destination of that name; ConfigError when its kind is not clear."""
        kind = _KINDS.get(str((part or {}).get("kind", name)))
        if kind is None or (name in _KINDS and kind != name):
            allowed = name if name in _KINDS else ", ".join(_KINDS)
            raise ConfigError(
                f"destinations.{name}.kind in {layers.config_path} is missing or wrong;"
                f" it may be {allowed}"
            )
        return cls(layers, name, kind, part or {}, part is not None)

    @property
    def variables(self) -> Mapping[str, tuple[str, ...]]:
        """The variables by field; only a destination named after its kind has ones of its own."""
        return variables_of(self.name)

    @property
    def known_keys(self) -> list[str]:
        """What may stand in its part of config.yaml."""
        return keys_of(self.kind)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody but a project asks for it, and config.yaml does not turn it off."""
        if self.in_config:
            return self.switch("enabled")
        asking = (v for key in _ASKING for v in self.variables.get(key, ()))
        return any(self.layers.own_word(variable) for variable in asking)

    def find(self, key: str, waits: bool = False) -> Optional[Told]:
        """The value of a field and its origin, None when nobody says anything.

        Where a project hides it or a variable is wrong this raises LeftOutError, with `waits`
        WaitsError; where config.yaml is wrong it raises ConfigError.
        """
        fault = WaitsError if waits else LeftOutError
        hidden = None
        for variable in self.variables.get(key, ()):
            said = self.layers.own_word(variable)
            if said is not None:
                told = self._read(key, *said, fault)
                if told is not None:
                    return told
            elif self.layers.is_hidden(variable) and key not in _HARMLESS:
                hidden = variable
                break
        told = self.in_config_file(key)
        if told is None and hidden is not None:
            raise fault(self._hidden(hidden))
        return told

    def in_config_file(self, key: str) -> Optional[Told]:
        """What config.yaml says of a field."""
        value = None if key in _ONLY_VARIABLES else self.part.get(key)
        origin = Origin(Source.CONFIG, f"destinations.{self.name}.{key}")
        return None if value is None else self._read(key, value, origin)

    def in_files(self, key: str) -> Iterator[Told]:
        """What files of the user's say of a field, unread."""
        for variable in self.variables.get(key, ()):
            if self.layers.user_env.get(variable):
                said = self.layers.user_env[variable]
                yield Told(said, Origin(Source.USER, variable))
        if isinstance(self.part.get(key), str):
            yield Told(self.part[key], Origin(Source.CONFIG, f"destinations.{self.name}.{key}"))

    def of_variables(
        self, variables: tuple[str, ...], read: Callable[[str], str]
    ) -> Optional[Told]:
        """The first of some variables that the user sets; raises WaitsError as `find` does."""
        for variable in variables:
            said = self.layers.own_word(variable)
            if said is not None:
                try:
                    return Told(read(said[0]), said[1])
                except ValueError as error:
                    problem = f"{self.place(said[1])} cannot be used; it may be {error}"
                    raise WaitsError(problem) from None
            if self.layers.is_hidden(variable):
                raise WaitsError(self._hidden(variable))
        return None

    def project(self) -> Optional[str]:
        """The project that is its own, None when it takes the session's."""
        if self.name == "phoenix":
            said = self.layers.find(_PHOENIX_PROJECT)[0]
            if said is not None:
                return str(said)
        own = self.find("project")
        return None if own is None else str(own.value)

    def switch(self, key: str, default: bool = True) -> bool:
        """What a switch in config.yaml says."""
        told = self.find(key)
        return default if told is None else bool(told.value)

    def warn(self, text: str) -> None:
        """Tell the user something about this destination."""
        self.layers.warnings.append(f"destination {self.name}: {text}")

    def warn_of_project(self) -> None:
        """Say which of its variables a project sets in vain."""
        for variables in self.variables.values():
            for variable in variables:
                if self.layers.project_env.get(variable):
                    self.layers.warnings.append(
                        f"{variable} is passed over: a project may not set it"
                    )

    def how_to_give(self, key: str) -> str:
        """What a user can do to give a missing value."""
        variable = self.variables.get(key, ())
        or_variable = f", or set {variable[-1]}" if variable else ""
        return (
            f"write it as destinations.{self.name}.{key} in {self.layers.config_path}{or_variable}"
        )

    def place(self, origin: Origin) -> str:
        """Where a value stands, for messages."""
        if origin.source is Source.CONFIG:
            return f"{origin.name} in {self.layers.config_path}"
        return f"{origin.name} ({origin.source.value})"

    def _read(
        self, key: str, value: Any, origin: Origin, fault: type[Exception] = LeftOutError
    ) -> Optional[Told]:
        try:
            return Told(READ[key](value, self.layers.user_home), origin)
        except ValueError as error:
            problem = f"{self.place(origin)} cannot be used; it may be {error}"
        if origin.source is Source.CONFIG:
            raise ConfigError(problem)
        if key not in _HARMLESS:
            raise fault(problem)
        self.warn(f"{problem}; it is passed over")
        return None

    def _hidden(self, variable: str) -> str:
        return (
            f"the project's settings set {variable}, which a project may not do, and hide what"
            f" you may have set; put your own into {self.layers.config_path} or your agent's"
            " user settings"
        )
