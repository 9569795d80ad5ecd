"""Checks of what is configured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness_tracing import agents, config
from harness_tracing.config import Settings, Source
from harness_tracing.config.values import shown
from harness_tracing.doctor import Finding, Place
from harness_tracing.errors import ConfigError
from harness_tracing.surroundings import tracing


def check_settings(place: Place) -> Iterator[Finding]:
    """Whether the settings can be read, what of them is passed over, whether tracing is on."""
    try:
        settings = place.settings
    except ConfigError as error:
        yield Finding("config.yaml", False, str(error), f"edit {place.home.config}")
        return
    told: set[str] = set()
    for agent, each in settings.items():
        yield Finding(agent, True, tracing(each))
        for warning in each.warnings:
            if warning not in told:
                told.add(warning)
                yield Finding(agent, False, warning, "correct or remove it where it is set")


# Where we are decides over these, not anybody's word.
_NOT_COMPARED = ("home", "traceparent")


def check_contradictions(place: Place) -> Iterator[Finding]:
    """Where two places say different things of one setting: which of them counts."""
    told: set[str] = set()
    for name, settings in place.settings.items():
        for one, other in _weaker(place, name, settings):
            for message in _differences(one, other):
                if message not in told:
                    told.add(message)
                    yield Finding(name, True, message, "change one of both if that is not meant")


def _weaker(place: Place, name: str, settings: Settings) -> Iterator[tuple[Settings, Settings]]:
    """What holds, beside what would hold without the project, and with config.yaml alone."""
    home_only = {key: place.env[key] for key in ("HOME", "USERPROFILE") if key in place.env}
    user_env = agents.get(name).settings_env(place.env, None)[0]
    file = config.load(home_only, agent=name, home=place.home.root)
    user = config.load(home_only, agent=name, user_env=user_env, home=place.home.root)
    yield settings, user
    yield settings, file


def _differences(one: Settings, other: Settings) -> Iterator[str]:
    for field, origin in one.origins.items():
        weaker = other.origins.get(field)
        if field in _NOT_COMPARED or weaker is None or weaker.source is Source.DEFAULT:
            continue
        mine, theirs = _value(one, field), _value(other, field)
        if origin.source is not weaker.source and mine is not None and mine != theirs:
            yield (
                f"{field} is {shown(mine)} by {origin.name} ({origin.source.value}) and"
                f" {shown(theirs)} by {weaker.name} ({weaker.source.value}); the first counts"
            )


def _value(settings: Settings, field: str) -> Any:
    """A setting's value; none of those that may hold a credential is one of these fields."""
    value = getattr(settings, field, None)
    return dict(value) if isinstance(value, Mapping) else value
