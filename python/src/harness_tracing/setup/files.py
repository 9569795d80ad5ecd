"""config.yaml and agents' settings files: edited as text, written in one step.

Of config.yaml comments and order stay. Whatever is written here may hold keys: mode 0600.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any, Optional

from harness_tracing.errors import ConfigError

Change = tuple[tuple[str, ...], Any]
"""A key of config.yaml, from the outermost group on, and its value; None takes it away."""

HEAD = """\
# Settings of harness for every agent. `harness config show` says what holds and why;
# environment variables come first. This file may hold keys: keep it to yourself.
"""
_INDENT = re.compile(r"^[^\s#][^\n]*:[ \t]*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*([ ]+)\S", re.M)


def parsed(text: str) -> dict[str, Any]:
    """The plain content of a YAML text that was read before."""
    from ruamel.yaml import YAML

    return dict(YAML(typ="safe", pure=True).load(text) or {})


def edited(text: str, changes: Sequence[Change]) -> str:
    """A YAML text with some keys changed; the very same text where nothing is to change."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    indent = _INDENT.search(text)
    yaml.indent(mapping=len(indent[1]) if indent else 2)
    root = yaml.load(text)
    fresh = root is None
    root = CommentedMap() if fresh else root
    changed = [_apply(root, path, value) for path, value in changes]
    if not any(changed):
        return text
    stream = StringIO()
    if root:
        yaml.dump(root, stream)
    new = stream.getvalue()
    if fresh:
        new = (text or HEAD) + new
    return new.replace("\n", "\r\n") if "\r\n" in text else new


def _apply(root: Any, path: tuple[str, ...], value: Any) -> bool:
    """Change one key; whether that changed anything."""
    if value is None:
        return _remove(root, path)
    group = root
    for key in path[:-1]:
        if not isinstance(group.get(key), Mapping):
            group[key] = {}
        group = group[key]
    if path[-1] in group and _same(group[path[-1]], value):
        return False
    group[path[-1]] = value
    return True


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _remove(group: Any, path: tuple[str, ...]) -> bool:
    """Take a key away, and the groups it leaves empty."""
    if not isinstance(group, Mapping) or path[0] not in group:
        return False
    if len(path) > 1 and not _remove(group[path[0]], path[1:]):
        return False
    if len(path) == 1 or not group[path[0]]:
        del group[path[0]]  # type: ignore[attr-defined]  # ruamel's mapping
    return True


# --- files ---------------------------------------------------------------------------------


def read_text(path: Path) -> str:
    """The text of a file, empty where there is none; line ends as they are."""
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def check_writable(path: Path) -> None:
    """Raise ConfigError for a file that was made read-only: replacing it would go round that."""
    real = path.resolve()
    with suppress(FileNotFoundError, NotADirectoryError):
        try:
            writable = bool(real.stat().st_mode & 0o222)
        except PermissionError:
            writable = False
        if not writable:
            raise ConfigError(
                f"{path} was left as it is: it is read-only. Allow writing (chmod u+w {real}), or"
                " give the settings as environment variables"
            )


def write_text(path: Path, text: str, mode: Optional[int] = 0o600) -> bool:
    """Write a file in one step, whether that changed it; links stay links.

    `mode` None keeps that of a file that is there. Raises ConfigError, with nothing changed.
    """
    check_writable(path)
    real = path.resolve()
    temporary = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        before = real.read_bytes() if real.exists() else None
        bom = codecs.BOM_UTF8 if before and before.startswith(codecs.BOM_UTF8) else b""
        content = bom + text.encode("utf-8")
        if before == content:
            if mode is not None:
                real.chmod(mode)
            return False
        if mode is None:
            mode = real.stat().st_mode & 0o7777 if before is not None else 0o600
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.chmod(mode)
        temporary.replace(real)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        why = error.strerror or str(error)
        raise ConfigError(
            f"{path} was left as it is: it cannot be written ({why}). Give the settings as"
            " environment variables, or make its folder writable"
        ) from None
    return True
