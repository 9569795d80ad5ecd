"""The files on disk that may declare what a project has to pass."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Optional

from harness_tracing.activity import GATE_FILES

_LARGEST_FILE_BYTES = 1_000_000


def gate_files(folder: Optional[str]) -> dict[str, str]:
    """The text of each of them in a session's folder, as far as they are still there."""
    found: dict[str, str] = {}
    for name in GATE_FILES if folder else ():
        path = Path(str(folder)) / name
        with suppress(OSError, ValueError):
            if path.is_file() and path.stat().st_size <= _LARGEST_FILE_BYTES:
                found[name] = path.read_text(encoding="utf-8", errors="replace")
    return found
