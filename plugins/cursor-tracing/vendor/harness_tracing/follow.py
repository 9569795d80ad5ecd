"""Following an agent's own files as they grow: each byte is read once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Optional

from harness_tracing.agents.base import Document, Item, Line, Listing, Reader, WantedFile
from harness_tracing.spool import parse

CHUNK_BYTES = 4 << 20
HEAD_BYTES = 1024
TAIL_BYTES = 256
DOCUMENT_CAP_BYTES = 16 << 20


@dataclass
class Position:
    """How far a file has been read. `offset` is the begin of the first line not yet told.

    `head` and `tail` are digests of the file's beginning and of what stands before `offset`:
    by them a file that was rewritten in place is told from one that grew.
    """

    path: str
    offset: int = 0
    head: str = ""
    tail: str = ""


@dataclass
class Follower:
    """The files of one session. `positions` is what a later reader goes on from.

    `latest_ns` is when one of them last grew, as far as that was seen. At most `chunk_bytes` of a
    file are read at once, but for a line that is longer.
    """

    positions: dict[str, Position] = field(default_factory=dict)
    latest_ns: int = 0
    chunk_bytes: int = CHUNK_BYTES
    _stats: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _once: set[str] = field(default_factory=set)
    _listings: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def new_items(self, wanted: Iterable[WantedFile], reader: Reader) -> list[Item]:
        """What has come since the last call; at most some megabytes of each file."""
        items: list[Item] = []
        for file in wanted:
            with suppress(OSError):
                if file.how == "lines":
                    items += self._lines(file, reader)
                elif file.how == "folder":
                    items += self._listing(file)
                else:
                    items += self._document(file)
        return items

    def _listing(self, file: WantedFile) -> list[Item]:
        names = tuple(sorted(entry.name for entry in os.scandir(file.path)))
        if self._listings.get(file.key) == names:
            return []
        self._listings[file.key] = names
        return [Listing(file.key, names)]

    def _document(self, file: WantedFile) -> list[Item]:
        if file.key in self._once:
            return []
        status = os.stat(file.path)
        stamp = (status.st_mtime_ns, status.st_size)
        if self._stats.get(file.key) == stamp or status.st_size > DOCUMENT_CAP_BYTES:
            return []
        text = Path(file.path).read_text(encoding="utf-8", errors="replace")
        self._stats[file.key] = stamp
        if file.how == "once":
            self._once.add(file.key)
        return [Document(file.key, text)]

    def _lines(self, file: WantedFile, reader: Reader) -> list[Item]:
        status = os.stat(file.path)
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._stats.get(file.key) == stamp:
            return []
        position = self.positions.setdefault(file.key, Position(file.path))
        self.latest_ns = max(self.latest_ns, status.st_mtime_ns)
        with open(file.path, "rb") as stream:
            if position.offset and not _is_continued(position, stream):
                reader.restarted(file.key)
                position.offset = 0
            position.path = file.path
            stream.seek(position.offset)
            content = stream.read(self.chunk_bytes)
            items = self._whole_lines(file.key, position, content, reader)
            position.head, position.tail = _digests(stream, position.offset)
        if len(content) < self.chunk_bytes:
            self._stats[file.key] = stamp
        return items

    def _whole_lines(
        self, key: str, position: Position, content: bytes, reader: Reader
    ) -> list[Item]:
        end = content.rfind(b"\n") + 1
        if end == 0:
            return self._huge_line(key, position, content, reader)
        items: list[Item] = []
        offset = position.offset
        # Split on \n only: lines may hold U+2028 and other separators as they are.
        for raw in content[: end - 1].split(b"\n"):
            line = _line(key, raw, offset, reader.skipped_lines)
            if line is not None:
                items.append(line)
            offset += len(raw) + 1
        position.offset += end
        return items

    def _huge_line(
        self, key: str, position: Position, content: bytes, reader: Reader
    ) -> list[Item]:
        """A line longer than a chunk: read on to its end, once that is written."""
        if len(content) < self.chunk_bytes:
            return []
        with open(position.path, "rb") as stream:
            stream.seek(position.offset)
            raw = stream.readline()
        if not raw.endswith(b"\n"):
            return []
        line = _line(key, raw[:-1], position.offset, reader.skipped_lines)
        position.offset += len(raw)
        return [line] if line is not None else []


def _line(key: str, raw: bytes, offset: int, skipped: tuple[bytes, ...]) -> Optional[Line]:
    if not raw.strip() or raw.startswith(skipped):
        return None
    try:
        value = parse(raw)
    except (ValueError, RecursionError):
        value = None
    return Line(key, value if isinstance(value, dict) else None, offset)


def _is_continued(position: Position, stream: BinaryIO) -> bool:
    """Whether this file goes on from where we were: not cut, rewritten or another one.

    A file that was moved has the same beginning and end; reading goes on where it was.
    """
    return (position.head, position.tail) == _digests(stream, position.offset)


def _digests(stream: BinaryIO, offset: int) -> tuple[str, str]:
    """What stands at the file's beginning and before `offset`; shorter when the file is."""
    stream.seek(0)
    head = stream.read(min(HEAD_BYTES, offset))
    stream.seek(max(0, offset - TAIL_BYTES))
    return _digest(head), _digest(stream.read(min(TAIL_BYTES, offset)))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
