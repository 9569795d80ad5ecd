"""Readers of values on the command line: ages, moments, agents. Used as click callbacks."""

from __future__ import annotations

import re
import time
from typing import Optional

import click

_UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
MOST_DAYS = 100_000
_AGE = re.compile(r"(\d{1,5})\s*([mhdw])", re.ASCII)


def age_ns(_ctx: click.Context, _parameter: click.Parameter, value: str) -> int:
    """The length in ns of ``90m``, ``12h``, ``30d``, ``4w``."""
    length = _length_ns(value)
    if length is None:
        raise click.BadParameter(f"{value!r} is no age; write 90m, 12h, 30d or 4w.")
    return length


def since_ns(
    _ctx: click.Context, _parameter: click.Parameter, value: Optional[str]
) -> Optional[int]:
    """Unix ns of ``2d`` ago, ``2025-12-31`` or ``2025-12-31T14:03Z``; else in the user's zone."""
    if value is None:
        return None
    from harness_tracing.observe.values import instant_ns

    length = _length_ns(value)
    at_ns = instant_ns(value, local=True) if length is None else time.time_ns() - length
    if at_ns is None:
        raise click.BadParameter(f"{value!r} is no age (2d) and no date (2025-12-31).")
    return at_ns


until_ns = since_ns
"""The same readings, for the end of a span of time."""


def moment_ns(
    _ctx: click.Context, _parameter: click.Parameter, value: Optional[str]
) -> Optional[int]:
    """Unix ns of ``2025-12-31`` or ``2025-12-31T14:03:00+01:00`` (UTC without a zone)."""
    if value is None:
        return None
    from harness_tracing.observe.values import instant_ns

    at_ns = instant_ns(value)
    if at_ns is None:
        raise click.BadParameter(
            f"{value!r} is no date (2025-12-31) and no time (2025-12-31T14:03:00Z)."
        )
    return at_ns


def _ignored(_ctx: click.Context, parameter: click.Parameter, value: Optional[str]) -> None:
    if value is not None:
        click.echo(f"{parameter.opts[0]} means nothing on this machine and is ignored.", err=True)


space_option = click.option("--space", callback=_ignored, expose_value=False, help="Ignored.")
"""Hosted commands of the same name want it."""


def agent_name(
    _ctx: click.Context, _parameter: click.Parameter, value: Optional[str]
) -> Optional[str]:
    """The name of the agent that is called so, or has that alias."""
    if value is None:
        return None
    from harness_tracing import agents
    from harness_tracing.errors import ConfigError

    try:
        return agents.get(value).name
    except ConfigError as error:
        raise click.BadParameter(str(error)) from error


def command_line(
    _ctx: click.Context, _parameter: click.Parameter, value: Optional[str]
) -> Optional[str]:
    """A command as one types it."""
    if value is None:
        return None
    import shlex

    try:
        if shlex.split(value):
            return value
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no command: {error}.") from None
    raise click.BadParameter("it is empty; write a command such as 'make check'.")


def _length_ns(text: str) -> Optional[int]:
    match = _AGE.fullmatch(text.strip().lower())
    return int(match[1]) * _UNITS_S[match[2]] * 1_000_000_000 if match else None
