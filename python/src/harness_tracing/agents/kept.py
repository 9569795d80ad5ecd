"""What a user's file held before we edited it, kept below our home until that is taken back.

Who edits users' files (hooks, variables, switches) has a folder of such records, and in it one
folder for each file. A record of more than this is a subclass.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional, TypeVar

from harness_tracing.agents import user_files

BACKUP = "backup"
_RECORD, _BEFORE = "record.json", "before"
_Kept = TypeVar("_Kept", bound="Kept")


@dataclass(frozen=True)
class Kept:
    """A file: what it held (`before`), and the hash of what we wrote (`written`).

    `existed`: it was there; `made_folder`: its folder was made for it.
    """

    path: str
    existed: bool
    made_folder: bool
    written: str
    before: bytes

    @classmethod
    def read(cls: type[_Kept], folder: Path) -> Optional[_Kept]:
        """The record in a folder, None where there is none that can be read."""
        try:
            known = {"made_folder": False, **json.loads((folder / _RECORD).read_bytes())}
            return cls(before=(folder / _BEFORE).read_bytes(), **known)
        except (OSError, ValueError, TypeError):
            return None

    @classmethod
    def all(cls: type[_Kept], records: Path) -> list[_Kept]:
        """Every record in a folder of them."""
        found = map(cls.read, sorted(records.glob("*")))
        return [record for record in found if record is not None]

    def write(self, folder: Path) -> None:
        """Keep it until the edit is taken back."""
        known = asdict(self)
        user_files.write(folder / _BEFORE, known.pop("before"))
        user_files.write(folder / _RECORD, json.dumps(known, indent=2).encode())

    def is_untouched(self, path: Path, content: Optional[bytes]) -> bool:
        """Whether the file is what we wrote."""
        written = None if content is None else user_files.digest(content)
        return (self.path, self.written) == (str(path), written)


def folder_of(records: Path, path: Path) -> Path:
    """Where the record of a file lies."""
    return records / hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def forget(folder: Path) -> None:
    """Nothing is to be taken back any more: the record goes, and folders that are then empty."""
    for name in (_RECORD, _BEFORE, BACKUP):
        with suppress(OSError):
            (folder / name).unlink()
    for emptied in (folder, folder.parent):
        with suppress(OSError):
            emptied.rmdir()


def put_back(path: Path, content: bytes, restored: Optional[bytes], *, made_folder: bool) -> bool:
    """Give a file that holds `content` what it held before; whether that changes it.

    `restored` None: it was not there, so it goes, with its folder if that was made for it.
    """
    if restored is None:
        user_files.remove(path, made_folder)
    elif restored != content:
        user_files.check_writable(path)
        user_files.write(path, restored)
    return restored != content
