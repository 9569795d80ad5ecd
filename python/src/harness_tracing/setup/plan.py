"""Answers become changes: of config.yaml, or of the variables in an agent's settings file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional
from urllib.parse import quote

from harness_tracing.config.fields import variables_of
from harness_tracing.setup.answers import Access, Answers, Content
from harness_tracing.setup.files import Change

_SWITCHES = ("log_prompts", "log_tool_details", "log_tool_content")
_PLAIN = ("endpoint", "api_key", "space_id")


def config_changes(
    answers: Answers, config: Mapping[str, Any], agent: Optional[str], known: Iterable[str]
) -> list[Change]:
    """What config.yaml has to become.

    `config` is its content now, `known` names the destinations that anybody configured, in
    variables too: what is not wanted any more is turned off, and nobody's key is thrown away.
    """
    changes: list[Change] = []
    if answers.access is not None:
        named = dict.fromkeys((*_group(config, "destinations"), *known))
        changes += _destination(answers.access)
        changes += _turned_off(answers, config, named)
    if answers.content is not None:
        changes += _content(answers.content, config, agent)
    if answers.project is not None and agent is not None:
        general = str(config.get("project") or agent)
        own = None if answers.project == general else answers.project
        changes.append((("agents", agent, "project"), own))
    return changes


def _destination(access: Access) -> Iterator[Change]:
    if access.backend == "local":
        return
    place = ("destinations", access.backend)
    for key in _PLAIN:
        if access.backend == "ax" or key != "space_id":
            yield (*place, key), getattr(access, key) or None
    if access.headers or access.backend == "otlp":
        yield (*place, "headers"), dict(access.headers) or None
    yield (*place, "enabled"), None


def _turned_off(
    answers: Answers, config: Mapping[str, Any], named: Iterable[str]
) -> Iterator[Change]:
    assert answers.access is not None
    for name in named:
        part = _group(_group(config, "destinations"), name)
        if name == answers.access.backend or part.get("enabled") is False:
            continue
        if name not in answers.keep:
            yield ("destinations", name, "enabled"), False


def _content(content: Content, config: Mapping[str, Any], agent: Optional[str]) -> Iterator[Change]:
    """The user's id and the switches, where they stand: in the agent's own part, else above."""
    own = _group(_group(config, "agents"), agent or "")

    def place(key: str) -> tuple[str, ...]:
        return ("agents", str(agent), key) if key in own else (key,)

    yield place("user_id"), content.user_id or None
    for switch in _SWITCHES:
        part = own if switch in own else config
        on = getattr(content, switch)
        # The default needs no words, unless somebody said the opposite.
        if not on or part.get(switch) not in (None, True):
            yield place(switch), on


def _group(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(key)
    return found if isinstance(found, Mapping) else {}


# --- variables -----------------------------------------------------------------------------


def variable_changes(
    answers: Answers, agent: Optional[str], present: Mapping[str, str]
) -> dict[str, Optional[str]]:
    """The same as variables for an agent's settings file; `present` are those it sets now."""
    changes: dict[str, Optional[str]] = {}
    if answers.access is not None:
        changes.update(_access_variables(answers.access, answers.keep))
    if answers.project is not None:
        changes["ARIZE_PROJECT_NAME"] = answers.project if answers.project != agent else None
    if answers.content is not None:
        changes["ARIZE_USER_ID"] = answers.content.user_id or None
        for switch in _SWITCHES:
            on = getattr(answers.content, switch)
            changes[f"ARIZE_{switch.upper()}"] = None if on else "false"
    return {name: value for name, value in changes.items() if value is not None or name in present}


def _access_variables(access: Access, keep: Iterable[str]) -> Iterator[tuple[str, Optional[str]]]:
    for backend in ("ax", "phoenix", "otlp"):
        variables = variables_of(backend)
        if backend != access.backend:
            gone = () if backend in keep else (*_PLAIN, "headers")
            yield from ((name, None) for key in gone for name in variables.get(key, ()))
            continue
        for key in (*_PLAIN, "headers"):
            names = variables.get(key, ())
            value = _line(access.headers) if key == "headers" else getattr(access, key)
            # Of the names for one thing the last is the general one.
            yield from ((name, None) for name in names[:-1])
            if names:
                yield names[-1], value or None


def _line(headers: Mapping[str, str]) -> str:
    """Headers as one variable has them: percent-encoded, with commas between them."""
    return ",".join(f"{name}={quote(value, safe='')}" for name, value in headers.items())
