"""The questions of `harness setup`, in their order. Asks through an `Asker`, writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Optional, Protocol, cast

from harness_tracing.config.endpoints import parse
from harness_tracing.config.headers import credential, headers
from harness_tracing.config.values import text
from harness_tracing.destinations import Kind
from harness_tracing.setup.answers import (
    BACKENDS,
    PHOENIX_HERE,
    Access,
    Answers,
    Backend,
    Checked,
    Content,
)

Where = Literal["config", "agent"]
_ABOUT: Mapping[Backend, str] = {
    "local": "nothing is sent anywhere",
    "ax": "Arize's hosted platform: API key and space id",
    "phoenix": "a Phoenix server, on this machine or elsewhere",
    "otlp": "a collector or any other receiver of OpenTelemetry traces",
}
_NO_FOLDER = Path()


@dataclass(frozen=True)
class Present:
    """What is there before anything is asked.

    `destinations` are those that are sent to now, each with a title; `config` is the content of
    config.yaml; `project`, `content` are what holds. `places` are where answers can be written,
    with what is shown of each. `title` names the agent.
    """

    title: str
    agent: Optional[str]
    config: Mapping[str, Any]
    destinations: Mapping[str, str]
    project: Optional[str]
    content: Content
    places: Mapping[Where, str]
    configured: bool


Validate = Callable[[str], Optional[str]]
"""A typed text in; what is wrong with it, None when nothing is."""


class Asker(Protocol):
    """Asks one question after the other. Ctrl-C raises KeyboardInterrupt, Ctrl-D EOFError."""

    def say(self, text: str = "", style: str = "") -> None:
        """Tell something, on lines of its own."""

    def select(self, question: str, choices: Mapping[str, str], default: str) -> str:
        """One of some choices, each with the text it is shown as."""

    def text(self, question: str, default: str = "", validate: Optional[Validate] = None) -> str:
        """A line of text; Enter takes the default."""

    def hidden(self, question: str, validate: Optional[Validate] = None) -> str:
        """A line that does not appear on the screen but as asterisks."""

    def confirm(self, question: str, default: bool = True) -> bool:
        """Yes or no."""


Check = Callable[[Access], Checked]
"""Asks a backend, live; ConfigError says what cannot be right about the access."""


@dataclass(frozen=True)
class Wizard:
    """One run through the questions. `backend` answers the first of them beforehand."""

    ask: Asker
    present: Present
    check: Optional[Check]
    backend: Optional[Backend] = None

    def answers(self) -> tuple[Answers, Where]:
        """Everything, and where it is to be written."""
        if self.backend is None and self.present.configured and self._reuse():
            return Answers(project=self._project("")), "config"
        access = self._access(self.backend or self._asked_backend())
        keep = self._keep(access)
        project = self._project("4/6  ")
        content = self._content()
        return Answers(access, keep, project, content), self._where()

    def _reuse(self) -> bool:
        named = ", ".join(self.present.destinations.values()) or "this machine only"
        self.ask.say(f"Configured already, for every agent: {named}")
        return self.ask.confirm("Use that for this agent as well?" if self._agent else "Keep that?")

    @property
    def _agent(self) -> Optional[str]:
        return self.present.agent

    # --- backend, credentials, endpoint

    def _access(self, backend: Backend) -> Access:
        """How the backend is reached, until it answers or is to be kept as it is."""
        access = self._credentials(backend, self._known(backend))
        while backend != "local" and self.check is not None:
            self.ask.say(f"Asking {BACKENDS[backend]} …", "dim")
            checked = self.check(access)
            self.ask.say(("✓ " if checked.ok else "✗ ") + checked.message, _colour(checked.ok))
            if checked.ok:
                break
            choices = {"correct": "Correct it", "other": "Choose another backend"}
            choices["keep"] = "Keep it: turns wait on this machine until it answers"
            said = self.ask.select("What now?", choices, "correct")
            if said == "keep":
                break
            if said == "other":
                return self._access(self._asked_backend())
            access = self._credentials(backend, access)
        return access

    def _asked_backend(self) -> Backend:
        choices = {name: f"{title}: {_ABOUT[name]}" for name, title in BACKENDS.items()}
        now = next((each for each in self.present.destinations if each in BACKENDS), "local")
        said = self.ask.select(
            "1/6  Where shall sessions go, besides the store on this machine?",
            cast("Mapping[str, str]", choices),
            now,
        )
        return cast("Backend", said)

    def _known(self, backend: Backend) -> Access:
        """What config.yaml has on a backend."""
        found = (self.present.config.get("destinations") or {}).get(backend) or {}
        told = {key: str(found.get(key) or "") for key in ("endpoint", "api_key", "space_id")}
        return Access(backend, **told, headers=dict(found.get("headers") or {}))

    def _credentials(self, backend: Backend, known: Access) -> Access:
        if backend == "ax":
            key = self._key("2/6  API key", known.api_key, needed=True)
            space = self.ask.text("2/6  Space ID", known.space_id, _checked(credential))
            where = self._endpoint("3/6  OTLP endpoint (blank: otlp.arize.com)", known, "")
            return Access(backend, where, key, space)
        if backend == "phoenix":
            where = self._endpoint("2/6  Phoenix endpoint", known, PHOENIX_HERE)
            return Access(backend, where, self._key("3/6  API key", known.api_key, needed=False))
        if backend == "otlp":
            where = self._endpoint("2/6  OTLP endpoint (URL, or host:port for gRPC)", known, None)
            return Access(backend, where, headers=self._headers(known.headers))
        return Access(backend)

    def _endpoint(self, question: str, known: Access, default: Optional[str]) -> str:
        def problem(said: str) -> Optional[str]:
            if not said and default == "":
                return None
            try:
                parse(said, cast("Kind", known.backend))
            except ValueError as error:
                return f"It may be {error}"
            return None

        return self.ask.text(question, known.endpoint or default or "", problem)

    def _key(self, question: str, known: str, *, needed: bool) -> str:
        """A key that is not shown; what was there stays when nothing is typed."""
        blank = "blank: the one that is there" if known else "" if needed else "blank: none"
        hint = f" (hidden{'; ' if blank else ''}{blank})"

        def problem(said: str) -> Optional[str]:
            if not said and (known or not needed):
                return None
            return _checked(credential)(said)

        return self.ask.hidden(question + hint, problem) or known

    def _headers(self, known: Mapping[str, str]) -> Mapping[str, str]:
        kept = f"those that are there: {', '.join(known)}" if known else "none"
        question = f"3/6  Headers, name=value,… (hidden; blank: {kept})"
        said = self.ask.hidden(question, _checked(headers))
        return headers(said, _NO_FOLDER) if said else known

    def _keep(self, access: Access) -> tuple[str, ...]:
        """Which of the other destinations go on being sent to."""
        if access.backend == "local":
            return ()
        others = {n: t for n, t in self.present.destinations.items() if n != access.backend}
        return tuple(
            name for name, title in others.items() if self.ask.confirm(f"Go on sending to {title}?")
        )

    # --- names and content

    def _project(self, number: str) -> Optional[str]:
        if self._agent is None:
            return None
        default = self.present.project or self._agent
        return self.ask.text(f"{number}Project name", default, _checked(text))

    def _content(self) -> Content:
        now = self.present.content
        user_id = self.ask.text("5/6  User ID, on every span (optional)", now.user_id)
        self.ask.say("6/6  What is recorded, here and there:", "bold")
        confirm = self.ask.confirm
        return replace(
            now,
            user_id=user_id,
            log_prompts=confirm("     Prompts and answers?", now.log_prompts),
            log_tool_details=confirm(
                "     What tools were asked (commands, paths, URLs)?", now.log_tool_details
            ),
            log_tool_content=confirm("     What tools returned?", now.log_tool_content),
        )

    def _where(self) -> Where:
        places = self.present.places
        if len(places) < 2:
            return "config"
        return cast(
            "Where",
            self.ask.select("Where shall this be kept?", cast("dict[str, str]", places), "config"),
        )


def _checked(read: Callable[[Any, Path], Any]) -> Validate:
    def problem(said: str) -> Optional[str]:
        try:
            read(said, _NO_FOLDER)
        except ValueError as error:
            return f"It may be {error}"
        return None

    return problem


def _colour(ok: bool) -> str:
    return "green" if ok else "red"
