"""Reading single values: each reader raises ValueError, whose text follows "it may be"."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable
from urllib.parse import unquote

from harness_tracing.config.settings import SecretPattern
from harness_tracing.model import outer_span

# As in capture/wait.sh. Clients give their hooks less time than this.
_LONGEST_WAIT_S = 600

Read = Callable[[Any, Path], Any]
"""A value as it was written and the user's home folder in, the value as it is meant out."""


def switch(value: Any, _: Path) -> bool:
    """On or off, in one of the usual words."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise ValueError("true or false")


def untraced(value: Any, _: Path) -> bool:
    """Any value but 0 counts, as in capture: who sets it wants silence."""
    return bool(value != "0")


def text(value: Any, _: Path) -> str:
    """A text that is not empty."""
    if isinstance(value, (Mapping, list, bool)) or not str(value).strip():
        raise ValueError("a text")
    return str(value).strip()


def shape(value: Any, _: Path) -> str:
    """The name of a shape of spans."""
    if value not in ("turns", "calls"):
        raise ValueError("turns or calls")
    return str(value)


def count(least: int) -> Read:
    """A reader of whole numbers from `least` on."""

    def read(value: Any, _: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"a whole number from {least} on")
        return value

    return read


def patterns(value: Any, _: Path) -> tuple[SecretPattern, ...]:
    """A user's own rules for secrets, by kind."""
    if not isinstance(value, Mapping):
        raise ValueError("kinds of secrets with a regular expression each")
    return tuple(_pattern(str(kind), str(regex)) for kind, regex in value.items())


def _pattern(kind: str, regex: str) -> SecretPattern:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", kind):
        raise ValueError(f"kinds of letters, digits, - and _, which {shown(kind)} is not")
    try:
        compiled = re.compile(regex)
    except re.error as error:
        raise ValueError(f"regular expressions, which that of {kind} is not: {error}") from None
    if compiled.fullmatch(""):
        raise ValueError(f"regular expressions that match no empty text, as that of {kind} does")
    return SecretPattern(kind, compiled)


def gates(value: Any, _: Path) -> dict[str, str]:
    """A command for each project, by its name."""
    if not isinstance(value, Mapping):
        raise ValueError("names of projects with a command each")
    return {str(project): _command(str(project), command) for project, command in value.items()}


def _command(project: str, command: Any) -> str:
    try:
        if isinstance(command, str) and shlex.split(command):
            return command.strip()
    except ValueError:
        pass
    raise ValueError(f"commands as one types them, which that of {shown(project)} is not")


def attributes(value: Any, _: Path) -> dict[str, str]:
    """A mapping, or ``name=text,…`` with percent signs decoded, as OpenTelemetry has it."""
    if isinstance(value, Mapping):
        return {str(name): str(text) for name, text in value.items()}
    pairs = [pair.partition("=") for pair in str(value).split(",") if pair.strip()]
    if not all(name.strip() and equals for name, equals, text in pairs):
        raise ValueError("name=text, separated by commas")
    return {unquote(name.strip()): unquote(text.strip()) for name, _equals, text in pairs}


def seconds(value: Any, _: Path) -> int:
    """A time in whole seconds, as capture understands it: more than the longest is the longest."""
    digits = str(value)
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"a whole number of seconds from 0 to {_LONGEST_WAIT_S}")
    return min(int(digits), _LONGEST_WAIT_S) if len(digits) < 4 else _LONGEST_WAIT_S


def join_trace(value: Any, _: Path) -> str:
    """How a turn joins an outer trace. YAML reads ``off`` as a word or as false."""
    if value is False:
        return "off"
    if value not in ("link", "child", "off"):
        raise ValueError("link, child or off")
    return str(value)


def traceparent(value: Any, _: Path) -> str:
    """A well-formed W3C traceparent."""
    if outer_span(str(value).strip()) is None:
        raise ValueError("a W3C traceparent: 00-<32 hex digits>-<16 hex digits>-<2 hex digits>")
    return str(value).strip()


def shown(value: Any) -> str:
    """A value for a message, short: it may be anything, also a key put in the wrong line."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
