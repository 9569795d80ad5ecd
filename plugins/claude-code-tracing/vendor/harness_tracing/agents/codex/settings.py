"""The variables of Codex's settings file for us, ``arize-env.sh`` in its home folder.

Codex sources no such file itself, and under its background daemon hooks have the environment
of whoever started that: so we read the file. It looks like a shell script and is never run:
only assignments of plain values are taken.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

_log = logging.getLogger(__name__)

FILE_NAME = "arize-env.sh"
# Such a file is some hundred bytes; what is larger is something else.
_LARGEST = 1_000_000
_ASSIGNMENT = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.S)
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_SINGLE_QUOTED = re.compile(r"'[^']*'")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
# What a shell would replace or run, within double quotes and outside of all quotes.
_REPLACED = re.compile(r"[$`]")
_ACTIVE = re.compile(r"[;&|<>()]|=~")


def settings_env(env: Mapping[str, str]) -> Mapping[str, str]:
    """The variables that the user's ``arize-env.sh`` sets; `env` tells where it lies.

    Missing or unreadable counts as empty, with a line in the log; never raises. There is no
    project's file: Codex gives its hooks no environment from a project's folder.
    """
    path = settings_path(env)
    if path is None:
        return {}
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read and counts as empty: %s", path, error)
        return {}
    if len(text) > _LARGEST:
        _log.warning("%s is too large for a settings file and counts as empty", path)
        return {}
    return parse(text, str(path))


def settings_path(env: Mapping[str, str]) -> Optional[Path]:
    """Where ``arize-env.sh`` lies: in ``$CODEX_HOME``, else in ``~/.codex``.

    Codex takes an empty ``CODEX_HOME`` for none and expands no ``~`` in it. A relative one
    depends on where Codex was started, which we do not know: there is no file then.
    """
    own = env.get("CODEX_HOME")
    if own:
        folder = Path(own)
    else:
        user_home = env.get("HOME") or env.get("USERPROFILE")
        if not user_home:
            return None
        folder = Path(user_home, ".codex")
    return folder / FILE_NAME if folder.is_absolute() else None


def parse(text: str, name: str = FILE_NAME) -> dict[str, str]:
    """The assignments in a shell script that consists of them: ``export NAME="value"  # why``.

    Lines that would need a shell (``$``, backquotes, commands) are left out, with a line in the
    log that names them, but never a value.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        value = _assignment(stripped)
        if value is None:
            _log.warning("%s, line %d: not NAME=value in plain text; left out", name, number)
        else:
            found.update(value)
    return found


def _assignment(line: str) -> Optional[dict[str, str]]:
    if _needs_a_shell(line):
        return None
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    words = words[1:] if words[:1] == ["export"] else words
    if not words:
        return None
    found = {}
    for word in words:
        match = _ASSIGNMENT.fullmatch(word.rstrip(";") if word is words[-1] else word)
        if match is None:
            return None
        found[match[1]] = match[2]
    return found


def _needs_a_shell(line: str) -> bool:
    plain = _SINGLE_QUOTED.sub("''", line)
    outside = _COMMENT.sub("", _QUOTED.sub('""', plain)).strip()
    inside = _QUOTED.findall(plain)
    return bool(
        _ACTIVE.search(outside[:-1] if outside.endswith(";") else outside)
        or any(_REPLACED.search(text) for text in (outside, *inside))
    )
