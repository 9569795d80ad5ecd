"""A user's file: read it, and write it in one step so that nobody is left with half of it.

Links stay links, modes stay modes, a byte order mark stays, and a file that was made read-only
is refused: replacing it would go round that.
"""

from __future__ import annotations

import codecs
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Optional

from harness_tracing.errors import RegistrationError


def digest(content: bytes) -> str:
    """What tells whether a file is as it was."""
    return hashlib.sha256(content).hexdigest()


def decode(content: bytes, path: Path) -> str:
    """The text of a file without its byte order mark; RegistrationError where it is no UTF-8."""
    try:
        return content[len(bom(content)) :].decode("utf-8")
    except UnicodeDecodeError as error:
        raise RegistrationError(
            f"{path} was left as it is: it is not UTF-8 (byte {error.start}). Mend it and run"
            " this again"
        ) from error


def encode(text: str, like: bytes) -> bytes:
    """A text as content, with a byte order mark if `like` has one."""
    return bom(like) + text.encode("utf-8")


def bom(content: bytes) -> bytes:
    """The byte order mark that a content begins with, empty without one."""
    return codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""


def real_path(path: Path) -> Path:
    """The file itself: where a link leads to, for users who keep such files elsewhere."""
    return path.resolve()


def read(path: Path) -> Optional[bytes]:
    """A file's content, None where there is none; RegistrationError where it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RegistrationError(
            f"{path} cannot be read ({error.strerror or error}), so nothing was changed. It has to"
            " be a file that you may read and write; then run this again"
        ) from error


def is_link(path: Path) -> bool:
    """Whether a file, or the folder it lies in, is a link."""
    return path.is_symlink() or path.parent.is_symlink()


def check_writable(path: Path) -> None:
    """Refuse a file that was made read-only: replacing it would go round that."""
    real = real_path(path)
    try:
        writable = not real.exists() or bool(real.stat().st_mode & 0o222)
    except OSError:
        writable = False
    if not writable:
        raise unwritable(path, "it is read-only")


def unwritable(path: Path, why: str) -> RegistrationError:
    """What is said of a file that cannot be changed."""
    real = real_path(path)
    where = f"{path} (a link to {real})" if real != path and is_link(path) else str(path)
    return RegistrationError(
        f"{where} was left as it is: {why}. Allow writing (chmod u+w) and run this again; where a"
        " tool manages the file, give that tool the lines that `harness hook-command AGENT EVENT`"
        " prints"
    )


def remove(path: Path, with_folder: bool) -> None:
    """Remove a file, and its folder if that is then empty."""
    try:
        real_path(path).unlink()
    except OSError as error:
        raise unwritable(path, f"it cannot be removed ({error.strerror or error})") from error
    if with_folder:
        with suppress(OSError):  # not empty
            path.parent.rmdir()


def write(path: Path, content: bytes, *, fresh_mode: int = 0o600) -> None:
    """Write in one step, with the mode the file had; a new one has `fresh_mode`."""
    real = real_path(path)
    temporary = real.with_name(f".{real.name}.{os.getpid()}")
    try:
        mode = real.stat().st_mode & 0o7777 if real.exists() else fresh_mode
        _make_folder(real.parent, fresh_mode | (fresh_mode & 0o444) >> 2)
        temporary.write_bytes(content)
        temporary.chmod(mode)
        temporary.replace(real)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise unwritable(path, f"it cannot be written ({error.strerror or error})") from error


def _make_folder(path: Path, mode: int) -> None:
    """Make a folder with those above it: `parents=True` has the mode for the last one only."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=mode, exist_ok=True)
