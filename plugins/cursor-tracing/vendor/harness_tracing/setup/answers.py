"""What a person answers when setting up, and the same from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Optional

from harness_tracing.config.fields import variables_of
from harness_tracing.config.headers import headers
from harness_tracing.config.values import switch
from harness_tracing.errors import TracerError

Backend = Literal["local", "ax", "phoenix", "otlp"]
BACKENDS: Mapping[Backend, str] = {
    "local": "This machine only",
    "ax": "Arize AX",
    "phoenix": "Phoenix",
    "otlp": "Any OTLP endpoint",
}
PHOENIX_HERE = "http://localhost:6006"
# What a backend cannot do without; everything else has a default or is optional.
_NEEDED: Mapping[Backend, tuple[str, ...]] = {
    "local": (),
    "ax": ("api_key", "space_id"),
    "phoenix": (),
    "otlp": ("endpoint",),
}
_NO_FOLDER = Path()
_NAMING = {"ax": ("api_key", "space_id"), "phoenix": ("endpoint",), "otlp": ("endpoint",)}


class MissingAnswersError(TracerError):
    """Nobody can be asked, and the environment does not say enough."""


@dataclass(frozen=True)
class Access:
    """How a backend is reached: empty texts stand for what was not said."""

    backend: Backend
    endpoint: str = ""
    api_key: str = field(default="", repr=False)
    space_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Answers:
    """Everything that was answered.

    `access` None leaves destinations as they are. `keep` names the other destinations that go
    on being sent to. `content` None leaves the user's id and the content switches as they are.
    `project` None leaves the project's name as it is.
    """

    access: Optional[Access] = None
    keep: tuple[str, ...] = ()
    project: Optional[str] = None
    content: Optional[Content] = None


@dataclass(frozen=True)
class Content:
    """Whose the spans are, and what of a session's content is recorded."""

    user_id: str = ""
    log_prompts: bool = True
    log_tool_details: bool = True
    log_tool_content: bool = True


@dataclass(frozen=True)
class Checked:
    """What a backend said, in one line without any credential; `ok`: turns can be sent there."""

    ok: bool
    message: str


def backend_of(env: Mapping[str, str]) -> Optional[Backend]:
    """The one backend that an environment names, None where it names none.

    Raises MissingAnswersError where it names several.
    """
    named = [name for name in _NAMING if any(_said(env, name, key) for key in _NAMING[name])]
    if len(named) > 1:
        raise MissingAnswersError(
            f"the environment names {' and '.join(named)}; say which with --backend"
        )
    return named[0] if named else None  # type: ignore[return-value]  # keys of a constant


def from_environment(env: Mapping[str, str], backend: Backend) -> Access:
    """How the environment says that a backend is reached.

    Raises MissingAnswersError with the variables that are missing or wrong.
    """
    missing = [
        variables_of(backend)[key][-1] for key in _NEEDED[backend] if not _said(env, backend, key)
    ]
    if missing:
        raise MissingAnswersError(
            f"{BACKENDS[backend]} needs {' and '.join(missing)} in the environment; set"
            f" {'it' if len(missing) == 1 else 'them'}, or run this in a terminal to be asked"
        )
    if backend == "local":
        return Access(backend)
    try:
        told = headers(_said(env, backend, "headers"), _NO_FOLDER)
    except ValueError as error:
        variable = variables_of(backend)["headers"][-1]
        raise MissingAnswersError(f"{variable} cannot be used; it may be {error}") from None
    default = PHOENIX_HERE if backend == "phoenix" else ""
    return Access(
        backend,
        _said(env, backend, "endpoint") or default,
        _said(env, backend, "api_key"),
        _said(env, backend, "space_id"),
        told,
    )


def content_of(env: Mapping[str, str]) -> Optional[Content]:
    """The user's id and the content switches of an environment; None where it names none.

    A switch that nobody understands hides, as it does when a session is traced.
    """
    names = ("ARIZE_LOG_PROMPTS", "ARIZE_LOG_TOOL_DETAILS", "ARIZE_LOG_TOOL_CONTENT")
    if not any(env.get(name) for name in (*names, "ARIZE_USER_ID")):
        return None
    return Content(env.get("ARIZE_USER_ID", ""), *(_is_on(env.get(name)) for name in names))


def _is_on(word: Optional[str]) -> bool:
    try:
        return switch(word, _NO_FOLDER) if word else True
    except ValueError:
        return False


def _said(env: Mapping[str, str], backend: str, key: str) -> str:
    variables = variables_of(backend).get(key, ())
    return next((env[name].strip() for name in variables if env.get(name, "").strip()), "")
