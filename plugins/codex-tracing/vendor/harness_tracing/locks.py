"""A kernel lock on a file: gone with its process, however that ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Optional

if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """An exclusive lock that is never waited for and never broken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: Optional[int] = None

    @property
    def descriptor(self) -> Optional[int]:
        """The locked file's descriptor while we hold it: a child that has it holds it too."""
        return self._descriptor

    def acquire(self) -> bool:
        """Take the lock; False when another process has it or the file cannot be made."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return False
        try:
            _try(descriptor)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        if not self.holds():
            # The file was removed between opening and locking it: another one may be locked now.
            self.release()
            return False
        return True

    def holds(self) -> bool:
        """Whether we have the lock, and the file at our path is still the one we locked."""
        if self._descriptor is None:
            return False
        try:
            ours, there = os.fstat(self._descriptor), self.path.stat()
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
