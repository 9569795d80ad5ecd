"""Following an agent's own files as they grow: each byte is read once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from harness_tracing.agents.base import Document, Item, Line, Listing, Reader, WantedFile
from harness_tracing.spool import parse

CHUNK_BYTES = 4 << 20
FINGERPRINT_BYTES = 1024
DOCUMENT_CAP_BYTES = 16 << 20


@dataclass
class Position:
    """How far a file has been read. `offset` is the begin of the first line not yet told."""

    path: str
    offset: int = 0
    inode: int = 0
    fingerprint: str = ""


@dataclass
class Follower:
    """The files of one session. `positions` is what a later reader goes on from."""

    positions: dict[str, Position] = field(default_factory=dict)
    _stats: dict[str, tuple[int, int]] = field(default_factory=dict)
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
        status = Path(file.path).stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if self._stats.get(file.key) == stamp or status.st_size > DOCUMENT_CAP_BYTES:
            return []
        text = Path(file.path).read_text(encoding="utf-8", errors="replace")
        self._stats[file.key] = stamp
        if file.how == "once":
            self._once.add(file.key)
        return [Document(file.key, text)]

    def _lines(self, file: WantedFile, reader: Reader) -> list[Item]:
        position = self.positions.get(file.key)
        status = Path(file.path).stat()
        if position is None:
            position = self.positions[file.key] = Position(file.path, inode=status.st_ino)
        elif (status.st_ino, status.st_size) == (position.inode, position.offset):
            return []
        with Path(file.path).open("rb") as stream:
            if self._is_another(position, file, status, stream.read(FINGERPRINT_BYTES)):
                reader.restarted(file.key)
                position.offset, position.fingerprint = 0, ""
            position.path, position.inode = file.path, status.st_ino
            stream.seek(0)
            if len(position.fingerprint) == 0:
                position.fingerprint = _fingerprint(stream.read(FINGERPRINT_BYTES))
            stream.seek(position.offset)
            return self._whole_lines(file.key, position, stream.read(CHUNK_BYTES), reader)

    def _is_another(
        self, position: Position, file: WantedFile, status: os.stat_result, head: bytes
    ) -> bool:
        """Whether this is not the file read so far: cut, replaced, or another one in its place.

        A file that was moved has the same beginning; reading goes on where it was.
        """
        if status.st_size < position.offset:
            return True
        if status.st_ino == position.inode and file.path == position.path:
            return False
        return position.offset > 0 and not _same_start(position.fingerprint, head)

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
        if len(content) < CHUNK_BYTES:
            return []
        with Path(position.path).open("rb") as stream:
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


def _fingerprint(head: bytes) -> str:
    return f"{len(head)}:{hashlib.sha256(head).hexdigest()[:32]}"


def _same_start(fingerprint: str, head: bytes) -> bool:
    length = int(fingerprint.partition(":")[0] or 0)
    return _fingerprint(head[:length]) == fingerprint
