"""Checks of what is configured."""

from __future__ import annotations

from collections.abc import Iterator

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
