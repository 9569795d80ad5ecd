"""What listing sessions on disk has in common: files by age, the first lines of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

import msgspec

HEAD_BYTES = 256 << 10
_NOT_IN_FOLDERS = re.compile(r"[^A-Za-z0-9]")


def changed_since(paths: Iterable[Path], since_ns: Optional[int]) -> Iterator[tuple[Path, int]]:
    """Those of the files that changed since then, each with when that was; ns."""
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            if status.st_size and (since_ns is None or status.st_mtime_ns >= since_ns):
                yield path, status.st_mtime_ns


def first_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """The objects at a JSONL file's beginning; lines that are none are left out."""
    read = 0
    with suppress(OSError), path.open("rb") as stream:
        for raw in stream:
            with suppress(msgspec.DecodeError, RecursionError):
                value = msgspec.json.decode(raw)
                if isinstance(value, dict):
                    yield value
            read += len(raw)
            if read > HEAD_BYTES:
                return


def folder_name(path: str) -> str:
    """How Claude Code and Cursor name their folder for a project; Cursor begins no name with -."""
    return _NOT_IN_FOLDERS.sub("-", path)
