"""Edits of the files in which an agent keeps variables; every other byte stays as it is.

Two forms: the `env` block of a JSON file, and a shell script of plain assignments.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Optional

from harness_tracing.agents import json_text
from harness_tracing.agents.base import SettingsFile
from harness_tracing.errors import ConfigError

_SAID = re.compile(r"\s*(?:export\s+)?\w+=(?P<value>'[^']*'|\"[^\"]*\"|[^\s;#]*)[;\s]*(?:#.*)?")

Changes = Mapping[str, Optional[str]]
"""Variables and what they shall be; None takes one away."""


def edited(file: SettingsFile, text: str, changes: Changes) -> str:
    """The text of a settings file with variables set and taken away.

    Raises ConfigError, naming the file, where its text is not what the agent could read.
    """
    if file.form == "exports":
        return with_exports(text, changes)
    try:
        return with_env_block(text, changes)
    except ValueError as error:
        raise ConfigError(
            f"{file.path} was left as it is: {error}. Mend it and run this again"
        ) from None


def with_env_block(text: str, changes: Changes) -> str:
    """A JSON text with variables in its `env` block; ValueError where it is no such JSON."""
    wanted = {name: value for name, value in changes.items() if value is not None}
    if not text.strip():
        text = "{\n}\n" if wanted else text
    if not text.strip():
        return text
    root = json_text.scan(text)
    block = root.member("env")
    if not isinstance(root.value, dict):
        raise ValueError("it holds no object")
    if block is not None and not isinstance(block.value, dict):
        raise ValueError('"env" is no object')
    for name, value in changes.items():
        text = _without(text, name) if value is None else _with(text, name, value)
    return text


def _with(text: str, name: str, value: str) -> str:
    root = json_text.scan(text)
    block = root.member("env")
    if block is None:
        return json_text.append(text, root, {name: value}, "env")
    member = block.member(name)
    if member is None:
        return json_text.append(text, block, value, name)
    if member.value == value:
        return text
    return text[: member.start] + json_text.written(value) + text[member.end :]


def _without(text: str, name: str) -> str:
    root = json_text.scan(text)
    block = root.member("env")
    member = block.member(name) if block is not None else None
    if block is None or member is None:
        return text
    if len(block.children) == 1:
        return json_text.cut(text, root, block)
    return json_text.cut(text, block, member)


def with_exports(text: str, changes: Changes) -> str:
    """A shell script with one line ``export NAME=value`` for each variable.

    A line that sets a variable is replaced where it stands; new ones come last.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines()
    for name, value in changes.items():
        line = None if value is None else export_line(name, value)
        places = [i for i, each in enumerate(lines) if _sets(each, name)]
        if line is not None and places:
            # The last one is what counts.
            lines[places[-1]] = line
            places = places[:-1]
        elif line is not None:
            lines.append(line)
        lines = [each for i, each in enumerate(lines) if i not in places]
    return newline.join(lines) + newline if lines else ""


def export_line(name: str, value: str) -> str:
    """The line of a shell script that sets a variable for whatever is started from there."""
    return f"export {name}={shlex.quote(value)}"


def _sets(line: str, name: str) -> bool:
    return re.match(rf"\s*(?:export\s+)?{re.escape(name)}=", line) is not None


def sets(file: SettingsFile, text: str, name: str) -> bool:
    """Whether the text of a settings file says anything of a variable."""
    if file.form == "exports":
        return any(_sets(line, name) for line in text.splitlines())
    try:
        block = json_text.scan(text).member("env")
    except ValueError:
        return False
    return block is not None and block.member(name) is not None


def value_in(file: SettingsFile, text: str, name: str) -> Optional[str]:
    """What the text of a settings file says of a variable, None where it says nothing.

    Raises ConfigError, naming the file, where its text is not what the agent could read.
    """
    if file.form == "exports":
        said = [_SAID.fullmatch(line) for line in text.splitlines() if _sets(line, name)]
        last = said[-1] if said else None
        return last["value"].strip("'\"") if last is not None else None
    try:
        block = json_text.scan(text).member("env") if text.strip() else None
    except ValueError as error:
        raise ConfigError(
            f"{file.path} cannot be read: {error}. Mend it and run this again"
        ) from None
    member = block.member(name) if block is not None else None
    if member is None:
        return None
    return member.value if isinstance(member.value, str) else json_text.written(member.value)
